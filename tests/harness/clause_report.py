"""Writes down what a whole run of the suite has shown of each clause of the contract."""

import datetime
import json
import platform
import re
from collections import defaultdict
from pathlib import Path

import pytest

CLAUSE = re.compile(r"::(test_([a-z]\d)_\w+)")
"""A test's name begins with the clause that it proves."""

MODULE = re.compile(r"^(\w+\.)+(?=\w+:)")
"""Where a kind of error is defined, which nobody needs to read."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --results."""
    parser.addoption(
        "--results",
        type=Path,
        metavar="FILE",
        help="write what became of each clause to this file, after a whole run",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take notes, where a file is named and the run is a whole one."""
    file: Path | None = config.getoption("--results")
    if file and not config.getoption("keyword"):
        config.pluginmanager.register(Recorder(file))


class Recorder:
    """Takes notes of each test, and writes them down at the end."""

    def __init__(self, file: Path) -> None:
        """Be about to write to `file`."""
        self.file = file
        self.passed: defaultdict[str, int] = defaultdict(int)
        self.failed: defaultdict[str, int] = defaultdict(int)
        self.impossible: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.reasons: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test's outcome; one that is expected to fail has a reason."""
        if report.failed:
            self.reasons[report.nodeid] = first_line(report)
        match = CLAUSE.search(report.nodeid)
        if not match:
            return
        test, clause = match[1], match[2].upper()
        if report.failed:
            self.failed[clause] += 1
        elif report.skipped:
            self.impossible[clause][test] = getattr(report, "wasxfail", "skipped")
        elif report.when == "call":
            self.passed[clause] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the notes down."""
        clauses = sorted({*self.passed, *self.failed, *self.impossible})
        notes = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}",
            "reasons": self.reasons,
            "clauses": {
                clause: {
                    "passed": self.passed[clause],
                    "failed": self.failed[clause],
                    "impossible": self.impossible[clause],
                }
                for clause in clauses
            },
        }
        self.file.write_text(json.dumps(notes, indent=1) + "\n")


def first_line(report: pytest.TestReport) -> str:
    """Return why a test failed, in one line that begins with the kind of error."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = (crash.message if crash else report.longreprtext).strip().splitlines()
    return MODULE.sub("", lines[0]) if lines else "no reason given"
