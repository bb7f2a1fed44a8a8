"""A. Advancing: who moves, who does not, and what is recorded."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Error, Page, Route, expect

from channelsmin.runtime.server import Server
from harness.admin import exported
from harness.faults import Proxy
from harness.fixtures import (
    Connect,
    Groups,
    MoveOn,
    OpenGroup,
    OpenMember,
    SocketUrl,
)
from harness.instrumented import NEWS, Instrumented
from harness.members import ON_RESULTS, Network, Session, Socket, Visitor
from harness.protocol import MOVED, NOT_YET, ask, click


@pytest.mark.parametrize("clicker", [1, 2, 3])
def test_a1_a_click_by_any_member_takes_the_whole_group_on(
    session: Session,
    open_member: OpenMember,
    socket_url: SocketUrl,
    connect: Connect,
    clicker: int,
) -> None:
    """The one who clicks has a page, the others only a socket, which is notified."""
    clicking = open_member(session, clicker).ready()
    others = [Visitor(session, place).visit() for place in (1, 2, 3) if place != clicker]
    sockets = [connect(socket_url(session, other.code)) for other in others]
    for socket in sockets:
        socket.send(ask())
        assert socket.receive() == NOT_YET
    clicking.click_done()
    for socket in sockets:
        assert socket.receive() == MOVED
    clicking.expect_results(moved_by=clicker)
    for other in others:
        assert other.moved_by() == clicker


def test_a2_another_group_and_another_session_stay(
    server: Server, groups: Groups, elsewhere: Session, open_group: OpenGroup
) -> None:
    ours, theirs = groups.new(server), groups.new(server)
    assert ours.code == theirs.code
    (clicker,) = open_group(ours, 1)
    others = [open_group(session, 2)[0] for session in (theirs, elsewhere)]
    companions = [Visitor(session, 1).visit() for session in (theirs, elsewhere)]
    clicker.click_done()
    clicker.expect_results(moved_by=1)
    assert Visitor(ours, 2).moved_by() == 1
    # If the first click had moved these, too, Results would name member 1, not member 2.
    for member, companion in zip(others, companions, strict=True):
        member.expect_my_page()
        companion.visit()
        member.click_done()
        member.expect_results(moved_by=2)
        assert companion.moved_by() == 2


def test_a2_another_app_and_another_round_stay(
    admin: Page, instrumented: Instrumented, groups: Groups, open_group: OpenGroup
) -> None:
    session = groups.new(instrumented.server)
    group = open_group(session, 1, 2)
    (twin,) = open_group(Session.create(admin, instrumented.server.url, "twin"), 3)
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
        member.go_on()
        member.ready()
    # Now they are in round 2, and stay on its page until a member clicks there.
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=2)
    twin.expect_my_page()
    twin.click_done()
    twin.expect_results(moved_by=3)


def test_a2_the_news_reaches_no_socket_of_another_group(
    server: Server, groups: Groups, socket_url: SocketUrl, connect: Connect
) -> None:
    """A page that gets it by mistake stays where it is, so only a socket shows it."""
    sessions = (groups.new(server), groups.new(server))
    ours, theirs = (
        connect(socket_url(session, Visitor(session, 1).visit().code)) for session in sessions
    )
    for socket in (ours, theirs):
        socket.send(ask())
        assert socket.receive() == NOT_YET
    ours.send(click())
    assert ours.receive() == MOVED
    theirs.send(ask())
    assert theirs.receive() == NOT_YET


def test_a3_a_member_who_comes_after_the_click_is_sent_on_at_once(
    session: Session, open_member: OpenMember, move_on: MoveOn
) -> None:
    move_on(session, 1)
    late = open_member(session, 3)
    late.expect_results(moved_by=1)
    assert "/Results/" in late.opened


def test_a3_a_member_who_reloads_after_the_click_is_sent_on_at_once(
    session: Session, open_without_scripts: OpenMember, move_on: MoveOn
) -> None:
    # Without scripts, so that only the reload can move this member.
    third = open_without_scripts(session, 3)
    third.expect_my_page()
    move_on(session, 1)
    third.page.reload()
    third.expect_results(moved_by=1)


def test_a3_a_member_who_connects_during_the_click_is_notified(
    instrumented: Instrumented, groups: Groups, socket_url: SocketUrl, connect: Connect
) -> None:
    """The app subscribes, then reads the state, so a click in between is noticed either way."""
    session = groups.new(instrumented.server)
    # Without a page: oTree's own sockets on pages subscribe to something, too.
    second, url = (socket_url(session, Visitor(session, place).visit().code) for place in (2, 3))
    clicking = connect(second)
    clicking.send(ask())
    assert clicking.receive() == NOT_YET

    def join() -> Socket:
        socket = connect(url)
        socket.send(ask())
        return socket

    with ThreadPoolExecutor() as executor:
        with instrumented.hold("subscribe"):
            joining = executor.submit(join)
            instrumented.wait_until_held("subscribe")
            clicking.send(click())
            assert clicking.receive() == MOVED
        joined = joining.result()
    while (message := joined.receive()) != MOVED:
        assert message == NOT_YET


def test_a4_the_click_is_committed_before_any_member_is_notified(
    instrumented: Instrumented, groups: Groups, socket_url: SocketUrl, connect: Connect
) -> None:
    """Pause the server just before it notifies, and look into its database, as another process."""
    session = groups.new(instrumented.server)
    socket = connect(socket_url(session, Visitor(session, 2).visit().code))
    before = instrumented.clicks()
    with instrumented.hold("publish", NEWS):
        socket.send(click())
        instrumented.wait_until_held("publish")
        assert instrumented.clicks() == before + 1
    assert socket.receive() == MOVED


def test_a5_the_first_click_wins_and_stays_on_record(
    admin: Page,
    server: Server,
    session: Session,
    socket_url: SocketUrl,
    connect: Connect,
) -> None:
    watcher = Visitor(session, 3).visit()
    codes = [Visitor(session, place).visit().code for place in (1, 2)]
    sockets = [connect(socket_url(session, code)) for code in codes]
    for socket in sockets:
        socket.send(ask())
        assert socket.receive() == NOT_YET
    before = datetime.now(timezone.utc).replace(microsecond=0)
    for socket in sockets:
        socket.send(click())
    for socket in sockets:
        assert socket.receive() == MOVED
    record = exported(admin, server.url)[codes[0], 1]
    winner = int(record["group.moved_by"])
    assert winner in (1, 2)
    assert watcher.moved_by() == winner
    moved_at = datetime.fromisoformat(record["group.moved_at"])
    assert moved_at.utcoffset() == timedelta(0)
    assert before <= moved_at <= datetime.now(timezone.utc)

    # A later click of the other member writes nothing, and its sender still moves on.
    late = connect(socket_url(session, codes[2 - winner]))
    late.send(click())
    assert late.receive() == MOVED
    assert exported(admin, server.url)[codes[0], 1] == record


def test_a5_the_group_is_notified_once_and_later_only_the_page_that_asks(
    session: Session, socket_url: SocketUrl, connect: Connect
) -> None:
    visitors = [Visitor(session, place).visit() for place in (1, 2, 3)]
    others, first, late = (socket_url(session, visitor.code) for visitor in visitors)
    listening, waiting = connect(others), connect(first)
    listening.send(ask())
    assert listening.receive() == NOT_YET
    waiting.send(click())
    assert waiting.receive() == MOVED
    assert listening.receive() == MOVED
    joining = connect(late)
    joining.send(ask())
    assert joining.receive() == MOVED
    joining.send(click())
    assert joining.receive() == MOVED
    for socket in (listening, waiting, joining):
        assert socket.received_by_now() == []


def test_a6_what_belongs_to_an_earlier_round_does_nothing(
    instrumented: Instrumented, groups: Groups, open_group: OpenGroup, connect: Connect
) -> None:
    """Repeat round 1's messages in round 2: on the old socket and on two new ones."""
    group = open_group(groups.new(instrumented.server), 2, 3)
    second, third = group
    old_url = third.socket_url
    old_socket = connect(old_url)
    third.click_done()
    for member in group:
        member.expect_results(moved_by=3)
    old_messages = third.sent.copy()
    assert any('"click"' in message for message in old_messages)

    for member in group:
        member.go_on()
        member.ready()
    for socket in (old_socket, connect(old_url), connect(third.socket_url)):
        socket.send(*old_messages, ask(2))
        socket.received_by_now()
    for member in group:
        member.expect_my_page()
        assert member.index() == 3

    # If one of the old clicks had counted, Results would name member 3.
    second.click_done()
    for member in group:
        member.expect_results(moved_by=2)
        assert member.index() == 4


def test_a7_all_tabs_of_a_participant_move(session: Session, open_group: OpenGroup) -> None:
    first, second = open_group(session, 1, 2)
    tab = first.new_tab()
    tab.goto(first.page.url)
    expect(tab.get_by_text("Connected.")).to_be_visible()
    second.click_done()
    expect(tab).to_have_url(ON_RESULTS)
    first.expect_results(moved_by=2)
    # Both are on the same page: neither tab moved the participant one page further.
    assert tab.url == first.page.url


def test_a8_a_click_while_the_socket_is_down_is_neither_lost_nor_doubled(
    instrumented: Instrumented,
    groups: Groups,
    open_group: OpenGroup,
    network: Network,
    open_through_network: OpenMember,
) -> None:
    """In the copy with two rounds: a doubled click would also move the group in round 2."""
    session = groups.new(instrumented.server)
    third = open_through_network(session, 3).ready()
    group = [third, *open_group(session, 1)]
    network.cut()
    third.click_done()
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    network.restore()
    for member in group:
        member.page.evaluate("dispatchEvent(new Event('online'))")  # or the first asks later
        member.expect_results(moved_by=3)
        member.go_on()
        member.ready()
        assert member.index() == 3
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=1)


def test_a8_a_click_is_sent_once_over_the_socket_and_not_again_over_http(
    session: Session, open_member: OpenMember
) -> None:
    first = open_member(session, 1).ready()
    methods: list[str] = []
    first.page.on("request", lambda request: methods.append(request.method))
    first.click_done()
    first.expect_results(moved_by=1)
    assert sum('"click"' in message for message in first.sent) == 1
    assert "POST" not in methods


def test_a8_a_click_before_a_reload_is_remembered(
    session: Session, proxy: Proxy, open_member: OpenMember
) -> None:
    member = open_member(session.through(proxy.url), 2).ready()
    proxy.cut()
    member.click_done()
    with suppress(Error):  # the browser shows its error page
        member.page.reload()
    member.page.wait_for_url("chrome-error://**")
    proxy.restore()
    member.page.goto(member.opened)
    member.expect_results(moved_by=2)
    assert Visitor(session, 1).moved_by() == 2


def test_a10_going_on_takes_two_requests(session: Session, open_group: OpenGroup) -> None:
    """Even if it is time to ask again while the next page takes this one's place."""
    group = open_group(session, 1, 2)
    addresses: list[str] = []
    for member in group:
        member.page.evaluate(TIME_TO_ASK)
        member.page.on("request", lambda request: addresses.append(request.url))
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
        pages = [address for address in addresses if f"/p/{member.code}/" in address]
        assert len(pages) == 2, pages


TIME_TO_ASK = """() => {
    const { setTimeout } = window;
    const { replaceState } = history;
    history.replaceState = (...address) => {
        window.setTimeout = (run, wait) => {
            if (wait > 3000) return;
            window.setTimeout = setTimeout;
            run();
        };
        dispatchEvent(new Event('online'));
        const later = Date.now() + 100;
        while (Date.now() < later);
        replaceState.apply(history, address);
    };
}"""
"""Makes it time to ask just before the address becomes the next page's, on a slow machine."""


@pytest.mark.parametrize("failure", ["an error", "no answer"])
def test_a10_the_page_stays_until_the_next_one_is_there(
    session: Session, open_through_network: OpenMember, move_on: MoveOn, failure: str
) -> None:
    """Let the first two requests for the next page fail."""
    second = open_through_network(session, 2).ready()
    failed: list[Route] = []

    def fail(route: Route) -> None:
        if len(failed) == 2:
            route.continue_()
            return
        failed.append(route)
        if failure == "an error":
            route.fulfill(status=503, body="Service Unavailable")
        else:
            route.abort()

    second.page.route(f"**/p/{second.code}/**", fail)
    move_on(session, 1)
    expect(second.page.get_by_text("The next page does not come.")).to_be_visible()
    second.sent.clear()
    second.page.evaluate("dispatchEvent(new Event('online'))")
    second.expect_results(moved_by=1)
    second.page.unroute_all()
    assert len(failed) == 2
    assert second.sent == []  # it knows the news, and asks no more for it


def test_a10_the_next_page_is_as_if_it_had_been_loaded(
    session: Session, open_member: OpenMember, move_on: MoveOn
) -> None:
    """It has its own address, history and global names; nothing of the page before is left."""
    second = open_member(session, 2).ready()
    second.page.evaluate("window.left = setInterval(() => { window.ticks = 1; }, 10)")
    entries = second.page.evaluate("history.length")
    move_on(session, 1)
    second.expect_results(moved_by=1)
    second.page.wait_for_function("document.readyState === 'complete'")
    assert second.page.evaluate("[typeof left, typeof ticks]") == ["undefined", "undefined"]
    assert second.page.evaluate("[document.URL, location.href]") == [second.page.url] * 2
    assert second.page.evaluate("history.length") == entries
    assert second.page.evaluate("document.compatMode") == "CSS1Compat"
    second.page.reload()
    second.expect_results(moved_by=1)
    second.go_on()
    second.page.wait_for_url(lambda address: "/Results/" not in address)
