"""What the checks read: the project's release, its API, its settings, its apps."""

import ast
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.matrix.variants import Api
from channelsmin.project import requirements, roots
from channelsmin.project.doctor import app_source, template_source
from channelsmin.project.doctor.app_source import (
    IMPORTS,
    ROUTE_LISTS,
    UNKNOWN,
    App,
    Function,
    Page,
    Route,
    name_of,
    text_of,
)
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Address, AppContext, Template
from channelsmin.project.pick import Pick
from channelsmin.project.settings import SettingsFile
from channelsmin.project.source import NAMES

CHANNELS_1, CHANNELS_2, LIVE_PAGES = Api.CHANNELS_0_17, Api.CHANNELS_2, Api.LIVE_PAGES


INIT_TELLS = Version("5.0.0a27")
"""The first release in which __init__.py tells that an app is without self."""


SEVERAL_PYTHONS = (".github/", ".gitlab-ci", ".travis")
"""Files that may name Pythons on which the project is only tested."""


SAMPLES = ("1", "abc", "a1,2", "a/b")
"""Samples for the parts of an address that are only known when the project runs."""

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
"""What an app imports for one of these APIs only: a module, and a name in it ("" for any)."""


@dataclass(frozen=True)
class Context:
    """What the checks of an app need besides the app: release, API, other apps, templates.

    `read_routes` are the modules, such as `lobby.routing`, that settings.py makes oTree read.
    `imported` are what the server imports, as pairs of an app and a name in it, a module or not.
    `packages` are those that the project itself requires.
    """

    folder: Path
    release: Version
    api: Api
    apps: tuple[App, ...]
    templates: dict[str, Template]
    routes: tuple[Route, ...]
    read_routes: frozenset[str]
    imported: frozenset[tuple[str, str]]
    packages: frozenset[str]

    @functools.cached_property
    def _shown(self) -> dict[str, list[Template]]:
        return {}

    def shown(self, page: Page) -> list[Template]:
        """Return the templates that a page shows."""
        if page.template not in self._shown:
            self._shown[page.template] = template_source.closure(page.template, self.templates)
        return self._shown[page.template]

    @functools.cached_property
    def _addresses(self) -> dict[str, list[Address]]:
        return {}

    def addresses(self, app: App) -> list[Address]:
        """Return the sockets that an app's pages open; each app is looked at once."""
        if app.name not in self._addresses:
            found = (
                address
                for page in app.all_pages()
                for address in template_source.addresses(
                    self.loaded(page), _variables(app, page, self.shown(page))
                )
            )
            self._addresses[app.name] = list({one.where: one for one in found}.values())
        return self._addresses[app.name]

    def is_without_self(self, app: App) -> bool:
        """Return whether oTree 5 and 6 call an app's methods with the player.

        oTree itself tells it by an import in __init__.py (6.0.15:otree/common.py:62), up to
        5.0.0a26 by a module app (5.0.0a26:otree/common.py:58). The pages may be in another module.
        """
        if self.release < INIT_TELLS:
            return "app" in app.modules
        return "" in app.modules and b"import" in app.modules[""].text

    def serves(self, route: Route, path: str) -> bool:
        """Return whether a route may serve a path."""
        paths = (path.replace(UNKNOWN, sample) for sample in SAMPLES)
        if UNKNOWN in route.pattern:
            return True
        try:
            if self.api == CHANNELS_1:
                return any(re.match(route.pattern, one) for one in paths)
            return any(re.search(route.pattern, one.lstrip("/")) for one in paths)
        except re.error:
            return False

    def is_followed(self, page: Page) -> bool:
        """Return whether everything that a page shows is known: no template is named by a value."""
        return page.template in self.templates and not any(
            template.includes_unknown for template in self.shown(page)
        )

    def is_imported(self, app: App, module: str) -> bool:
        """Return whether the server imports a module, as far as the imports are written out."""
        return module in app.modules and (app.name, module) in self.imported

    def is_imported_file(self, where: str) -> bool:
        """Return whether the server imports a file, named by its place: `quiz/models.py:12`."""
        return app_source.module_name(Path(where.rpartition(":")[0])) in self.imported

    @functools.cached_property
    def _scripts(self) -> dict[str, Template]:
        return template_source.scripts(self.folder)

    def scripts_have(self, *words: str) -> bool:
        """Return whether a static script contains one of the words, whoever loads it."""
        return self.scripts_match(re.compile("|".join(map(re.escape, words))))

    def scripts_match(self, pattern: re.Pattern[str]) -> bool:
        """Return whether a pattern occurs in a static script, whoever loads it."""
        return any(pattern.search(script.text) for script in self._scripts.values())

    def loaded(self, page: Page) -> list[Template]:
        """Return the templates that a page shows, and the static scripts that they load."""
        shown = self.shown(page)
        names = dict.fromkeys(name for one in shown for name in one.static_files())
        return [*shown, *(self._scripts[name] for name in names if name in self._scripts)]

    def with_socket(self, app: App) -> list[str]:
        """Return the names of the app's pages that have to do with a socket of its own."""
        return [
            page.node.name
            for page in app.pages()
            if any(live_method_of(node) for _, node in app.lineage(page))
            or any(map(_opens, self.loaded(page)))
        ]

    @functools.cached_property
    def _real_time(self) -> dict[str, bool]:
        return {}

    def is_real_time(self, app: App) -> bool:
        """Return whether an app has anything to do with sockets; each is looked at once."""
        if app.name not in self._real_time:
            self._real_time[app.name] = _is_real_time(app, self)
        return self._real_time[app.name]

    @functools.cached_property
    def has_other_routes(self) -> bool:
        """Whether sockets may be served in a way that is not read here (oTree 5 and 6)."""
        hooks = any(
            module == "otree.channels.routing" and "/otree_extensions/" not in where
            for app in self.apps
            for module, _, where in app.imports()
        )
        return hooks or (self.folder / "asgi_routes.py").is_file()


Check = Callable[[App, Context], Iterator[Finding]]


BINDS = re.compile(r"\{%\s*(?:with|for)\b|\{[{%]\s*include\b[^%}]*\bwith\b")
"""Where a template gives a value a name itself."""


def _variables(app: App, page: Page, shown: list[Template]) -> AppContext:
    """Return the variables that a page gives its template, None if they are not certain."""
    texts = "".join(template.text for template in shown)
    if not app.is_plain(page) or BINDS.search(texts):
        return None
    method = page.method("vars_for_template")
    variables: dict[str, str] = {}
    for node in ast.walk(method) if method else ():
        if not isinstance(node, ast.Return):
            continue
        names = app.constants(page.module)
        match node.value:
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                variables |= {text_of(k, names): text_of(v, names) for k, v in pairs if k}
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=given) if all(
                one.arg for one in given
            ):
                variables |= {one.arg or "": text_of(one.value, names) for one in given}
            case _:
                return None
    return variables


def _is_real_time(app: App, context: Context) -> bool:
    shown = [template for page in app.pages() for template in context.shown(page)]
    return bool(
        list(evidence(app))
        or app.routes()
        or consumers_of(app)
        or any(live_method_of(page.node) for page in app.pages())
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
        if any(base.endswith("Consumer") for base in app.bases(name))
    }


def evidence(app: App) -> Iterator[tuple[Api, str, str]]:
    """Yield which API an app is written for: the API, the evidence, the place."""
    for module, name, importing, where in app.imported():
        if is_test(importing):
            continue
        for key in ((module, name), (module, ""), (f"{module}.{name}", "")):
            if key in WRITTEN_FOR:
                yield WRITTEN_FOR[key], f"imports {'.'.join(filter(None, (module, name)))}", where
                break
    for name, where in app.routings():
        yield (CHANNELS_1 if name == ROUTE_LISTS[0] else CHANNELS_2), f"has {name}", where
    for page in app.pages():
        if page.module == "" and live_method_of(page.node):
            at = app.modules[""].at(page.node)
            yield LIVE_PAGES, f"has a live page, {page.node.name}, in one file with its models", at


def live_method_of(page: ast.ClassDef) -> ast.AST | None:
    """Return the definition or the assignment of a page's live_method, or None."""
    for line in page.body:
        if isinstance(line, Function) and line.name == "live_method":
            return line
        if isinstance(line, ast.Assign) and "live_method" in map(name_of, line.targets):
            return line
    return None


def is_test(module: str) -> bool:
    """Return whether a module of an app contains tests: `otree test` imports it, no server does."""
    return any(part == "tests" or part.startswith("test_") for part in module.split("."))


@dataclass(frozen=True)
class Wanted:
    """A requirement in a file of the project."""

    name: str
    specifier: SpecifierSet
    where: str


@dataclass(frozen=True)
class Examined:
    """A project as it was read: its release, its settings, its apps, what it requires."""

    picked: Pick
    settings: SettingsFile
    context: Context
    wanted: tuple[Wanted, ...]

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.picked.folder

    @property
    def release(self) -> Version:
        """The oTree that it is for."""
        return self.picked.release

    @property
    def is_fork(self) -> bool:
        """Whether its oTree is a fork: what that requires, and has, is not known."""
        return any("a fork of oTree" in source.note for source in self.picked.sources)

    @property
    def is_meant_for_a_host(self) -> bool:
        """Whether the project was prepared to go online: a file pins its oTree, or its Python.

        `otree startproject` writes a Procfile and a driver for PostgreSQL into every project.
        """
        pins = (one for one in self.wanted if one.name in NAMES)
        pinned = any(part.operator == "==" for one in pins for part in one.specifier)
        found = self.picked.found
        hints = [
            hint
            for hint in self.picked.own_pythons
            if hint.line and not hint.place.startswith(SEVERAL_PYTHONS)
        ]
        return pinned or bool(found and found.pinned) or bool(hints)

    @functools.cached_property
    def real_time(self) -> list[App]:
        """The apps that have to do with sockets and that a server loads."""
        return [
            app
            for app in self.context.apps
            if self.context.is_real_time(app) and not self.is_dormant(app) and self._is_used(app)
        ]

    def _is_used(self, app: App) -> bool:
        """Return whether an app is played, is named to oTree, or has a route that a page asks for.

        Everything else is a library: what it does not use of itself means nothing.
        """
        meant = self.settings.strings("EXTENSION_APPS") | self.settings.strings("CHANNEL_ROUTING")
        named = any(one.partition(".")[0] == app.name for one in meant)
        if app.has_page_sequence or named or is_ours(app):
            return True
        asked = [one.path for other in self.context.apps for one in self.context.addresses(other)]
        return any(
            self.context.serves(route, path) for route in app.routes() for path in asked if path
        )

    @functools.cached_property
    def played(self) -> list[App]:
        """The apps that a session config plays, or may play."""
        return [
            app
            for app in self.context.apps
            if app.has_page_sequence and self.settings.may_play(app.name)
        ]

    def is_dormant(self, app: App) -> bool:
        """Return whether no session config plays an app, and nothing says that one should.

        An app that is named in EXTENSION_APPS, or that was made by `channelsmin add`, is meant to
        be served.
        """
        if not app.has_page_sequence or self.settings.may_play(app.name):
            return False
        meant = app.name in self.settings.strings("EXTENSION_APPS")
        return not meant and not is_ours(app)


def is_ours(app: App) -> bool:
    """Return whether an app was made from one of the variants: it checks its release."""
    if "release_check" in app.modules:
        return True
    top = app.modules.get("")
    return top is not None and any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "this variant serves oTree" in node.value
        for node in top.of(ast.Constant)
    )


def read(picked: Pick, apps: list[App]) -> Examined:
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
    served, wanted = picked.variant.api, tuple(_wanted(folder))
    context = Context(
        folder,
        picked.release,
        served,
        tuple(apps),
        template_source.read(folder, picked.release),
        tuple(routes),
        frozenset({own} if own and served == CHANNELS_1 else ()),
        _imported(apps, settings, own),
        frozenset(one.name for one in wanted),
    )
    return Examined(picked, settings, context, wanted)


ENTRIES = ("", "models", "pages", "views", "otree_extensions", "otree_extensions.routing")
"""The modules of an app that oTree itself imports."""


def _imported(apps: list[App], settings: SettingsFile, routing: str) -> frozenset[tuple[str, str]]:
    """Return the modules that a server imports: oTree's entries, and what these import in turn."""
    by_name = {app.name: app for app in apps}
    meant = settings.strings("EXTENSION_APPS")
    todo = [
        (app.name, module)
        for app in apps
        if settings.may_play(app.name) or app.name in meant
        for module in (*ENTRIES, routing.removeprefix(f"{app.name}."))
    ]
    found = set[tuple[str, str]]()
    while todo:
        name, module = todo.pop()
        app = by_name.get(name)
        if (name, module) in found or app is None:
            continue
        found.add((name, module))
        if module in app.modules:
            for node in app.modules[module].of(*IMPORTS):
                todo += _imported_by(app, module, node)
    return frozenset(found)


def _imported_by(app: App, module: str, node: ast.AST) -> list[tuple[str, str]]:
    if isinstance(node, ast.Import):
        dotted = [one.name for one in node.names]
    elif isinstance(node, ast.ImportFrom) and (source := app.resolve(module, node)) is not None:
        base = f"{app.name}.{source}".rstrip(".")
        dotted = [base, *(f"{base}.{one.name}" for one in node.names)]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        base = node.module or ""
        dotted = [base, *(f"{base}.{one.name}" for one in node.names)]
    else:
        return []
    # A package is imported before its modules.
    return [
        (parts[0], ".".join(parts[1:end]))
        for parts in (name.split(".") for name in dotted)
        for end in range(1, len(parts) + 1)
    ]


def _wanted(folder: Path) -> Iterator[Wanted]:
    for place in roots.around(folder)[:2]:
        lines = requirements.lines(place)
        for line in lines:
            try:
                requirement = Requirement(line.text)
            except InvalidRequirement:
                continue
            if requirement.marker is None:
                yield Wanted(
                    canonicalize_name(requirement.name),
                    requirement.specifier,
                    f"{line.place}:{line.number}",
                )
        if lines:
            return
