"""Say what is wrong with a project, from its files: nothing of it is run or imported."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin import app_checks, app_source, case, page_checks, pick, project, project_checks
from channelsmin.app_source import App
from channelsmin.case import Case
from channelsmin.finding import Finding
from channelsmin.problem import Problem

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What was found in a project; `release` is None if that could not be told."""

    release: Version | None
    apps: tuple[str, ...]
    findings: tuple[Finding, ...]

    def lines(self) -> Iterator[str]:
        """Yield it for a person to read."""
        for finding in self.findings:
            yield from (*finding.lines(), "")
        if self.release is None:
            yield "Nothing else was looked at, as that depends on the release."
            return
        found = {0: "nothing found", 1: "one finding"}
        many = found.get(len(self.findings), f"{len(self.findings)} findings")
        apps = ", ".join(self.apps) or "none"
        yield f"oTree {self.release}, real-time apps: {apps}: {many}."
        yield "Looked at: Python, requirements, settings.py, leftovers, Redis, and of these apps"
        yield "the consumers, the routes, the pages and their templates. Nothing was run."


def examine(folder: Path, named: str | None = None) -> Report:
    """Return what is wrong with the project that a folder belongs to.

    `named` is its release, or None to find it out. Raises Problem if this is no project, if no
    release can be found out, or if the one that is named does not exist.
    """
    folder = project.root(folder)
    if not (folder / "settings.py").is_file():
        raise Problem(f"{folder} is no oTree project: it has no settings.py")
    try:
        picked = pick.pick(folder, named)
    except Problem as problem:
        told = [] if named else list(project.sources(folder))
        if not told:
            raise
        return Report(None, (), (_no_release(told, str(problem)),))
    apps, broken = app_source.read(folder)
    settings = app_source.parse(folder, Path("settings.py"))
    if isinstance(settings, Finding):
        broken.append(settings)
    if broken:
        return Report(picked.release, tuple(app.name for app in apps), tuple(broken))
    read = case.read(picked, apps)
    findings = [finding for check in project_checks.CHECKS for finding in check(read)]
    findings += (its for app in read.real_time for its in _of_app(app, read.case))
    return Report(picked.release, tuple(app.name for app in read.real_time), tuple(findings))


def run(folder: Path, named: str | None, say: Say) -> bool:
    """Say what is wrong with a project; return whether it is healthy."""
    report = examine(folder, named)
    say("\n".join(report.lines()))
    return not report.findings


def _no_release(told: list[project.Source], why: str) -> Finding:
    first = next((its for its in told if its.line), told[0])
    return Finding(
        "it is not certain which oTree the project is for",
        f"{first.place}:{first.line}" if first.line else first.place,
        why,
        "name one release everywhere, such as otree==3.4.0, and install that",
    )


def _of_app(app: App, judged_by: Case) -> Iterator[Finding]:
    """Yield an app's faults, but not what only follows from another one of them."""
    foreign = list(app_checks.of_another_era(app, judged_by))
    yield from foreign
    if foreign:
        return
    for check in app_checks.OTHERS:
        yield from check(app, judged_by)
    for stage in (app_checks.ROUTES, *page_checks.STAGES):
        found = [finding for check in stage for finding in check(app, judged_by)]
        yield from found
        if found:
            return
