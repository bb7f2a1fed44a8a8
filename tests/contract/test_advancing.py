"""A. Advancing: who moves, who doesn't, and what is on record."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Page, expect

from channelsmin.runtime.server import Server
from harness.admin import exported
from harness.fixtures import Connect, NewMember, OpenGroup
from harness.instrumented import NEWS, Laboratory
from harness.members import ON_RESULTS, Member, Session, Socket, Visitor, join_behind_a_network
from harness.protocol import MOVED, NOT_YET, ask, click


@pytest.mark.parametrize("clicker", [1, 2, 3])
def test_a1_a_click_by_any_member_takes_the_whole_group_on(
    group: list[Member], clicker: int
) -> None:
    group[clicker - 1].click_done()
    for member in group:
        member.expect_results(moved_by=clicker)


def test_a2_another_group_and_another_session_stay(
    researcher: Page, server: Server, open_group: OpenGroup
) -> None:
    session = Session(researcher, server.url, "channelsmin_groups")
    ours = open_group(session, 1, 2)
    theirs = open_group(session, 4, 5)
    elsewhere = open_group(Session(researcher, server.url, "channelsmin"), 1, 2)
    ours[0].click_done()
    for member in ours:
        member.expect_results(moved_by=1)
    # Had the click moved these too, Results would name member 1 and not who clicks now.
    for others in (theirs, elsewhere):
        for member in others:
            member.expect_my_page()
        others[1].click_done()
        for member in others:
            member.expect_results(moved_by=2)


def test_a2_another_app_and_another_round_stay(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup
) -> None:
    url = laboratory.server.url
    group = open_group(Session(researcher, url, "channelsmin"), 1, 2)
    (twin,) = open_group(Session(researcher, url, "twin"), 3)
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
        member.go_on()
        member.ready()
    # Now in round 2: still on its page, until somebody clicks there.
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=2)
    twin.expect_my_page()
    twin.click_done()
    twin.expect_results(moved_by=3)


def test_a3_whoever_comes_after_the_click_goes_straight_on(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    first, _ = open_group(session, 1, 2)
    first.click_done()
    first.expect_results(moved_by=1)
    late = new_member(session, 3)
    shown: list[str] = []
    late.page.on("response", lambda answer: shown.append(answer.url) if answer.ok else None)
    late.open().expect_results(moved_by=1)
    assert not [url for url in shown if "/MyPage/" in url]


def test_a3_whoever_reloads_after_the_click_goes_straight_on(
    session: Session, open_group: OpenGroup, new_member: NewMember
) -> None:
    first, _ = open_group(session, 1, 2)
    # Without scripts, so that only the reload can take this member on.
    third = new_member(session, 3, java_script_enabled=False).open()
    third.expect_my_page()
    first.click_done()
    first.expect_results(moved_by=1)
    third.page.reload()
    third.expect_results(moved_by=1)


def test_a3_whoever_connects_while_another_clicks_is_told(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup, connect: Connect
) -> None:
    """Subscribe, then read the state: a click in between is seen one way or the other."""
    session = Session(researcher, laboratory.server.url, "channelsmin")
    first, second = open_group(session, 1, 2)
    url = first.socket_url_of(Visitor(session, 3).visit().code)

    def join() -> Socket:
        socket = connect(url)
        socket.say(ask())
        return socket

    with ThreadPoolExecutor() as executor:
        with laboratory.hold("subscribe"):
            joining = executor.submit(join)
            laboratory.wait_until_held("subscribe")
            second.click_done()
            first.expect_results(moved_by=2)
        joined = joining.result()
    while (news := joined.hear()) != MOVED:
        assert news == NOT_YET


def test_a4_the_click_is_in_the_database_before_anyone_is_told(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup, connect: Connect
) -> None:
    """Hold the server at the moment of telling, kill it there, and look what it had kept."""
    session = Session(researcher, laboratory.server.url, "channelsmin")
    (guide,) = open_group(session, 1)
    visitor = Visitor(session, 2).visit()
    socket = connect(guide.socket_url_of(visitor.code))
    guide.context.close()
    with laboratory.hold("publish", NEWS):
        socket.say(click())
        laboratory.wait_until_held("publish")
        laboratory.server.kill()
    laboratory.server.start()
    assert "/Results/" in visitor.path()


def test_a5_the_first_click_wins_and_stays_on_record(
    researcher: Page,
    server: Server,
    session: Session,
    open_group: OpenGroup,
    connect: Connect,
) -> None:
    (watcher,) = open_group(session, 3)
    codes = [Visitor(session, place).visit().code for place in (1, 2)]
    sockets = [connect(watcher.socket_url_of(code)) for code in codes]
    for socket in sockets:
        socket.say(ask())
        assert socket.hear() == NOT_YET
    before = datetime.now(timezone.utc).replace(microsecond=0)
    for socket in sockets:
        socket.say(click())
    for socket in sockets:
        assert socket.hear() == MOVED
    record = exported(researcher, server.url)[codes[0], 1]
    winner = int(record["group.moved_by"])
    assert winner in (1, 2)
    watcher.expect_results(moved_by=winner)
    moved_at = datetime.fromisoformat(record["group.moved_at"])
    assert moved_at.utcoffset() == timedelta(0)
    assert before <= moved_at <= datetime.now(timezone.utc)

    # A later click by the other one writes nothing, and still takes its sender on.
    late = connect(watcher.socket_url_of(codes[2 - winner]))
    late.say(click())
    assert late.hear() == MOVED
    assert exported(researcher, server.url)[codes[0], 1] == record


def test_a5_the_news_goes_out_once_and_later_to_whoever_asks_alone(
    session: Session, open_group: OpenGroup, connect: Connect
) -> None:
    (guide,) = open_group(session, 1)
    told, late = (guide.socket_url_of(Visitor(session, place).visit().code) for place in (2, 3))
    waiting = connect(told)
    waiting.say(click())
    assert waiting.hear() == MOVED
    joining = connect(late)
    joining.say(ask())
    assert joining.hear() == MOVED
    joining.say(click())
    assert joining.hear() == MOVED
    for socket in (waiting, joining):
        assert socket.heard_by_now() == []


def test_a6_what_belongs_to_an_earlier_round_does_nothing(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup, connect: Connect
) -> None:
    """Say in round 2 what was said in round 1: on the old socket, its address and the new."""
    group = open_group(Session(researcher, laboratory.server.url, "channelsmin"), 1, 2, 3)
    _, second, third = group
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
        socket.say(*old_messages, ask(2))
        socket.heard_by_now()
    for member in group:
        member.expect_my_page()
        assert member.index() == 3

    # Had one of the old clicks counted, Results would name member 3.
    second.click_done()
    for member in group:
        member.expect_results(moved_by=2)
        assert member.index() == 4


def test_a7_all_tabs_of_a_participant_move(group: list[Member]) -> None:
    tab = group[0].new_tab()
    tab.goto(group[0].page.url)
    expect(tab.get_by_text("Connected.")).to_be_visible()
    group[1].click_done()
    expect(tab).to_have_url(ON_RESULTS)
    group[0].expect_results(moved_by=2)
    # Both in the same place: neither tab took the participant a page further.
    assert tab.url == group[0].page.url


def test_a8_a_click_while_the_socket_is_down_is_neither_lost_nor_doubled(
    researcher: Page, laboratory: Laboratory, open_group: OpenGroup, new_member: NewMember
) -> None:
    """In the copy with three rounds: doubled, the click would take round 2 along."""
    session = Session(researcher, laboratory.server.url, "channelsmin")
    third, network = join_behind_a_network(new_member(session, 3))
    group = [*open_group(session, 1, 2), third]
    network.cut()
    third.click_done()
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    network.restore()
    for member in group:
        member.expect_results(moved_by=3)
        member.go_on()
        member.ready()
        assert member.index() == 3
    group[0].click_done()
    for member in group:
        member.expect_results(moved_by=1)
