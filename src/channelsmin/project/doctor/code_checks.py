"""Check the code of pages against what this release calls: signatures, live methods, timeouts."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.version import Version

from channelsmin.matrix import api_changes
from channelsmin.matrix.api_changes import PageMethod
from channelsmin.project.doctor.app_source import (
    FUNCTIONS,
    App,
    Function,
    Page,
    assigned,
    name_of,
    own_nodes,
)
from channelsmin.project.doctor.context import LIVE_PAGES, Check, Context, live_method_of
from channelsmin.project.doctor.finding import Finding

ASYNC_LIVE = Version("6.0.0b10")
"""The first release with asynchronous live methods (6.0.15:otree/live.py:33)."""

ARRIVED = "after_all_players_arrive"
"""A wait page's method, which oTree 5 and 6 call by name (6.0.15:otree/views/abstract.py:1032)."""

OF_PAGE = {"player", "form", "request", "timeout_happened", "get_context_data", "vars_for_template"}
"""What a page has and a player has not: `self.player` in a method that gets the player as self."""


def _signatures(app: App, context: Context) -> Iterator[Finding]:
    """Find methods of pages that oTree calls with other arguments than they accept."""
    methods = api_changes.page_methods(context.release)
    if context.api != LIVE_PAGES or not methods:
        return
    seen = set[int]()
    for page in app.all_pages():
        for name, method in _methods(app, page).items():
            if id(method.node) in seen:  # two pages inherit it
                continue
            seen.add(id(method.node))
            if name == ARRIVED:
                yield from _arrival(app, page, method, context)
            elif name in methods and (context.is_without_self(app) or name != "live_method"):
                yield from _signature(app, page, method, methods[name], context)


@dataclass(frozen=True)
class Method:
    """What a page calls a method: the function or lambda, its module, its decorators."""

    node: Function | ast.Lambda
    module: str
    decorators: tuple[str, ...]


def _arrival(app: App, page: Page, method: Method, context: Context) -> Iterator[Finding]:
    """Find an after_all_players_arrive without the argument that oTree passes by name."""
    arguments = method.node.args
    names = [one.arg for one in (*arguments.args, *arguments.kwonlyargs)]
    bases = [name_of(base) for base in page.node.bases]
    if names == ["self"] or arguments.kwarg or bases != ["WaitPage"]:
        return
    wanted = "subsession" if _waits_for_all(page) else "group"
    if names != [wanted]:
        yield Finding(
            f"{page.node.name}.{ARRIVED}({', '.join(names)}) does not accept what oTree "
            f"{context.release} calls it with",
            app.modules[method.module].at(method.node),
            f"oTree calls it with {wanted}=…: the members stay on the wait page",
            f"write def {getattr(method.node, 'name', ARRIVED)}({wanted})",
        )


def _waits_for_all(page: Page) -> bool:
    value = assigned(page.node, "wait_for_all_groups")
    return value is not None and not (isinstance(value, ast.Constant) and not value.value)


def _methods(app: App, page: Page) -> dict[str, Method]:
    """Return the methods of a page by name: its own, and those of its bases in the app.

    A page can also give a name to a function, `before_next_page = leave`, or to a lambda.
    """
    found: dict[str, Method] = {}
    for module, node in app.lineage(page):
        for line in node.body:
            if isinstance(line, Function):
                decorators = tuple(map(name_of, line.decorator_list))
                found.setdefault(line.name, Method(line, module, decorators))
            elif isinstance(line, ast.Assign) and (method := _given(app, module, line.value)):
                for target in line.targets:
                    found.setdefault(name_of(target), method)
    return found


def _given(app: App, module: str, value: ast.expr) -> Method | None:
    """Return the function that a value stands for, also through staticmethod(…)."""
    decorators: tuple[str, ...] = ()
    if isinstance(value, ast.Call) and name_of(value.func) == "staticmethod" and value.args:
        value, decorators = value.args[0], ("staticmethod",)
    if isinstance(value, ast.Lambda):
        return Method(value, module, decorators)
    function = _function(app, name_of(value))
    return Method(function, _module_of(app, function), decorators) if function else None


def _signature(
    app: App, page: Page, found: Method, called: PageMethod, context: Context
) -> Iterator[Finding]:
    if any(one != "staticmethod" for one in found.decorators):
        return
    is_static, method = bool(found.decorators), found.node
    arguments = [*method.args.posonlyargs, *method.args.args]
    names = [one.arg for one in arguments]
    wanted = list(called.parameters)
    at = app.modules[found.module].at(method)
    written = f"{page.node.name}.{called.name}({', '.join(names)})"
    if not context.is_without_self(app):
        bound = [name for name in wanted[1:] if name not in called.keywords]
        accepted = arguments if is_static else arguments[1:]
        if not fits(method, len(accepted), len(bound)):
            right = f"def {called.name}({', '.join(['self', *bound])})"
            yield Finding(
                f"{written} does not accept what oTree {context.release} calls it with",
                at,
                "in an app with pages.py oTree calls the methods on the page: the page ends in "
                "error 500",
                f"write {right}, without @staticmethod",
            )
        return
    right = f"@staticmethod, def {called.name}({', '.join(wanted)})"
    if not fits(method, len(arguments), len(wanted)) or not _accepts(method, called.keywords):
        yield Finding(
            f"{written} does not accept what oTree {context.release} calls it with",
            at,
            f"in an app without self oTree calls it with ({', '.join(wanted)}): the page ends in "
            "error 500",
            f"write {right}",
        )
    elif not is_static and names[:1] == ["self"] and _uses_page(method):
        yield Finding(
            f"{written} is called with the player in place of the page",
            at,
            "in an app without self the first argument is the player, which has no such attribute: "
            "the page ends in error 500",
            f"write {right}, and player in place of self.player",
        )


def fits(method: Function | ast.Lambda, accepted: int, given: int) -> bool:
    """Return whether a function may be called with so many arguments."""
    if method.args.vararg or method.args.kwarg:
        return True
    return accepted - len(method.args.defaults) <= given <= accepted + len(method.args.kwonlyargs)


def _accepts(method: Function | ast.Lambda, keywords: tuple[str, ...]) -> bool:
    named = {one.arg for one in (*method.args.args, *method.args.kwonlyargs)}
    return bool(method.args.kwarg) or named >= {*keywords}


def _uses_page(method: Function | ast.Lambda) -> bool:
    return any(
        isinstance(node, ast.Attribute) and name_of(node.value) == "self" and node.attr in OF_PAGE
        for node in ast.walk(method)
    )


def _live_function(app: App, page: Page) -> Function | None:
    """Return the function that answers a page's live messages, None if it cannot be found."""
    owners = (node for _, node in app.lineage(page))
    method = next(filter(None, map(live_method_of, owners)), None)
    if isinstance(method, Function):
        plain = all(name_of(one) == "staticmethod" for one in method.decorator_list)
        return method if plain else None
    if not isinstance(method, ast.Assign):
        return None
    value = method.value
    return _function(app, str(value.value) if isinstance(value, ast.Constant) else name_of(value))


def _function(app: App, name: str) -> Function | None:
    """Return the app's function of this name, None if there are several, or decorators."""
    found = [
        node
        for _, node in app.of(*FUNCTIONS)
        if isinstance(node, Function) and node.name == name and not node.decorator_list
    ]
    return found[0] if len(found) == 1 else None


def _module_of(app: App, function: Function) -> str:
    return next(module for module, node in app.of(*FUNCTIONS) if node is function)


def _live_answers(app: App, context: Context) -> Iterator[Finding]:
    """Find live methods whose answers oTree refuses."""
    seen = set[int]()
    for page in app.pages():
        function = _live_function(app, page)
        if function is None or page.node.name in app.patched or id(function) in seen:
            continue
        seen.add(id(function))  # several pages may share it
        at = app.modules[_module_of(app, function)].at
        nodes = list(own_nodes(function))
        yields = [node for node in nodes if isinstance(node, ast.Yield | ast.YieldFrom)]
        is_async = isinstance(function, ast.AsyncFunctionDef)
        if is_async and context.release < ASYNC_LIVE:
            yield _refused(
                f"the live method of {page.node.name} is asynchronous",
                at(function),
                f"oTree {context.release} does not await it (6.0.0b10 and later do): nothing is "
                "sent, and the server logs `was never awaited`",
                "write def instead of async def",
            )
        elif is_async and not yields:
            yield _refused(
                f"the live method of {page.node.name} is async and does not yield",
                at(function),
                "oTree accepts a function that returns, or an async generator",
                "write yield instead of return, or def instead of async def",
            )
        elif yields and not is_async:
            yield _refused(
                f"the live method of {page.node.name} yields",
                at(yields[0]),
                "oTree accepts a function that returns, or (from 6.0.0b10 on) an async generator",
                "write return instead of yield, or async def instead of def",
            )
        else:
            answers = yields if is_async else [n for n in nodes if isinstance(n, ast.Return)]
            for answer in answers:
                if isinstance(answer, ast.Return | ast.Yield) and (
                    why := _refusal(answer.value, nodes, app)
                ):
                    yield _refused(
                        f"the live method of {page.node.name} returns {why}",
                        at(answer),
                        "oTree accepts a dict whose keys are members' id_in_group, or 0 alone for "
                        'the whole group: the page gets `"otree_success": false`',
                        "return {0: …} for the whole group, {player.id_in_group: …} for one member",
                    )


def _refused(what: str, where: str, why: str, fix: str) -> Finding:
    return Finding(what, where, why, fix)


NO_KEYS = {"code", "label", "id_in_subsession"}
"""What tells a member elsewhere, but is no key of a live method's answer."""


def _refusal(value: ast.expr | None, nodes: list[ast.AST], app: App, depth: int = 3) -> str:
    """Return why oTree refuses an answer, in words; "" if it accepts it, or may accept it.

    `nodes` are the parts of the function in which the answer is written.
    """
    match value:
        case ast.Constant(value=constant) if constant:
            return "no dict"
        case ast.List(elts=[_, *_]) | ast.Tuple(elts=[_, *_]) | ast.Set() | ast.JoinedStr():
            return "no dict"
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return "no dict"
        case ast.Dict(keys=keys):
            constants = [key.value for key in keys if isinstance(key, ast.Constant)]
            texts = [key for key in constants if isinstance(key, str)]
            if texts:
                return f"a dict with the key {texts[0]!r}"
            if 0 in constants and len(keys) > 1:
                return "a dict with the key 0 and others"
            if any(map(_is_no_key, keys)):
                return "a dict with a key that is no id_in_group"
        case ast.DictComp(key=key) if _is_no_key(key) and not isinstance(key, ast.Name):
            return "a dict with a key that is no id_in_group"
        case ast.Call(func=func) if name_of(func) in {"dumps", "str"}:
            return "no dict"
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=[first, *_]) if first.arg:
            return f"a dict with the key {first.arg!r}"
        case ast.IfExp(body=body, orelse=orelse):
            return _refusal(body, nodes, app, depth) or _refusal(orelse, nodes, app, depth)
        case ast.Call(func=ast.Name(id=name)) if depth and (function := _function(app, name)):
            inner = list(own_nodes(function))
            if not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in inner):
                returned = (node.value for node in inner if isinstance(node, ast.Return))
                reasons = (_refusal(one, inner, app, depth - 1) for one in returned)
                return next(filter(None, reasons), "")
        case ast.Name(id=name) if depth:
            values = [
                node.value
                for node in nodes
                if isinstance(node, ast.Assign) and name in map(name_of, node.targets)
            ]
            stored = _keys_stored(name, nodes)
            if stored and len(values) == 1 and _is_dict(values[0]):
                return f"a dict with the key {stored[0]!r}"
            changed = any(
                isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
                for node in nodes
            )
            if len(values) == 1 and changed:
                return _refusal(values[0], nodes, app, depth - 1)
    return ""


def _is_no_key(key: ast.expr | None) -> bool:
    """Return whether a key is certainly no id_in_group: a player, a code, a text."""
    match key:
        case ast.Attribute(attr=name):
            return name in NO_KEYS
        case ast.Call(func=ast.Name(id="str")) | ast.JoinedStr() | ast.Name(id="player"):
            return True
    return False


def _keys_stored(name: str, nodes: list[ast.AST]) -> list[str]:
    """Return the texts under which a function stores something in a dict.

    `answer['x'] = 1`, or `answer.update(x=1)`.
    """
    given = [
        word.arg
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "update"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == name
        for word in node.keywords
        if word.arg
    ]
    return given + [
        node.slice.value
        for node in nodes
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Store)
        and name_of(node.value) == name
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]


def _is_dict(value: ast.expr) -> bool:
    is_call = isinstance(value, ast.Call) and name_of(value.func) == "dict"
    return is_call or isinstance(value, ast.Dict)


def _timeouts(app: App, context: Context) -> Iterator[Finding]:
    """Find pages on which a timeout counts as the click that their live method records."""
    if context.api != LIVE_PAGES:
        return
    for page in app.pages():
        limited = page.method("get_timeout_seconds") or any(
            isinstance(line, ast.Assign) and "timeout_seconds" in map(name_of, line.targets)
            for line in page.node.body
        )
        leaving, live = page.method("before_next_page"), _live_function(app, page)
        if not limited or not leaving or not live:
            continue
        uses = any(
            isinstance(node, ast.Name) and node.id == "timeout_happened"
            for line in leaving.body
            for node in ast.walk(line)
        )
        recording = (node for _, node in app.of(*FUNCTIONS) if isinstance(node, Function))
        own = {node.name for node in recording if _records_who(node)}
        shared = _called(leaving) & _called(live) & own
        if shared and not uses:
            yield Finding(
                f"a timeout on {page.node.name} counts as a click",
                app.modules[page.module].at(leaving),
                f"before_next_page also runs when the time is over, and calls {min(shared)}, as "
                "the "
                "live method does for a click: the data name a member who did not click",
                "return at once if timeout_happened",
            )


def _records_who(function: Function) -> bool:
    """Return whether a function stores in an attribute which member it was called for."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Attribute) for target in node.targets)
        and any(getattr(part, "attr", "") in MEMBER for part in ast.walk(node.value))
        for node in ast.walk(function)
    )


MEMBER = {"id_in_group", "id_in_subsession", "code", "label"}
"""What tells a member from the others."""


def _called(function: Function) -> set[str]:
    return {name_of(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


CHECKS: tuple[Check, ...] = (_signatures, _live_answers, _timeouts)
"""The checks of the pages' code, for every app that a session config plays."""
