"""The soak test: half an hour of sessions, one after the other and five at a time.

`python3 run.py soak` runs it; it is not part of the suite. Each of a session's ten members drops
out with a probability of 0.05, and comes back before the click or after it.
"""

import datetime
import json
import time
from dataclasses import asdict, dataclass, field
from random import Random

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from channelsmin.runtime.server import Server
from harness.arrivals import watch
from harness.instrumented import Instrumented
from harness.members import Member, Session
from harness.process_stats import ProcessStats

SESSIONS = 100
MEMBERS = 10
AT_ONCE = 5
DROPS_OUT = 0.05
"""The probability that a member drops out."""

TRIES = 5
"""How often a member loads a page that is an error."""

LOST = 60
"""Seconds after the click after which a member who has not arrived counts as lost."""


@dataclass
class Crowd:
    """The members of a session, in a browser context of their own."""

    context: BrowserContext
    members: list[Member]
    away: list[Member] = field(default_factory=list)
    reloaded: set[str] = field(default_factory=set)
    """The members who got an error instead of a page, and reloaded."""

    @classmethod
    def open_session(cls, browser: Browser, admin: Page, server: Server, random: Random) -> "Crowd":
        """Make a session; all members open the page, and a few leave it."""
        session = Session.create(admin, server.url, f"crowd_{MEMBERS}")
        context = browser.new_context()
        crowd = cls(context, [Member(context, session, n) for n in range(1, MEMBERS + 1)])
        for member in crowd.members:
            crowd.open(member)
            member.ready()
        leaving = [member for member in crowd.members[1:] if random.random() < DROPS_OUT]
        for member in leaving:
            member.page.close()
        for member in leaving:
            if random.random() < 0.5:
                crowd.come_back(member)
                member.ready()
            else:
                crowd.away.append(member)
        return crowd

    def open(self, member: Member) -> None:
        """Follow the start link, again if oTree answers with an error, as a person would."""
        member.sent.clear()
        for _ in range(TRIES):
            answer = member.page.goto(member.session.url + member.link)
            if answer and answer.ok:
                return
            self.reloaded.add(member.code)
        raise AssertionError(f"{member.link}: an error, {TRIES} times")

    def come_back(self, member: Member) -> None:
        """Follow the start link again, in a new tab."""
        member.page = member.new_tab()
        self.open(member)

    def click(self) -> None:
        """Let the first member click, and all who are away come back."""
        self.members[0].click_done()
        for member in self.away:
            self.come_back(member)

    def arrive(self) -> int:
        """Wait until all have moved, and close their pages; return how many have."""
        arrivals = watch(self.members, LOST)
        self.reloaded |= arrivals.reloaded
        self.context.close()
        return len(arrivals.seconds)


def test_soak(
    browser: Browser,
    admin: Page,
    instrumented: Instrumented,
    request: pytest.FixtureRequest,
) -> None:
    seconds = 60 * request.config.getoption("--soak")
    server, random = instrumented.server, Random(0)
    start = time.monotonic()
    sizes, moved, away, reloaded = [ProcessStats.of(server.pid)], 0, 0, 0
    for number in range(0, SESSIONS, AT_ONCE):
        if number == SESSIONS // 2:
            sizes.append(ProcessStats.of(server.pid))
        for at_once in [AT_ONCE] if number % (2 * AT_ONCE) else [1] * AT_ONCE:
            crowds = [Crowd.open_session(browser, admin, server, random) for _ in range(at_once)]
            for crowd in crowds:
                crowd.click()
            moved += sum(crowd.arrive() for crowd in crowds)
            away += sum(len(crowd.away) for crowd in crowds)
            reloaded += sum(len(crowd.reloaded) for crowd in crowds)
        print(f"{number + AT_ONCE} of {SESSIONS} sessions, {moved} members moved")  # noqa: T201
        pace(admin, start + seconds * (number + AT_ONCE) / SESSIONS)
    sizes.append(ProcessStats.of(server.pid))
    outcome = {
        "date": datetime.date.today().isoformat(),
        "sessions": SESSIONS,
        "members": SESSIONS * MEMBERS,
        "moved": moved,
        "came_back_late": away,
        "reloaded": reloaded,
        "minutes": round((time.monotonic() - start) / 60, 1),
        "sizes": [asdict(size) for size in sizes],
    }
    if file := request.config.getoption("--record"):
        file.write_text(json.dumps(outcome, indent=1) + "\n")
    assert moved == SESSIONS * MEMBERS


def pace(admin: Page, moment: float) -> None:
    """Wait until this moment, to spread the sessions evenly over the time."""
    if (left := moment - time.monotonic()) > 0:
        admin.wait_for_timeout(1000 * left)
