"""A project's settings.py: an app is added to it, and all else stays as it is.

LibCST reads it and says where what stands; what is new is inserted there, as text.
"""

import textwrap
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m
from libcst.metadata import ByteSpanPositionProvider, GlobalScope, MetadataWrapper, ScopeProvider

from channelsmin.errors import UserError
from channelsmin.project import nesting

DISPLAY_NAME = "One button moves the whole group"

EXTENSION_APPS = """
# oTree collects the routes of these apps, from their otree_extensions/routing.py.
EXTENSION_APPS = ['{app}']
"""

LAYER = """
# Until 2.3.2 oTree wants Redis even for the development server, unless told otherwise.
{imports}if 'devserver' in sys.argv:
    CHANNEL_LAYERS = {{'default': {{'BACKEND': 'channels.layers.InMemoryChannelLayer'}}}}
"""

Sequence = cst.List | cst.Tuple
Binding = cst.Assign | cst.AnnAssign | cst.AugAssign


class SettingsFile:
    """The text of a settings.py, and what is to be inserted into it."""

    def __init__(self, source: bytes) -> None:
        """Read it; raises UserError if it is not Python."""
        nesting.check(source, "settings.py")
        try:
            wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
        except cst.ParserSyntaxError as error:
            line = f"line {error.raw_line}"
            raise UserError(f"settings.py has a syntax error, {line}: mend it first") from error
        except (LookupError, SyntaxError, UnicodeError) as error:
            raise UserError(f"settings.py cannot be read: {error}") from error
        self.module = wrapper.module
        self._text = self.module.code.encode()
        self._spans = wrapper.resolve(ByteSpanPositionProvider)
        scopes = wrapper.resolve(ScopeProvider).values()
        self._scope = next((scope for scope in scopes if isinstance(scope, GlobalScope)), None)
        self.imports_all = bool(m.findall(self.module, m.ImportStar()))
        self._insertions: list[tuple[int, str]] = []
        self._by_hand: dict[str, str] = {}

    def changed(self) -> bytes:
        """Return the file with what was added.

        Raises UserError, with what is to be written by hand, if there was no telling where.
        """
        if self._by_hand:
            names = " and ".join(self._by_hand)
            why = "imports * from elsewhere" if self.imports_all else f"has no plain list {names}"
            what = "; ".join(self._by_hand.values())
            raise UserError(f"settings.py {why}: by hand, add {what}; then run this again")
        pieces, done = [], 0
        for offset, new in sorted(self._insertions, key=lambda insertion: insertion[0]):
            new_lines = new.replace("\n", self.module.default_newline)
            pieces += [self._text[done:offset], new_lines.encode()]
            done = offset
        text = b"".join([*pieces, self._text[done:]])
        return text.decode().encode(self.module.encoding)

    def add_config(self, app: str) -> None:
        """Add a session config for the app, unless one has it.

        Raises UserError if its name is another one's.
        """
        if self.plays(app):
            return
        configs = self._configs()
        if any("name" in config and app in _strings(config["name"]) for config in configs):
            raise UserError(f"settings.py has a session config {app!r}: name your app with --app")
        entries = {
            "name": f"'{app}'",
            "display_name": f"'{DISPLAY_NAME}'",
            "num_demo_participants": "3",
            "app_sequence": f"['{app}']",
        }
        literal = self._literal("SESSION_CONFIGS")
        if literal is None:
            plain = ", ".join(f"{name}={value}" for name, value in entries.items())
            self._by_hand["SESSION_CONFIGS"] = f"dict({plain}) to SESSION_CONFIGS"
        elif self._prefers_braces(literal):
            lines = [f"    '{name}': {value},\n" for name, value in entries.items()]
            self._append(literal, f"{{\n{''.join(lines)}}}")
        else:
            lines = [f"    {name}={value},\n" for name, value in entries.items()]
            self._append(literal, f"dict(\n{''.join(lines)})")

    def add_extension(self, app: str) -> None:
        """Add the app to EXTENSION_APPS, unless it is there."""
        if app in self.strings("EXTENSION_APPS"):
            return
        literal = self._literal("EXTENSION_APPS")
        if literal:
            self._append(literal, f"'{app}'")
        elif self.binds("EXTENSION_APPS") or not self._insert_below(EXTENSION_APPS.format(app=app)):
            self._by_hand["EXTENSION_APPS"] = f"'{app}' to EXTENSION_APPS"

    def add_layer(self) -> None:
        """Let the development server do without Redis, unless there are CHANNEL_LAYERS."""
        if self.binds("CHANNEL_LAYERS"):
            return
        block = LAYER.format(imports="" if self.binds("sys") else "import sys\n\n")
        if not self._insert_below(block):
            self._by_hand["CHANNEL_LAYERS"] = "CHANNEL_LAYERS as in variants/otree-2.3/settings.py"

    def plays(self, app: str) -> bool:
        """Say whether a session config has the app in its sequence."""
        return any(app in _strings(config["app_sequence"]) for config in self._configs())

    def may_play(self, app: str) -> bool:
        """Say whether a session config has the app in its sequence, or there is no telling."""
        sequences = [config["app_sequence"] for config in self._configs()]
        known = not self.imports_all and sequences and all(map(_strings, sequences))
        return not known or self.plays(app)

    def strings(self, name: str) -> set[str]:
        """Return the strings in all the statements that have to do with the name."""
        lines = m.findall(self.module, m.SimpleStatementLine())
        about = [line for line in lines if m.findall(line, m.Name(name))]
        return set[str]().union(*map(_strings, about))

    def calls(self, name: str) -> bool:
        """Say whether this file calls a function of this name."""
        function = m.Name(name) | m.Attribute(attr=m.Name(name))
        return bool(m.findall(self.module, m.Call(func=function)))

    def line(self, name: str) -> int:
        """Return the line in which the name is first given a value, or else the first."""
        found = self._scope[name] if self._scope else ()
        starts = [self._spans[its.node].start for its in found if hasattr(its, "node")]
        return self._text.count(b"\n", 0, min(starts, default=0)) + 1

    def binds(self, name: str) -> bool:
        """Say whether this file gives the name a value."""
        return self._scope is not None and bool(self._scope[name])

    def string(self, name: str) -> str:
        """Return the text that the name stands for, "" where that is not written out."""
        values = [_text_of(binding.value) for binding, _ in self._bindings(name) if binding.value]
        return values[-1] if values else ""

    def _configs(self) -> list[dict[str, cst.BaseExpression]]:
        of_a_config = m.Dict() | m.Call(func=m.Name("dict"))
        dicts = [
            found
            for node in self._leading_to("SESSION_CONFIGS")
            for found in m.findall(node, of_a_config)
        ]
        return [config for config in map(_entries, dicts) if "app_sequence" in config]

    def _leading_to(self, name: str) -> list[cst.CSTNode]:
        """Return the statements and functions from which the name gets its value, in some way."""
        names, leading = {name}, list[cst.CSTNode]()
        nodes = m.findall(self.module, m.SimpleStatementLine() | m.FunctionDef())
        while found := [its for its in nodes if its not in leading and _gives(its, names)]:
            leading += found
            for node in found:
                names |= {
                    its.value for its in m.findall(node, m.Name()) if isinstance(its, cst.Name)
                }
        return leading

    def _bindings(self, name: str) -> Iterator[tuple[Binding, cst.SimpleStatementLine]]:
        """Yield the statements on top level that give the name a value, each with its line."""
        lines = (line for line in self.module.body if isinstance(line, cst.SimpleStatementLine))
        for line in lines:
            for statement in line.body:
                if isinstance(statement, Binding) and name in _targets(statement):
                    yield statement, line

    def _literal(self, name: str) -> Sequence | None:
        """Return the list or tuple that certainly becomes a part of what the name stands for.

        None where there is no telling.
        """
        if self.imports_all or self._scope is None:
            return None
        bindings = [binding for binding, _ in self._bindings(name)]
        known: set[cst.CSTNode] = set()
        known.update(*(_targets(binding).values() for binding in bindings))
        added_to = m.findall(self.module, m.AugAssign(target=m.Name(name)))
        known.update(its.target for its in added_to if isinstance(its, cst.AugAssign))
        if not {its.node for its in self._scope[name] if hasattr(its, "node")} <= known:
            return None
        for binding in reversed(bindings):
            value = binding.value
            if isinstance(value, cst.List) or (isinstance(value, cst.Tuple) and value.lpar):
                return value
            if not isinstance(binding, cst.AugAssign):
                return None
        return None

    def _prefers_braces(self, literal: Sequence) -> bool:
        """Say whether this file writes its configs as {…}; else it is dict(…)."""
        defaults = [binding.value for binding, _ in self._bindings("SESSION_CONFIG_DEFAULTS")]
        samples = [element.value for element in reversed(literal.elements)] + defaults
        dicts = (sample for sample in samples if isinstance(sample, cst.Dict | cst.Call))
        return isinstance(next(dicts, None), cst.Dict)

    def _append(self, literal: Sequence, item: str) -> None:
        """Insert the item at the end of a list or tuple, in the way that its items are laid out."""
        start, closing = self._brackets(literal)
        line = self._text.rfind(b"\n", 0, closing) + 1
        last = literal.elements[-1] if literal.elements else None
        indent = self._indent(last, line)
        spread = b"\n" in self._text[start:closing] or "\n" in item
        block = textwrap.indent(item, indent) + ",\n"
        if not self._text[line:closing].strip():
            if last and not isinstance(last.comma, cst.Comma):
                self._insertions.append((self._end(last), ","))
            self._insertions.append((line, block))
        elif last:
            end, comma = self._end(last), ","
            if isinstance(last.comma, cst.Comma):
                end, comma = end + len(_code(last.comma.whitespace_before)) + 1, ""
            gap = "\n" if spread else " "
            new = textwrap.indent(item, indent) if spread else item
            self._insertions.append((end, comma + gap + new))
        elif spread:
            self._insertions.append((closing, "\n" + block))
        else:
            self._insertions.append((closing, item + "," * isinstance(literal, cst.Tuple)))

    def _indent(self, last: cst.BaseElement | None, line: int) -> str:
        """Return what stands before an item on a line of its own; `line` is the last one's."""
        if last:
            start = self._spans[last].start
            before = self._text[self._text.rfind(b"\n", 0, start) + 1 : start].decode()
            if before and not before.strip():
                return before
        text = self._text[line:].decode()
        return text[: len(text) - len(text.lstrip(" \t"))] + self.module.default_indent

    def _brackets(self, literal: Sequence) -> tuple[int, int]:
        """Return where a list or tuple begins, and where its closing bracket stands."""
        start, end = self._spans[literal].start, self._end(literal)
        if isinstance(literal, cst.Tuple):
            return start, end + len(_code(literal.rpar[0].whitespace_before))
        return start, end - 1

    def _end(self, node: cst.CSTNode) -> int:
        return self._spans[node].start + self._spans[node].length

    def _insert_below(self, block: str) -> bool:
        """Insert a block of lines below SESSION_CONFIGS; say whether there is such a place."""
        lines = [line for _, line in self._bindings("SESSION_CONFIGS")]
        if not lines or self.imports_all:
            return False
        newline = self._text.find(b"\n", self._end(lines[-1]))
        if newline < 0:
            self._insertions.append((len(self._text), "\n" + block))
        else:
            self._insertions.append((newline + 1, block))
        return True


def _gives(node: cst.CSTNode, names: set[str]) -> bool:
    """Say whether a statement or a function gives one of the names a value, or adds to it."""
    if isinstance(node, cst.FunctionDef):
        return node.name.value in names
    giving = m.AssignTarget() | m.AugAssign() | m.AnnAssign() | m.Call(func=m.Attribute())
    found = m.findall(node, giving)
    owners = (
        its.func if isinstance(its, cst.Call) else getattr(its, "target", None) for its in found
    )
    own = (its.value if isinstance(its, cst.Attribute | cst.Subscript) else its for its in owners)
    return any(isinstance(its, cst.Name) and its.value in names for its in own)


def _targets(binding: Binding) -> dict[str, cst.Name]:
    """Return the names that a statement gives a value, and where they stand in it."""
    several = binding.targets if isinstance(binding, cst.Assign) else (binding,)
    targets = [its.target for its in several]
    return {target.value: target for target in targets if isinstance(target, cst.Name)}


def _entries(config: cst.CSTNode) -> dict[str, cst.BaseExpression]:
    """Return what a {…} or dict(…) holds, by its key."""
    if isinstance(config, cst.Call):
        return {its.keyword.value: its.value for its in config.args if its.keyword}
    elements = config.elements if isinstance(config, cst.Dict) else ()
    pairs = (its for its in elements if isinstance(its, cst.DictElement))
    return {_text_of(pair.key): pair.value for pair in pairs}


def _strings(node: cst.CSTNode) -> set[str]:
    """Return the strings that are written out in a part of the file."""
    return {_text_of(string) for string in m.findall(node, m.SimpleString())}


def _text_of(node: cst.CSTNode) -> str:
    """Return what a string stands for, "" for anything else."""
    try:
        value = node.evaluated_value if isinstance(node, cst.SimpleString) else ""
    except (SyntaxError, ValueError) as error:
        raise UserError(f"settings.py has a string that Python refuses: {error}") from error
    return value if isinstance(value, str) else ""


def _code(node: cst.CSTNode) -> bytes:
    return cst.Module([]).code_for_node(node).encode()
