"""What the page and the server say to each other: docs/spec.md, "On the wire"."""

import json
from typing import Any

MOVED = {"round": "1", "moved": True}
NOT_YET = {"round": "1", "moved": False}
"""What the server says in the first round."""


def ask(round_number: int = 1) -> str:
    """What the page says when it opens its socket, and every few seconds."""
    return json.dumps({"type": "ask", "round": str(round_number)})


def click(round_number: int = 1) -> str:
    """What the page says from the click on."""
    return json.dumps({"type": "click", "round": str(round_number)})


def read(text: str | bytes) -> dict[str, Any]:
    """Return what the server says; oTree 6 puts a live page's message into an envelope."""
    news: dict[str, Any] = json.loads(text)
    inner: dict[str, Any] = news.get("live_method_payload", news)
    return inner
