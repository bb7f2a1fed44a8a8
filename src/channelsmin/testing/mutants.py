"""Mutation testing: plant one fault at a time in a variant, and see which test finds it.

The faults are in `tests/mutants.toml`. Each is planted in a copy of the repository, so the suite
runs just as it is. A mutant that no test finds survives: a test is missing.
"""

import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import results, variants
from channelsmin.matrix.results import Planted
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT, read_toml
from channelsmin.runtime import environment, processes
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import APP
from channelsmin.testing import browser, fingerprints, suite
from channelsmin.testing.pool import stoppable

MUTANTS = ROOT / "tests" / "mutants.toml"

COPIED = ("src", "tests", "variants", "shared_templates", "matrix", "docs", "pyproject.toml")
"""The parts of the repository that a run of the suite needs."""

LIMIT_SECONDS = 900.0


@dataclass(frozen=True)
class Edit:
    """A regular expression and its replacement, for variants of these APIs."""

    apis: tuple[str, ...]
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A fault; `clauses` are the clauses of the contract that it breaks."""

    name: str
    clauses: tuple[str, ...]
    edits: tuple[Edit, ...]

    def edits_for(self, variant: Variant) -> tuple[Edit, ...]:
        """Return the edits that plant it in a variant; none if it does not exist there."""
        return tuple(edit for edit in self.edits if variant.api.value in edit.apis)


def load_all() -> list[Mutant]:
    """Return all mutants."""
    every = [api.value for api in variants.Api]
    return [
        Mutant(
            row["name"],
            tuple(row["clauses"]),
            tuple(
                Edit(tuple(edit.get("api", every)), edit["old"], edit["new"])
                for edit in row["edit"]
            ),
        )
        for row in read_toml(MUTANTS)["mutant"]
    ]


def plant(mutant: Mutant, variant: Variant, root: Path) -> None:
    """Plant a mutant in a variant of the copy of the repository in `root`.

    Raises UserError if one of its edits does not match in exactly one file.
    """
    for edit in mutant.edits_for(variant):
        texts = {file: file.read_text(encoding="utf-8") for file in _files(variant, root)}
        files = [file for file, text in texts.items() if re.search(edit.old, text)]
        if len(files) != 1:
            raise UserError(
                f"the mutant {mutant.name!r} matches in {len(files)} files of {variant.name}, "
                "not in one: correct its edit in tests/mutants.toml"
            )
        (file,) = files
        file.write_text(re.sub(edit.old, edit.new, texts[file]), encoding="utf-8")


def _files(variant: Variant, root: Path) -> Iterator[Path]:
    """Yield the app's files; a shared template that the variant has its own copy of is left out."""
    app = root / "variants" / variant.name / APP
    own = [path for path in app.rglob("*") if path.suffix in {".py", ".html"}]
    yield from own
    names = {path.name for path in own}
    yield from (path for path in (root / "shared_templates").iterdir() if path.name not in names)


def run(wanted: Sequence[str], only: str, at_once: int) -> None:
    """Plant every mutant in the variants that serve these releases (default: newest of each).

    `only` is a part of the names of the mutants to plant (default: all). What was tried with the
    same suite and variant is not tried again. Raises UserError if a mutant survives.
    """
    browser.ensure()
    chosen = suite.chosen(wanted)
    jobs = [
        (release, mutant)
        for release in chosen
        for mutant in load_all()
        if only in mutant.name and mutant.edits_for(variants.serving(release))
    ]
    done = results.mutants()
    open_jobs = [job for job in jobs if not _is_done(*job, done)]
    console.say(f"{len(jobs) - len(open_jobs)} of {len(jobs)} are already tried")
    installed = {release: environment.cached(release) for release in chosen}
    with (
        console.progress("Planting", len(open_jobs)) as bar,
        stoppable(at_once) as (pool, stop),
    ):
        futures = {
            pool.submit(_try, mutant, release, installed[release], stop): (release, mutant)
            for release, mutant in open_jobs
        }
        for future in as_completed(futures):
            planted = future.result()
            results.save_mutant(planted)
            bar.advance()
            bar.say(f"{planted.release}, {planted.mutant}: {_in_words(planted)}")
    survivors = [
        f"{planted.mutant} on {planted.release}"
        for planted in results.mutants()
        if not planted.killed_by and any(_is_of(planted, *job) for job in jobs)
    ]
    if survivors:
        raise UserError(f"no test finds: {'; '.join(survivors)}")


def _in_words(planted: Planted) -> str:
    return f"found by {', '.join(planted.killed_by)}" if planted.killed_by else "SURVIVES"


def _is_of(planted: Planted, release: Version, mutant: Mutant) -> bool:
    return (planted.release, planted.mutant) == (str(release), mutant.name)


def _is_done(release: Version, mutant: Mutant, done: Sequence[Planted]) -> bool:
    tested = _tested(release, mutant)
    return any(_is_of(planted, release, mutant) and planted.tested == tested for planted in done)


def _tested(release: Version, mutant: Mutant) -> dict[str, str]:
    parts = fingerprints.of(release, "")
    edits = json.dumps([asdict(edit) for edit in mutant.edits])
    return {
        "suite": parts["suite"],
        "variant": parts["variant"],
        "mutant": fingerprints.digits([edits]),
    }


def _try(mutant: Mutant, release: Version, made: Environment, stop: threading.Event) -> Planted:
    """Plant a mutant and run the tests of its clauses, or else the whole suite."""
    with TemporaryDirectory(prefix="channelsmin-mutant-") as name:
        root = Path(name)
        for part in COPIED:
            source, copy = ROOT / part, root / part
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        plant(mutant, variants.serving(release), root)
        of_its_clauses = " or ".join(f"test_{clause.lower()}_" for clause in mutant.clauses)
        failed = _run(root, made, ["-k", of_its_clauses], stop)
        failed = failed or _run(root, made, ["--exitfirst"], stop)
    return Planted(
        variants.serving(release).name,
        str(release),
        mutant.name,
        tuple(failed),
        _tested(release, mutant),
    )


def _run(root: Path, made: Environment, options: Sequence[str], stop: threading.Event) -> list[str]:
    """Run the suite in a copy of the repository; return the names of the tests that failed."""
    report, log = root / "report.xml", root / "log"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "tests/contract", "-q", "-p", "no:cacheprovider"]
    command += ["--environment", str(made.folder), "--basetemp", str(root / "tmp")]
    command += ["--junitxml", str(report), *options]
    with log.open("wb") as output:
        status = processes.run_with_limit(command, output, root, stop, LIMIT_SECONDS)
    processes.end_all_in(root)
    if status not in (0, 1) or not report.exists():
        return [f"(the run ended with status {status})"]
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return [
        str(case.get("name"))
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
