"""A counter that a group shares."""

import json

from playwright.sync_api import expect

from harness.fixtures import Connect

from .conftest import Join, Player


def expect_total(players: list[Player], total: int) -> None:
    for player in players:
        expect(player.page.locator("#total")).to_have_text(str(total), timeout=15_000)


def click(player: Player) -> None:
    player.page.get_by_role("button", name="One more").click()


def test_all_see_the_sum_of_all_clicks_each_round_its_own(join: Join) -> None:
    players = join(3)
    expect_total(players, 0)
    click(players[0])
    click(players[0])
    click(players[1])
    expect_total(players, 3)
    # A reloaded page continues with its own number of clicks.
    players[0].page.reload()
    click(players[0])
    expect_total(players, 4)
    for player in players:
        player.page.locator(".otree-btn-next").click()
        player.page.locator(".otree-btn-next").click()
    expect_total(players, 0)
    click(players[2])
    expect_total(players, 1)


def test_a_repeated_late_or_invalid_message_counts_nothing(join: Join, connect: Connect) -> None:
    players = join(2)
    expect_total(players, 0)
    click(players[0])
    expect_total(players, 1)
    socket = connect(players[0].socket_url)
    numbers = (True, "7", 1.5, -1, 10**6, None, [7], 0)
    invalid = [{"round": "1", "clicks": number} for number in numbers]
    for message in (*invalid, {"round": "2", "clicks": 9}, [], {}):
        socket.send(json.dumps(message))
        # The total is the same, so the answer goes to this socket alone.
        socket.send(json.dumps({"round": "1", "clicks": 1}))
        assert socket.receive()["total"] == 1, message
    socket.send(json.dumps({"round": "1", "clicks": 3}))
    expect_total(players, 3)
