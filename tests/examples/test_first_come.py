"""First come, first served."""

import json
import re

from playwright.sync_api import expect

from harness.fixtures import Connect
from harness.members import Socket

from .conftest import Join, Player


def expect_holder(player: Player, text: str) -> None:
    expect(player.page.locator("#holder")).to_have_text(text, timeout=15_000)


def take(player: Player) -> None:
    player.page.get_by_role("button").filter(has_text="I take it").click()


def test_one_member_gets_it_and_all_are_notified_who(join: Join) -> None:
    players = join(2)
    take(players[1])
    expect_holder(players[1], "You have it.")
    expect_holder(players[0], "Member 2 has it.")
    # A page that is loaded later shows it, too.
    players[0].page.reload()
    expect_holder(players[0], "Member 2 has it.")
    players[0].page.locator(".otree-btn-next").click()
    expect(players[0].page.get_by_text("Member 2 has the cake.")).to_be_visible()


def test_of_simultaneous_clicks_one_wins(join: Join, connect: Connect) -> None:
    players = join(3)
    for player in players:
        player.wait_until_it_asks()
    sockets = [connect(player.socket_url) for player in players]
    for socket in sockets:
        socket.send(json.dumps({"take": True, "round": "1"}))
    (winner,) = {holder(socket) for socket in sockets}
    for player in players:
        expect(player.page.locator("#holder")).to_have_text(
            re.compile(f"^(You have it|Member {winner} has it)"), timeout=15_000
        )


def test_a_member_who_is_too_late_is_notified(join: Join) -> None:
    quick, late = join(2, through_networks=True)
    expect_holder(late, "Nobody has it yet.")
    late.network.loses_messages = True
    take(quick)
    expect_holder(quick, "You have it.")
    take(late)
    expect_holder(late, "Nobody has it yet.")
    late.network.loses_messages = False
    expect_holder(late, "Too late: member 1 has it.")


def test_a_member_who_is_too_late_is_answered_alone(join: Join, connect: Connect) -> None:
    late, bystander = join(2)
    sockets = []
    for player in (late, bystander):
        player.wait_until_it_asks()
        player.page.goto("about:blank")
        sockets.append(connect(player.socket_url))
    sockets[1].send(json.dumps({"take": True, "round": "1"}))
    assert holder(sockets[1]) == 2
    sockets[0].send(json.dumps({"take": True, "round": "1"}))
    assert holder(sockets[0]) == 2
    assert sockets[1].received_by_now() == []


def holder(socket: Socket) -> int:
    """Receive messages until one says who has it; return this member."""
    while not (taken_by := socket.receive()["taken_by"]):
        pass
    return int(taken_by)
