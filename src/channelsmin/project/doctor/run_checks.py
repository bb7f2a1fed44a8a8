"""Check a project from its files: nothing of it is run or imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import messages
from channelsmin.project import detect_release, pick, roots
from channelsmin.project.doctor import (
    app_checks,
    app_source,
    code_checks,
    context,
    deploy_checks,
    function_checks,
    message_checks,
    none_checks,
    page_checks,
    project_checks,
    template_checks,
)
from channelsmin.project.doctor.app_source import App
from channelsmin.project.doctor.context import Context, Examined
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.pick import TooOld
from channelsmin.project.source import Source


@dataclass(frozen=True)
class Report:
    """What was found in a project.

    `findings` are faults, `remarks` what is doubtful. `release` is None if it could not be
    detected, `read` if the rest could then not be read. `assumptions` are those of `pick`.
    """

    release: Version | None
    apps: tuple[str, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[Finding, ...] = ()
    read: Examined | None = None
    assumptions: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield it for a person to read."""
        for finding in (*self.findings, *self.remarks):
            yield from (*finding.lines(), "")
        if self.release is None:
            yield "Nothing else was checked, as that depends on the release."
            return
        for assumption in self.assumptions:
            yield f"Assumed: {assumption}."
        found = {0: "nothing found", 1: "one finding"}
        many = found.get(len(self.findings), f"{len(self.findings)} findings")
        if self.remarks:
            many += f", {len(self.remarks)} remark{'s' * (len(self.remarks) > 1)}"
        apps = ", ".join(self.apps) or "none"
        yield f"oTree {self.release}, real-time apps: {apps}: {many}."
        yield "Checked: Python, requirements, settings.py, leftovers, Redis, files for a host, the"
        yield "pages and templates of every app that is played, and of real-time apps the consumers"
        yield "and the routes."


def examine(folder: Path, named: str | None = None) -> Report:
    """Return what is wrong with the project that a folder belongs to.

    `named` is its release, or None to detect it. Raises UserError if this is not a project, if no
    release can be detected, or if the one that is named does not exist.
    """
    with _collector_paused():
        return _examine(roots.find(folder), named)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector: syntax trees are many objects without cycles.

    On 300 files it would take two fifths of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _examine(folder: Path, named: str | None) -> Report:
    if not (folder / "settings.py").is_file():
        raise UserError(f"{folder} is not an oTree project: it has no settings.py")
    try:
        picked = pick.pick(folder, named)
    except TooOld as problem:
        stated = () if named else detect_release.sources(folder)
        if not stated:
            raise
        return Report(None, (), (_no_release(stated, str(problem), too_old=True),))
    except UserError as problem:
        stated = () if named else detect_release.sources(folder)
        if not stated:
            raise
        return Report(None, (), (_no_release(stated, str(problem)),))
    apps, broken = app_source.read(folder)
    settings = app_source.parse(folder, Path("settings.py"))
    if isinstance(settings, Finding):
        broken = [settings, *broken]
        if not settings.is_remark:
            return Report(picked.release, tuple(app.name for app in apps), tuple(broken))
    read = context.read(picked, apps)
    # Apps that share a template or a module share its faults, too.
    findings = list(dict.fromkeys(_checked(read, broken)))
    assumed = picked.found.assumptions if picked.found and not picked.pinned else ()
    return Report(
        picked.release,
        tuple(app.name for app in read.real_time),
        tuple(finding for finding in findings if not finding.is_remark),
        tuple(finding for finding in findings if finding.is_remark),
        read,
        assumed,
    )


def _checked(read: Examined, broken: list[Finding]) -> Iterator[Finding]:
    dormant = {app.name for app in read.context.apps if read.is_dormant(app)}
    broken = [one for one in broken if one.is_remark or read.context.is_imported_file(one.where)]
    yield from broken
    for check in (*project_checks.CHECKS, *deploy_checks.CHECKS):
        yield from check(read)
    unread = {finding.where.split("/")[0] for finding in broken}
    for app in read.context.apps:
        if app.name in unread or app.name in dormant:
            continue
        of_app = list(_of_app(app, read))
        yield from of_app


def is_message(text: str) -> bool:
    """Return whether an argument is the text of an error message rather than a folder."""
    try:
        is_there = Path(text).exists()
    except (OSError, ValueError):  # too long for a path
        return True
    return not is_there and (" " in text.strip() or bool(messages.find(text)))


def explain(text: str) -> None:
    """Print the cause and the fix of an error message. Raises UserError if it is not known."""
    found = messages.find(text)
    if not found:
        raise UserError(
            "no folder of this name, and no known message contains these words: paste the line "
            "with "
            "the error itself, without its time and its place"
        )
    console.say("\n\n".join("\n".join(message.lines()) for message in found[:5]))


def run(folder: Path, named: str | None) -> bool:
    """Print what is wrong with a project's files; return whether nothing is."""
    report = examine(folder, named)
    console.say("\n".join(report.lines()))
    return not report.findings


def run_live(folder: Path, named: str | None, environment: Path | None) -> bool:
    """Do what `run` does, and then try a copy of the project on a real server.

    `environment` is the virtual environment to run it in, or None to find or to create one.
    """
    from channelsmin.project.doctor import live  # not at the top: the other checks do without it

    report = examine(folder, named)
    console.say("\n".join(report.lines()))
    if report.read is None:
        raise UserError("the project was not run: fix this first")
    if not report.apps and not report.read.played:
        return not report.findings
    place = live.find_environment(report.read, environment)
    stopped = live.examine(report.read, place)
    for finding in stopped:
        console.say("\n".join(finding.lines()))
    return not report.findings and not stopped


def _no_release(stated: tuple[Source, ...], why: str, too_old: bool = False) -> Finding:
    first = next((source for source in stated if source.line), stated[0])
    if too_old:
        return Finding(
            why.partition(",")[0],
            first.where,
            why,
            "move the project to a later oTree: docs/migrating.md shows what changes",
        )
    return Finding(
        "it is not certain which oTree the project is for",
        first.where,
        why,
        "name one release everywhere, such as otree==3.4.0, and install that",
    )


def _of_app(app: App, read: Examined) -> Iterator[Finding]:
    """Yield an app's faults, but none that only follows from another one of them."""
    real_time = app in read.real_time
    if real_time:
        foreign = list(app_checks.of_another_era(app, read.context))
        if foreign:
            yield from foreign
            return
        for check in (*app_checks.OTHERS, *message_checks.CHECKS):
            yield from check(app, read.context)
    for check in app_checks.OF_OTREE:
        yield from check(app, read.context)
    if app in read.played:
        for check in (
            *code_checks.CHECKS,
            *function_checks.CHECKS,
            *none_checks.CHECKS,
            *template_checks.CHECKS,
        ):
            yield from check(app, read.context)
    if real_time:
        yield from _in_stages(app, read.context)


def _in_stages(app: App, context: Context) -> Iterator[Finding]:
    for stage in (app_checks.ROUTES, *page_checks.STAGES):
        found = [finding for check in stage for finding in check(app, context)]
        yield from found
        if found:
            return
