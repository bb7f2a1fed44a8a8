"""Check how consumers send: what is awaited, what a message contains, what a group is called."""

import ast
import re
from collections.abc import Iterator

from channelsmin.project.doctor.app_source import (
    UNKNOWN,
    App,
    Function,
    functions,
    name_of,
    own_nodes,
    text_of,
)
from channelsmin.project.doctor.context import (
    CHANNELS_2,
    LIVE_PAGES,
    Check,
    Context,
    consumers_of,
)
from channelsmin.project.doctor.finding import Finding

LAYER_CALLS = {"group_send", "group_add", "group_discard"}

SENDING = {"accept", "close", "send", "send_json"}
"""The methods that are coroutines in an asynchronous consumer of Channels 2."""

FRAMEWORK_CONSUMERS = {
    *("WebsocketConsumer", "JsonWebsocketConsumer"),
    *("AsyncWebsocketConsumer", "AsyncJsonWebsocketConsumer"),
}

GROUP_NAME = re.compile(r"[a-zA-Z0-9_.\-]*")
LONGEST_GROUP_NAME = 99
"""Characters (channels 2.4:channels/layers.py, asgiref 0.14:asgiref/base_layer.py)."""

SEND_WORDS = (b"group_", b"async_to_sync", b"Group")
"""A module without any of these words calls nothing that a check here looks at."""

Message = dict[str, ast.expr]


def _calls(app: App) -> Iterator[tuple[str, Function | None, ast.Call]]:
    """Yield each call of a sending module, with the innermost function that contains it."""
    for name, module in app.modules.items():
        if not any(word in module.text for word in SEND_WORDS):
            continue
        pending: list[tuple[Function | None, ast.AST]] = [(None, module.tree)]
        while pending:
            inside, node = pending.pop()
            if isinstance(node, ast.Call):
                yield name, inside, node
            if isinstance(node, Function):
                inside = node
            if isinstance(node, ast.Lambda):  # it may be called anywhere
                inside = None
            pending += ((inside, child) for child in ast.iter_child_nodes(node))


def _sends(app: App) -> Iterator[tuple[str, Function | None, ast.Call, str]]:
    """Yield the calls of a channel layer, also through async_to_sync, each with its name."""
    for module, inside, call in _calls(app):
        function = call.func.args[0] if isinstance(call.func, ast.Call) and call.func.args else None
        for name in (name_of(call.func), name_of(function)):
            if name in LAYER_CALLS:
                yield module, inside, call, name


def _message(
    app: App, module: str, inside: Function | None, value: ast.expr | None, depth: int = 4
) -> Message | None:
    """Return what a message contains, None if that is not certain.

    Follows a name that is assigned once, dict(…), {**…}, and a function that returns a dict.
    """
    if value is None or not depth:
        return None
    match value:
        case ast.Dict(keys=keys, values=values):
            return _of_dict(app, module, inside, keys, values, depth)
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=given):
            if not all(one.arg for one in given):
                return None
            return {str(one.arg): one.value for one in given}
        case ast.Name(id=name):
            return _of_name(app, module, inside, name, depth)
        case ast.Call(func=function) if not isinstance(function, ast.Call):
            return _of_function(app, module, name_of(function), depth)
    return None


def _of_dict(
    app: App,
    module: str,
    inside: Function | None,
    keys: list[ast.expr | None],
    values: list[ast.expr],
    depth: int,
) -> Message | None:
    found: Message = {}
    for key, value in zip(keys, values, strict=True):
        if key is None:
            inner = _message(app, module, inside, value, depth - 1)
            if inner is None:
                return None
            found |= inner
            continue
        text = text_of(key, app.constants(module))
        if UNKNOWN in text:
            return None
        found[text] = value
    return found


def _of_name(
    app: App, module: str, inside: Function | None, name: str, depth: int
) -> Message | None:
    scope: ast.AST = inside or app.modules[module].tree
    if inside and name in {one.arg for one in ast.walk(inside.args) if isinstance(one, ast.arg)}:
        return None
    stored: Message = {}
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"update", "setdefault"}
            and name_of(node.value) == name
        ):
            return None
        if isinstance(node, ast.Subscript) and name_of(node.value) == name:
            key = text_of(node.slice, {})
            if key in {UNKNOWN, "type"} and isinstance(node.ctx, ast.Store | ast.Del):
                return None
            stored |= {key: node}
        if isinstance(node, ast.AugAssign) and name_of(node.target) == name:
            return None
    values = [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and name in {name_of(target) for target in _targets(node)}
    ]
    if not values and inside:
        return _of_name(app, module, None, name, depth)
    found = _message(app, module, inside, values[0], depth - 1) if len(values) == 1 else None
    return None if found is None else stored | found


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _of_function(app: App, module: str, name: str, depth: int) -> Message | None:
    found = [
        node
        for node in app.modules[module].of(ast.FunctionDef)
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    if len(found) != 1:
        return None
    returns = [node for node in ast.walk(found[0]) if isinstance(node, ast.Return)]
    if len(returns) != 1:
        return None
    return _message(app, module, found[0], returns[0].value, depth - 1)


def _events(app: App, context: Context) -> Iterator[Finding]:
    """Find messages to a group that end the consumers instead of reaching them."""
    if context.api != CHANNELS_2:
        return
    every = [(one, *each) for one in context.apps for each in consumers_of(one).items()]
    consumers = {name for _, name, _ in every}
    handlers = {method.name for _, _, (_, node) in every for method in functions(node)}
    bases = {base for one, name, _ in every for base in one.bases(name)}
    for module, inside, call, name in _sends(app):
        if name != "group_send":
            continue
        named = {one.arg: one.value for one in call.keywords}
        value = call.args[1] if len(call.args) > 1 else named.get("message")
        event, at = _message(app, module, inside, value), app.modules[module].at(call)
        if event is None:
            continue
        if "type" not in event:
            yield Finding(
                "a message to the group has no type",
                at,
                "in Channels 2 it ends each consumer that gets it: the socket closes with 1011, "
                "opens again, and closes again at the next message",
                "add 'type': 'news', and a method news(self, event) to the consumer",
            )
            continue
        kind = text_of(event["type"], app.constants(module)).replace(".", "_")
        if (
            UNKNOWN not in kind
            and not {kind, "dispatch"} & handlers
            and bases <= FRAMEWORK_CONSUMERS | consumers
        ):
            yield Finding(
                f"a message to the group is of the type {kind!r}, for which there is no method",
                at,
                "in Channels 2 the type names the consumer's method; without it the consumer ends",
                f"write a method {kind}(self, event), or use the type of an existing one",
            )


def _asynchronous(app: App) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield the asynchronous consumers, each with its module."""
    for name, (module, node) in consumers_of(app).items():
        if any(base.startswith("Async") for base in app.bases(name)):
            yield module, node


def _not_awaited(app: App, context: Context) -> Iterator[Finding]:
    """Find coroutines that are created and never run."""
    if context.api != CHANNELS_2:
        return
    for module, line in app.of(ast.Expr):
        call = line.value if isinstance(line, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr in LAYER_CALLS:
            yield _unawaited(
                app,
                module,
                line,
                call.func.attr,
                "no message is sent, or the socket joins no group",
                "; in a method that is not async, "
                f"async_to_sync(self.channel_layer.{call.func.attr})(…)",
            )
    for module, consumer in _asynchronous(app):
        own = {one.name: one for one in functions(consumer)}
        coroutines = SENDING - own.keys()
        coroutines |= {n for n, one in own.items() if _is_asynchronous(one)}
        for method in own.values():
            if isinstance(method, ast.AsyncFunctionDef):
                yield from _unawaited_in(app, module, method, coroutines)


def _is_asynchronous(method: Function) -> bool:
    decorators = {name_of(one) for one in method.decorator_list}
    return isinstance(method, ast.AsyncFunctionDef) or bool(decorators & TO_ASYNC)


TO_ASYNC = {"database_sync_to_async", "sync_to_async"}
"""What makes a coroutine of a function."""


def _unawaited_in(
    app: App, module: str, method: ast.AsyncFunctionDef, coroutines: set[str]
) -> Iterator[Finding]:
    awaited = {
        name_of(part)
        for node in ast.walk(method)
        if isinstance(node, ast.Await | ast.Call)
        for part in ([node.value] if isinstance(node, ast.Await) else node.args)
    }
    for line in ast.walk(method):
        call = line.value if isinstance(line, ast.Expr | ast.Assign) else None
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Call) and name_of(call.func.func) in TO_ASYNC:
            targets = line.targets if isinstance(line, ast.Assign) else []
            if not any(name_of(target) in awaited for target in targets):
                name = f"{name_of(call.func.func)}(…)(…)"
                yield _unawaited(app, module, line, name, "the database is not asked", "")
        elif (
            isinstance(line, ast.Expr)
            and isinstance(call.func, ast.Attribute)
            and _is_coroutine(call.func, coroutines)
        ):
            loses = {"accept": "the socket never opens", "close": "the socket stays open"}
            why = loses.get(call.func.attr, "nothing of it happens")
            yield _unawaited(app, module, line, call.func.attr, why, "")


def _is_coroutine(called: ast.Attribute, own: set[str]) -> bool:
    """Return whether a call creates a coroutine: a method of the consumer, or asyncio.sleep."""
    owner = called.value.func if isinstance(called.value, ast.Call) else called.value
    if name_of(owner) == "asyncio":
        return called.attr == "sleep"
    return name_of(owner) in {"self", "super"} and called.attr in own


def _unawaited(
    app: App, module: str, line: ast.AST, name: str, loses: str, otherwise: str
) -> Finding:
    return Finding(
        f"{name} is called and not awaited",
        app.modules[module].at(line),
        f"the call alone only creates a coroutine: {loses}; the server logs `was never awaited`",
        f"write `await` before it{otherwise}",
    )


SYNC_RAISES = (
    "it raises a RuntimeError there (You cannot use AsyncToSync in the same thread as an async "
    "event loop): the socket closes with 1011"
)


def _sync_in_async(app: App, context: Context) -> Iterator[Finding]:
    """Find async_to_sync in a coroutine, where it raises an error."""
    if context.api == LIVE_PAGES and not consumers_of(app):
        return
    for module, inside, call in _calls(app):
        if isinstance(inside, ast.AsyncFunctionDef) and _is_sync(call.func, inside):
            yield Finding(
                f"async_to_sync is called inside the coroutine {inside.name}",
                app.modules[module].at(call),
                SYNC_RAISES,
                "write `await` before the function itself, without async_to_sync",
            )


def _sync_by_method(app: App, context: Context) -> Iterator[Finding]:
    """Find coroutines of a consumer that call a method of it which calls async_to_sync."""
    for module, consumer in _asynchronous(app):
        own = functions(consumer)
        blocking = {one.name for one in own if not _is_asynchronous(one) and _blocks(one)}
        for method in (one for one in own if isinstance(one, ast.AsyncFunctionDef)):
            for node in own_nodes(method):
                called = node.func if isinstance(node, ast.Call) else None
                if (
                    isinstance(called, ast.Attribute)
                    and called.attr in blocking
                    and name_of(called.value) == "self"
                ):
                    yield Finding(
                        f"async_to_sync is called inside the coroutine {method.name}, by "
                        f"{called.attr}",
                        app.modules[module].at(node),
                        SYNC_RAISES,
                        f"write {called.attr} as async def without async_to_sync, and await it",
                    )


def _blocks(method: Function) -> bool:
    """Return whether a function calls async_to_sync(…)(…) itself."""
    return any(
        isinstance(node, ast.Call) and _is_made_sync(node.func) for node in own_nodes(method)
    )


def _is_made_sync(value: ast.expr) -> bool:
    """Return whether this is `async_to_sync(…)`."""
    return isinstance(value, ast.Call) and name_of(value.func) == "async_to_sync"


def _is_sync(called: ast.expr, inside: ast.AsyncFunctionDef) -> bool:
    """Return whether this is `async_to_sync(…)`, or a name that the function gives to one."""
    return _is_made_sync(called) or (
        isinstance(called, ast.Name)
        and any(
            isinstance(node, ast.Assign)
            and _is_made_sync(node.value)
            and called.id in map(name_of, node.targets)
            for node in ast.walk(inside)
        )
    )


def _group_names(app: App, context: Context) -> Iterator[Finding]:
    """Find names that a channel layer refuses for a group."""
    if context.api == LIVE_PAGES:
        return
    seen = set[str]()
    named = [
        (module, inside, call.args[0]) for module, inside, call in _group_calls(app) if call.args
    ]
    for module, inside, value in named:
        for text, part in _texts(app, module, inside, value):
            known = text.replace(UNKNOWN, "")
            bad = sorted({sign for sign in known if not GROUP_NAME.fullmatch(sign)})
            at = app.modules[module].at(part)
            if at in seen or (not bad and len(known) <= LONGEST_GROUP_NAME):
                continue
            seen.add(at)
            shown = text.replace(UNKNOWN, "…")
            what = f"contains {bad[0]!r}" if bad else f"has over {LONGEST_GROUP_NAME} characters"
            yield Finding(
                f"the name of the group {what}: {shown}",
                at,
                "a channel layer accepts letters, digits, hyphens, underscores and periods, less "
                "than 100 of them: the call raises a TypeError",
                "use such characters only",
            )


def _group_calls(app: App) -> Iterator[tuple[str, Function | None, ast.Call]]:
    for module, inside, call, _ in _sends(app):
        yield module, inside, call
    imported = {name for source, name, _ in app.imports() if source == "channels"}
    for module, inside, call in _calls(app):
        of_channels = (
            isinstance(call.func, ast.Attribute) and name_of(call.func.value) == "channels"
        )
        if name_of(call.func) == "Group" and (of_channels or "Group" in imported):
            yield module, inside, call


def _texts(
    app: App, module: str, inside: Function | None, value: ast.expr
) -> Iterator[tuple[str, ast.expr]]:
    """Yield the texts that a value may have: written here, or where its name is assigned."""
    if isinstance(value, ast.Attribute) or (isinstance(value, ast.Name) and inside):
        scope = inside if isinstance(value, ast.Name) and inside else app.modules[module].tree
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and any(
                isinstance(target, type(value)) and name_of(target) == name_of(value)
                for target in node.targets
            ):
                yield text_of(node.value, app.constants(module)), node.value
    called = value.func if isinstance(value, ast.Call) else value
    for function in app.modules[module].of(ast.FunctionDef):  # also a property
        if isinstance(called, ast.Attribute) and getattr(function, "name", "") == called.attr:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value:
                    yield text_of(node.value, app.constants(module)), node.value
    yield text_of(value, app.constants(module)), value


CHECKS: tuple[Check, ...] = (_events, _not_awaited, _sync_in_async, _sync_by_method, _group_names)
"""The checks of what consumers send."""
