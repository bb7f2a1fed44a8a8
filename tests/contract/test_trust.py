"""S. Trust: what a client can send, and its effect."""

import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from playwright.sync_api import Page
from websockets.typing import Origin

from channelsmin.runtime.server import Server
from harness.fixtures import Connect, OpenGroup
from harness.instrumented import Instrumented
from harness.members import Member, Session, Visitor
from harness.protocol import ask, click

NOBODYS_CODES = ["zzzzzzzz", "0", "", "' or 1=1 --", "../../channelsmin", "%00", "ä", "z" * 2000]

GARBAGE: list[str | bytes] = [
    "",
    "click",
    "{",
    "null",
    "true",
    "1",
    '"click"',
    "[]",
    "{}",
    '{"type": "click"}',
    '{"round": "1"}',
    '{"type": "click", "round": 1}',
    '{"type": "click", "round": true}',
    '{"type": "click", "round": "2"}',
    '{"type": ["click"], "round": "1"}',
    '{"type": "Click", "round": "1"}',
    '{"type": "click", "round": "1", "group": 1}',
    '[{"type": "click", "round": "1"}]',
    "[" * 900,
    '{"a":' * 200 + "1" + "}" * 200,
    json.dumps({"type": "click", "round": "1", "more": "x" * 2000}),
    b"\x00\xff\xfe",
]

ODDLY_WRAPPED: list[str | bytes] = [click().ljust(2000), click().encode()]
"""The valid click, but longer than 1 KiB, and as binary."""


def test_s1_nothing_that_a_client_sends_names_another_group(
    admin: Page, server: Server, open_group: OpenGroup, connect: Connect
) -> None:
    """Under its own code, a client sends and connects to all that two groups' pages differ in."""
    session = Session(admin, server.url, "channelsmin_groups")
    ours = open_group(session, 2, 3)
    theirs = open_group(session, 4, 5)
    guide, victim = ours[0], theirs[0]
    # The attacker has no browser, so that every attempt is made while they are on MyPage.
    attacker = Visitor(session, 1).visit()
    messages = [click(), *(json.dumps(m) for m in crossed_messages(guide, victim))]
    for url in crossed_urls(guide.socket_url_of(attacker.code), victim.socket_url, victim.code):
        socket = connect(url)
        socket.send(*messages, ask())
        socket.received_by_now()
    for member in ours:
        member.expect_results(moved_by=1)
    # If any of this had reached the other group, Results would not name member 2.
    for member in theirs:
        member.expect_my_page()
    theirs[1].click_done()
    for member in theirs:
        member.expect_results(moved_by=2)


def crossed_urls(ours: str, theirs: str, secret: str) -> list[str]:
    """Return our address, and copies of it with each part of theirs that is not secret."""
    our, their = urlsplit(ours), urlsplit(theirs)
    urls = [ours]
    for place, (mine, other) in enumerate(
        zip(our.path.split("/"), their.path.split("/"), strict=True)
    ):
        if mine != other != secret:
            parts = our.path.split("/")
            parts[place] = other
            urls.append(urlunsplit(our._replace(path="/".join(parts))))
    query = dict(parse_qsl(our.query))
    for name, other in parse_qsl(their.query):
        if other not in (secret, query[name]):
            urls.append(urlunsplit(our._replace(query=urlencode({**query, name: other}))))
    hints = urlencode({"group": 2, "id_in_subsession": 2})
    urls.append(urlunsplit(our._replace(query="&".join(filter(None, [our.query, hints])))))
    return urls


def crossed_messages(guide: Member, victim: Member) -> list[dict[str, object]]:
    """Return clicks that try to name the victim's group, in every plausible way."""
    plain: dict[str, object] = json.loads(click())
    theirs: dict[str, object] = json.loads(victim.sent[0])
    ours: dict[str, object] = json.loads(guide.sent[0])
    differing = {name: value for name, value in theirs.items() if ours.get(name) != value}
    hints: dict[str, object] = {
        "group": 2,
        "id_in_subsession": 2,
        "participant_code": victim.code,
        "code": victim.code,
    }
    return [{**plain, **differing}, *({**plain, name: value} for name, value in hints.items())]


def test_s2_a_code_that_is_nobodys_gets_nothing_and_does_nothing(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    group = open_group(session, 1, 2)
    strangers = [connect(group[0].socket_url_of(code)) for code in NOBODYS_CODES]
    for stranger in strangers:
        stranger.send(ask(), click())
        stranger.received_by_now()
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=2)
    assert [stranger.received_by_now() for stranger in strangers] == [[]] * len(strangers)


def test_s2_a_code_that_is_elsewhere_gets_nothing_and_does_nothing(
    admin: Page,
    server: Server,
    session: Session,
    open_group: OpenGroup,
    connect: Connect,
) -> None:
    """A participant of another session, and the member of this group who has not come yet."""
    group = open_group(session, 1, 2)
    foreign = Session(admin, server.url, "channelsmin").codes[0]
    strangers = [connect(group[0].socket_url_of(code)) for code in (foreign, session.codes[2])]
    for stranger in strangers:
        stranger.send(ask(), click())
        stranger.received_by_now()
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=2)
    for stranger in strangers:
        assert stranger.received_by_now() == []


def test_s2_a_code_that_is_nobodys_leaves_no_traceback(
    server: Server, session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    (guide,) = open_group(session, 1)
    before = len(server.log.read_text(errors="replace"))
    for code in NOBODYS_CODES:
        stranger = connect(guide.socket_url_of(code))
        stranger.send(ask(), click())
        stranger.received_by_now()
    guide.click_done()
    guide.expect_results(moved_by=1)
    assert "Traceback" not in server.log.read_text(errors="replace")[before:]


def test_s3_what_is_not_a_valid_message_is_ignored_or_ends_its_own_socket(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    expect_ignored(session, open_group, connect, GARBAGE)


def test_s3_a_valid_message_in_binary_or_over_1_kib_is_ignored_too(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    expect_ignored(session, open_group, connect, ODDLY_WRAPPED)


def expect_ignored(
    session: Session, open_group: OpenGroup, connect: Connect, messages: list[str | bytes]
) -> None:
    """Expect that no message is answered or moves anybody, and that others are still served."""
    (member,) = open_group(session, 1)
    sender, other = (member.socket_url_of(Visitor(session, place).visit().code) for place in (2, 3))
    asking = connect(other)
    for message in messages:
        socket = connect(sender)
        socket.send(message)
        assert socket.received_by_now() == [], message
        asking.send(ask())
        assert asking.receive() == {"round": "1", "moved": False}, message
    member.click_done()
    member.expect_results(moved_by=1)


def test_s3_a_thousand_messages_delay_nobody(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    first, second = open_group(session, 1, 2)
    flooding = connect(first.socket_url_of(Visitor(session, 3).visit().code))
    flooding.send(*(GARBAGE[number % len(GARBAGE)] for number in range(500)))
    flooding.send(*([ask(2)] * 500))
    second.click_done()
    for member in (first, second):
        member.expect_results(moved_by=2)


@pytest.mark.parametrize("origin", ["https://another.example", "null"])
def test_s4_a_socket_that_a_page_of_another_origin_opens_is_refused(
    session: Session, open_group: OpenGroup, connect: Connect, origin: str
) -> None:
    (member,) = open_group(session, 1)
    url = member.socket_url_of(Visitor(session, 2).visit().code)
    stranger = connect(url, Origin(origin))
    stranger.wait_until_refused()
    stranger.send(click())
    member.click_done()
    member.expect_results(moved_by=1)


def test_s4_a_socket_that_this_sites_page_opens_is_not(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    (member,) = open_group(session, 1)
    socket = connect(member.socket_url_of(Visitor(session, 2).visit().code), Origin(session.url))
    socket.send(ask())
    assert socket.receive() == {"round": "1", "moved": False}


def test_s5_nothing_is_printed_and_no_code_is_logged(
    admin: Page, instrumented: Instrumented, open_group: OpenGroup, connect: Connect
) -> None:
    session = Session(admin, instrumented.server.url, "channelsmin")
    first, second = open_group(session, 1, 2)
    stranger = connect(first.socket_url_of("zzzzzzzz"))
    stranger.send(ask(), click())
    url = first.socket_url_of(Visitor(session, 3).visit().code)
    for message in ("garbage", click()):
        connect(url).send(message)
    for member in (first, second):
        member.expect_results(moved_by=3)
    assert instrumented.printed() == ""
    # The servers log the requested addresses, which contain codes.
    log = instrumented.server.log.read_text(errors="replace")
    for code in session.codes:
        assert not re.search(rf"(?<![/=,]){code}", log)
