"""Half an hour of sessions, one after the other and five at a time; not part of the suite.

`python3 run.py soak` runs it. Of each session's ten members one in twenty drops out, and comes
back before the click or after it.
"""

import datetime
import json
import time
from dataclasses import asdict, dataclass
from random import Random

import pytest
from playwright.sync_api import Browser, BrowserContext

from channelsmin.server import Server
from laboratory import Laboratory
from participants import ON_RESULTS, Member, Session
from size import Size

SESSIONS = 100
MEMBERS = 10
AT_ONCE = 5
DROPS_OUT = 0.05
"""The chance of a member to drop out."""

LOST = 60
"""Seconds after the click after which whoever is not there counts as lost."""


@dataclass
class Crowd:
    """The members of a session, in a browser of their own."""

    context: BrowserContext
    members: list[Member]
    away: list[Member]

    @classmethod
    def come(
        cls, browser: Browser, researcher: BrowserContext, server: Server, dice: Random
    ) -> "Crowd":
        """Make a session; all come to the page, and a few leave it again."""
        session = Session(researcher, server.url, f"crowd_{MEMBERS}")
        context = browser.new_context()
        places = range(1, MEMBERS + 1)
        members = [Member(context, session, place).open().ready() for place in places]
        away = [member for member in members[1:] if dice.random() < DROPS_OUT]
        for member in away:
            member.page.close()
        for member in list(away):
            if dice.random() < 0.5:
                member.come_back().ready()
                away.remove(member)
        return cls(context, members, away)

    def play(self) -> int:
        """Let the first member click and those who are away come back; return how many moved."""
        self.members[0].click_done()
        for member in self.away:
            member.come_back()
        deadline = time.monotonic() + LOST
        while not all(self._there()) and time.monotonic() < deadline:
            self.members[0].page.wait_for_timeout(50)
        moved = sum(self._there())
        self.context.close()
        return moved

    def _there(self) -> list[bool]:
        return [bool(ON_RESULTS.search(member.page.url)) for member in self.members]


def test_soak(
    browser: Browser,
    researcher: BrowserContext,
    laboratory: Laboratory,
    request: pytest.FixtureRequest,
) -> None:
    seconds = 60 * request.config.getoption("--soak")
    server, dice = laboratory.server, Random(0)
    start = time.monotonic()
    sizes, moved, away = [Size.of(server.pid)], 0, 0
    for number in range(0, SESSIONS, AT_ONCE):
        if number == SESSIONS // 2:
            sizes.append(Size.of(server.pid))
        for at_once in [AT_ONCE] if number % (2 * AT_ONCE) else [1] * AT_ONCE:
            crowds = [Crowd.come(browser, researcher, server, dice) for _ in range(at_once)]
            away += sum(len(crowd.away) for crowd in crowds)
            moved += sum(crowd.play() for crowd in crowds)
        print(f"{number + AT_ONCE} of {SESSIONS} sessions, {moved} members moved")  # noqa: T201
        pace(researcher, start + seconds * (number + AT_ONCE) / SESSIONS)
    sizes.append(Size.of(server.pid))
    outcome = {
        "date": datetime.date.today().isoformat(),
        "sessions": SESSIONS,
        "members": SESSIONS * MEMBERS,
        "moved": moved,
        "came_back_late": away,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "sizes": [asdict(size) for size in sizes],
    }
    if file := request.config.getoption("--record"):
        file.write_text(json.dumps(outcome, indent=1) + "\n")
    assert moved == SESSIONS * MEMBERS


def pace(researcher: BrowserContext, moment: float) -> None:
    """Spread the sessions over the time: let it pass until this moment."""
    if (left := moment - time.monotonic()) > 0:
        with researcher.new_page() as page:
            page.wait_for_timeout(1000 * left)
