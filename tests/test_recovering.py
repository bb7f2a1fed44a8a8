"""R. Recovering: what breaks on the way, and who moves all the same."""

from playwright.sync_api import Browser, expect

from conftest import NewMember, OpenGroup
from laboratory import NEWS, Laboratory
from participants import Network, Session, join_behind_a_network

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
    browser: Browser, laboratory: Laboratory, open_group: OpenGroup
) -> None:
    group = open_group(Session(browser, laboratory.server.url, "channelsmin"), 1, 2, 3)
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
