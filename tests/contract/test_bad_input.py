"""S. Trust, by fuzzing: Hypothesis sends generated inputs to sockets and forms."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from packaging.version import Version

from channelsmin.runtime.export import Export
from channelsmin.runtime.server import Server
from harness.fixtures import Groups, SocketUrl
from harness.members import HTTP, Socket, Visitor
from harness.protocol import MOVED, ask, click

BATCH = 100
"""After this number of inputs a member clicks, and the group must move."""

SETTINGS = settings(
    max_examples=BATCH,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NEARLY_VALID = st.fixed_dictionaries(
    {"type": st.sampled_from(["click", "ask", "news", "Click"]) | JSON},
    optional={
        "round": st.sampled_from(["0", "1", "2", "01", 1, True]) | JSON,
        "group": JSON,
        "code": JSON,
    },
).filter(lambda message: json.dumps(message) not in {ask(), click()})
MESSAGES = (
    st.text().map(str.encode)
    | st.binary()
    | (JSON | NEARLY_VALID).map(lambda value: json.dumps(value).encode())
    | st.integers(1, 100_000).map(lambda depth: b"[" * depth)
    | st.integers(1, 1 << 20).map(lambda size: b'"' + b"x" * size + b'"')
)
# Without line ends: it is oTree that refuses an address with one, not the app.
CODES = st.text(st.characters(codec="utf-8", exclude_characters="\n")) | st.sampled_from(
    ["../..", "' OR 1=1 --", "a/b", "%2e%2e", "\x00", "x" * 5000, "?group=1", "#", ";"]
)
PAGES = st.sampled_from(["MyPage", "Results", "Nothing", ""])
FORMS = st.dictionaries(st.text(), st.text())


@dataclass(frozen=True)
class Message:
    """A message on a socket, with the attacker's code or another one in its address."""

    code: str
    message: bytes
    is_text: bool


@dataclass(frozen=True)
class Form:
    """A form for another page than the attacker's: another code, page name or index."""

    code: str
    page: str
    index: int
    form: dict[str, str]


OWN = ""
"""Stands for the attacker's own code."""

INPUTS = st.builds(Message, st.just(OWN) | CODES, MESSAGES, st.booleans()) | st.builds(
    Form, st.just(OWN) | CODES, PAGES, st.integers(-1, 10**9), FORMS
).filter(lambda form: (form.code, form.page, form.index) != (OWN, "MyPage", 1))


@dataclass(frozen=True)
class Fuzzing:
    """The outcome: whether each click moved the group, and what the server logged."""

    moved: list[bool]
    log: str


@dataclass(frozen=True)
class Attacker:
    """A member of the group who sends the inputs, and stays on MyPage."""

    code: str
    page_url: str
    socket_url: Callable[[str], str]
    """Returns the address of the socket for a code."""

    def send(self, given_input: Message | Form) -> None:
        """Send an input, and wait until the server has handled it."""
        code = given_input.code or self.code
        if isinstance(given_input, Message):
            socket = Socket(self.socket_url(code))
            socket.send(given_input.message, is_text=given_input.is_text)
            socket.received_by_now()
            socket.abort()
        else:
            url = self.page_url.replace(self.code, quote(code, safe=""))
            url = url.replace("/MyPage/1", f"/{given_input.page}/{given_input.index}")
            HTTP.post(url, data=given_input.form, follow_redirects=False)


@pytest.fixture(scope="module")
def fuzzing(
    groups: Groups, server: Server, socket_url: SocketUrl, request: pytest.FixtureRequest
) -> Fuzzing:
    """Send all inputs, batch by batch, with a click after each batch."""
    before = len(server.log.read_bytes())
    moved: list[bool] = []
    for number in range(request.config.getoption("--inputs") // BATCH):
        session = groups.new(server)
        first, second, third = (Visitor(session, place).visit() for place in (1, 2, 3))
        page_url = session.url + second.path()
        attacker = Attacker(second.code, page_url, partial(socket_url, session))
        seed(number)(SETTINGS(given(INPUTS)(attacker.send)))()
        with closing(Socket(socket_url(session, first.code))) as socket:
            socket.send(click())
            assert socket.receive() == MOVED
        moved.append(first.moved_by() == third.moved_by() == 1)
    return Fuzzing(moved, server.log.read_bytes()[before:].decode(errors="replace"))


def test_s3_after_any_inputs_a_click_moves_the_group(fuzzing: Fuzzing) -> None:
    assert fuzzing.moved
    assert all(fuzzing.moved)


def test_s3_whatever_is_sent_leaves_no_traceback(
    fuzzing: Fuzzing, export: Export, release: Version
) -> None:
    ignored = export.variant.ignored_tracebacks(release)
    _, *tracebacks = fuzzing.log.split("Traceback")
    assert not [text for text in tracebacks if not any(part in text for part in ignored)]
