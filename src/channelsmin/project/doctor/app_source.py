"""The apps of a project as their files tell them: modules, routes, pages. Nothing is imported."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from channelsmin.project.doctor.finding import Finding

UNKNOWN = "\0"
"""Stands in a text for whatever is only known when the project runs."""

ROUTE_CALLS = {"route", "route_class", "url", "re_path", "path"}
ROUTE_LISTS = ("channel_routing", "websocket_routes")
"""What makes a route, and what the list of them is called: until 2.2, and from 2.3 on."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module of an app; `path` is its place in the project."""

    path: Path
    tree: ast.Module

    def at(self, node: ast.AST) -> str:
        """Return where a part of it stands: `lobby/models.py:12`."""
        return f"{self.path.as_posix()}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Route:
    """A route: the pattern of its address, what answers there, and where it is written.

    `consumer` is None where that is no plain name.
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
        """Whether it is directly one of oTree's pages, and so has nothing from elsewhere."""
        return [name_of(base) for base in self.node.bases] == ["Page"]

    def method(self, name: str) -> Function | None:
        """Return the method of this name, if this very class has one."""
        return next((its for its in functions(self.node) if its.name == name), None)


@dataclass(frozen=True)
class App:
    """An app: its name, and its modules by what they are called in it ("" is the app itself)."""

    name: str
    modules: Mapping[str, Module]

    def resolve(self, module: str, line: ast.ImportFrom) -> str | None:
        """Return what module of the app a line of another one imports from, or None."""
        wanted = line.module.split(".") if line.module else []
        if not line.level:
            return ".".join(wanted[1:]) if wanted[:1] == [self.name] else None
        package = module.split(".") if module else []
        if package and self.modules[module].path.name != "__init__.py":
            package.pop()
        up = line.level - 1
        if up > len(package):
            return None
        return ".".join([*package[: len(package) - up], *wanted])

    def constants(self, module: str, depth: int = 3) -> dict[str, str]:
        """Return the texts that names stand for in a module, as far as they are written out."""
        found: dict[str, str] = {}
        for line in self.modules[module].tree.body:
            if isinstance(line, ast.ImportFrom) and depth:
                source = self.resolve(module, line)
                theirs: dict[str, str] = {}
                if source is not None and source in self.modules:
                    theirs = self.constants(source, depth - 1)
                names = {its.asname or its.name: its.name for its in line.names}
                found |= {ours: theirs[its] for ours, its in names.items() if its in theirs}
            elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                found[line.targets[0].id] = text_of(line.value, found)
        return found

    def nodes(self) -> Iterator[tuple[str, ast.AST]]:
        """Yield every part of every module, with the module's name."""
        for name, module in self.modules.items():
            yield from ((name, node) for node in ast.walk(module.tree))

    def imports(self) -> Iterator[tuple[str, str, str]]:
        """Yield what is imported from elsewhere: the module, the name ("" for all), the place."""
        for name, node in self.nodes():
            at = self.modules[name].at(node)
            if isinstance(node, ast.Import):
                yield from ((its.name, "", at) for its in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from ((node.module or "", its.name, at) for its in node.names)

    def routings(self) -> Iterator[tuple[str, str]]:
        """Yield the lists of routes that there are: what each is called, and where it stands."""
        for name, node in self.nodes():
            if name.rpartition(".")[2] == "routing":
                targets = _targets(node)
                yield from ((its, self.modules[name].at(node)) for its in targets & {*ROUTE_LISTS})

    def routes(self) -> list[Route]:
        """Return the routes, in the order in which they are written."""
        return [
            _route(node, self.constants(name), self.modules[name].at(node))
            for name, node in self.nodes()
            if name.rpartition(".")[2] == "routing"
            and isinstance(node, ast.Call)
            and name_of(node.func) in ROUTE_CALLS
        ]

    def classes(self) -> dict[str, tuple[str, ast.ClassDef]]:
        """Return the classes by their names, each with its module."""
        found = ((module, its) for module, its in self.nodes() if isinstance(its, ast.ClassDef))
        return {its.name: (module, its) for module, its in found}

    def bases(self, name: str) -> set[str]:
        """Return the names of all that a class is derived from, as far as that is in the app."""
        classes, found, names = self.classes(), set[str](), [name]
        while names:
            known = classes.get(names.pop())
            new = {name_of(base) for base in known[1].bases} - found if known else set()
            names += new
            found |= new
        return found

    def pages(self) -> list[Page]:
        """Return the pages of the page sequence, as far as it is written out."""
        names = {
            name_of(item)
            for _, node in self.nodes()
            if isinstance(node, ast.Assign) and "page_sequence" in _targets(node)
            for item in getattr(node.value, "elts", ())
        }
        return [
            Page(module, node, self._template(node))
            for name, (module, node) in self.classes().items()
            if name in names and not any("WaitPage" in name_of(base) for base in node.bases)
        ]

    def _template(self, page: ast.ClassDef) -> str:
        for line in page.body:
            if isinstance(line, ast.Assign) and "template_name" in _targets(line):
                return text_of(line.value, {})
        return f"{self.name}/{page.name}.html"


def read(project: Path) -> tuple[list[App], list[Finding]]:
    """Return the apps of a project, and the files that are no Python."""
    apps, broken = [], []
    for folder in sorted(path for path in project.iterdir() if _may_be_app(path)):
        modules = {}
        for path in sorted(folder.rglob("*.py")):
            place = path.relative_to(project)
            tree = parse(project, place)
            if isinstance(tree, Finding):
                broken.append(tree)
                continue
            name = ".".join(place.with_suffix("").parts[1:]).removesuffix("__init__").rstrip(".")
            modules[name] = Module(place, tree)
        apps.append(App(folder.name, modules))
    return apps, broken


def parse(project: Path, place: Path) -> ast.Module | Finding:
    """Return what a file of the project says, or why it is no Python."""
    try:
        return ast.parse((project / place).read_bytes())
    except (SyntaxError, ValueError) as error:
        return Finding(
            f"a syntax error: {getattr(error, 'msg', error)}",
            f"{place.as_posix()}:{getattr(error, 'lineno', None) or 1}",
            "Python can't read the file, so the server does not start, or does without its routes",
            "mend the line, or the one before it",
        )


def _may_be_app(folder: Path) -> bool:
    is_package = any((folder / name).is_file() for name in ("__init__.py", "models.py"))
    return is_package and folder.name.isidentifier() and not folder.name.startswith("__")


def _route(call: ast.Call, constants: Mapping[str, str], where: str) -> Route:
    """Read a call that makes a route: url(pattern, consumer) or route_class(consumer, path=…)."""
    by_keyword = {its.arg: its.value for its in call.keywords if its.arg}
    kind, given = name_of(call.func), list(call.args)
    if kind in {"route", "route_class"}:
        pattern = by_keyword.get("path")
        consumer = given[-1] if given else by_keyword.get("consumer")
    else:
        pattern = given[0] if given else by_keyword.get("regex", by_keyword.get("route"))
        consumer = given[1] if len(given) > 1 else by_keyword.get("view")
    if isinstance(consumer, ast.Call):  # Consumer.as_asgi()
        consumer = consumer.func.value if isinstance(consumer.func, ast.Attribute) else None
    text = text_of(pattern, constants) if pattern else UNKNOWN
    return Route(UNKNOWN if kind == "path" else text, name_of(consumer) or None, where)


def name_of(node: ast.AST | None) -> str:
    """Return the last part of a dotted name, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def functions(node: ast.ClassDef) -> list[Function]:
    """Return a class's own methods."""
    return [its for its in node.body if isinstance(its, Function)]


def _targets(node: ast.AST) -> set[str]:
    """Return the names that a statement gives a value, or adds to."""
    if isinstance(node, ast.Assign):
        return {name_of(target) for target in node.targets}
    return {name_of(node.target)} if isinstance(node, ast.AugAssign | ast.AnnAssign) else set()


def text_of(node: ast.expr, names: Mapping[str, str]) -> str:
    """Return the text that an expression makes, with UNKNOWN for each part that can't be told."""
    match node:
        case ast.Constant(value=str() | int() as value):
            return str(value)
        case ast.Name(id=name):
            return names.get(name, UNKNOWN)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left, names) + text_of(right, names)
        case ast.JoinedStr(values=values):
            return "".join(text_of(its, names) for its in values)
        case ast.FormattedValue(value=value):
            return text_of(value, names)
        case ast.Call(func=ast.Attribute(value=template, attr="format"), args=args, keywords=given):
            texts = {its.arg: text_of(its.value, names) for its in given if its.arg}
            try:
                return text_of(template, names).format(
                    *(text_of(its, names) for its in args), **texts
                )
            except (LookupError, ValueError):
                return UNKNOWN
    return UNKNOWN
