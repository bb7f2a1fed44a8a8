"""Read a project's settings.py: which names it sets, and what its session configs play.

LibCST parses it and locates each part, so that `settings_edit` can insert text there.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, GlobalScope, MetadataWrapper, ScopeProvider

from channelsmin.errors import UserError
from channelsmin.project import nesting

OTREE_ROUTING = "otree.channels.routing"
"""The module in which oTree 1.4 to 2.2 has its own list of routes."""

Part = TypeVar("Part", bound=cst.CSTNode)
Sequence = cst.List | cst.Tuple
BINDINGS = (cst.Assign, cst.AnnAssign, cst.AugAssign)
Binding = cst.Assign | cst.AnnAssign | cst.AugAssign


class SettingsFile:
    """The text of a settings.py, and where each part of it is."""

    def __init__(self, source: bytes) -> None:
        """Parse it; raises UserError if it is not valid Python."""
        nesting.check(source, "settings.py")
        try:
            wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
        except cst.ParserSyntaxError as error:
            line = f"line {error.raw_line}"
            raise UserError(f"settings.py has a syntax error, {line}: fix it first") from error
        except (LookupError, SyntaxError, UnicodeError) as error:
            raise UserError(f"settings.py cannot be read: {error}") from error
        self.module, self._wrapper = wrapper.module, wrapper
        self.text = self.module.code.encode()
        self.spans = wrapper.resolve(ByteSpanPositionProvider)
        self.imports_all = bool(parts(self.module, cst.ImportStar))

    @functools.cached_property
    def scope(self) -> GlobalScope | None:
        """The names of the file's top level; LibCST takes its time for them."""
        scopes = self._wrapper.resolve(ScopeProvider).values()
        return next((scope for scope in scopes if isinstance(scope, GlobalScope)), None)

    def plays(self, app: str) -> bool:
        """Return whether a session config has the app in its sequence."""
        return any(app in sequence for sequence in self._sequences)

    @functools.cached_property
    def _sequences(self) -> list[set[str]]:
        return [strings_in(config["app_sequence"]) for config in self.configs]

    def may_play(self, app: str) -> bool:
        """Return whether a session config has the app in its sequence, or may have it."""
        return not self.knows_sequences or self.plays(app)

    @functools.cached_property
    def knows_sequences(self) -> bool:
        """Whether each app sequence is written out in this file."""
        sequences = [config["app_sequence"] for config in self.configs]
        known = not self.imports_all and bool(sequences)
        return known and all(_is_plain(sequence) for sequence in sequences)

    def played(self) -> Iterator[tuple[str, int]]:
        """Yield each app that a sequence certainly names, with its line."""
        for config in self.configs:
            for string in _listed(config["app_sequence"]):
                yield text_of(string), self.line_of(string)

    def participants(self, app: str) -> int | None:
        """Return the size of the demo sessions in which the app is played, None if not known."""
        for config, sequence in zip(self.configs, self._sequences, strict=True):
            number = config.get("num_demo_participants")
            if app in sequence and isinstance(number, cst.Integer):
                return int(number.evaluated_value)
        return None

    def strings(self, name: str) -> set[str]:
        """Return the strings in all the statements that contain the name."""
        about = (strings for names, strings in self._statements if name in names)
        return set[str]().union(*about)

    @functools.cached_property
    def _statements(self) -> list[tuple[set[str], set[str]]]:
        """The names and the strings of each statement, from one pass over the file."""
        found = []
        for line in parts(self.module, cst.SimpleStatementLine):
            names = {one.value for one in parts(line, cst.Name)}
            found.append((names, strings_in(line)))
        return found

    def calls(self, name: str) -> bool:
        """Return whether this file calls a function of this name."""
        called = (call.func for call in parts(self.module, cst.Call))
        names = (one.attr if isinstance(one, cst.Attribute) else one for one in called)
        return any(isinstance(one, cst.Name) and one.value == name for one in names)

    def line(self, name: str) -> int:
        """Return the line in which the name is first assigned, or else 1."""
        found = self.scope[name] if self.scope else ()
        starts = [self.spans[one.node].start for one in found if hasattr(one, "node")]
        return self.text.count(b"\n", 0, min(starts, default=0)) + 1

    def line_of(self, node: cst.CSTNode) -> int:
        """Return the line in which a part of the file begins."""
        return self.text.count(b"\n", 0, self.spans[node].start) + 1

    def binds(self, name: str) -> bool:
        """Return whether this file assigns the name."""
        return self.scope is not None and bool(self.scope[name])

    def may_be_false(self, name: str) -> bool:
        """Return whether the name is set, at last, to anything but True, such as a comparison.

        What is set under a condition may be what counts.
        """
        bindings = (one for one in parts(self.module, *BINDINGS) if isinstance(one, Binding))
        given = [one for one in bindings if name in targets_of(one)]
        surely = [binding for binding, _ in self.bindings(name)]
        counting = given[given.index(surely[-1]) :] if surely else given
        values = [binding.value for binding in counting if binding.value]
        return not all(
            isinstance(value, cst.Name | cst.Integer) and value.value in {"True", "1"}
            for value in values
        )

    def string(self, name: str) -> str:
        """Return the text that is assigned to the name, "" if it is not written out."""
        values = [text_of(binding.value) for binding, _ in self.bindings(name) if binding.value]
        return values[-1] if values else ""

    @functools.cached_property
    def configs(self) -> list[dict[str, cst.BaseExpression]]:
        """The session configs that are written out as {…} or dict(…)."""
        leading = self._leading_to("SESSION_CONFIGS")
        dicts = [found for node in leading for found in parts(node, cst.Dict, cst.Call)]
        found = [config for config in map(_entries, dicts) if "app_sequence" in config]
        return [one | {"app_sequence": self._given(one["app_sequence"])} for one in found]

    def _given(self, value: cst.BaseExpression) -> cst.BaseExpression:
        """Return what a name stands for if it is assigned once and not added to, else the value."""
        if not isinstance(value, cst.Name):
            return value
        giving = [node for node, given in self._givers if value.value in given]
        bound = [one.value for one, _ in self.bindings(value.value) if isinstance(one, cst.Assign)]
        return bound[0] if len(giving) == len(bound) == 1 else value

    def _leading_to(self, name: str) -> list[cst.CSTNode]:
        """Return the statements and functions from which the name gets its value, in some way."""
        names, leading, left = {name}, list[cst.CSTNode](), self._givers
        while found := [node for node, given in left if given & names]:
            leading += found
            left = [(node, given) for node, given in left if not given & names]
            names |= {one.value for node in found for one in parts(node, cst.Name)}
        return leading

    @functools.cached_property
    def _givers(self) -> list[tuple[cst.CSTNode, set[str]]]:
        """The statements and functions, each with the names that it gives a value, or adds to."""
        nodes = parts(self.module, cst.SimpleStatementLine, cst.FunctionDef)
        return [(node, _given_by(node)) for node in nodes]

    def bindings(self, name: str) -> Iterator[tuple[Binding, cst.SimpleStatementLine]]:
        """Yield the top-level statements that assign the name, each with its line."""
        lines = (line for line in self.module.body if isinstance(line, cst.SimpleStatementLine))
        for line in lines:
            for statement in line.body:
                if isinstance(statement, Binding) and name in targets_of(statement):
                    yield statement, line


def routing_imports(folder: Path, own: str) -> set[str]:
    """Return the modules that a project's own CHANNEL_ROUTING imports from.

    oTree's own list, `OTREE_ROUTING`, contains the routes of all EXTENSION_APPS.
    """
    *modules, _ = own.split(".")
    file = folder.joinpath(*modules).with_suffix(".py") if modules else folder
    try:
        module = cst.parse_module(file.read_bytes())
    except (OSError, cst.ParserSyntaxError, SyntaxError, UnicodeError):
        module = cst.Module([])
    return {
        cst.helpers.get_full_name_for_node(line.module) or ""
        for line in parts(module, cst.ImportFrom)
        if line.module
    }


def _given_by(node: cst.CSTNode) -> set[str]:
    """Return the names to which a statement or a function gives a value, or adds something."""
    if isinstance(node, cst.FunctionDef):
        return {node.name.value}
    giving = parts(node, cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Call)
    owners = (
        found.func if isinstance(found, cst.Call) else getattr(found, "target", None)
        for found in giving
        if not isinstance(found, cst.Call) or isinstance(found.func, cst.Attribute)
    )
    own = (one.value if isinstance(one, cst.Attribute | cst.Subscript) else one for one in owners)
    return {one.value for one in own if isinstance(one, cst.Name)}


def targets_of(binding: Binding) -> dict[str, cst.Name]:
    """Return the names that a statement assigns, and where they are in it."""
    several = binding.targets if isinstance(binding, cst.Assign) else (binding,)
    targets = [one.target for one in several]
    return {target.value: target for target in targets if isinstance(target, cst.Name)}


def _is_plain(node: cst.CSTNode) -> bool:
    """Return whether a list or tuple contains nothing but strings."""
    return isinstance(node, Sequence) and all(
        isinstance(element.value, cst.SimpleString) for element in node.elements
    )


def _listed(node: cst.CSTNode) -> Iterator[cst.SimpleString]:
    """Yield the strings that are certainly in a list: its own, and those of a sum of lists."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
        yield from (*_listed(node.left), *_listed(node.right))
    elif isinstance(node, Sequence):
        for value in (element.value for element in node.elements):
            if isinstance(value, cst.SimpleString):
                yield value


def _entries(config: cst.CSTNode) -> dict[str, cst.BaseExpression]:
    """Return the entries of a {…} or dict(…), by key."""
    if isinstance(config, cst.Call):
        is_dict = isinstance(config.func, cst.Name) and config.func.value == "dict"
        return {one.keyword.value: one.value for one in config.args if one.keyword and is_dict}
    elements = config.elements if isinstance(config, cst.Dict) else ()
    pairs = (one for one in elements if isinstance(one, cst.DictElement))
    return {text_of(pair.key): pair.value for pair in pairs}


def parts(node: cst.CSTNode, *kinds: type[Part]) -> list[Part]:
    """Return a part of the file, and those inside it, if of one of these kinds, in their order.

    LibCST's matchers do the same, several times slower, and take a third of a second to import.
    """
    found: list[Part] = []
    todo: list[cst.CSTNode] = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, kinds):
            found.append(node)
        inner: list[cst.CSTNode] = []
        for name in node.__dataclass_fields__:
            value = getattr(node, name)
            if isinstance(value, cst.CSTNode):
                inner.append(value)
            elif isinstance(value, list | tuple):
                inner += (one for one in value if isinstance(one, cst.CSTNode))
        todo += reversed(inner)
    return found


def strings_in(node: cst.CSTNode) -> set[str]:
    """Return the strings that are written out in a part of the file."""
    return {text_of(string) for string in parts(node, cst.SimpleString)}


def text_of(node: cst.CSTNode) -> str:
    """Return the value of a string, "" for anything else."""
    try:
        value = node.evaluated_value if isinstance(node, cst.SimpleString) else ""
    except (SyntaxError, ValueError) as error:
        raise UserError(f"settings.py has a string that Python refuses: {error}") from error
    return value if isinstance(value, str) else ""
