"""S. Trust, with inputs that nobody thought of: what Hypothesis sends to sockets and forms."""

import json
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from packaging.version import Version
from playwright.sync_api import Browser, Page

from channelsmin.runtime.export import Export
from channelsmin.runtime.server import Server
from harness.members import Member, Session, Socket, Visitor
from harness.protocol import ask, click

BATCH = 100
"""After so many inputs somebody clicks, and the group must move."""

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
# Up to the end of the line: an address with more in it is not the app's, but oTree's to refuse.
CODES = st.text(st.characters(codec="utf-8", exclude_characters="\n")) | st.sampled_from(
    ["../..", "' OR 1=1 --", "a/b", "%2e%2e", "\x00", "x" * 5000, "?group=1", "#", ";"]
)
PAGES = st.sampled_from(["MyPage", "Results", "Nothing", ""])
FORMS = st.dictionaries(st.text(), st.text())


@dataclass(frozen=True)
class Said:
    """A message on a socket with a code: one's own, or another where there is one."""

    code: str
    message: bytes
    is_text: bool


@dataclass(frozen=True)
class Posted:
    """A form for a page where nobody is: of another code, name or place."""

    code: str
    page: str
    index: int
    form: dict[str, str]


OWN = ""
"""Stands for the attacker's own code."""

INPUTS = st.builds(Said, st.just(OWN) | CODES, MESSAGES, st.booleans()) | st.builds(
    Posted, st.just(OWN) | CODES, PAGES, st.integers(-1, 10**9), FORMS
).filter(lambda posted: (posted.code, posted.page, posted.index) != (OWN, "MyPage", 1))


@dataclass(frozen=True)
class Onslaught:
    """What came of it: of each click, and in the server's log."""

    moved: list[bool]
    log: str


@dataclass(frozen=True)
class Attacker:
    """A member of the group, who sends whatever comes and is still on the page."""

    guide: Member
    own: Visitor

    def send(self, sent: Said | Posted) -> None:
        """Send it, and wait until the server has seen it."""
        code = sent.code or self.own.code
        if isinstance(sent, Said):
            socket = Socket(self.guide.socket_url_of(code))
            socket.say(sent.message, is_text=sent.is_text)
            socket.heard_by_now()
            socket.abort()
        else:
            url = self.guide.page.url.replace(self.guide.code, quote(code, safe=""))
            url = url.replace("/MyPage/1", f"/{sent.page}/{sent.index}")
            httpx.post(url, data=sent.form, timeout=30)


@pytest.fixture(scope="module")
def onslaught(
    researcher: Page,
    browser: Browser,
    server: Server,
    request: pytest.FixtureRequest,
) -> Onslaught:
    """Send all the inputs, batch by batch; tell what came of the click after each, and the log."""
    before = len(server.log.read_bytes())
    moved: list[bool] = []
    for number in range(request.config.getoption("--inputs") // BATCH):
        session = Session(researcher, server.url, "channelsmin")
        own, third = (Visitor(session, place).visit() for place in (2, 3))
        with browser.new_context() as context:
            guide = Member(context, session, 1).open().ready()
            attacker = Attacker(guide, own)
            seed(number)(SETTINGS(given(INPUTS)(attacker.send)))()
            guide.click_done()
            guide.expect_results(moved_by=1)
        moved.append("/Results/" in third.path())
    return Onslaught(moved, server.log.read_bytes()[before:].decode(errors="replace"))


def test_s3_after_whatever_was_sent_a_click_moves_the_group(onslaught: Onslaught) -> None:
    assert onslaught.moved
    assert all(onslaught.moved)


def test_s3_whatever_is_sent_leaves_no_traceback(
    onslaught: Onslaught, export: Export, release: Version
) -> None:
    own = export.variant.ignored_tracebacks(release)
    _, *tracebacks = onslaught.log.split("Traceback")
    assert not [text for text in tracebacks if not any(its in text for its in own)]
