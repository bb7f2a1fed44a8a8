"""First come, first served."""

import json
import re

from playwright.sync_api import expect

from conftest import Connect

from .conftest import Join, Player


def expect_holder(player: Player, words: str) -> None:
    expect(player.page.locator("#holder")).to_have_text(words, timeout=15_000)


def test_one_gets_it_and_all_are_told_who(join: Join) -> None:
    players = join(2)
    players[1].page.get_by_role("button").filter(has_text="I take it").click()
    expect_holder(players[1], "You have it.")
    expect_holder(players[0], "Member 2 has it.")
    # Who comes later is told, too.
    players[0].page.reload()
    expect_holder(players[0], "Member 2 has it.")
    players[0].page.locator(".otree-btn-next").click()
    expect(players[0].page.get_by_text("Member 2 has the cake.")).to_be_visible()


def test_of_simultaneous_clicks_one_wins_and_the_others_are_told_so(
    join: Join, connect: Connect
) -> None:
    players = join(3)
    for player in players:
        player.page.wait_for_function("document.getElementById('take') !== null")
        expect_holder(player, "Nobody has it yet.")
    sockets = [connect(_url(player)) for player in players]
    for socket in sockets:
        socket.say(json.dumps({"type": "take", "round": "1"}))
    answers = {socket.hear()["taken_by"] for socket in sockets}
    assert len(answers) == 1
    (winner,) = answers
    assert winner in (1, 2, 3)
    for player in players:
        expect(player.page.locator("#holder")).to_have_text(
            re.compile(f"^(You have it|Member {winner} has it)"), timeout=15_000
        )


def _url(player: Player) -> str:
    player.page.wait_for_function("document.getElementById('take') !== null")
    return player.socket_url
