"""Watch members until they are on Results, and reload broken pages as a person would."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

STATE = """() => {
    const line = document.querySelector('#moved-by');
    if (line) return line.innerText;
    if (!document.documentElement) return 'broken';
    const settled = document.readyState === 'complete' && !document.querySelector('#done');
    return settled ? 'broken' : 'loading';
}"""
"""The line that says who moved the group, or `loading`, or `broken`: neither this line nor the
button is there.

A page that stays broken for a second has failed: its connection was cut while it was loaded, or
the server answered with an error. A person would reload it. Chrome reloads its own error pages by
itself, after one second, five seconds and so on, but not when a program drives it.
"""


class Watched(Protocol):
    """A participant in a browser."""

    @property
    def code(self) -> str:
        """The participant's code."""

    def look(self, function: str) -> Any:
        """Return what this JavaScript function returns in the page; None while it is loaded."""

    def reload(self) -> None:
        """Load the page again."""


@dataclass
class Arrivals:
    """For each member who has arrived on Results: the time in seconds, and the name shown there.

    `reloaded` contains the members whose page had to be loaded twice.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    named: list[int] = field(default_factory=list)
    reloaded: set[str] = field(default_factory=set)


def watch(members: Sequence[Watched], seconds: float) -> Arrivals:
    """Wait until all members are on Results, or until so many seconds have passed."""
    start = time.monotonic()
    arrivals = Arrivals()
    broken: dict[str, float] = {}
    while len(arrivals.seconds) < len(members) and time.monotonic() < start + seconds:
        for member in members:
            if member.code in arrivals.seconds:
                continue
            state = member.look(STATE) or "loading"
            now = time.monotonic()
            if state != "broken":
                broken.pop(member.code, None)
            elif now > broken.setdefault(member.code, now) + 1:
                arrivals.reloaded.add(member.code)
                member.reload()
            if state.startswith("Member"):
                arrivals.seconds[member.code] = now - start
                arrivals.named.append(int(state.split()[1]))
        time.sleep(0.05)
    return arrivals
