"""R. Recovering: what breaks on the way, and who moves all the same."""

from itertools import pairwise

import pytest
from playwright.sync_api import Page, Request, expect

from harness.faults import MANNERS, Proxy, Rude, Weather
from harness.fixtures import Connect, NewMember, OpenGroup
from harness.instrumented import NEWS, Laboratory
from harness.members import Member, Network, Session, Visitor, join_behind_a_network
from harness.protocol import ask

SECONDS = 10
"""Within which a member moves once the network is back (clause R1)."""


def test_r1_a_member_whose_connection_is_cut_moves_when_it_is_back(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    third, network = join_behind_a_network(new_member(session, 3))
    group = open_group(session, 1, 2)
    network.cut()
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
    third.expect_my_page()
    network.restore()
    third.expect_results(moved_by=1, seconds=SECONDS)


def test_r1_a_member_whose_socket_is_dead_without_a_sign_moves(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    third, network = join_behind_a_network(new_member(session, 3))
    group = open_group(session, 1, 2)
    network.swallows = True
    group[1].click_done()
    for member in (*group, third):
        member.expect_results(moved_by=2, seconds=SECONDS)


def test_r2_everybody_moves_after_the_server_is_killed_behind_the_click(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup
) -> None:
    group = open_group(Session(researcher, laboratory.server.url, "channelsmin"), 1, 2, 3)
    with laboratory.hold("publish", NEWS):
        group[1].click_done()
        laboratory.wait_until_held("publish")
        laboratory.server.kill()
    for member in group:
        expect(member.page.get_by_text("Reconnecting…")).to_be_visible()
    laboratory.server.start()
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


def test_r4_a_member_whose_socket_dies_at_the_moment_of_telling_holds_nobody_up(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup, connect: Connect
) -> None:
    session = Session(researcher, laboratory.server.url, "channelsmin")
    (first,) = open_group(session, 1)
    third = Visitor(session, 3).visit()
    dying = [connect(first.socket_url_of(third.code)) for _ in range(10)]
    for socket in dying:
        socket.say(ask())
        socket.hear()
    # Behind them, should they be told one after the other.
    (second,) = open_group(session, 2)
    with laboratory.hold("publish", NEWS):
        first.click_done()
        laboratory.wait_until_held("publish")
        for socket in dying:
            socket.abort()
    for member in (first, second):
        member.expect_results(moved_by=1, seconds=SECONDS)
    # Nothing was rolled back: who comes now goes straight on.
    assert "/Results/" in third.path()


@pytest.mark.parametrize("manners", MANNERS)
def test_r4_a_member_without_manners_holds_nobody_up(
    session: Session, open_group: OpenGroup, manners: str
) -> None:
    first, second = open_group(session, 1, 2)
    with Rude(first.socket_url_of(Visitor(session, 3).visit().code), manners) as rude:
        rude.wait_until_at_it()
        second.click_done()
        for member in (first, second):
            member.expect_results(moved_by=2, seconds=SECONDS)


def test_r5_reconnecting_backs_off_with_jitter(session: Session, new_member: NewMember) -> None:
    """Run the clocks of two pages through two minutes in which no socket opens."""
    waits = []
    for place in (1, 2):
        member = new_member(session, place)
        page = member.page
        page.clock.install()
        page.add_init_script(NO_SOCKETS)
        member.open()
        # Two minutes of its questions over HTTP at once would be a flood, and fill the queue of
        # the oldest development servers: they'd answer whatever comes next with error 503.
        member.context.set_offline(True)
        page.clock.run_for(120_000)
        attempts: list[int] = page.evaluate("attempts")
        waits.append([later - earlier for earlier, later in pairwise(attempts)])
    for ours in waits:
        assert 6 < len(ours) < 40, ours
        assert sum(ours[-3:]) > sum(ours[:3]), ours
    assert waits[0] != waits[1]


NO_SOCKETS = """
    window.attempts = [];
    window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        static CLOSING = 2;
        constructor(address) {
            super();
            this.readyState = 3;
            // oTree's own pages have sockets of their own.
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
    researcher: Page, proxy: Proxy, new_member: NewMember
) -> None:
    session = Session(researcher, proxy.url, "channelsmin")
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
    # In that minute it would have been said more than a dozen times.
    assert len(member.sent) < 12, member.sent


def test_r5_questions_that_nobody_answers_do_not_pile_up(
    researcher: Page, proxy: Proxy, new_member: NewMember
) -> None:
    member = new_member(Session(researcher, proxy.url, "channelsmin"), 1)
    member.page.clock.install()
    member.open().ready()
    asked: list[Request] = []
    ended: list[Request] = []
    member.page.on("request", lambda request: asked.append(request))
    member.page.on("requestfailed", lambda request: ended.append(request))
    proxy.weather = Weather(drop=1)
    run_clock(member, 60)
    assert len(asked) > 10
    assert len(asked) - len(ended) <= 3


def run_clock(member: Member, seconds: int) -> None:
    """Let so many seconds pass on a page's own clock."""
    for _ in range(2 * seconds):
        member.page.clock.run_for(500)
