"""Check the consumers, the routes and the imports of a real-time app."""

import ast
import re
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from channelsmin.matrix import api_changes, variants
from channelsmin.project.doctor.app_source import (
    FUNCTIONS,
    IMPORTS,
    ROUTE_LISTS,
    UNKNOWN,
    App,
    Function,
    Module,
    functions,
    name_of,
    text_of,
)
from channelsmin.project.doctor.context import (
    CHANNELS_1,
    CHANNELS_2,
    LIVE_PAGES,
    Check,
    Context,
    consumers_of,
    evidence,
    is_test,
)
from channelsmin.project.doctor.finding import Finding

HELPERS = {
    ("otree.common_internal", ""): "<2.4.20b1",
    ("otree.common", "get_models_module"): ">=2.4.20b1",
}
"""oTree's helpers that real-time apps import, and the releases that have them."""


FRAMEWORK_CONSUMERS = {
    *("WebsocketConsumer", "JsonWebsocketConsumer"),
    *("AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer"),
}


BASE_MODELS = {"BasePlayer", "BaseGroup", "BaseSubsession", "ExtraModel"}


def of_another_era(app: App, context: Context) -> Iterator[Finding]:
    """Find an app that is made for another oTree, entirely or in part."""
    again = (
        f"move {app.name} away, run `channelsmin add --app {app.name}`, and copy your own changes "
    )
    again += "into it"
    checks = {name: app.modules[name] for name in ("", "release_check") if name in app.modules}
    nodes = ((module, node) for module in checks.values() for node in module.of(ast.Constant))
    for module, node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        for variant in variants.load_all():
            if f"serves oTree {variant.range}." in node.value and not variant.serves(
                context.release
            ):
                yield Finding(
                    f"{app.name} is made for oTree {variant.range}",
                    module.at(node),
                    f"the project is for oTree {context.release}, and there the app stops the "
                    "server "
                    "when it starts",
                    again,
                )
                return
    found = sorted(evidence(app), key=lambda one: one[2])
    wrong = next((one for one in found if one[0] != context.api), None)
    if wrong and not (context.api == LIVE_PAGES and context.has_other_routes):
        written_for, what, where = wrong
        mixed = any(one[0] == context.api for one in found)
        why = {
            CHANNELS_1: "oTree 2.3 replaced it by Channels 2, oTree 5 by live pages",
            CHANNELS_2: "oTree has Channels 2 from 2.3 to 3.4, an older Channels before, and none "
            "from 5 on",
            LIVE_PAGES: "an app in one file can be read by oTree 5 and 6 alone",
        }[written_for]
        yield Finding(
            f"{app.name} {what}, which is {written_for.in_words}; "
            f"oTree {context.release} has {context.api.in_words}",
            where,
            why,
            f"write this as the rest of {app.name} is written" if mixed else again,
        )


def _lost_imports(app: App, context: Context) -> Iterator[Finding]:
    tried = _tried(app)
    for module, line in app.of(ast.ImportFrom):
        if not isinstance(line, ast.ImportFrom) or id(line) in tried:
            continue
        of_tests = is_test(module)
        if not of_tests and not context.is_imported(app, module):
            continue
        source = app.resolve(module, line)
        if source is None:
            continue
        for name in (one.name for one in line.names):
            if not _has(app, source, name):
                there = f"{app.name}.{source}" if source else app.name
                yield Finding(
                    f"imports {name} from {there}, where nothing has this name",
                    app.modules[module].at(line),
                    "the import fails, and with it `otree test`; the server does not import this "
                    "file"
                    if of_tests
                    else "the import fails, and with it the server, or the routes that need it",
                    f"write the name as it is in {there}, or define it there",
                    is_remark=of_tests,
                )


def _tried(app: App) -> set[int]:
    """Return the ids of the parts of all try statements, and of what only type checkers read."""
    blocks = [node for _, node in app.of(ast.Try, ast.If)]
    return {
        id(part)
        for node in blocks
        if not isinstance(node, ast.If) or name_of(node.test) == "TYPE_CHECKING"
        for part in ast.walk(node)
    }


def _has(app: App, source: str, name: str) -> bool:
    """Return whether a module of the app has a name, or may have it."""
    inner = f"{source}.{name}".strip(".")
    if any(one == inner or one.startswith(f"{inner}.") for one in app.modules):
        return True
    if source not in app.modules:
        return False
    bound = {"__name__", "__file__", "__doc__"}
    for node in app.modules[source].of(*IMPORTS, *FUNCTIONS, ast.ClassDef, ast.Name):
        if isinstance(node, ast.ImportFrom | ast.Import):
            bound |= {one.asname or one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, Function | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return name in bound or bool({"*", "__getattr__"} & (bound | {name}))


def _helpers(app: App, context: Context) -> Iterator[Finding]:
    for module, name, importing, where in app.imported():
        key = (module, name) if (module, name) in HELPERS else (module, "")
        if not context.is_imported(app, importing):
            continue
        if not SpecifierSet(HELPERS.get(key, "")).contains(context.release, prereleases=True):
            yield Finding(
                f"imports {'.'.join(filter(None, (module, name)))}, which oTree {context.release} "
                "does not have",
                where,
                "otree.common_internal became otree.common with 2.4.20b1; the import fails",
                "import what you need from the app itself: `from .models import Player` works on "
                "every release",
            )


def _gone_modules(app: App, context: Context) -> Iterator[Finding]:
    """Find imports of what oTree once brought along, and this release does not."""
    gone, tried = api_changes.modules_gone(context.release), _tried(app)
    own = (context.packages | {one.name for one in context.apps}) - {"otree"}
    gone = {name: instead for name, instead in gone.items() if name.partition(".")[0] not in own}
    for importing, node in app.of(*IMPORTS):
        if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in tried:
            continue
        if not context.is_imported(app, importing) or getattr(node, "level", None):
            continue
        base = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        dotted = [*base, *(".".join([*base, one.name]) for one in node.names)]
        found = ((name, key) for name in dotted for key in gone if f"{name}.".startswith(f"{key}."))
        for name, key in list(found)[:1]:
            yield Finding(
                f"imports {name}, which oTree {context.release} does not bring along",
                app.modules[importing].at(node),
                "from oTree 5 on it is gone: the import fails, and with it the server",
                f"use {gone[key]}",
            )


def _objects(app: App, context: Context) -> Iterator[Finding]:
    """Find Django's `Player.objects` where the models are those of oTree 5 and 6."""
    if context.api != LIVE_PAGES:
        return
    models = {"Player", "Group", "Subsession", "Participant", "Session"}
    models |= {name for name in app.classes() if app.bases(name) & BASE_MODELS}
    tried = _tried(app)
    for module, node in app.of(ast.Attribute):
        if not isinstance(node, ast.Attribute) or node.attr != "objects" or id(node) in tried:
            continue
        is_model = name_of(node.value) in models
        is_type = isinstance(node.value, ast.Call) and name_of(node.value.func) == "type"
        is_type = is_type or name_of(node.value) == "__class__"
        if (is_model or is_type) and context.is_imported(app, module):
            yield Finding(
                f"uses {name_of(node.value) or 'a model'}.objects, which oTree {context.release} "
                "does not have",
                app.modules[module].at(node),
                "from oTree 5 on models are not Django's: the line ends in an AttributeError",
                "use group.get_players(), subsession.get_players(), or the filter of an ExtraModel",
            )


def _no_package(app: App, context: Context) -> Iterator[Finding]:
    if "otree_extensions.routing" in app.modules and "otree_extensions" not in app.modules:
        yield Finding(
            "the folder has no __init__.py",
            f"{app.name}/otree_extensions",
            "it is not a package then: oTree may still find the routes in it, but tools that copy "
            "or "
            "pack packages leave them out",
            f"create an empty file {app.name}/otree_extensions/__init__.py",
        )


def _no_route(app: App, context: Context) -> Iterator[Finding]:
    """Find consumers that oTree cannot find: their routes are missing, or in another place."""
    wanted = ROUTE_LISTS[context.api == CHANNELS_2]
    read = {f"{app.name}.otree_extensions.routing", *context.read_routes}
    routes = app.routes()
    consumers = consumers_of(app)
    if context.api == LIVE_PAGES and not context.is_imported(app, "otree_extensions.routing"):
        return  # left over: nothing imports it
    in_own_list = bool(context.read_routes)  # which may take up lists of any name
    if routes and not in_own_list and not any(name == wanted for name, _ in app.routings()):
        yield Finding(
            f"there is no {wanted} among these routes",
            routes[0].where,
            f"oTree {context.release} reads only the list of this name",
            f"call the list {wanted}",
        )
    elif routes and not in_own_list and not read & {f"{app.name}.{name}" for name in app.modules}:
        yield Finding(
            "oTree does not read these routes",
            routes[0].where,
            "it looks for them in the app's otree_extensions/routing.py",
            f"move the file to {app.name}/otree_extensions, together with an empty __init__.py",
        )
    elif (
        consumers
        and not routes
        and not any(route.consumer in consumers or not route.consumer for route in context.routes)
    ):
        module, consumer = next(iter(consumers.values()))
        yield Finding(
            f"no route leads to {consumer.name}",
            app.modules[module].at(consumer),
            "oTree finds a consumer only through a route",
            f"write {app.name}/otree_extensions/routing.py with a {wanted}, as in "
            "`channelsmin export`",
        )


def _slashes(app: App, context: Context) -> Iterator[Finding]:
    if context.api == LIVE_PAGES:
        return
    for route in app.routes():
        start = route.pattern.removeprefix("^")[:1]
        if start in ("", UNKNOWN, "(", ".", "[", "\\") or route.where == "":
            continue
        if (start == "/") != (context.api == CHANNELS_1):
            begins = "begins with a slash" if start == "/" else "does not begin with a slash"
            yield Finding(
                f"the route {begins}: {route.pattern}",
                route.where,
                "oTree 1.4 to 2.2 compare it with an address that begins with a slash, 2.3 to 3.4 "
                "with "
                "one that does not: they never match",
                "remove the slash" if start == "/" else "write a slash after the ^",
            )


def _arguments(app: App, context: Context) -> Iterator[Finding]:
    """Find routes whose named groups differ from what the consumer reads from the address."""
    named: dict[str, list[tuple[str, ast.AST]]] = {}
    for module, node in app.of(ast.ClassDef, *FUNCTIONS):
        if isinstance(node, ast.ClassDef | Function):
            named.setdefault(node.name, []).append((module, node))
    for route in app.routes():
        groups = _groups(route.pattern)
        if groups is None:
            continue
        names = {route.consumer or "", *app.bases(route.consumer or "")}
        for module, node in (found for name in sorted(names) for found in named.get(name, ())):
            taken = _kwargs_read(node) if context.api == CHANNELS_2 else None
            for part, wrong in taken or _kwargs_refused(node, groups):
                if taken is None or wrong not in groups:
                    yield Finding(
                        f"{route.consumer} and its route don't agree on {wrong!r}",
                        app.modules[module].at(part),
                        f"the route ({route.where}) names {', '.join(sorted(groups)) or 'nothing'} "
                        "in the address; the consumer fails at this name",
                        "use one name in both places",
                    )


def _groups(pattern: str) -> set[str] | None:
    try:
        return None if UNKNOWN in pattern else {*re.compile(pattern).groupindex}
    except re.error:
        return None


def _kwargs_read(consumer: ast.AST) -> list[tuple[ast.AST, str]]:
    """Return the names that a consumer reads from its address: …['kwargs']['code']."""
    return [
        (node, node.slice.value)
        for node in ast.walk(consumer)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Subscript)
        and isinstance(node.value.slice, ast.Constant)
        and node.value.slice.value == "kwargs"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]


def _kwargs_refused(consumer: ast.AST, groups: set[str]) -> list[tuple[ast.AST, str]]:
    """Return the arguments that a consumer of Channels 0.17 gets and does not accept."""
    handlers: list[Function] = [consumer] if isinstance(consumer, Function) else []
    if isinstance(consumer, ast.ClassDef):
        names = {"connect", "receive", "disconnect"}
        handlers = [one for one in functions(consumer) if one.name in names]
    return [
        (handler, group)
        for handler in handlers
        if not handler.args.kwarg
        for group in sorted(groups - {one.arg for one in handler.args.args})
    ]


def _never_accepts(app: App, context: Context) -> Iterator[Finding]:
    for module, consumer in consumers_of(app).values():
        connect = next((one for one in functions(consumer) if one.name == "connect"), None)
        if not connect or not {name_of(base) for base in consumer.bases} <= FRAMEWORK_CONSUMERS:
            continue
        used = {name_of(node) for node in ast.walk(consumer)}
        if context.api == CHANNELS_2 and not used & {"accept", "AcceptConnection", "super"}:
            yield Finding(
                f"{consumer.name} never accepts a socket",
                app.modules[module].at(connect),
                "in Channels 2 a consumer with a connect() of its own has to call accept(); "
                "otherwise "
                "the socket never opens",
                "call self.accept() at the end of connect (in an async one: await self.accept())",
            )


def _another_name(app: App, context: Context) -> Iterator[Finding]:
    """Find a query for participants of an app of another name, as after a copy."""
    names = {one.name for one in context.apps}
    for module, node in app.of(ast.keyword):
        if isinstance(node, ast.keyword) and (node.arg or "").endswith("_current_app_name"):
            asked = text_of(node.value, app.constants(module))
            if UNKNOWN not in asked and asked != app.name:
                yield Finding(
                    f"asks for participants in the app {asked!r}, and is in {app.name!r}",
                    app.modules[module].at(node.value),
                    f"no participant of {app.name} is found: every socket is refused"
                    + ("" if asked in names else f", and there is no app {asked!r}"),
                    f"write {app.name!r}; `channelsmin add --app {app.name}` names it throughout",
                )


def _same_route(app: App, context: Context) -> Iterator[Finding]:
    if context.api == LIVE_PAGES:
        return
    before = context.apps[: context.apps.index(app)]
    theirs = {route.pattern: (one.name, route) for one in before for route in one.routes()}
    for route in app.routes():
        if UNKNOWN not in route.pattern and route.pattern in theirs:
            name, other = theirs[route.pattern]
            yield Finding(
                f"this route is also that of {name} ({other.where})",
                route.where,
                "oTree takes the first route that matches, so the sockets of one app reach the "
                "other's "
                "consumer",
                f"give {app.name} its own address, here and in its page",
            )


def _same_url(app: App, context: Context) -> Iterator[Finding]:
    """Find a name_in_url that another app has, too, as after a copy."""
    before = context.apps[: context.apps.index(app)]
    others = [one for one in context.apps if one in before or not context.is_real_time(one)]
    theirs = {url: one.name for one in others for url, _ in one.urls}
    for url, where in app.urls:
        if url in theirs:
            yield Finding(
                f"name_in_url is {url!r}, as in {theirs[url]}",
                where,
                "oTree does not start if two apps of its session configs have the same name_in_url",
                f"write {app.name!r}",
            )


ROUTES: tuple[Check, ...] = (_no_route, _slashes)
"""The checks of the routes: without routes, those of the pages' addresses mean nothing."""

OTHERS: tuple[Check, ...] = (
    *(_lost_imports, _helpers, _no_package, _arguments, _never_accepts),
    *(_another_name, _same_route, _same_url),
)
"""The checks that do not depend on others."""


def _saves(app: App, context: Context) -> Iterator[Finding]:
    """Find Django's `player.save()` where the models are those of oTree 5 and 6."""
    if context.api != LIVE_PAGES:
        return
    tried = _tried(app)
    for module, node in app.of(ast.Call):
        called = node.func if isinstance(node, ast.Call) else None
        if not isinstance(called, ast.Attribute) or called.attr != "save" or id(node) in tried:
            continue
        owner = name_of(called.value)
        if owner in SAVED | _members_in(app.modules[module]) and context.is_imported(app, module):
            yield Finding(
                f"calls {owner}.save(), which oTree {context.release} does not have",
                app.modules[module].at(node),
                "from oTree 5 on models are not Django's: the line ends in an AttributeError",
                "remove it: oTree saves what was changed when the page or the message is done",
            )


SAVED = {"player", "group", "subsession", "participant", "session"}

GIVES_MODELS = re.compile(
    r"get_(players|groups|others_in_group|player_by_\w+|participants)|in_\w*rounds?"
)
"""oTree's methods that return its objects, one or several."""


def _members_in(module: Module) -> set[str]:
    """Return the names that a module gives to objects of oTree: `for p in group.get_players()`."""
    given = [
        (node.target if isinstance(node, ast.For) else node.targets[0], value)
        for node in module.of(ast.For, ast.Assign)
        if isinstance(node, ast.For | ast.Assign)
        and isinstance(value := node.iter if isinstance(node, ast.For) else node.value, ast.Call)
    ]
    return {name_of(to) for to, call in given if GIVES_MODELS.fullmatch(name_of(call.func))} - {""}


def _second_copies(app: App, context: Context) -> Iterator[Finding]:
    """Find imports from `.__init__`, which run an app of one file a second time."""
    has_models = any(
        app.bases(name) & BASE_MODELS for name, (at, _) in app.classes().items() if not at
    )
    if context.api != LIVE_PAGES or not has_models:
        return
    for module, line in app.of(ast.ImportFrom):
        if not isinstance(line, ast.ImportFrom) or not context.is_imported(app, module):
            continue
        written = (line.module or "").split(".")
        if written[-1] == "__init__" and app.resolve(module, line) == "":
            yield Finding(
                f"imports from {'.' * line.level}{line.module}, which runs {app.name}/__init__.py "
                "a second time",
                app.modules[module].at(line),
                "it defines the models again, and the server does not start (Table … is already "
                "defined)",
                f"write from {'.' * line.level or app.name} import …",
            )
            return


OF_OTREE: tuple[Check, ...] = (_gone_modules, _second_copies, _objects, _saves)
"""The checks of every app that a session config plays, real-time or not."""
