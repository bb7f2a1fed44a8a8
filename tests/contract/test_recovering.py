"""R. Recovering: faults of the network, the server and other clients."""

import time
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from playwright.sync_api import BrowserContext, Request, expect

from channelsmin.runtime.server import Server
from harness.faults import IN_TIME, KINDS, MisbehavingClient, NetworkFaults, Proxy
from harness.fixtures import (
    Connect,
    Groups,
    MoveOn,
    OpenGroup,
    OpenMember,
    SocketUrl,
)
from harness.instrumented import NEWS, Instrumented
from harness.members import Member, Network, Session, Visitor
from harness.protocol import MOVED, NOT_YET, ask, click

STEP = 2
"""Seconds between two moments at which a page whose clock is moved on can hear of an answer."""

CONNECTIONS = 6
"""How many connections to one server a browser opens at most."""


def test_r1_a_member_whose_connection_is_cut_moves_when_it_is_back(
    session: Session, context: BrowserContext, move_on: MoveOn
) -> None:
    third = Member(context, session, 3)
    network = Network(context)
    third.open().ready()
    network.cut()
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    move_on(session, 1)
    third.expect_my_page()
    network.restore()
    third.expect_results(moved_by=1, seconds=IN_TIME)


def test_r1_members_whose_connections_are_dead_without_a_sign_move(
    session: Session, context: BrowserContext, proxy: Proxy, move_on: MoveOn
) -> None:
    """Only the socket of one of them; all that are open of the other, and new ones work."""
    third = Member(context, session.through(proxy.url), 3).open().ready()
    network = Network(context)
    second = Member(context, session, 2).open().ready()
    third.forget_files()
    network.loses_messages = True
    proxy.silence()
    move_on(session, 1)
    deadline = time.monotonic() + IN_TIME
    for member in (second, third):
        member.expect_results(moved_by=1, seconds=deadline - time.monotonic())


def test_r2_everybody_moves_after_the_server_is_killed_behind_the_click(
    instrumented: Instrumented, groups: Groups, open_group: OpenGroup
) -> None:
    session = groups.new(instrumented.server)
    group = open_group(session, 1, 2)
    with instrumented.hold("publish", NEWS):
        group[1].click_done()
        instrumented.wait_until_held("publish")
        instrumented.server.kill()
    for member in group:
        expect(member.page.get_by_text("Reconnecting…")).to_be_visible()
    instrumented.server.start()
    for member in group:
        member.expect_results(moved_by=2, seconds=30)
    assert Visitor(session, 3).moved_by() == 2


def test_r3_without_any_websocket_a_click_counts_and_the_others_follow(
    session: Session, network: Network, open_through_network: OpenMember
) -> None:
    network.cut_sockets()
    group = [open_through_network(session, place) for place in (1, 3)]
    for member in group:
        expect(member.page.get_by_text("Reconnecting…")).to_be_visible()
    # A question that is answered "not yet" is not the last one.
    group[0].page.wait_for_event("requestfinished", lambda asked: asked.url == group[0].page.url)
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=3, seconds=30)
    assert Visitor(session, 2).moved_by() == 3


def test_r4_a_member_whose_socket_dies_during_the_notification_delays_nobody(
    instrumented: Instrumented,
    groups: Groups,
    socket_url: SocketUrl,
    connect: Connect,
) -> None:
    session = groups.new(instrumented.server)
    first, second, third = (Visitor(session, place).visit() for place in (1, 2, 3))
    clicking = connect(socket_url(session, second.code))
    # If the server notifies the sockets one after the other, the dying ones are in between.
    urls = [socket_url(session, visitor.code) for visitor in (first, third)]
    sockets = [connect(url) for url in (urls[0], *([urls[1]] * 10), urls[0])]
    for socket in sockets:
        socket.send(ask())
        assert socket.receive() == NOT_YET
    before, *dying, after = sockets
    with instrumented.hold("publish", NEWS):
        clicking.send(click())
        instrumented.wait_until_held("publish")
        for socket in dying:
            socket.abort()
    for socket in (before, after):
        while (message := socket.receive(IN_TIME)) != MOVED:
            assert message == NOT_YET  # oTree 5 and 6 answer all sockets of a participant
    assert second.moved_by() == 2
    # The commit was not undone: the third member, who comes now, is sent on.
    assert third.moved_by() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_r4_a_misbehaving_client_delays_nobody(
    session: Session, socket_url: SocketUrl, connect: Connect, kind: str
) -> None:
    urls = [socket_url(session, Visitor(session, place).visit().code) for place in (1, 2, 3)]
    listening, clicking = map(connect, urls[:2])
    listening.send(ask())
    assert listening.receive() == NOT_YET
    with MisbehavingClient(urls[2], kind) as client:
        client.wait_until_active()
        deadline = time.monotonic() + IN_TIME
        clicking.send(click())
        assert clicking.receive_or_repeat(click()) == MOVED
        assert listening.receive(deadline - time.monotonic()) == MOVED
        assert Visitor(session, 2).moved_by() == 2


def test_r5_reconnecting_backs_off_with_jitter(session: Session, context: BrowserContext) -> None:
    """Move two pages' clocks on by two minutes in which no socket opens."""
    context.clock.install()
    context.add_init_script(NO_SOCKETS)
    members = [Member(context, session, place).open() for place in (1, 2)]
    # The requests of two minutes would come at once and fill the queue of the oldest
    # development servers, which would answer the next ones with error 503.
    context.set_offline(True)
    context.clock.run_for(120_000)
    waits = []
    for member in members:
        attempts: list[int] = member.page.evaluate("attempts")
        waits.append([later - earlier for earlier, later in pairwise(attempts)])
    for intervals in waits:
        assert 6 < len(intervals) < 40, intervals
        assert sum(intervals[-3:]) > sum(intervals[:3]), intervals
    # Not the first waits, which passed while the clock was a real one; the last are the longest.
    assert waits[0][2:5] != waits[1][2:5]


NO_SOCKETS = """
    window.attempts = [];
    window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        static CLOSING = 2;
        constructor(address) {
            super();
            this.readyState = 3;
            // oTree's pages open other sockets, too.
            if (/channelsmin|live/.test(address)) attempts.push(Date.now());
            queueMicrotask(() => {
                if (this.onclose) this.onclose(new CloseEvent('close'));
                this.dispatchEvent(new CloseEvent('close'));
            });
        }
        close() {}
    };
"""


def test_r5_a_click_without_a_server_is_queued_once(
    session: Session, proxy: Proxy, context: BrowserContext
) -> None:
    member = Member(context, session.through(proxy.url), 1)
    member.page.clock.install()
    member.open().ready()
    proxy.cut()
    member.click_done()
    run_clock(member, 60)
    proxy.restore()
    member.sent.clear()
    run_clock(member, 30)
    member.expect_results(moved_by=1)
    # Without a queue of one, it would be sent once for each attempt in that minute: over 12 times.
    assert len(member.sent) < 12, member.sent


def test_r5_requests_that_nobody_answers_do_not_pile_up(
    session: Session, proxy: Proxy, context: BrowserContext
) -> None:
    member = Member(context, session.through(proxy.url), 1)
    member.page.clock.install()
    member.open().ready()
    sent: list[Request] = []
    ended: list[Request] = []
    member.page.on("request", lambda request: sent.append(request))
    member.page.on("requestfailed", lambda request: ended.append(request))
    proxy.faults = NetworkFaults(drop=1)
    run_clock(member, 60)
    assert len(sent) > 3  # it tries again and again, each time with more patience
    waiting = Counter(one.method for one in sent) - Counter(one.method for one in ended)
    closing = waiting.pop("HEAD", 0)  # these close the connections that may be dead
    assert closing <= CONNECTIONS
    assert sum(waiting.values()) <= 1


def run_clock(member: Member, seconds: int) -> None:
    """Move a page's clock on by so many seconds, in steps."""
    for _ in range(0, seconds, STEP):
        member.page.clock.run_for(1000 * STEP)


def test_r6_a_page_that_wakes_up_asks_at_once(
    server: Server, groups: Groups, context: BrowserContext, move_on: MoveOn
) -> None:
    """While a phone sleeps, no timer of its pages runs, and its sockets die.

    The pages are too young to ask of themselves within the second that their clock is moved on by.
    """
    network = Network(context)
    context.clock.install()
    sleeping = {event: Member(context, groups.new(server), 3) for event in EVENTS}
    for member in sleeping.values():
        member.open().ready()
    context.clock.pause_at(datetime.now() + timedelta(seconds=1))
    network.loses_messages = True
    for event, member in sleeping.items():
        move_on(member.session, 1)
        member.expect_my_page()
        member.page.evaluate(WAKE_UP, event)
    context.clock.run_for(1000)
    for member in sleeping.values():
        member.expect_results(moved_by=1)


EVENTS = ("visibilitychange", "online", "pageshow")
"""Each of them can be the first that a page hears when it wakes up."""

WAKE_UP = """name => {
    const event = new Event(name);
    if (name === 'pageshow') event.persisted = true;
    (name === 'visibilitychange' ? document : window).dispatchEvent(event);
}"""
