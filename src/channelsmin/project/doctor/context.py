"""A project as the doctor sees it: its release, what that serves, and what is written in it."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.matrix.variants import Api
from channelsmin.project import detect_release
from channelsmin.project.doctor import app_source, template_source
from channelsmin.project.doctor.app_source import ROUTE_LISTS, App, Function, Page, Route, name_of
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Template
from channelsmin.project.pick import Pick
from channelsmin.project.settings import SettingsFile

CHANNELS_1, CHANNELS_2, LIVE_PAGES = Api.CHANNELS_0_17, Api.CHANNELS_2, Api.LIVE_PAGES


WRITTEN_FOR = {
    ("channels.generic.websockets", ""): CHANNELS_1,
    ("channels", "Group"): CHANNELS_1,
    ("channels.routing", "route"): CHANNELS_1,
    ("channels.routing", "route_class"): CHANNELS_1,
    ("channels.generic.websocket", ""): CHANNELS_2,
    ("channels.db", ""): CHANNELS_2,
    ("channels.layers", ""): CHANNELS_2,
    ("asgiref.sync", ""): CHANNELS_2,
}
"""What only one of them has to import: a module, and a name in it ("" for any)."""


@dataclass(frozen=True)
class Case:
    """All that an app is judged by: the release, what that serves, and the rest of the project.

    `read_routes` are the modules, such as `lobby.routing`, that settings.py makes oTree read.
    """

    folder: Path
    release: Version
    api: Api
    apps: tuple[App, ...]
    templates: dict[str, Template]
    routes: tuple[Route, ...]
    read_routes: frozenset[str]

    def shown(self, page: Page) -> list[Template]:
        """Return the templates that a page shows."""
        return template_source.closure(page.template, self.templates)

    def scripts_have(self, *words: str) -> bool:
        """Say whether a static script has one of the words: what it does isn't followed."""
        scripts = [*self.folder.glob("_static/**/*.js"), *self.folder.glob("*/static/**/*.js")]
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in scripts)
        return any(word in text for text in texts for word in words)

    @property
    def has_other_routes(self) -> bool:
        """Whether sockets may be served in a way that is not read here (oTree 5 and 6)."""
        hooks = any(
            module == "otree.channels.routing" and "/otree_extensions/" not in where
            for app in self.apps
            for module, _, where in app.imports()
        )
        return hooks or (self.folder / "asgi_routes.py").is_file()


Check = Callable[[App, Case], Iterator[Finding]]


def is_real_time(app: App, case: Case) -> bool:
    """Say whether an app has anything to do with sockets."""
    shown = [template for page in app.pages() for template in case.shown(page)]
    return bool(
        list(evidence(app))
        or app.routes()
        or consumers_of(app)
        or any(live_method_of(page) for page in app.pages())
        or any(_opens(template) for template in shown)
    )


def _opens(template: Template) -> bool:
    words = ("liveSend", "liveRecv", "liveSocket")
    opens = template_source.OPENS_SOCKET.search(template.text)
    return bool(opens) or any(template.first(word) for word in words)


def consumers_of(app: App) -> dict[str, tuple[str, ast.ClassDef]]:
    """Return the classes of an app's consumers by their names, each with its module."""
    return {
        name: found
        for name, found in app.classes().items()
        if any(its.endswith("Consumer") for its in app.bases(name))
    }


def evidence(app: App) -> Iterator[tuple[Api, str, str]]:
    """Yield which API an app is written for: the API, the evidence, the place."""
    for module, name, where in app.imports():
        for key in ((module, name), (module, ""), (f"{module}.{name}", "")):
            if key in WRITTEN_FOR:
                yield WRITTEN_FOR[key], f"imports {'.'.join(filter(None, (module, name)))}", where
                break
    for name, where in app.routings():
        yield (CHANNELS_1 if name == ROUTE_LISTS[0] else CHANNELS_2), f"has {name}", where
    for page in app.pages():
        if page.module == "" and live_method_of(page):
            at = app.modules[""].at(page.node)
            yield LIVE_PAGES, f"has a live page, {page.node.name}, in one file with its models", at


def live_method_of(page: Page) -> ast.AST | None:
    """Return where a page says what its live method is, or None."""
    for line in page.node.body:
        if isinstance(line, Function) and line.name == "live_method":
            return line
        if isinstance(line, ast.Assign) and "live_method" in map(name_of, line.targets):
            return line
    return None


@dataclass(frozen=True)
class Wanted:
    """A requirement in a file of the project."""

    name: str
    specifier: SpecifierSet
    where: str


@dataclass(frozen=True)
class Project:
    """A project as it was read: its release, its settings, its apps, what it requires."""

    picked: Pick
    settings: SettingsFile
    case: Case
    wanted: tuple[Wanted, ...]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.picked.folder

    @property
    def release(self) -> Version:
        """The oTree that it is for."""
        return self.picked.release

    @property
    def real_time(self) -> list[App]:
        """The apps that have to do with sockets."""
        return [app for app in self.case.apps if is_real_time(app, self.case)]


def read(picked: Pick, apps: list[App]) -> Project:
    """Read what there is besides the modules of the apps."""
    folder = picked.folder
    settings = SettingsFile((folder / "settings.py").read_bytes())
    routes = [route for app in apps for route in app.routes()]
    own, _, _ = settings.string("CHANNEL_ROUTING").rpartition(".")
    if own and (folder / f"{own}.py").is_file():
        tree = app_source.parse(folder, Path(f"{own}.py"))
        if not isinstance(tree, Finding):
            module = app_source.Module(Path(f"{own}.py"), tree)
            routes += App("", {"routing": module}).routes()
    served = picked.variant.api
    judged_by = Case(
        folder,
        picked.release,
        served,
        tuple(apps),
        template_source.read(folder, picked.release),
        tuple(routes),
        frozenset({own} if own and served == CHANNELS_1 else ()),
    )
    return Project(picked, settings, judged_by, tuple(_wanted(folder)))


def _wanted(folder: Path) -> Iterator[Wanted]:
    for line in detect_release.requirement_lines(folder):
        try:
            its = Requirement(line.text)
        except InvalidRequirement:
            continue
        if its.marker is None:
            yield Wanted(canonicalize_name(its.name), its.specifier, f"{line.place}:{line.number}")
