"""pytest plugin: record the outcome of each clause of the contract as JSON."""

import json
import re
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

CLAUSE = re.compile(r"::(test_([a-z]\d+)_\w+)")
"""The name of a test, which begins with the clause that it tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --results."""
    parser.addoption(
        "--results",
        type=Path,
        metavar="FILE",
        help="write the outcome of each clause to this file, after a complete run",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Record the outcomes if a file is named and no test is deselected by -k."""
    file: Path | None = config.getoption("--results")
    if file and not config.getoption("keyword"):
        config.pluginmanager.register(ClauseReport(file))


class ClauseReport:
    """Records the outcome of each test, and writes them to a file at the end."""

    def __init__(self, file: Path) -> None:
        """Begin with no outcomes."""
        self.file = file
        self.passed: defaultdict[str, int] = defaultdict(int)
        self.failed: defaultdict[str, int] = defaultdict(int)
        self.xfailed: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.failures: dict[str, dict[str, str]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the exception that failed a test."""
        report = yield
        if report.failed:
            self.failures[report.nodeid] = failure(call.excinfo, report.longreprtext)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test's outcome; an expected failure has a reason."""
        match = CLAUSE.search(report.nodeid)
        if not match:
            return
        test, clause = match[1], match[2].upper()
        if report.failed:
            self.failed[clause] += 1
        elif report.skipped:
            self.xfailed[clause][test] = getattr(report, "wasxfail", "skipped")
        elif report.when == "call":
            self.passed[clause] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file."""
        clauses = sorted({*self.passed, *self.failed, *self.xfailed})
        report = {
            "failures": self.failures,
            "clauses": {
                clause: {
                    "passed": self.passed[clause],
                    "failed": self.failed[clause],
                    "xfailed": self.xfailed[clause],
                }
                for clause in clauses
            },
        }
        self.file.write_text(json.dumps(report, indent=1) + "\n")


def failure(raised: pytest.ExceptionInfo[BaseException] | None, output: str) -> dict[str, str]:
    """Return the type of the exception that failed a test, and its message in one line.

    An expected failure that passes has raised nothing; pytest's `output` says so.
    """
    text = str(raised.value) if raised else output
    line = next(iter(text.strip().splitlines()), "no reason given")
    # pytest-timeout ends a test with pytest.fail(), as a test does itself.
    hung = "from pytest-timeout" in line
    return {"type": "Timeout" if hung else raised.typename if raised else "XPASS", "message": line}
