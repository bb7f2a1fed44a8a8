"""Read the apps of a project: modules, routes, pages. Nothing is imported.

Each module is parsed and walked once.
"""

import ast
import functools
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import libcst as cst

from channelsmin.errors import UserError
from channelsmin.project import nesting
from channelsmin.project.doctor.finding import Finding

LISTS = (
    *(ast.List, ast.Tuple, ast.Dict, ast.ListComp),
    *(ast.BinOp, ast.IfExp, ast.Name, ast.Subscript),
)
"""The expressions that can make a list of pages; what a call returns is not known."""

UNKNOWN = "\0"
"""The place holder, in a text, of a part that is only known when the project runs."""

ROUTE_CALLS = {"route", "route_class", "as_route", "include", "url", "re_path", "path"}
ROUTE_LISTS = ("channel_routing", "websocket_routes")
"""The calls that make a route, and the names of the list of routes: until 2.2, and from 2.3 on."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NESTED = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign)
IMPORTS = (ast.Import, ast.ImportFrom)

PLAIN = (*FUNCTIONS, *ASSIGNMENTS, ast.Expr, ast.Pass)
"""The statements of a class that say what it has, whatever happens."""

LEADS_NOWHERE = frozenset({"ctx", "op", "ops"})
"""The fields of a syntax tree's parts that have nothing that a check looks for."""


@dataclass(frozen=True)
class Module:
    """A module of an app; `path` is its place in the project."""

    path: Path
    tree: ast.Module
    text: bytes = b""

    @functools.cached_property
    def _by_kind(self) -> dict[type[ast.AST], list[ast.AST]]:
        """Every part of the module by its kind, from one pass over it."""
        found: dict[type[ast.AST], list[ast.AST]] = {}
        todo: list[ast.AST] = [self.tree]
        for node in todo:
            found.setdefault(type(node), []).append(node)
            for name in node._fields:
                if name in LEADS_NOWHERE:
                    continue
                value = getattr(node, name, None)
                if type(value) is list:
                    todo += [part for part in value if isinstance(part, ast.AST)]
                elif isinstance(value, ast.AST):
                    todo.append(value)
        return found

    def of(self, *kinds: type[ast.AST]) -> list[ast.AST]:
        """Return the parts of the module that are of these kinds, such as `ast.Call`."""
        return [node for kind in kinds for node in self._by_kind.get(kind, ())]

    def at(self, node: ast.AST) -> str:
        """Return the place of a part of it: `lobby/models.py:12`."""
        return f"{self.path.as_posix()}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Route:
    """A route: the pattern of its address, the consumer, and the place.

    `consumer` is None if it is not a plain name.
    """

    pattern: str
    consumer: str | None
    where: str


@dataclass(frozen=True)
class Page:
    """A class of a page sequence, with the template that it shows."""

    module: str
    node: ast.ClassDef
    template: str

    @property
    def is_plain(self) -> bool:
        """Whether it inherits from oTree's Page only, and nothing else adds to it."""
        is_page = [name_of(base) for base in self.node.bases] == ["Page"]
        plain_body = all(isinstance(line, PLAIN) for line in self.node.body)
        adds = self.node.decorator_list or self.node.keywords
        return is_page and plain_body and not adds

    def method(self, name: str) -> Function | None:
        """Return the method of this name, if the class itself has one."""
        return next((one for one in functions(self.node) if one.name == name), None)

    @property
    def form_model(self) -> str:
        """The model of its form, such as `player`."""
        model = assigned(self.node, "form_model")
        return text_of(model, {}) if model else "player"


@dataclass(frozen=True)
class App:
    """An app: its name, and its modules by what they are called in it ("" is the app itself)."""

    name: str
    modules: Mapping[str, Module]

    def resolve(self, module: str, line: ast.ImportFrom) -> str | None:
        """Return the module of the app that a line of another one imports from, or None."""
        written = (line.module or "").split(".")
        wanted = [part for part in written if part not in {"", "__init__"}]
        if not line.level:
            return ".".join(wanted[1:]) if wanted[:1] == [self.name] else None
        package = module.split(".") if module else []
        if package and self.modules[module].path.name != "__init__.py":
            package.pop()
        up = line.level - 1
        if up > len(package):
            return None
        return ".".join([*package[: len(package) - up], *wanted])

    @functools.cached_property
    def _constants(self) -> dict[str, dict[str, str]]:
        return {}

    def constants(self, module: str) -> dict[str, str]:
        """Return the texts that a module assigns to names; each module is looked at once."""
        if module not in self._constants:
            self._constants[module] = self._assigned(module)
        return self._constants[module]

    def _assigned(self, module: str, depth: int = 3) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.modules[module].tree.body:
            if isinstance(line, ast.ImportFrom) and depth:
                source = self.resolve(module, line)
                theirs: dict[str, str] = {}
                if source is not None and source in self.modules:
                    theirs = self._assigned(source, depth - 1)
                names = {one.asname or one.name: one.name for one in line.names}
                found |= {ours: theirs[name] for ours, name in names.items() if name in theirs}
            elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                found[line.targets[0].id] = text_of(line.value, found)
        return found

    def of(self, *kinds: type[ast.AST]) -> list[tuple[str, ast.AST]]:
        """Return the parts of all modules that are of these kinds, with the module's name."""
        return [(name, node) for name, module in self.modules.items() for node in module.of(*kinds)]

    def imports(self) -> Iterator[tuple[str, str, str]]:
        """Yield the imports from elsewhere: the module, the name ("" for all), the place."""
        for module, name, _, at in self.imported():
            yield module, name, at

    @functools.cached_property
    def _imported(self) -> tuple[tuple[str, str, str, str], ...]:
        found: list[tuple[str, str, str, str]] = []
        for name, node in self.of(*IMPORTS):
            if isinstance(node, ast.Import):
                at = self.modules[name].at(node)
                found += ((one.name, "", name, at) for one in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                at = self.modules[name].at(node)
                found += ((node.module or "", one.name, name, at) for one in node.names)
        return tuple(found)

    def imported(self) -> tuple[tuple[str, str, str, str], ...]:
        """Return the imports from elsewhere: module, name, importing module, place."""
        return self._imported

    def routings(self) -> Iterator[tuple[str, str]]:
        """Yield the lists of routes: the name of each, and its place."""
        for name, module in self._routing_modules():
            for node in module.of(*ASSIGNMENTS):
                for one in _targets(node) & {*ROUTE_LISTS}:
                    yield one, self.modules[name].at(node)

    def _routing_modules(self) -> list[tuple[str, Module]]:
        return [one for one in self.modules.items() if one[0].rpartition(".")[2] == "routing"]

    @functools.cached_property
    def _routes(self) -> tuple[Route, ...]:
        return tuple(
            _route(node, self.constants(name), self.modules[name].at(node))
            for name, module in self._routing_modules()
            for node in module.of(ast.Call)
            if isinstance(node, ast.Call) and name_of(node.func) in ROUTE_CALLS
        )

    def routes(self) -> list[Route]:
        """Return the routes, in the order in which they are written."""
        return list(self._routes)

    @functools.cached_property
    def _classes(self) -> dict[str, tuple[str, ast.ClassDef]]:
        found = (
            (name, one) for name, one in self.of(ast.ClassDef) if isinstance(one, ast.ClassDef)
        )
        return {one.name: (module, one) for module, one in found}

    def declared(self, model: str, field: str) -> ast.expr | None:
        """Return what declares a field of a model such as `player`, None if it is not known."""
        known = self._classes.get(model.capitalize())
        return assigned(known[1], field) if known else None

    def classes(self) -> dict[str, tuple[str, ast.ClassDef]]:
        """Return the classes by their names, each with its module."""
        return self._classes

    @functools.cached_property
    def _bases(self) -> dict[str, set[str]]:
        return {}

    def bases(self, name: str) -> set[str]:
        """Return the names of all classes that a class inherits from, as far as the app has them.

        Each class is looked at once per app.
        """
        if name not in self._bases:
            found, todo = set[str](), [name]
            while todo:
                known = self._classes.get(todo.pop())
                direct = {name_of(base) for base in known[1].bases} if known else set()
                todo += direct - found
                found |= direct
            self._bases[name] = found
        return self._bases[name]

    def form_fields(self, page: Page) -> list[str]:
        """Return the fields of a page's form, as far as they are written out, here or by a name."""
        value = assigned(page.node, "form_fields")
        if isinstance(value, ast.Name | ast.Attribute):
            values = [
                node.value
                for node in self.modules[page.module].of(ast.Assign)
                if isinstance(node, ast.Assign) and name_of(value) in _targets(node)
            ]
            value = values[0] if len(values) == 1 else None
        names = [text_of(item, {}) for item in getattr(value, "elts", ())]
        return [name for name in names if UNKNOWN not in name]

    def lineage(self, page: Page) -> list[tuple[str, ast.ClassDef]]:
        """Return a page's class and those of the app that it inherits from, the nearest first."""
        found: list[tuple[str, ast.ClassDef]] = []
        todo = [(page.module, page.node)]
        while todo:
            one = todo.pop(0)
            if one not in found:
                found.append(one)
                bases = (self._classes.get(name_of(base)) for base in one[1].bases)
                todo += filter(None, bases)
        return found

    def mentions(self, name: str) -> int:
        """Return how often a name occurs in its modules, in code or in text."""
        word = re.compile(rf"\b{re.escape(name)}\b".encode())
        return sum(len(word.findall(module.text)) for module in self.modules.values())

    @functools.cached_property
    def _all_pages(self) -> tuple[Page, ...]:
        classes = self._classes | self._own_classes(self._sequence_module)
        return tuple(
            Page(module, node, self._template(node))
            for name, (module, node) in classes.items()
            if name in self._in_sequence
        )

    @functools.cached_property
    def _pages(self) -> tuple[Page, ...]:
        return tuple(
            page
            for page in self._all_pages
            if not any("WaitPage" in one for one in self.bases(page.node.name))
        )

    @functools.cached_property
    def _in_sequence(self) -> set[str]:
        """The names in the page sequence, and in the lists that it is put together from.

        They are looked for in all modules if oTree's own ones lack the sequence.
        """
        module = self._sequence_module
        places = self.modules.values() if module is None else [self.modules[module]]
        parts = defaultdict[str, set[str]](set)
        for node in (node for place in places for node in place.of(*ASSIGNMENTS, ast.Call)):
            for target, value in _put_together(node):
                parts[target].update(map(name_of, ast.walk(value)))
        found, todo = set[str](), {"page_sequence"}
        while todo:
            inside = set[str]().union(*(parts[name] for name in todo))
            todo = inside - found
            found |= inside
        return found

    @functools.cached_property
    def page_order(self) -> dict[str, int]:
        """The place of each page and wait page, empty if the sequence is not written out."""
        modules = [self.modules[self._sequence_module]] if self._sequence_module is not None else []
        for node in (node for module in modules for node in module.of(ast.Assign)):
            if isinstance(node, ast.Assign) and "page_sequence" in _targets(node):
                items = node.value.elts if isinstance(node.value, ast.List) else []
                if all(isinstance(item, ast.Name) for item in items):
                    return {name_of(item): place for place, item in enumerate(items)}
        return {}

    @functools.cached_property
    def _sequence_module(self) -> str | None:
        """The module that oTree takes the page sequence from, None if it only imports it there."""
        read = (name for name in ("", "app", "pages", "views") if name in self.modules)
        assigns = (
            name
            for name in read
            if any(
                "page_sequence" in _targets(node) for node in self.modules[name].of(*ASSIGNMENTS)
            )
        )
        return next(assigns, None)

    def _own_classes(self, module: str | None) -> dict[str, tuple[str, ast.ClassDef]]:
        nodes = self.modules[module].of(ast.ClassDef) if module is not None else ()
        return {one.name: (module or "", one) for one in nodes if isinstance(one, ast.ClassDef)}

    def all_pages(self) -> list[Page]:
        """Return the pages and the wait pages of the page sequence."""
        return list(self._all_pages)

    def pages(self) -> list[Page]:
        """Return the pages of the page sequence, as far as it is written out."""
        return list(self._pages)

    @functools.cached_property
    def has_page_sequence(self) -> bool:
        """Whether a module assigns page_sequence: only then can a session config play the app."""
        return any("page_sequence" in _targets(node) for _, node in self.of(*ASSIGNMENTS))

    @functools.cached_property
    def patched(self) -> frozenset[str]:
        """The classes to which code outside of them adds something: `Ask.live_method = …`."""
        found = {
            name_of(target.value)
            for _, node in self.of(ast.Assign)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Attribute)
        }
        calls = (node for _, node in self.of(ast.Call) if isinstance(node, ast.Call))
        found |= {
            name_of(call.args[0]) for call in calls if name_of(call.func) == "setattr" and call.args
        }
        return frozenset(found | (self._in_sequence if found & self._loop_names else set()))

    @functools.cached_property
    def _loop_names(self) -> set[str]:
        """The names that stand for one page after the other: `for page in page_sequence`."""
        loops = (node for _, node in self.of(ast.For) if isinstance(node, ast.For))
        return {name_of(loop.target) for loop in loops if name_of(loop.iter) == "page_sequence"}

    def is_plain(self, page: Page) -> bool:
        """Return whether everything that a page has is written in its class."""
        return page.is_plain and page.node.name not in self.patched

    @functools.cached_property
    def urls(self) -> list[tuple[str, str]]:
        """The app's name in addresses, with the place."""
        return [
            (text_of(node.value, {}), self.modules[name].at(node))
            for name, node in self.of(ast.Assign)
            if isinstance(node, ast.Assign) and {"name_in_url", "NAME_IN_URL"} & _targets(node)
        ]

    def _template(self, page: ast.ClassDef) -> str:
        for line in page.body:
            if isinstance(line, ast.Assign) and "template_name" in _targets(line):
                return text_of(line.value, {})
        return f"{self.name}/{page.name}.html"


def read(project: Path) -> tuple[list[App], list[Finding]]:
    """Return the apps of a project, and the files that are not valid Python.

    A module beside them, such as helpers.py, counts as an app without pages.
    """
    apps, broken = [], []
    folders = [(path, path.rglob("*.py")) for path in project.iterdir() if _may_be_app(path)]
    beside = [(path, iter((path,))) for path in project.glob("*.py") if path.name not in NO_HELPERS]
    for top, files in [*sorted(folders), *sorted(beside)]:
        modules = {}
        for path in sorted(files):
            place = path.relative_to(project)
            if not path.is_file() or not all(
                part.isidentifier() for part in place.with_suffix("").parts
            ):
                continue  # `pages copy.py`, or an editor's .history: nothing can import it
            text = path.read_bytes()
            tree = parse(project, place, text)
            if isinstance(tree, Finding):
                broken.append(tree)
                continue
            modules[module_name(place)[1]] = Module(place, tree, text)
        apps.append(App(top.stem, modules))
    return apps, broken


NO_HELPERS = {"settings.py", "manage.py", "setup.py", "conftest.py"}


def module_name(place: Path) -> tuple[str, str]:
    """Return the app, and the name in it, of a file of a project: `quiz`, `lib.helpers`."""
    app, *inner = place.with_suffix("").parts
    return app, ".".join(inner).removesuffix("__init__").rstrip(".")


def parse(project: Path, place: Path, text: bytes | None = None) -> ast.Module | Finding:
    """Return a file of the project, parsed, or why it is not valid Python.

    A remark if only the Python that runs this program cannot read it.
    """
    source = (project / place).read_bytes() if text is None else text
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where = f"{place.as_posix()}:{getattr(error, 'lineno', None) or 1}"
        if _is_newer_python(source, place):
            here = f"{sys.version_info.major}.{sys.version_info.minor}"
            return Finding(
                f"not checked, as it is written for a later Python than {here}",
                where,
                f"this program runs on Python {here}",
                "run it on the project's own Python to have the file checked",
                is_remark=True,
            )
        return Finding(
            f"a syntax error: {getattr(error, 'msg', error)}",
            where,
            "Python cannot read the file, so the server does not start, or starts without the "
            "app's routes",
            "fix the line, or the one before it",
        )


def _is_newer_python(source: bytes, place: Path) -> bool:
    """Return whether LibCST, which knows later Pythons than the one that runs, reads a file."""
    try:
        nesting.check(source, place.name)
        cst.parse_module(source)
    except (cst.ParserSyntaxError, UserError, LookupError, SyntaxError, ValueError):
        return False
    return True


def _may_be_app(folder: Path) -> bool:
    is_package = any((folder / name).is_file() for name in ("__init__.py", "models.py"))
    return is_package and folder.name.isidentifier() and not folder.name.startswith("__")


def _route(call: ast.Call, constants: Mapping[str, str], where: str) -> Route:
    """Read a call that makes a route: url(pattern, consumer) or route_class(consumer, path=…)."""
    by_keyword = {one.arg: one.value for one in call.keywords if one.arg}
    kind, given = name_of(call.func), list(call.args)
    consumer: ast.expr | None
    if kind == "as_route":  # Consumer.as_route(path=…)
        pattern = by_keyword.get("path")
        consumer = call.func.value if isinstance(call.func, ast.Attribute) else None
    elif kind in {"route", "route_class"}:
        pattern = by_keyword.get("path")
        consumer = given[-1] if given else by_keyword.get("consumer")
    else:
        pattern = given[0] if given else by_keyword.get("regex", by_keyword.get("route"))
        consumer = given[1] if len(given) > 1 else by_keyword.get("view")
    if isinstance(consumer, ast.Call):  # Consumer.as_asgi()
        consumer = consumer.func.value if isinstance(consumer.func, ast.Attribute) else None
    text = text_of(pattern, constants) if pattern else UNKNOWN
    return Route(UNKNOWN if kind in {"path", "include"} else text, name_of(consumer) or None, where)


def assigned(node: ast.ClassDef, name: str) -> ast.expr | None:
    """Return what a class itself assigns to a name."""
    lines = (line for line in node.body if isinstance(line, ast.Assign))
    return next((line.value for line in lines if name in map(name_of, line.targets)), None)


def name_of(node: ast.AST | None) -> str:
    """Return the last part of a dotted name, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def functions(node: ast.ClassDef) -> list[Function]:
    """Return a class's own methods."""
    return [one for one in node.body if isinstance(one, Function)]


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the parts of a function, without those of functions inside it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, NESTED):
            pending += ast.iter_child_nodes(node)


def _targets(node: ast.AST) -> set[str]:
    """Return the names that a statement assigns, or adds to."""
    if isinstance(node, ast.Assign):
        return {name_of(target) for target in node.targets}
    return {name_of(node.target)} if isinstance(node, ast.AugAssign | ast.AnnAssign) else set()


def _put_together(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a statement puts into a list: the list's name, and what it gets."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("append", "extend", "insert"):
            yield from ((name_of(node.func.value), argument) for argument in node.args)
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value:
        for name in _targets(node):
            if name == "page_sequence" or isinstance(node.value, LISTS):
                yield name, node.value


def text_of(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the text that an expression makes, with UNKNOWN for each part that is not certain."""
    match node:
        case ast.Constant(value=str() | int() as value):
            return str(value)
        case ast.Name(id=name):
            return names.get(name, UNKNOWN)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left, names) + text_of(right, names)
        case ast.BinOp(left=left, op=ast.Mod()):
            return re.sub(r"%(\(\w+\))?[-#0 +]*\d*(\.\d+)?[a-zA-Z]", UNKNOWN, text_of(left, names))
        case ast.JoinedStr(values=values):
            return "".join(text_of(part, names) for part in values)
        case ast.FormattedValue(value=value):
            return text_of(value, names)
        case ast.Call(func=ast.Attribute(value=template, attr="format"), args=args, keywords=given):
            texts = {one.arg: text_of(one.value, names) for one in given if one.arg}
            try:
                return text_of(template, names).format(
                    *(text_of(one, names) for one in args), **texts
                )
            except (LookupError, ValueError):
                return UNKNOWN
    return UNKNOWN
