"""Trials: a group, a click and a fault, all from one seed, and everybody must arrive.

A few in every run; `python3 run.py trials` runs hundreds, and keeps a record of each.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from random import Random

import pytest
from playwright.sync_api import Browser, Error, Page

from harness.arrivals import watch
from harness.faults import FAIR, MANNERS, STORM, Proxy, Rude, Weather
from harness.instrumented import CROWDS, NEWS, RECORD, Laboratory
from harness.members import Member, Session, Visitor

IN_TIME = 10
"""Seconds after the end of a fault within which everybody is to be on the next page."""

RESULTS = 2
"""The place of Results in the first round; who is farther on has skipped it."""

LOST = 60
"""Seconds after which whoever is not there yet counts as lost."""


@dataclass(frozen=True)
class Plan:
    """What a seed stands for."""

    seed: int
    fault: str
    members: int
    clickers: tuple[int, ...]
    seconds: float
    """How long a fault of the network lasts."""

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Make the plan: small groups more often than large ones, each fault as often as any."""
        dice = Random(seed)
        members = CROWDS.start + int(len(CROWDS) * dice.random() ** 3)
        clickers = dice.sample(range(1, members + 1), dice.choice([1, 1, 2, 3]))
        fault = list(FAULTS)[seed % len(FAULTS)]
        return cls(seed, fault, members, tuple(clickers), round(5 * dice.random(), 1))


@dataclass
class Trial:
    """A plan at work: the members on their page, behind a proxy."""

    plan: Plan
    laboratory: Laboratory
    proxy: Proxy
    session: Session
    members: list[Member]

    def click(self) -> None:
        """Let the clickers click, one at once after the other, as long as the button is there."""
        for place in self.plan.clickers:
            with suppress(Error):  # the page is just being left
                self.members[place - 1].page.evaluate("document.querySelector('#done')?.click()")


@dataclass(frozen=True)
class Outcome:
    """What came of a trial, in numbers of members."""

    moved: int
    late: int
    skipped: int
    wrong: int
    reloaded: int
    """Their next page was cut off, or an error: it had to be loaded again."""

    arrival: float
    """From the end of the fault to the last arrival."""


@contextmanager
def network(weather: Weather, trial: Trial) -> Iterator[None]:
    """Have this weather from before the click until some seconds after it."""
    trial.proxy.weather = weather
    trial.click()
    trial.members[0].page.wait_for_timeout(1000 * trial.plan.seconds)
    trial.proxy.weather = FAIR
    yield


@contextmanager
def killed_before_the_click(trial: Trial) -> Iterator[None]:
    """Kill the server, click, and start it again."""
    trial.laboratory.server.kill()
    trial.click()
    trial.laboratory.server.start()
    yield


@contextmanager
def killed(label: str, arguments: str, share: float, trial: Trial) -> Iterator[None]:
    """Click, kill the server when it has told `share` of the members, and start it again."""
    with trial.laboratory.hold(label, arguments, after=int(share * trial.plan.members)):
        trial.click()
        trial.laboratory.wait_until_held(label)
        trial.laboratory.server.kill()
    trial.laboratory.server.start()
    yield


@contextmanager
def rude(manners: str, trial: Trial) -> Iterator[None]:
    """Click while one more member of the group has no manners."""
    other = Visitor(trial.session, trial.plan.members + 1).visit()
    with Rude(trial.members[0].socket_url_of(other.code), manners) as member:
        member.wait_until_at_it()
        trial.click()
        yield


@contextmanager
def losing(share: float, trial: Trial) -> Iterator[None]:
    """Click while the channel layer loses this share of what it is given."""
    with trial.laboratory.lose("publish", NEWS, share, trial.plan.seed):
        trial.click()
        yield


FAULTS: dict[str, Callable[[Trial], AbstractContextManager[None]]] = {
    "network cuts": partial(network, Weather(cut=STORM.cut)),
    "network drops": partial(network, Weather(drop=STORM.drop)),
    "network duplicates": partial(network, Weather(duplicate=1)),
    "network delays": partial(network, Weather(delay=STORM.delay)),
    "network does all of this": partial(network, STORM),
    "killed before the click": killed_before_the_click,
    "killed between click and commit": partial(killed, "record", RECORD, 0),
    "killed between commit and news": partial(killed, "publish", NEWS, 0),
    "killed halfway through the fan-out": partial(killed, "deliver", NEWS, 0.5),
    **{f"a member {manners}": partial(rude, manners) for manners in MANNERS},
    "layer loses 1 %": partial(losing, 0.01),
    "layer loses 10 %": partial(losing, 0.1),
    "layer loses 100 %": partial(losing, 1),
}


def test_whatever_goes_wrong_everybody_arrives_and_nobody_else(
    browser: Browser,
    researcher: Page,
    laboratory: Laboratory,
    trial_seed: int,
    request: pytest.FixtureRequest,
) -> None:
    plan = Plan.of(trial_seed)
    bystander = Visitor(Session(researcher, laboratory.server.url, "channelsmin"), 1).visit()
    with (
        Proxy(laboratory.server.port, plan.seed) as proxy,
        browser.new_context() as context,
    ):
        # One place more than there are members: for the one without manners.
        session = Session(researcher, proxy.url, f"crowd_{plan.members + 1}")
        places = range(1, plan.members + 1)
        members = [Member(context, session, place).open().ready() for place in places]
        with FAULTS[plan.fault](Trial(plan, laboratory, proxy, session, members)):
            outcome = observe(members, bystander, plan)
    if file := request.config.getoption("--record"):
        with file.open("a") as record:
            record.write(json.dumps({**asdict(plan), **asdict(outcome)}) + "\n")
    assert (outcome.moved, outcome.late, outcome.skipped, outcome.wrong) == (plan.members, 0, 0, 0)


def observe(members: list[Member], bystander: Visitor, plan: Plan) -> Outcome:
    """Wait until all have arrived, and look when and where, and what they read there."""
    arrivals = watch(members, LOST)
    named = arrivals.named
    strangers = sum(name not in plan.clickers or name != named[0] for name in named)
    return Outcome(
        moved=len(arrivals.seconds),
        late=sum(arrivals.seconds.get(member.code, LOST) > IN_TIME for member in members),
        skipped=sum(member.index() > RESULTS for member in members if "/p/" in member.page.url),
        wrong=strangers + ("/MyPage/" not in bystander.path()),
        reloaded=len(arrivals.reloaded),
        arrival=round(max(arrivals.seconds.values(), default=LOST), 2),
    )
