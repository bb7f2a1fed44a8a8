"""What can be wrong with the consumers and the routes of a real-time app."""

import ast
import re
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from channelsmin.matrix import variants
from channelsmin.project.doctor.app_source import (
    ROUTE_LISTS,
    UNKNOWN,
    App,
    Function,
    functions,
    name_of,
    text_of,
)
from channelsmin.project.doctor.context import (
    CHANNELS_1,
    CHANNELS_2,
    LIVE_PAGES,
    Case,
    Check,
    consumers_of,
    evidence,
    is_real_time,
)
from channelsmin.project.doctor.finding import Finding

HELPERS = {
    ("otree.common_internal", ""): "<2.4.20b1",
    ("otree.common", "get_models_module"): ">=2.4.20b1",
}
"""The helpers that real-time apps import from oTree, and the releases that have them."""


FRAMEWORK_CONSUMERS = {
    *("WebsocketConsumer", "JsonWebsocketConsumer"),
    *("AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer"),
}


LAYER_CALLS = {"group_send", "group_add", "group_discard"}


def of_another_era(app: App, case: Case) -> Iterator[Finding]:
    """Find an app that is made for another oTree, whole or in part."""
    again = f"move {app.name} away, run `channelsmin add --app {app.name}`, and take over what is "
    again += "your own"
    checks = {name: app.modules[name] for name in ("", "release_check") if name in app.modules}
    nodes = ((module, node) for module in checks.values() for node in ast.walk(module.tree))
    for module, node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        for variant in variants.load_all():
            if f"serves oTree {variant.range}." in node.value and not variant.serves(case.release):
                yield Finding(
                    f"{app.name} is made for oTree {variant.range}",
                    module.at(node),
                    f"the project is for oTree {case.release}, and there the app stops the server "
                    "when it starts",
                    again,
                )
                return
    told = sorted(evidence(app), key=lambda its: its[2])
    wrong = next((its for its in told if its[0] != case.api), None)
    if wrong and not (case.api == LIVE_PAGES and case.has_other_routes):
        written_for, what, where = wrong
        mixed = any(its[0] == case.api for its in told)
        why = {
            CHANNELS_1: "in oTree 2.3 Channels 2 took its place, in oTree 5 live pages",
            CHANNELS_2: "oTree has Channels 2 from 2.3 to 3.4, an older Channels before, and none "
            "from 5 on",
            LIVE_PAGES: "an app in one file can be read by oTree 5 and 6 alone",
        }[written_for]
        yield Finding(
            f"{app.name} {what}, which is {written_for.in_words}; "
            f"oTree {case.release} has {case.api.in_words}",
            where,
            why,
            f"write this as the rest of {app.name} is written" if mixed else again,
        )


def _lost_imports(app: App, case: Case) -> Iterator[Finding]:
    tried = {
        id(part) for _, node in app.nodes() if isinstance(node, ast.Try) for part in ast.walk(node)
    }
    for module, line in app.nodes():
        if not isinstance(line, ast.ImportFrom) or id(line) in tried:
            continue
        source = app.resolve(module, line)
        if source is None:
            continue
        for name in (its.name for its in line.names):
            if not _has(app, source, name):
                there = f"{app.name}.{source}" if source else app.name
                yield Finding(
                    f"imports {name} from {there}, where nothing has this name",
                    app.modules[module].at(line),
                    "the import fails, and with it the server, or the routes that need it",
                    f"write the name as it is in {there}, or define it there",
                )


def _has(app: App, source: str, name: str) -> bool:
    """Say whether a module of the app has a name, or may have it."""
    inner = f"{source}.{name}".strip(".")
    if any(its == inner or its.startswith(f"{inner}.") for its in app.modules):
        return True
    if source not in app.modules:
        return False
    bound = {"__name__", "__file__", "__doc__"}
    for node in ast.walk(app.modules[source].tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            bound |= {its.asname or its.name.partition(".")[0] for its in node.names}
        elif isinstance(node, Function | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return name in bound or bool({"*", "__getattr__"} & (bound | {name}))


def _helpers(app: App, case: Case) -> Iterator[Finding]:
    for module, name, where in app.imports():
        key = (module, name) if (module, name) in HELPERS else (module, "")
        if not SpecifierSet(HELPERS.get(key, "")).contains(case.release, prereleases=True):
            yield Finding(
                f"imports {'.'.join(filter(None, (module, name)))}, which oTree {case.release} "
                "does not have",
                where,
                "otree.common_internal became otree.common with 2.4.20b1; the import fails",
                "import what you need from the app itself: `from .models import Player` works on "
                "every release",
            )


def _no_package(app: App, case: Case) -> Iterator[Finding]:
    if "otree_extensions.routing" in app.modules and "otree_extensions" not in app.modules:
        yield Finding(
            "the folder has no __init__.py",
            f"{app.name}/otree_extensions",
            "it is no package then: oTree may still find the routes in it, but what copies or "
            "packs packages leaves them out",
            f"make an empty file {app.name}/otree_extensions/__init__.py",
        )


def _no_route(app: App, case: Case) -> Iterator[Finding]:
    """Find consumers that oTree can't know, as their routes are missing or not where it looks."""
    wanted = ROUTE_LISTS[case.api == CHANNELS_2]
    read = {f"{app.name}.otree_extensions.routing", *case.read_routes}
    routes = app.routes()
    consumers = consumers_of(app)
    if routes and not any(name == wanted for name, _ in app.routings()):
        yield Finding(
            f"there is no {wanted} among these routes",
            routes[0].where,
            f"oTree {case.release} takes the list of this name and nothing else",
            f"call the list {wanted}",
        )
    elif (
        routes
        and not case.read_routes
        and not read & {f"{app.name}.{name}" for name in app.modules}
    ):
        yield Finding(
            "oTree does not read these routes",
            routes[0].where,
            "it looks for them in the app's otree_extensions/routing.py",
            f"move the file to {app.name}/otree_extensions, with an empty __init__.py beside it",
        )
    elif (
        consumers
        and not routes
        and not any(route.consumer in consumers or not route.consumer for route in case.routes)
    ):
        module, consumer = next(iter(consumers.values()))
        yield Finding(
            f"no route leads to {consumer.name}",
            app.modules[module].at(consumer),
            "oTree finds a consumer through a route alone",
            f"write {app.name}/otree_extensions/routing.py with a {wanted}, as in "
            "`channelsmin export`",
        )


def _slashes(app: App, case: Case) -> Iterator[Finding]:
    for route in app.routes():
        start = route.pattern.removeprefix("^")[:1]
        if start in ("", UNKNOWN, "(", ".", "[", "\\") or route.where == "":
            continue
        if (start == "/") != (case.api == CHANNELS_1):
            begins = "begins with a slash" if start == "/" else "does not begin with a slash"
            yield Finding(
                f"the route {begins}: {route.pattern}",
                route.where,
                "oTree 1.4 to 2.2 compare it with an address that begins with one, 2.3 to 3.4 with "
                "one without: it is never the same",
                "take the slash away" if start == "/" else "write one after the ^",
            )


def _arguments(app: App, case: Case) -> Iterator[Finding]:
    """Find routes whose named groups are not what the consumer takes from the address."""
    for route in app.routes():
        groups = _groups(route.pattern)
        if groups is None:
            continue
        names = {route.consumer, *app.bases(route.consumer or "")}
        for module, node in app.nodes():
            if getattr(node, "name", "") not in names:
                continue
            taken = _kwargs_read(node) if case.api == CHANNELS_2 else None
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
    """Return what a consumer reads of its address: …['kwargs']['code']."""
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
    """Return the arguments that a consumer of Channels before 1.0 is given and does not take."""
    handlers: list[Function] = [consumer] if isinstance(consumer, Function) else []
    if isinstance(consumer, ast.ClassDef):
        names = {"connect", "receive", "disconnect"}
        handlers = [its for its in functions(consumer) if its.name in names]
    return [
        (handler, group)
        for handler in handlers
        if not handler.args.kwarg
        for group in sorted(groups - {its.arg for its in handler.args.args})
    ]


def _events(app: App, case: Case) -> Iterator[Finding]:
    """Find messages to a group that end the consumers instead of reaching them."""
    consumers = consumers_of(app).values()
    handlers = {its.name for _, node in consumers for its in functions(node)}
    own = {node.name for _, node in consumers}
    bases = {name_of(base) for _, node in consumers for base in node.bases}
    for module, call in app.nodes():
        if not isinstance(call, ast.Call) or case.api != CHANNELS_2:
            continue
        function = call.func.args[0] if isinstance(call.func, ast.Call) and call.func.args else None
        if "group_send" not in (name_of(call.func), name_of(function)) or len(call.args) != 2:
            continue
        event, at = call.args[1], app.modules[module].at(call)
        if not isinstance(event, ast.Dict) or None in event.keys:
            continue
        given = {text_of(k, {}): v for k, v in zip(event.keys, event.values, strict=True) if k}
        if "type" not in given:
            yield Finding(
                "a message to the group has no type",
                at,
                "in Channels 2 it ends each consumer that gets it: the socket closes, and opens "
                "again, and again",
                "add 'type': 'news', and a method news(self, event) to the consumer",
            )
            continue
        kind = text_of(given["type"], app.constants(module)).replace(".", "_")
        if UNKNOWN not in kind and kind not in handlers and bases <= FRAMEWORK_CONSUMERS | own:
            yield Finding(
                f"a message to the group is of the type {kind!r}, for which there is no method",
                at,
                "in Channels 2 the type names the consumer's method; without it the consumer ends",
                f"write a method {kind}(self, event), or use the type of one that is there",
            )


def _not_awaited(app: App, case: Case) -> Iterator[Finding]:
    for module, line in app.nodes():
        call = line.value if isinstance(line, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if case.api == CHANNELS_2 and call.func.attr in LAYER_CALLS:
            yield Finding(
                f"{call.func.attr} is called and not awaited",
                app.modules[module].at(line),
                "the call alone does nothing in Channels 2: nobody is told",
                "write `await` before it; in a method that is not async, "
                f"async_to_sync(self.channel_layer.{call.func.attr})(…)",
            )


def _never_accepts(app: App, case: Case) -> Iterator[Finding]:
    for module, consumer in consumers_of(app).values():
        connect = next((its for its in functions(consumer) if its.name == "connect"), None)
        if not connect or not {name_of(base) for base in consumer.bases} <= FRAMEWORK_CONSUMERS:
            continue
        used = {name_of(node) for node in ast.walk(consumer)}
        if case.api == CHANNELS_2 and not used & {"accept", "AcceptConnection", "super"}:
            yield Finding(
                f"{consumer.name} never accepts a socket",
                app.modules[module].at(connect),
                "in Channels 2 a consumer with a connect() of its own has to call accept(); else "
                "the socket never opens",
                "call self.accept() at the end of connect (in an async one: await self.accept())",
            )


def _another_name(app: App, case: Case) -> Iterator[Finding]:
    """Find a query for participants that are in an app of another name, as after a copy."""
    names = {its.name for its in case.apps}
    for module, node in app.nodes():
        if isinstance(node, ast.keyword) and (node.arg or "").endswith("_current_app_name"):
            asked = text_of(node.value, app.constants(module))
            if UNKNOWN not in asked and asked != app.name:
                yield Finding(
                    f"asks for participants in the app {asked!r}, and is in {app.name!r}",
                    app.modules[module].at(node.value),
                    f"nobody of {app.name} is found: every socket is turned away"
                    + ("" if asked in names else f", and there is no app {asked!r}"),
                    f"write {app.name!r}; `channelsmin add --app {app.name}` names it throughout",
                )


def _same_route(app: App, case: Case) -> Iterator[Finding]:
    before = case.apps[: case.apps.index(app)]
    theirs = {route.pattern: (its.name, route) for its in before for route in its.routes()}
    for route in app.routes():
        if UNKNOWN not in route.pattern and route.pattern in theirs:
            name, other = theirs[route.pattern]
            yield Finding(
                f"this route is also that of {name} ({other.where})",
                route.where,
                "oTree takes the first that fits, so the sockets of one app end at the other's "
                "consumer",
                f"give {app.name} an address of its own, here and in its page",
            )


def _same_url(app: App, case: Case) -> Iterator[Finding]:
    """Find a name_in_url that is another app's, as after a copy."""
    before = case.apps[: case.apps.index(app)]
    others = [its for its in case.apps if its in before or not is_real_time(its, case)]
    theirs = {url: its.name for its in others for url, _ in _urls(its)}
    for url, where in _urls(app):
        if url in theirs:
            yield Finding(
                f"name_in_url is {url!r}, and so it is in {theirs[url]}",
                where,
                "oTree does not start with two apps of one name_in_url in its session configs",
                f"write {app.name!r}",
            )


def _urls(app: App) -> list[tuple[str, str]]:
    """Return what an app is called in addresses, with the place."""
    lines = ((name, node) for name, node in app.nodes() if isinstance(node, ast.Assign))
    return [
        (text_of(line.value, {}), app.modules[name].at(line))
        for name, line in lines
        if "name_in_url" in map(name_of, line.targets)
    ]


ROUTES: tuple[Check, ...] = (_no_route, _slashes)
"""The checks without which those of the pages' addresses mean nothing."""

OTHERS: tuple[Check, ...] = (
    *(_lost_imports, _helpers, _no_package, _arguments, _events, _not_awaited, _never_accepts),
    *(_another_name, _same_route, _same_url),
)
"""The checks that stand by themselves."""
