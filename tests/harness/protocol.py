"""The messages between the page and the server: docs/spec.md, "Protocol"."""

import json
from typing import Any

MOVED = {"round": "1", "moved": True}
NOT_YET = {"round": "1", "moved": False}
"""The server's messages in the first round."""


def ask(round_number: int = 1) -> str:
    """Return the message that the page sends when its socket opens, and every few seconds."""
    return json.dumps({"type": "ask", "round": str(round_number)})


def click(round_number: int = 1) -> str:
    """Return the message that the page sends from the click on."""
    return json.dumps({"type": "click", "round": str(round_number)})


def parse(text: str | bytes) -> dict[str, Any]:
    """Return a message from the server, without the envelope of oTree 6's live pages."""
    message: dict[str, Any] = json.loads(text)
    inner: dict[str, Any] = message.get("live_method_payload", message)
    return inner
