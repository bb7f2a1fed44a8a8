"""R. Recovering: faults of the network, the server and other clients."""

from itertools import pairwise

import pytest
from playwright.sync_api import Page, Request, expect

from harness.faults import KINDS, MisbehavingClient, NetworkFaults, Proxy
from harness.fixtures import Connect, NewMember, OpenGroup
from harness.instrumented import NEWS, Instrumented
from harness.members import Member, Network, Session, Visitor, join_through_network
from harness.protocol import ask

SECONDS = 10
"""Within which a member moves once the network is back (clause R1)."""


def test_r1_a_member_whose_connection_is_cut_moves_when_it_is_back(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    third, network = join_through_network(new_member(session, 3))
    group = open_group(session, 1, 2)
    network.cut()
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
    third.expect_my_page()
    network.restore()
    third.expect_results(moved_by=1, seconds=SECONDS)


def test_r1_a_member_whose_socket_is_silently_dead_moves(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    third, network = join_through_network(new_member(session, 3))
    group = open_group(session, 1, 2)
    network.loses_messages = True
    group[1].click_done()
    for member in (*group, third):
        member.expect_results(moved_by=2, seconds=SECONDS)


def test_r2_everybody_moves_after_the_server_is_killed_behind_the_click(
    admin: Page, instrumented: Instrumented, open_group: OpenGroup
) -> None:
    group = open_group(Session(admin, instrumented.server.url, "channelsmin"), 1, 2, 3)
    with instrumented.hold("publish", NEWS):
        group[1].click_done()
        instrumented.wait_until_held("publish")
        instrumented.server.kill()
    for member in group:
        expect(member.page.get_by_text("Reconnecting…")).to_be_visible()
    instrumented.server.start()
    for member in group:
        member.expect_results(moved_by=2, seconds=30)


def test_r3_without_any_websocket_a_click_counts_and_the_others_follow(
    session: Session, new_member: NewMember
) -> None:
    group = [new_member(session, place) for place in (1, 2, 3)]
    for member in group:
        Network(member.context).cut_sockets()
        member.open()
        expect(member.page.get_by_text("Reconnecting…")).to_be_visible()
    group[2].click_done()
    for member in group:
        member.expect_results(moved_by=3, seconds=30)


def test_r4_a_member_whose_socket_dies_during_the_notification_delays_nobody(
    admin: Page, instrumented: Instrumented, open_group: OpenGroup, connect: Connect
) -> None:
    session = Session(admin, instrumented.server.url, "channelsmin")
    (first,) = open_group(session, 1)
    third = Visitor(session, 3).visit()
    dying = [connect(first.socket_url_of(third.code)) for _ in range(10)]
    for socket in dying:
        socket.send(ask())
        socket.receive()
    # Last in the group's list, if the server notifies its members one after the other.
    (second,) = open_group(session, 2)
    with instrumented.hold("publish", NEWS):
        first.click_done()
        instrumented.wait_until_held("publish")
        for socket in dying:
            socket.abort()
    for member in (first, second):
        member.expect_results(moved_by=1, seconds=SECONDS)
    # The commit was not undone: the third member, who comes now, is sent on.
    assert "/Results/" in third.path()


@pytest.mark.parametrize("kind", KINDS)
def test_r4_a_misbehaving_client_delays_nobody(
    session: Session, open_group: OpenGroup, kind: str
) -> None:
    first, second = open_group(session, 1, 2)
    with MisbehavingClient(first.socket_url_of(Visitor(session, 3).visit().code), kind) as client:
        client.wait_until_active()
        second.click_done()
        for member in (first, second):
            member.expect_results(moved_by=2, seconds=SECONDS)


def test_r5_reconnecting_backs_off_with_jitter(session: Session, new_member: NewMember) -> None:
    """Move two pages' clocks on by two minutes in which no socket opens."""
    waits = []
    for place in (1, 2):
        member = new_member(session, place)
        page = member.page
        page.clock.install()
        page.add_init_script(NO_SOCKETS)
        member.open()
        # The requests of two minutes would come at once and fill the queue of the oldest
        # development servers, which would answer the next ones with error 503.
        member.context.set_offline(True)
        page.clock.run_for(120_000)
        attempts: list[int] = page.evaluate("attempts")
        waits.append([later - earlier for earlier, later in pairwise(attempts)])
    for intervals in waits:
        assert 6 < len(intervals) < 40, intervals
        assert sum(intervals[-3:]) > sum(intervals[:3]), intervals
    assert waits[0] != waits[1]


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
    admin: Page, proxy: Proxy, new_member: NewMember
) -> None:
    session = Session(admin, proxy.url, "channelsmin")
    member = new_member(session, 1)
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
    admin: Page, proxy: Proxy, new_member: NewMember
) -> None:
    member = new_member(Session(admin, proxy.url, "channelsmin"), 1)
    member.page.clock.install()
    member.open().ready()
    sent: list[Request] = []
    ended: list[Request] = []
    member.page.on("request", lambda request: sent.append(request))
    member.page.on("requestfailed", lambda request: ended.append(request))
    proxy.faults = NetworkFaults(drop=1)
    run_clock(member, 60)
    assert len(sent) > 10
    assert len(sent) - len(ended) <= 3


def run_clock(member: Member, seconds: int) -> None:
    """Move a page's clock on by so many seconds, in steps."""
    for _ in range(2 * seconds):
        member.page.clock.run_for(500)
