"""The tables of docs/troubleshooting.md: the messages that people search for."""

from channelsmin.matrix import messages
from channelsmin.report import markdown


def messages_tables() -> str:
    """Return a table of messages for each group of `matrix/messages.toml`."""
    parts = []
    for group in dict.fromkeys(message.group for message in messages.load()):
        rows = [
            (f"`{one.text}`", one.says, one.releases, one.cause, one.fix)
            for one in messages.load()
            if one.group == group
        ]
        head = ("message", "printed by", "oTree", "cause", "fix")
        parts.append(f"## {group}\n\n{markdown.table(head, rows)}")
    return "\n" + "\n".join(parts) + "\n"
