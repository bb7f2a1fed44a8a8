"""S. Trust: what a client can send, and its effect."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from channelsmin.runtime.server import Server
from harness.fixtures import Connect, Groups, OpenGroup, SocketUrl
from harness.instrumented import Instrumented
from harness.members import Member, Session, Socket, Visitor
from harness.protocol import MOVED, NOT_YET, ask, click

NewGroup = Callable[[int], "SocketGroup"]

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
    server: Server, groups: Groups, open_group: OpenGroup, connect: Connect
) -> None:
    """Under its own code, a client sends and connects to all that two groups' pages differ in."""
    ours, theirs = groups.new(server), groups.new(server)
    (guide,), (victim,) = open_group(ours, 2), open_group(theirs, 2)
    # The attacker has no browser, so that every attempt is made while they are on MyPage.
    attacker = Visitor(ours, 1).visit()
    messages = [click(), *(json.dumps(m) for m in crossed_messages(guide, victim))]
    for url in crossed_urls(guide.socket_url_of(attacker.code), victim):
        socket = connect(url)
        socket.send(*messages, ask())
        socket.received_by_now()
    guide.expect_results(moved_by=1)
    # If any of this had reached the other group, Results would not name member 2.
    victim.expect_my_page()
    other = Visitor(theirs, 1).visit()
    victim.click_done()
    victim.expect_results(moved_by=2)
    assert other.moved_by() == 2


def crossed_urls(ours: str, victim: Member) -> list[str]:
    """Return our address, and copies of it with each part of the victim's that is not secret."""
    our, their, secret = urlsplit(ours), urlsplit(victim.socket_url), victim.code
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
    hints = urlencode(number_of_group(victim))
    urls.append(urlunsplit(our._replace(query="&".join(filter(None, [our.query, hints])))))
    return urls


def crossed_messages(guide: Member, victim: Member) -> list[dict[str, object]]:
    """Return clicks that try to name the victim's group, in every plausible way."""
    plain: dict[str, object] = json.loads(click())
    theirs: dict[str, object] = json.loads(victim.sent[0])
    ours: dict[str, object] = json.loads(guide.sent[0])
    differing = {name: value for name, value in theirs.items() if ours.get(name) != value}
    hints: dict[str, object] = {
        **number_of_group(victim),
        "participant_code": victim.code,
        "code": victim.code,
    }
    return [{**plain, **differing}, *({**plain, name: value} for name, value in hints.items())]


def number_of_group(member: Member) -> dict[str, int]:
    """Return the number of a member's group, under the names that an app could give it."""
    return dict.fromkeys(("group", "id_in_subsession"), member.session.number)


@dataclass(frozen=True)
class SocketGroup:
    """A group whose members are on MyPage, each with a raw socket that has asked."""

    session: Session
    urls: Sequence[str]
    sockets: Sequence[Socket]

    def click(self, place: int) -> None:
        """Let a member click, and expect that all members are notified, and on Results."""
        clicker = self.sockets[place - 1]
        clicker.send(click())
        assert clicker.receive_or_repeat(click()) == MOVED
        for socket in self.sockets:
            assert socket is clicker or socket.receive_or_repeat(ask()) == MOVED
        for number in range(1, len(self.sockets) + 1):
            assert Visitor(self.session, number).moved_by() == place


@pytest.fixture
def new_group(server: Server, groups: Groups, socket_url: SocketUrl, connect: Connect) -> NewGroup:
    """Return a function: a group of which so many members have come to MyPage."""

    def new_group(members: int) -> SocketGroup:
        session = groups.new(server)
        places = range(1, members + 1)
        urls = [socket_url(session, Visitor(session, place).visit().code) for place in places]
        sockets = [connect(url) for url in urls]
        for socket in sockets:
            socket.send(ask())
            assert socket.receive() == NOT_YET
        return SocketGroup(session, urls, sockets)

    return new_group


def test_s2_a_code_that_is_nobodys_gets_nothing_and_does_nothing(
    new_group: NewGroup, socket_url: SocketUrl, connect: Connect
) -> None:
    group = new_group(2)
    strangers = [connect(socket_url(group.session, code)) for code in NOBODYS_CODES]
    expect_no_effect(strangers, group)


def test_s2_a_code_that_is_elsewhere_gets_nothing_and_does_nothing(
    elsewhere: Session, new_group: NewGroup, socket_url: SocketUrl, connect: Connect
) -> None:
    """A participant of another session, and the member of this group who has not come yet."""
    group = new_group(2)
    codes = (elsewhere.codes[2], group.session.codes[2])
    expect_no_effect([connect(socket_url(group.session, code)) for code in codes], group)


def test_s2_a_member_who_has_left_the_page_gets_nothing(
    server: Server, groups: Groups, socket_url: SocketUrl, connect: Connect
) -> None:
    session = groups.new(server)
    member = Visitor(session, 1).visit()
    url = socket_url(session, member.code)
    clicking = connect(url)
    clicking.send(click())
    assert clicking.receive() == MOVED
    assert member.moved_by() == 1
    late = connect(url)
    late.send(ask())
    # The server refuses or closes the socket; a live page's does not, and stays silent.
    with pytest.raises((AssertionError, ConnectionClosed, TimeoutError)):
        late.receive(seconds=2)


def expect_no_effect(strangers: Sequence[Socket], group: SocketGroup) -> None:
    """Expect that these sockets' messages are not answered, and that they are not notified."""
    for stranger in strangers:
        stranger.send(ask(), click())
        stranger.received_by_now()
    assert [socket.received_by_now() for socket in group.sockets] == [[]] * len(group.sockets)
    group.click(2)
    assert [stranger.received_by_now() for stranger in strangers] == [[]] * len(strangers)


def test_s2_a_code_that_is_nobodys_leaves_no_traceback(
    server: Server, new_group: NewGroup, socket_url: SocketUrl, connect: Connect
) -> None:
    group = new_group(1)
    before = len(server.log.read_text(errors="replace"))
    for code in NOBODYS_CODES:
        stranger = connect(socket_url(group.session, code))
        stranger.send(ask(), click())
        stranger.received_by_now()
    group.click(1)
    assert "Traceback" not in server.log.read_text(errors="replace")[before:]


def test_s3_what_is_not_a_valid_message_is_ignored_or_ends_its_own_socket(
    new_group: NewGroup, connect: Connect
) -> None:
    expect_ignored(new_group(3), connect, GARBAGE)


def test_s3_a_valid_message_in_binary_or_over_1_kib_is_ignored_too(
    new_group: NewGroup, connect: Connect
) -> None:
    expect_ignored(new_group(3), connect, ODDLY_WRAPPED)


def expect_ignored(group: SocketGroup, connect: Connect, messages: list[str | bytes]) -> None:
    """Expect that no message is answered or moves anybody, and that others are still served."""
    asking = group.sockets[2]
    for message in messages:
        socket = connect(group.urls[1])
        socket.send(message)
        assert socket.received_by_now() == [], message
        asking.send(ask())
        assert asking.receive() == NOT_YET, message
    group.click(1)


def test_s3_a_thousand_messages_delay_nobody(
    session: Session, open_group: OpenGroup, socket_url: SocketUrl, connect: Connect
) -> None:
    (second,) = open_group(session, 2)
    first, third = (Visitor(session, place).visit() for place in (1, 3))
    listening, flooding = (connect(socket_url(session, visitor.code)) for visitor in (first, third))
    listening.send(ask())
    assert listening.receive() == NOT_YET
    flooding.send(*(GARBAGE[number % len(GARBAGE)] for number in range(500)))
    flooding.send(*([ask(2)] * 500))
    second.click_done()
    second.expect_results(moved_by=2)
    assert listening.receive() == MOVED
    assert first.moved_by() == 2
    flooding.abort()  # with so much unread, closing it takes long


def test_s4_a_socket_that_a_page_of_another_origin_opens_is_refused(
    new_group: NewGroup, connect: Connect
) -> None:
    group = new_group(2)
    origins = ("https://another.example", "null")
    strangers = [connect(group.urls[1], Origin(origin)) for origin in origins]
    for stranger in strangers:
        stranger.wait_until_refused()
        stranger.send(click())
        stranger.received_by_now()
    group.click(1)


def test_s4_a_socket_that_this_sites_page_opens_is_not(
    session: Session, socket_url: SocketUrl, connect: Connect
) -> None:
    url = socket_url(session, Visitor(session, 2).visit().code)
    socket = connect(url, Origin(session.url))
    socket.send(ask())
    assert socket.receive() == NOT_YET


def test_s5_nothing_is_printed_and_no_code_is_logged(
    instrumented: Instrumented,
    groups: Groups,
    open_group: OpenGroup,
    socket_url: SocketUrl,
    connect: Connect,
) -> None:
    session = groups.new(instrumented.server)
    (first,) = open_group(session, 1)
    stranger = connect(socket_url(session, "zzzzzzzz"))
    stranger.send(ask(), click())
    url = socket_url(session, Visitor(session, 3).visit().code)
    for message in ("garbage", click()):
        connect(url).send(message)
    first.expect_results(moved_by=3)
    assert instrumented.printed() == ""
    # The servers log the requested addresses, which contain codes.
    log = instrumented.server.log.read_text(errors="replace")
    for code in session.codes:
        assert not re.search(rf"(?<![/=,]){code}", log)
