"""Error messages of oTree and of what it runs on, with cause and fix: `matrix/messages.toml`."""

import functools
import re
from dataclasses import dataclass

from channelsmin.paths import ROOT, read_toml

MESSAGES = ROOT / "matrix" / "messages.toml"

GAP = "…"
"""Stands in a text for any words."""

QUOTATION_MARKS = "['\"`\u00b4\u2018\u2019\u201c\u201d]"
"""Straight and typographic ones: what a word processor or a web page makes of them."""

SHORTEST = 12
"""Characters: a shorter text that was pasted is compared as a whole only."""


@dataclass(frozen=True)
class Message:
    """A message: its text, the program that prints it, for which releases, the cause, the fix."""

    group: str
    text: str
    says: str
    releases: str
    cause: str
    fix: str

    def matches(self, pasted: str) -> bool:
        """Return whether a pasted text contains the message, or is a part of it."""
        text = _plain(pasted)
        parts = [_plain(part) for part in self.text.split(GAP)]
        pattern = r".*?".join(re.escape(part) for part in parts if part)
        if re.search(pattern, text):
            return True
        return len(text) >= SHORTEST and text in _plain(self.text.replace(GAP, " "))

    def lines(self) -> list[str]:
        """Return it for a person to read."""
        return [
            f"{self.text} ({self.says}; oTree {self.releases})",
            f"    why: {self.cause}",
            f"    fix: {self.fix}",
        ]


def _plain(text: str) -> str:
    """Return a text without quotation marks, in small letters, with single spaces."""
    unquoted = re.sub(QUOTATION_MARKS, "", text)
    return re.sub(r"\s+", " ", unquoted).strip().lower()


@functools.cache
def load() -> tuple[Message, ...]:
    """Return all messages, in the order of the file."""
    return tuple(
        Message(group["name"], **message)
        for group in read_toml(MESSAGES)["group"]
        for message in group["message"]
    )


def find(pasted: str) -> list[Message]:
    """Return the messages that a pasted text contains, the longest first."""
    found = [message for message in load() if message.matches(pasted)]
    return sorted(found, key=lambda message: -len(message.text))
