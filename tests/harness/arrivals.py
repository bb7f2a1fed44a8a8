"""Watches members until they are on Results, and does for them what a person would do."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from playwright.sync_api import Error

from harness.members import Member

SIGHT = """() => {
    const line = document.querySelector('#moved-by');
    if (line) return line.innerText;
    if (!document.documentElement) return 'broken';
    const settled = document.readyState === 'complete' && !document.querySelector('#done');
    return settled ? 'broken' : 'loading';
}"""
"""What is to be seen: who moved the group; that there is nothing to be seen yet; or neither that
nor the button, so that the page is broken, if this stays so for a second: its connection was cut
while it was loaded, or the server answered with an error. A person would load it again. Chrome
does so by itself where it has nothing but an error of its own to show, after a second, five
seconds and so on, unless a program drives it.
"""


@dataclass
class Arrivals:
    """Who has come to Results when, in seconds, whom it named there, and who had to load twice."""

    seconds: dict[str, float] = field(default_factory=dict)
    named: list[int] = field(default_factory=list)
    reloaded: set[str] = field(default_factory=set)


def watch(members: Sequence[Member], seconds: float) -> Arrivals:
    """Wait until all have come to Results, or so many seconds have passed."""
    start = time.monotonic()
    arrivals = Arrivals()
    broken: dict[str, float] = {}
    while len(arrivals.seconds) < len(members) and time.monotonic() < start + seconds:
        for member in members:
            if member.code in arrivals.seconds:
                continue
            sight = "loading"
            with suppress(Error):  # it is just being loaded
                sight = member.page.evaluate(SIGHT)
            now = time.monotonic()
            if sight != "broken":
                broken.pop(member.code, None)
            elif now > broken.setdefault(member.code, now) + 1:
                arrivals.reloaded.add(member.code)
                with suppress(Error):
                    member.page.reload(wait_until="commit")
            if sight.startswith("Member"):
                arrivals.seconds[member.code] = now - start
                arrivals.named.append(int(sight.split()[1]))
        members[0].page.wait_for_timeout(50)
    return arrivals
