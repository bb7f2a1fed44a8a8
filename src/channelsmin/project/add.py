"""Add the app to an existing project: its folder, and the lines of settings.py that it needs."""

import difflib
import hashlib
import itertools
import keyword
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin import console, errors
from channelsmin.errors import UserError
from channelsmin.matrix import locks, releases, variants
from channelsmin.matrix.variants import Variant
from channelsmin.project import detect_release, requirements, roots
from channelsmin.project.settings import OTREE_ROUTING, SettingsFile, routing_imports
from channelsmin.project.settings_edit import SettingsEditor
from channelsmin.runtime import deploy_files, export, mutex, signals
from channelsmin.runtime.deploy_files import Target
from channelsmin.runtime.export import Export

APP = "channelsmin"
"""The app's name in the variants, and in a project unless --app names another one."""

DJANGO_APPS = frozenset(
    {
        *("admin", "auth", "channels", "contenttypes", "djhuey", "forms", "idmap", "messages"),
        *("otree", "otreechat", "sessions", "staticfiles", "timeout"),
    }
)
"""The names of Django's apps and of those that oTree brings along: no other app can have them."""

OTREE_SOCKETS = frozenset(
    {
        *("auto_advance", "browser_bot_wait", "browser_bots_client", "create_demo_session"),
        *("create_session", "delete_sessions", "export", "group_by_arrival_time", "live", "no_op"),
        *("otreechat_core", "room_without_session", "wait_for_session", "wait_for_session_in_room"),
        "wait_page",
    }
)
"""How the addresses of oTree's own sockets begin: the app's socket cannot be there."""

UNFINISHED = ".channelsmin-add-"
"""How the names of files begin that are not finished yet."""

RESERVED = re.compile(r"aux|con|nul|prn|(com|lpt)\d", re.IGNORECASE)
"""The names that no file can have on Windows."""

LONGEST_NAME = 50
"""Letters of an app's name: PostgreSQL cuts the name of a table after 63, and file systems allow a
file's name 255."""


@dataclass(frozen=True)
class Addition:
    """The changes to a project; nothing is written yet.

    `files` are the app's files by their path in the project, empty if they exist already.
    """

    project: Path
    app: str
    files: Mapping[Path, bytes]
    before: bytes
    after: bytes

    @property
    def settings(self) -> Path:
        """The settings file; if it is a link, its target."""
        return (self.project / "settings.py").resolve()

    @property
    def backup(self) -> Path:
        """The copy of the old settings; it never replaces an older backup."""
        names = (f"settings.py.before-{self.app}{end}" for end in _endings())
        return next(self.project / name for name in names if not _exists(self.project / name))

    def lines(self) -> list[str]:
        """Return what would change, for a person to read."""
        old, new = _lines(self.before), _lines(self.after)
        diff = list(difflib.unified_diff(old, new, "settings.py", "settings.py", lineterm=""))
        made = [*map(str, self.files), *([self.backup.name] if diff else [])]
        return [*diff, *(f"new: {name}" for name in made)]

    def write(self) -> None:
        """Write everything or nothing.

        Raises UserError if the folder cannot be written to, and if settings.py has changed since.
        """
        digest = hashlib.sha256(str(self.settings).encode()).hexdigest()[:16]
        lock = Path(tempfile.gettempdir(), f"channelsmin-{digest}.lock")
        try:
            with (
                mutex.hold(lock, f"that writes into {self.project}"),
                self._without_leftovers(),
                tempfile.TemporaryDirectory(dir=self.project, prefix=UNFINISHED) as name,
            ):
                self._write_by_way_of(Path(name))
        except OSError as error:
            is_elsewhere = self.settings.parent != self.project.resolve()
            where = f"{self.settings.parent} or {self.project}" if is_elsewhere else self.project
            raise UserError(f"{where} cannot be written to: {errors.advice(error)}") from error

    @contextmanager
    def _without_leftovers(self) -> Iterator[None]:
        """Remove what a killed `add` has left; nobody else writes here while the block runs."""
        for place in {self.project, self.settings.parent}:
            for path in place.glob(f"{UNFINISHED}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield

    def _write_by_way_of(self, folder: Path) -> None:
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        if self.after == self.before:
            with signals.postponed():
                (folder / self.app).rename(self.project / self.app)
            return
        # Next to the file that it replaces, which may be on another disk: a rename is atomic.
        handle, name = tempfile.mkstemp(dir=self.settings.parent, prefix=UNFINISHED)
        changed = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.after)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(self.settings, changed)
            with signals.postponed():
                self._put_in_place(folder, changed)
        finally:
            changed.unlink(missing_ok=True)

    def _put_in_place(self, folder: Path, changed: Path) -> None:
        """Let the app's folder and the changed settings appear; take back all if a step fails.

        The settings come last, in one step. So as long as anything can fail, they are whole.
        """
        made = [self.project / self.app] if self.files else []
        if any(_exists(path) for path in made):
            raise UserError(f"{made[0]} has come into being meanwhile: run this again")
        if self.settings.read_bytes() != self.before:
            raise UserError("settings.py was changed meanwhile, and nothing was written: run again")
        backup = self.backup
        try:
            if self.files:
                (folder / self.app).rename(self.project / self.app)
            with backup.open("xb") as file:
                file.write(self.before)
            shutil.copystat(self.settings, backup)
            changed.replace(self.settings)
        except BaseException:
            backup.unlink(missing_ok=True)
            for path in made:
                shutil.rmtree(path, ignore_errors=True)
            raise


def _endings() -> Iterator[str]:
    """Yield what tells one backup from the next: nothing, `-2`, `-3` and so on."""
    yield ""
    yield from (f"-{number}" for number in itertools.count(2))


def _exists(path: Path) -> bool:
    """Return whether there is anything of this name, even a link that leads nowhere."""
    return os.path.lexists(path)


def _lines(text: bytes) -> list[str]:
    return text.decode(errors="replace").splitlines()


@dataclass(frozen=True)
class Online:
    """The files with which a project goes online; nothing is written yet.

    `notes` say what is left as it is, and what the project's requirements lack.
    """

    project: Path
    files: Mapping[str, str]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, project: Path, release: Version, targets: Sequence[Target]) -> "Online":
        """Return the files that the project lacks; one that it has is never replaced."""
        every = deploy_files.files(release, targets)
        kept = [name for name in every if _exists(project / name)]
        notes = [f"kept: {name}, which `channelsmin doctor` checks" for name in kept]
        names = {_package_of(line.text) for line in requirements.lines(project)}
        notes += (
            f"requirements.txt lacks {package}: add it"
            for package in (deploy_files.packages(release) if targets else ())
            if not {_package_of(package), _package_of(package).removesuffix("-binary")} & names
        )
        files = {name: text for name, text in every.items() if name not in kept}
        return cls(project, files, tuple(notes))

    def write(self) -> None:
        """Write the files, each whole or not at all. Raises UserError if one exists meanwhile."""
        for name, text in self.files.items():
            try:
                with (self.project / name).open("xb") as file:
                    file.write(text.encode())
            except FileExistsError as error:
                raise UserError(f"{name} has come into being meanwhile: run this again") from error
            except BaseException:
                (self.project / name).unlink(missing_ok=True)
                raise


def _package_of(requirement: str) -> str:
    """Return the name of the package that a requirement names."""
    return canonicalize_name(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0])


def plan(folder: Path, app: str, release: Version) -> Addition:
    """Return what would be written into the project in `folder` for this release.

    Raises UserError if the app cannot have this name, or if it is not certain what to write.
    """
    if not (folder / "settings.py").is_file():  # reading a pipe of this name would never end
        raise UserError(f"{folder} is not an oTree project: it has no settings.py")
    before = (folder / "settings.py").read_bytes()
    variant = variants.serving(release)
    _check_name(app, release)
    files = _missing(folder, app, _files(variant, release, app))
    settings = SettingsFile(before)
    editor = SettingsEditor(settings)
    editor.add_config(app)
    if variant.needs_extension_apps(release):
        editor.add_extension(app)
    if variant.layer_in_memory(release):
        editor.add_layer()
    if variant.reads_channel_routing(release) and settings.binds("CHANNEL_ROUTING"):
        _check_routing(folder, settings.string("CHANNEL_ROUTING"), app)
    return Addition(folder, app, files, before, editor.changed())


def run(
    folder: Path, app: str, wanted: str | None, sure: bool, targets: Sequence[Target] = ()
) -> None:
    """Show what would be written, ask, and write it.

    `wanted` is the project's release, or None to detect it. If `sure`, it does not ask. `targets`
    are the places where the project is to go online.
    """
    folder = roots.find(folder)
    found = None if wanted else detect_release.find(folder)
    release = found.release if found else releases.find(str(wanted))
    addition = plan(folder, app, release)
    online = Online.of(folder, release, targets)
    lines = [*addition.lines(), *(f"new: {name}" for name in online.files)]
    if not lines:
        for note in online.notes:
            console.say(note)
        console.say(f"nothing to do: {folder} has the app {app} already")
        return
    assumed = found.assumptions if found and not found.pinned else ()
    notes = [*(f"assumed: {assumption}" for assumption in assumed), *online.notes]
    console.say("\n".join([f"for oTree {release}, in {folder}:", *notes, "", *lines, ""]))
    if not sure and not _agreed():
        raise UserError("nothing written")
    if addition.lines():
        addition.write()
    online.write()
    console.say(f"written. Delete db.sqlite3, start the server, and open /demo/{app}/")
    if targets:
        console.say("\n".join(deploy_files.next_steps(release, targets)))


def _agreed() -> bool:
    """Ask; raise UserError where nobody can answer. Windows takes NUL for a terminal."""
    try:
        if sys.stdin.isatty():
            return input("Write this? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        pass
    raise UserError("nothing written: no terminal to ask on; pass --yes")


def _check_name(app: str, release: Version) -> None:
    if not (app.isascii() and app.isidentifier()) or keyword.iskeyword(app):
        shown = app if len(app) <= LONGEST_NAME else f"{app[:LONGEST_NAME]}..."
        raise UserError(f"{shown!r} cannot be an app's name: use letters, digits and _")
    if len(app) > LONGEST_NAME:
        raise UserError(f"{app[:LONGEST_NAME]}... is too long: use up to {LONGEST_NAME} letters")
    if RESERVED.fullmatch(app):
        raise UserError(f"{app!r} cannot be an app's name: Windows has no files of that name")
    taken = DJANGO_APPS | OTREE_SOCKETS | sys.stdlib_module_names
    if app.startswith("__") or app in taken or app.lower() in _packages(release):
        raise UserError(f"{app!r} cannot be an app's name: Python or oTree uses it already")


def _packages(release: Version) -> set[str]:
    """Return the packages that are installed with a release, as their modules are called."""
    locked = (locks.find(release, python) for python in variants.pythons(release))
    texts = (locks.requirements(release, lock) for lock in locked if lock)
    names = (re.findall(r"^([\w.-]+)==", text, re.MULTILINE) for text in texts)
    return {re.sub(r"[.-]", "_", name.lower()) for each in names for name in each}


def _files(variant: Variant, release: Version, app: str) -> dict[Path, bytes]:
    """Return the app's files by their path in the project, under its new name."""
    with tempfile.TemporaryDirectory() as name:
        exported = Path(name, "project")
        export.write(Export(variant, release), exported)
        return {
            Path(str(path.relative_to(exported)).replace(APP, app)): path.read_bytes().replace(
                APP.encode(), app.encode()
            )
            for path in sorted((exported / APP).rglob("*"))
            if path.is_file()
        }


def _missing(folder: Path, app: str, files: dict[Path, bytes]) -> dict[Path, bytes]:
    """Return the files to write: all of them, or none if the same files exist already.

    Raises UserError if the project contains something else of that name.
    """
    for name in (f"{app}.py", f"_templates/{app}"):
        if (folder / name).exists():
            raise UserError(f"{folder / name} is in the way: choose another name with --app")
    if not (folder / app).exists():
        return files
    found = {
        path.relative_to(folder): path.read_bytes()
        for path in (folder / app).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    if found == files:
        return {}
    raise UserError(
        f"{folder / app} is in the way, and differs from what would be written: "
        "choose another name with --app, or move it away"
    )


def _check_routing(folder: Path, own: str, app: str) -> None:
    """Raise UserError unless the project's own CHANNEL_ROUTING leads to the app's routes."""
    routes = f"{app}.otree_extensions.routing"
    if not routing_imports(folder, own) & {OTREE_ROUTING, routes}:
        raise UserError(
            "settings.py has a CHANNEL_ROUTING, which oTree uses instead of its own: remove it, "
            f"or build that list on oTree's, or add to it the channel_routing of {routes}"
        )
