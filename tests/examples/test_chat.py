"""A chat that a group shares."""

import json

from playwright.sync_api import expect

from harness.fixtures import Connect

from .conftest import Join, Player


def write_line(player: Player, text: str) -> None:
    player.page.get_by_label("Your line").fill(text)
    player.page.get_by_label("Your line").press("Enter")


def expect_lines(player: Player, *lines: str) -> None:
    expect(player.page.locator("#lines li")).to_have_text(list(lines), timeout=15_000)


def test_all_members_see_all_lines_as_text_and_who_has_left(join: Join) -> None:
    players = join(2)
    write_line(players[0], "hello")
    for player in players:
        expect_lines(player, "Member 1: hello")
    players[1].page.get_by_role("button", name="Say it").click()  # an empty line
    write_line(players[1], "<b>you \"2-1\" 'ü'")
    lines = ("Member 1: hello", "Member 2: <b>you \"2-1\" 'ü'")
    for player in players:
        expect_lines(player, *lines)
    # A page that is loaded later shows the lines, too.
    players[1].page.reload()
    expect_lines(players[1], *lines)
    players[0].page.locator(".otree-btn-next").click()
    expect_lines(players[1], *lines, "Member 1: (has left)")


def test_a_line_appears_once_and_an_invalid_line_never(join: Join, connect: Connect) -> None:
    players = join(2)
    write_line(players[0], "first")
    expect_lines(players[1], "Member 1: first")
    socket = connect(players[1].socket_url)
    socket.send(json.dumps({"round": "1", "nth": 1, "text": "second"}))
    lines = ("Member 1: first", "Member 2: second")
    expect_lines(players[0], *lines)
    for message in (
        {"round": "1", "nth": 1, "text": "again"},
        {"round": "1", "nth": 2, "text": ""},
        {"round": "1", "nth": 3, "text": "x" * 201},
        {"round": "1", "nth": "4", "text": "no number"},
        {"round": "1", "nth": 5, "text": ["no text"]},
        {"round": "2", "nth": 6, "text": "another round"},
    ):
        socket.send(json.dumps(message))
        socket.send(json.dumps({"round": "1"}))
        assert socket.receive()["lines"][-1]["text"] == "second", message
    socket.send(json.dumps({"round": "1", "nth": 7, "text": "last"}))
    for player in players:
        expect_lines(player, *lines, "Member 2: last")
