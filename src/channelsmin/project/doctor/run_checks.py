"""Say what is wrong with a project, from its files: nothing of it is run or imported."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.project import detect_release, pick
from channelsmin.project.doctor import (
    app_checks,
    app_source,
    context,
    live,
    page_checks,
    project_checks,
)
from channelsmin.project.doctor.app_source import App
from channelsmin.project.doctor.context import Case, Project
from channelsmin.project.doctor.finding import Finding


@dataclass(frozen=True)
class Report:
    """What was found in a project.

    `release` is None if that could not be told, `read` if the rest could then not be read.
    """

    release: Version | None
    apps: tuple[str, ...]
    findings: tuple[Finding, ...]
    read: Project | None = None

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
        yield "the consumers, the routes, the pages and their templates."


def examine(folder: Path, named: str | None = None) -> Report:
    """Return what is wrong with the project that a folder belongs to.

    `named` is its release, or None to find it out. Raises UserError if this is no project, if no
    release can be found out, or if the one that is named does not exist.
    """
    folder = detect_release.root(folder)
    if not (folder / "settings.py").is_file():
        raise UserError(f"{folder} is no oTree project: it has no settings.py")
    try:
        picked = pick.pick(folder, named)
    except UserError as problem:
        told = [] if named else list(detect_release.sources(folder))
        if not told:
            raise
        return Report(None, (), (_no_release(told, str(problem)),))
    apps, broken = app_source.read(folder)
    settings = app_source.parse(folder, Path("settings.py"))
    if isinstance(settings, Finding):
        return Report(picked.release, tuple(app.name for app in apps), (settings, *broken))
    read = context.read(picked, apps)
    findings = broken + [finding for check in project_checks.CHECKS for finding in check(read)]
    unread = {finding.where.split("/")[0] for finding in broken}
    readable = (app for app in read.real_time if app.name not in unread)
    findings += (its for app in readable for its in _of_app(app, read.case))
    names = tuple(app.name for app in read.real_time)
    return Report(picked.release, names, tuple(findings), read)


def run(folder: Path, named: str | None) -> bool:
    """Say what is wrong with a project's files; return whether nothing is."""
    report = examine(folder, named)
    console.say("\n".join(report.lines()))
    return not report.findings


def run_live(folder: Path, named: str | None, environment: Path | None) -> bool:
    """Do what `run` does, and then try the sockets of a copy of the project on a real server.

    `environment` is the virtual environment to run it in, or None to find one, or to make it.
    """
    report = examine(folder, named)
    console.say("\n".join(report.lines()))
    if report.read is None:
        raise UserError("the sockets were not tried: mend this first")
    if not report.apps:
        return not report.findings
    place = live.find_environment(report.read, environment)
    stopped = live.examine(report.read, place)
    for finding in stopped:
        console.say("\n".join(finding.lines()))
    return not report.findings and not stopped


def _no_release(told: list[detect_release.Source], why: str) -> Finding:
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
