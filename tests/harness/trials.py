"""Trials of fault injection: a group, a click and a fault, all determined by one seed."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

from harness.arrivals import Watched, watch
from harness.faults import HEAVY, IN_TIME, KINDS, NONE, MisbehavingClient, NetworkFaults, Proxy
from harness.instrumented import NEWS, RECORD, Instrumented
from harness.members import Session, Visitor, page_number

RESULTS = 2
"""The number of round 1's Results; a member on a later page has skipped it."""

LOST = 60
"""Seconds after which a member who has not arrived counts as lost."""


@dataclass(frozen=True)
class Plan:
    """A trial's parameters, determined by its seed."""

    seed: int
    fault: str
    members: int
    clickers: tuple[int, ...]
    seconds: float
    """How long a network fault lasts."""

    @classmethod
    def of(cls, seed: int, sizes: range) -> "Plan":
        """Make the plan: small groups more often than large ones, and all faults equally often."""
        random = Random(seed)
        members = sizes.start + int(len(sizes) * random.random() ** 3)
        clickers = random.sample(range(1, members + 1), random.choice([1, 1, 2, 3]))
        fault = list(FAULTS)[seed % len(FAULTS)]
        return cls(seed, fault, members, tuple(clickers), round(5 * random.random(), 1))


@dataclass
class Trial:
    """A running trial: the members are on MyPage, behind a proxy."""

    plan: Plan
    instrumented: Instrumented
    proxy: Proxy
    session: Session
    members: Sequence[Watched]
    socket_url_of: Callable[[str], str]
    """The address of a participant's socket, by the participant's code."""

    def click(self) -> None:
        """Let the clickers click in quick succession, as long as the button is there."""
        for place in self.plan.clickers:
            self.members[place - 1].look("() => document.querySelector('#done')?.click()")

    def run(self, bystander: Visitor) -> "Outcome":
        """Inject the fault, and return where the members are then, and whom Results names."""
        with FAULTS[self.plan.fault](self):
            return observe(self.members, bystander, self.plan)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial, in numbers of members."""

    moved: int
    late: int
    skipped: int
    wrong: int
    reloaded: int
    """Members who had to reload: the next page was cut off, or was an error."""

    arrival: float
    """From the end of the fault to the last arrival."""

    def record(self, plan: Plan, file: Path) -> None:
        """Append the trial to a file."""
        with file.open("a") as record:
            record.write(json.dumps({**asdict(plan), **asdict(self)}) + "\n")

    def check(self, plan: Plan) -> None:
        """Raise AssertionError unless all members have arrived as they should."""
        assert (self.moved, self.late, self.skipped) == (plan.members, 0, 0)
        assert (self.wrong, self.reloaded) == (0, 0)


@contextmanager
def network(faults: NetworkFaults, trial: Trial) -> Iterator[None]:
    """Inject these faults from before the click until some seconds after it."""
    trial.proxy.faults = faults
    trial.click()
    time.sleep(trial.plan.seconds)
    trial.proxy.faults = NONE
    yield


@contextmanager
def killed_before_the_click(trial: Trial) -> Iterator[None]:
    """Kill the server, click, and start it again."""
    trial.instrumented.server.kill()
    trial.click()
    trial.instrumented.server.start()
    yield


@contextmanager
def killed(label: str, arguments: str, share: float, trial: Trial) -> Iterator[None]:
    """Click, kill the server when it has notified this share of the members, and start it again."""
    with trial.instrumented.hold(label, arguments, after=int(share * trial.plan.members)):
        trial.click()
        trial.instrumented.wait_until_held(label)
        trial.instrumented.server.kill()
    trial.instrumented.server.start()
    yield


@contextmanager
def misbehaving(kind: str, trial: Trial) -> Iterator[None]:
    """Click while another member of the group misbehaves."""
    other = Visitor(trial.session, trial.plan.members + 1).visit()
    with MisbehavingClient(trial.socket_url_of(other.code), kind) as client:
        client.wait_until_active()
        trial.click()
        yield


@contextmanager
def losing(share: float, trial: Trial) -> Iterator[None]:
    """Click while the channel layer loses this share of its messages."""
    with trial.instrumented.lose("publish", NEWS, share, trial.plan.seed):
        trial.click()
        yield


FAULTS: dict[str, Callable[[Trial], AbstractContextManager[None]]] = {
    "network cuts": partial(network, NetworkFaults(cut=HEAVY.cut)),
    "network drops": partial(network, NetworkFaults(drop=HEAVY.drop)),
    "network duplicates": partial(network, NetworkFaults(duplicate=1)),
    "network delays": partial(network, NetworkFaults(delay=HEAVY.delay)),
    "network does all of this": partial(network, HEAVY),
    "killed before the click": killed_before_the_click,
    "killed between click and commit": partial(killed, "record", RECORD, 0),
    "killed between commit and news": partial(killed, "publish", NEWS, 0),
    "killed halfway through the fan-out": partial(killed, "deliver", NEWS, 0.5),
    **{f"a member {kind}": partial(misbehaving, kind) for kind in KINDS},
    "layer loses 1 %": partial(losing, 0.01),
    "layer loses 10 %": partial(losing, 0.1),
    "layer loses 100 %": partial(losing, 1),
}


def observe(members: Sequence[Watched], bystander: Visitor, plan: Plan) -> Outcome:
    """Wait until all have arrived; return when and where, and whom Results names."""
    arrivals = watch(members, LOST)
    named = arrivals.named
    paths = [str(member.look("() => location.pathname")) for member in members]
    strangers = sum(name not in plan.clickers or name != named[0] for name in named)
    return Outcome(
        moved=len(arrivals.seconds),
        late=sum(arrivals.seconds.get(member.code, LOST) > IN_TIME for member in members),
        skipped=sum("/p/" in path and page_number(path) > RESULTS for path in paths),
        wrong=strangers + ("/MyPage/" not in bystander.path()),
        reloaded=len(arrivals.reloaded),
        arrival=round(max(arrivals.seconds.values(), default=LOST), 2),
    )
