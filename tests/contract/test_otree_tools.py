"""B. Together with oTree's own tools."""

import csv
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.version import Version
from playwright.sync_api import Page, Route, expect

from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export, write
from channelsmin.runtime.server import run_otree
from harness.admin import advance_slowest, exported, open_monitor
from harness.fixtures import Connect, Groups, OpenGroup, OpenMember
from harness.instrumented import Instrumented
from harness.members import NOBODY, Member, Session, Tabs, Visitor
from harness.protocol import MOVED, click
from harness.services import installed_once

THE_END = re.compile("Bot completed|No more pages")
"""A bot's last page, up to 2.5 and from 2.6 on."""


def test_b1_otree_test_plays_the_pages_to_the_end(
    environment: Environment, export: Export, tmp_path: Path
) -> None:
    write(export, tmp_path / "project")
    packages = installed_once(environment, export.variant.bots_need)
    ended = run_otree(
        environment,
        tmp_path / "project",
        "test",
        "channelsmin",
        f"--export={tmp_path / 'data'}",
        extra={"PYTHONPATH": str(packages)},
    )
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("/MyPage/") == 3
    with (tmp_path / "data" / "channelsmin.csv").open(encoding="utf-8-sig") as file:
        players = list(csv.DictReader(file))
    assert len(players) == 3
    for player in players:
        assert player["participant._current_page_name"] == "Results"
        assert player["participant._index_in_pages"] > player["participant._max_page_index"]
        assert player["group.moved_by"] == "0"  # clause A9


def test_b2_browser_bots_play_to_the_end(
    admin: Page, instrumented: Instrumented, tabs: Tabs, request: pytest.FixtureRequest
) -> None:
    """One bot's form is delayed until another has played both rounds."""
    session = Session.create(admin, instrumented.server.url, "bots")
    slow, quick = (Member(tabs, session, place) for place in (1, 2))
    for bot in (slow, quick):
        request.addfinalizer(bot.leave)
    request.addfinalizer(slow.page.unroute_all)
    forms: list[Route] = []
    slow.page.route("**/MyPage/**", lambda route: hold_first_form(route, forms))
    with slow.page.expect_request(lambda request: request.method == "POST"):
        start(slow)
    start(quick)
    expect_the_end(quick)
    forms[0].continue_()
    expect_the_end(slow)
    rows = exported(admin, session.url)
    for round_number in (1, 2):
        assert rows[slow.code, round_number]["group.moved_by"] == "0"  # clause A9
    # Its page has sent no message: the answer could have moved the bot before its form did.
    assert slow.sent == []


def hold_first_form(route: Route, forms: list[Route]) -> None:
    if route.request.method == "POST" and not forms:
        forms.append(route)
    else:
        route.continue_()


def start(bot: Member) -> None:
    """Follow the start link; a bot leaves the page before it has loaded."""
    bot.page.goto(bot.session.url + bot.link, wait_until="commit")


def expect_the_end(bot: Member) -> None:
    """Expect that the bot has submitted its last page."""
    expect(bot.page.locator("body")).to_contain_text(THE_END, timeout=15_000)


def test_b3_advance_slowest_leaves_the_group_consistent(
    admin: Page, instrumented: Instrumented, open_group: OpenGroup
) -> None:
    session = Session.create(admin, instrumented.server.url, "channelsmin")
    (first,) = open_group(session, 1)
    second = Visitor(session, 2).visit()
    open_monitor(admin, session)
    # The first time it moves the third member to MyPage, the second time all three to Results.
    advance_slowest(admin)
    first.expect_my_page()
    second.visit()
    advance_slowest(admin)
    expect_consistent([first, second, Visitor(session, 3)])


def test_b3_a_page_timeout_leaves_the_group_consistent(
    instrumented: Instrumented, groups: Groups, open_member: OpenMember
) -> None:
    session = groups.new(instrumented.server, "timeout")
    expect_consistent([open_member(session, place) for place in (1, 2)])


def expect_consistent(group: Sequence[Member | Visitor]) -> None:
    """Expect all on round 1's Results, which names nobody; nobody has clicked (clause A9)."""
    assert {member.moved_by() for member in group} == {NOBODY}
    assert {member.index() for member in group} == {2}


def test_a9_a_timeout_is_not_a_click_and_takes_nobody_along(
    instrumented: Instrumented, groups: Groups, open_member: OpenMember, connect: Connect
) -> None:
    session = groups.new(instrumented.server, "timeout")
    first = open_member(session, 1).ready()
    first.expect_results(moved_by=NOBODY)
    expect(first.page.get_by_text("You have moved on")).to_be_visible()
    # The second member is still on MyPage, and can click.
    second = Visitor(session, 2).visit()
    socket = connect(first.socket_url_of(second.code))
    socket.send(click())
    assert socket.receive() == MOVED
    assert second.moved_by() == 2


def test_b4_resetdb_makes_a_database_that_create_session_can_use(
    environment: Environment, export: Export, tmp_path: Path
) -> None:
    write(export, tmp_path / "project")
    for command in ("resetdb", "--noinput"), ("create_session", "channelsmin", "3"):
        ended = run_otree(environment, tmp_path / "project", *command)
        assert ended.returncode == 0, ended.stdout


def test_b4_a_session_made_by_create_session_can_be_played(
    environment: Environment,
    admin: Page,
    instrumented: Instrumented,
    open_group: OpenGroup,
) -> None:
    project, url = instrumented.server.project, instrumented.server.url
    ended = run_otree(environment, project, "create_session", "channelsmin", "3")
    assert ended.returncode == 0, ended.stdout
    made = re.search(r"session with code (\w+)", ended.stdout)
    assert made, ended.stdout
    session = Session.find(admin, url, made[1])
    first = Visitor(session, 1).visit()
    (second,) = open_group(session, 2)
    second.click_done()
    second.expect_results(moved_by=2)
    assert first.moved_by() == 2
    assert exported(admin, url)[first.code, 1]["group.moved_by"] == "2"


def test_b4_otree_zip_packs_the_whole_project(
    environment: Environment, export: Export, release: Version, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write(export, project)
    files = {str(file.relative_to(project)) for file in project.rglob("*") if file.is_file()}
    ended = run_otree(environment, project, "zip")
    if not export.variant.has_zip(release):
        assert "Unknown command" in ended.stdout
        return
    assert ended.returncode == 0, ended.stdout
    # Up to 2.1.28 the archive has another name; in 2.1.25 and 2.1.26 it contains a folder.
    (archive,) = [*project.glob("*.otreezip"), *project.glob("zipped.*gz")]
    with tarfile.open(archive) as packed:
        assert files <= {name.removeprefix("proj/") for name in packed.getnames()}
