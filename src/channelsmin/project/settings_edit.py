"""Add an app to a project's settings.py; everything else in the file stays byte for byte.

The new text is inserted at the positions that `settings.SettingsFile` has located.
"""

import re
import textwrap

import libcst as cst

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.project.settings import (
    Sequence,
    SettingsFile,
    parts,
    strings_in,
    targets_of,
)

DISPLAY_NAME = "One button moves the whole group"

EXTENSION_APPS = """
# oTree collects the routes of these apps, from their otree_extensions/routing.py.
EXTENSION_APPS = ['{app}']
"""


LAYER_VARIANT = "otree-2.3"
"""The variant whose settings.py does without Redis on the development server."""


def layer_block() -> tuple[str, str]:
    """Return the lines of that settings.py that set CHANNEL_LAYERS: imports, and the block.

    Raises UserError if the variant has no such lines.
    """
    text = (variants.named(LAYER_VARIANT).folder / "settings.py").read_text(encoding="utf-8")
    found = re.search(r"(?:^#.*\n)*^if 'devserver'.*\n(?:    .*\n)+", text, re.MULTILINE)
    if not found:
        raise UserError(f"variants/{LAYER_VARIANT}/settings.py sets no CHANNEL_LAYERS")
    return "import sys\n\n", found[0]


class SettingsEditor:
    """Insertions into a settings.py."""

    def __init__(self, settings: SettingsFile) -> None:
        """Insert into this file; nothing is inserted yet."""
        self.file = settings
        self._insertions: list[tuple[int, str]] = []
        self._by_hand: dict[str, str] = {}

    def changed(self) -> bytes:
        """Return the file with what was added.

        Raises UserError, with what is to be written by hand, if the place is not certain.
        """
        if self._by_hand:
            names = " and ".join(self._by_hand)
            why = (
                "imports * from elsewhere"
                if self.file.imports_all
                else f"has no plain list {names}"
            )
            what = "; ".join(self._by_hand.values())
            raise UserError(f"settings.py {why}: by hand, add {what}; then run this again")
        pieces, done = [], 0
        for offset, new in sorted(self._insertions, key=lambda insertion: insertion[0]):
            new_lines = new.replace("\n", self.file.module.default_newline)
            pieces += [self.file.text[done:offset], new_lines.encode()]
            done = offset
        text = b"".join([*pieces, self.file.text[done:]])
        return text.decode().encode(self.file.module.encoding)

    def add_config(self, app: str) -> None:
        """Add a session config for the app, unless one has it.

        Raises UserError if another config has its name.
        """
        if self.file.plays(app):
            return
        configs = self.file.configs
        if any("name" in config and app in strings_in(config["name"]) for config in configs):
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
        if app in self.file.strings("EXTENSION_APPS"):
            return
        literal = self._literal("EXTENSION_APPS")
        if literal:
            self._append(literal, f"'{app}'")
        elif self.file.binds("EXTENSION_APPS") or not self._insert_below(
            EXTENSION_APPS.format(app=app)
        ):
            self._by_hand["EXTENSION_APPS"] = f"'{app}' to EXTENSION_APPS"

    def add_layer(self) -> None:
        """Set CHANNEL_LAYERS so that the development server needs no Redis, unless they are set."""
        if self.file.binds("CHANNEL_LAYERS"):
            return
        imports, block = layer_block()
        lead = "" if self.file.binds("sys") else imports
        comment, _, code = block.rpartition("if 'devserver'")
        if not self._insert_below(f"\n{comment}{lead}if 'devserver'{code}"):
            self._by_hand["CHANNEL_LAYERS"] = "CHANNEL_LAYERS as in variants/otree-2.3/settings.py"

    def _literal(self, name: str) -> Sequence | None:
        """Return the list or tuple that is certainly a part of the name's final value.

        None if that is not certain.
        """
        if self.file.imports_all or self.file.scope is None:
            return None
        bindings = [binding for binding, _ in self.file.bindings(name)]
        known: set[cst.CSTNode] = set()
        known.update(*(targets_of(binding).values() for binding in bindings))
        added_to = (one.target for one in parts(self.file.module, cst.AugAssign))
        known.update(one for one in added_to if isinstance(one, cst.Name) and one.value == name)
        if not {one.node for one in self.file.scope[name] if hasattr(one, "node")} <= known:
            return None
        for binding in reversed(bindings):
            value = binding.value
            if isinstance(value, cst.List) or (isinstance(value, cst.Tuple) and value.lpar):
                return value
            if not isinstance(binding, cst.AugAssign):
                return None
        return None

    def _prefers_braces(self, literal: Sequence) -> bool:
        """Return whether this file writes its configs as {…} rather than dict(…)."""
        defaults = [binding.value for binding, _ in self.file.bindings("SESSION_CONFIG_DEFAULTS")]
        samples = [element.value for element in reversed(literal.elements)] + defaults
        dicts = (sample for sample in samples if isinstance(sample, cst.Dict | cst.Call))
        return isinstance(next(dicts, None), cst.Dict)

    def _append(self, literal: Sequence, item: str) -> None:
        """Insert the item at the end of a list or tuple, laid out as its other items are."""
        start, closing = self._brackets(literal)
        line = self.file.text.rfind(b"\n", 0, closing) + 1
        last = literal.elements[-1] if literal.elements else None
        indent = self._indent(last, line)
        spread = b"\n" in self.file.text[start:closing] or "\n" in item
        block = textwrap.indent(item, indent) + ",\n"
        if not self.file.text[line:closing].strip():
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
        """Return the indentation of an item on its own line; the last line starts at `line`."""
        if last:
            start = self.file.spans[last].start
            before = self.file.text[self.file.text.rfind(b"\n", 0, start) + 1 : start].decode()
            if before and not before.strip():
                return before
        text = self.file.text[line:].decode()
        return text[: len(text) - len(text.lstrip(" \t"))] + self.file.module.default_indent

    def _brackets(self, literal: Sequence) -> tuple[int, int]:
        """Return the offsets at which a list or tuple begins, and of its closing bracket."""
        start, end = self.file.spans[literal].start, self._end(literal)
        if isinstance(literal, cst.Tuple):
            return start, end + len(_code(literal.rpar[0].whitespace_before))
        return start, end - 1

    def _end(self, node: cst.CSTNode) -> int:
        return self.file.spans[node].start + self.file.spans[node].length

    def _insert_below(self, block: str) -> bool:
        """Insert a block of lines below SESSION_CONFIGS; return whether there is such a place."""
        lines = [line for _, line in self.file.bindings("SESSION_CONFIGS")]
        if not lines or self.file.imports_all:
            return False
        newline = self.file.text.find(b"\n", self._end(lines[-1]))
        if newline < 0:
            self._insertions.append((len(self.file.text), "\n" + block))
        else:
            self._insertions.append((newline + 1, block))
        return True


def _code(node: cst.CSTNode) -> bytes:
    return cst.Module([]).code_for_node(node).encode()
