"""Check for fields that are read while they are None, which oTree 5 and 6 refuse.

A finding needs certainty: whatever gives the field a value reads it first, or comes later than the
page that reads it.
"""

import ast
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from channelsmin.matrix import api_changes
from channelsmin.project.doctor.app_source import App, Function, functions, name_of
from channelsmin.project.doctor.context import Check, Context
from channelsmin.project.doctor.finding import Finding

MODELS = {"BasePlayer": "player", "BaseGroup": "group", "BaseSubsession": "subsession"}
"""The models whose fields oTree guards, and what their objects are called."""

STARTS = {"initial", "default"}
"""The arguments of a field that give it a value from the start."""

FIRST_CALLED = {"is_displayed", "vars_for_template", "js_vars", "get_timeout_seconds"}
"""The methods of a page that oTree calls before a participant can do anything there."""

SIMPLE = (ast.Assign, ast.AnnAssign, ast.Expr, ast.Pass, ast.Import, ast.ImportFrom)
"""The statements after which the next one is certainly run."""


@dataclass(frozen=True)
class Field:
    """A field that is None at first: what its model's objects are called, and its name."""

    owner: str
    name: str


@dataclass(frozen=True)
class Scope:
    """A function of an app: its module, and the class that it is in, "" for none."""

    module: str
    owner: str
    node: Function


@dataclass(frozen=True)
class Code:
    """The functions of an app, and the order of its pages."""

    scopes: tuple[Scope, ...]
    order: dict[str, int]
    assigned: frozenset[tuple[str, str]]

    @functools.cached_property
    def callers(self) -> dict[str, list[Scope]]:
        """The functions that call another one, by the name of that."""
        found: dict[str, list[Scope]] = {}
        for scope in self.scopes:
            for node in ast.walk(scope.node):
                if isinstance(node, ast.Call):
                    found.setdefault(name_of(node.func), []).append(scope)
        return found

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """What the functions are called."""
        return frozenset(scope.node.name for scope in self.scopes)

    @functools.cached_property
    def first_called(self) -> list[Scope]:
        """The methods that oTree calls before a participant can do anything on a page."""
        return [
            one for one in self.scopes if one.node.name in FIRST_CALLED and one.owner in self.order
        ]

    @functools.cached_property
    def setters(self) -> dict[str, list[Scope]]:
        """The functions that set an attribute, of whatever object, by its name."""
        found: dict[str, list[Scope]] = {}
        for scope in self.scopes:
            for name in {node.attr for node in _set_in(scope.node)}:
                found.setdefault(name, []).append(scope)
        return found

    def earliest(self, scope: Scope, seen: frozenset[int] = frozenset()) -> float:
        """Return the place of the first page on which a function can be called; -1 if unknown."""
        if scope.owner in self.order:
            return self.order[scope.owner]
        if id(scope.node) in seen:
            return math.inf
        name = scope.node.name
        pages = [self.order[page] for page, value in self.assigned if value == name]
        callers = self.callers.get(name, [])
        if not pages and not callers:
            return -1
        seen |= {id(scope.node)}
        return min([*pages, *(self.earliest(caller, seen) for caller in callers)])


def _none_fields(app: App, context: Context) -> Iterator[Finding]:
    """Find fields that are certainly read while they are None."""
    if not api_changes.refuses_none(context.release) or _sets_by_name(app):
        return
    texts = {getattr(node, "value", None) for _, node in app.of(ast.Constant)}
    code = _code(app)
    for field in _without_a_value(app):
        if field.name in texts:  # a form, or getattr, may name it
            continue
        for scope, node in _certain(code, field):
            if not context.is_imported(app, scope.module):
                continue
            yield Finding(
                f"reads {field.owner}.{field.name} while it is None",
                app.modules[scope.module].at(node),
                "nothing has given it a value by then, and from oTree 5 on reading a field that is "
                "None is an error: the page, or the live message, ends there",
                f"declare {field.name} with initial=…, or read it with "
                f"{field.owner}.field_maybe_none({field.name!r})",
            )
            break


def _code(app: App) -> Code:
    classes = [
        (module, one) for module, one in app.of(ast.ClassDef) if isinstance(one, ast.ClassDef)
    ]
    inside = [Scope(module, one.name, node) for module, one in classes for node in functions(one)]
    outside = [
        Scope(name, "", node)
        for name, module in app.modules.items()
        for node in module.tree.body
        if isinstance(node, Function)
    ]
    order = app.page_order
    assigned = {
        (one.name, name_of(line.value))
        for _, one in classes
        if one.name in order
        for line in one.body
        if isinstance(line, ast.Assign)
    }
    return Code((*inside, *outside), order, frozenset(assigned))


def _sets_by_name(app: App) -> bool:
    """Return whether code sets attributes by values, or in a way that is not followed."""
    calls = (node for _, node in app.of(ast.Call) if isinstance(node, ast.Call))
    return any(name_of(call.func) in {"setattr", "__setattr__", "update"} for call in calls)


def _without_a_value(app: App) -> Iterator[Field]:
    """Yield the fields of an app's models that are None at first."""
    for _, model in app.classes().values():
        bases = [name_of(base) for base in model.bases]
        if len(bases) == 1 and bases[0] in MODELS:
            for line in model.body:
                if isinstance(line, ast.Assign) and _is_none_at_first(line.value):
                    yield from (Field(MODELS[bases[0]], name_of(one)) for one in line.targets)


def _is_none_at_first(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call) or not name_of(value.func).endswith("Field"):
        return False
    given = {one.arg: one.value for one in value.keywords}
    starts = [given[name] for name in STARTS if name in given]
    is_plain = None not in given and not value.args
    return is_plain and all(isinstance(one, ast.Constant) and one.value is None for one in starts)


def _certain(code: Code, field: Field) -> Iterator[tuple[Scope, ast.AST]]:
    """Yield the places where the field is certainly None when it is read."""
    setting = code.setters.get(field.name, [])
    guards = [_guard(scope.node.body, field, None) for scope in setting]
    if setting and all(guards):  # whatever sets it reads it first, so it is never set
        yield from ((s, g) for s, g in zip(setting, guards, strict=True) if isinstance(g, ast.AST))
        return
    earliest = min((code.earliest(scope) for scope in setting), default=math.inf)
    for scope in code.first_called:
        node = _read_at_once(scope.node.body, field, code.names)
        if node and code.order[scope.owner] <= earliest:
            yield scope, node


def _guard(block: Sequence[ast.stmt], field: Field, read: ast.AST | None) -> ast.AST | bool:
    """Return what is certainly read before the field is set; True if it is not set in this block.

    False if it is, or may be, set without having been read.
    """
    found: ast.AST | bool = True
    for line in block:
        if isinstance(line, ast.Try):
            if _sets(line, field):
                return False
            continue
        read = read or next(filter(None, (_reads(one, field) for one in _evaluated(line))), None)
        if isinstance(line, ast.AugAssign) and _is(line.target, field):
            read = read or line.target
        blocks = [getattr(line, name, []) for name in ("body", "orelse")]
        inner = [_guard(one, field, read) for one in blocks if isinstance(one, list)]
        if any(one is False for one in inner):
            return False
        found = next((one for one in inner if isinstance(one, ast.AST)), found)
        if not any(blocks) and _sets(line, field):
            if read is None:
                return False
            found = read
    return found


def _set_in(part: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(part):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


def _sets(line: ast.AST, field: Field) -> bool:
    return any(node.attr == field.name for node in _set_in(line))


def _read_at_once(block: Sequence[ast.stmt], field: Field, own: frozenset[str]) -> ast.AST | None:
    """Return where a function reads the field, whatever happens before; None if it may not.

    A function of the app's own that is called before may give it a value.
    """
    for line in block:
        calls = {name_of(node.func) for node in ast.walk(line) if isinstance(node, ast.Call)}
        if calls & own:
            return None
        for one in _evaluated(line):
            if node := _reads(one, field):
                return node
        if not isinstance(line, SIMPLE) or _sets(line, field):
            return None
    return None


def _evaluated(line: ast.stmt) -> list[ast.expr]:
    """Return the expressions that a statement evaluates first, whatever they are."""
    names = ("test", "iter", "value")
    found = (getattr(line, name, None) for name in names)
    return [one for one in found if isinstance(one, ast.expr)]


def _reads(node: ast.AST, field: Field) -> ast.AST | None:
    """Return where an expression certainly reads the field, None if it may not."""
    if _is(node, field):
        return node
    match node:
        case ast.BoolOp(values=[first, *_]):
            inner: list[ast.AST] = [first]
        case ast.IfExp(test=test):
            inner = [test]
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inner = []
        case ast.Call(func=ast.Name(id="getattr")):
            inner = []
        case _:
            inner = list(ast.iter_child_nodes(node))
    return next(filter(None, (_reads(one, field) for one in inner)), None)


def _is(node: ast.AST, field: Field) -> bool:
    """Return whether this is the field of the object that the function is about."""
    if not isinstance(node, ast.Attribute) or node.attr != field.name:
        return False
    return name_of(node.value) in {field.owner, field.owner[0]}


CHECKS: tuple[Check, ...] = (_none_fields,)
"""The check of fields that are None, for every app that a session config plays."""
