"""P4. Firefox and WebKit: the clauses that a browser can tell apart."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing

import pytest
from playwright.sync_api import Playwright

from harness import engines
from harness.engines import NewTab, Participant
from harness.faults import IN_TIME, NONE, NetworkFaults, Proxy
from harness.fixtures import Groups, OpenGroup, RunTrial
from harness.instrumented import NEWS, Instrumented
from harness.members import Member, Session, Visitor


def require(engine: str, playwright: Playwright) -> None:
    """Skip the test if this engine is not there; in CI, let it fail."""
    if not engines.is_available(engine, playwright):
        missing = f"no {engine}: {engines.HOW_TO_INSTALL}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def firefox(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewTab]:
    """What opens a tab of Firefox."""
    require("firefox", playwright)
    with engines.firefox(playwright, tmp_path_factory.mktemp("profiles") / "firefox") as new_tab:
        yield new_tab


@pytest.fixture(scope="session")
def webkit(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewTab]:
    """What opens a tab of WebKit, with an empty profile."""
    require("webkit", playwright)
    with engines.webkit(playwright, tmp_path_factory.mktemp("profiles") / "webkit") as new_tab:
        yield new_tab


@pytest.fixture(scope="session")
def new_tabs(firefox: NewTab, webkit: NewTab) -> Mapping[str, NewTab]:
    """For each engine, what opens a tab."""
    return {"firefox": firefox, "webkit": webkit}


@pytest.fixture(params=engines.ENGINES)
def new_tab(request: pytest.FixtureRequest, new_tabs: Mapping[str, NewTab]) -> NewTab:
    """What opens a tab of one engine."""
    return new_tabs[request.param]


@pytest.mark.parametrize("clicker", [1, 2, 3])
def test_p4_a_group_of_three_browsers_moves(
    session: Session, open_group: OpenGroup, new_tabs: Mapping[str, NewTab], clicker: int
) -> None:
    (chromium,) = open_group(session, 1)
    others = [
        Participant.at(new_tabs[engine](), session, place).connected()
        for place, engine in enumerate(engines.ENGINES, 2)
    ]
    group: list[Member | Participant] = [chromium, *others]
    group[clicker - 1].click_done()
    for member in group:
        member.expect_results(moved_by=clicker)


@pytest.mark.parametrize("key", engines.KEYS)
def test_p4_the_button_works_by_keyboard(session: Session, new_tab: NewTab, key: str) -> None:
    member = Participant.at(new_tab(), session, 1).connected()
    member.tab.press(key, "#done")
    member.expect_results(moved_by=1)


def test_p4_the_next_page_is_as_if_it_had_been_loaded(
    session: Session, open_group: OpenGroup, new_tab: NewTab
) -> None:
    (first,) = open_group(session, 1)
    second = Participant.at(new_tab(), session, 2).connected()
    assert second.tab.evaluate("(window.left = setInterval(function () {}, 10)) > 0")
    entries = second.tab.evaluate("history.length")
    first.click_done()
    second.expect_results(moved_by=1)
    second.wait_until("document.readyState === 'complete'")
    assert second.tab.evaluate("typeof left") == "undefined"
    assert second.tab.evaluate("history.length") == entries
    assert second.tab.evaluate("document.URL === location.href")
    second.tab.goto(second.tab.evaluate("location.href"))
    second.expect_results(moved_by=1)
    second.click_next()


def test_p4_a_latecomer_and_a_second_tab_move(
    session: Session, open_group: OpenGroup, new_tab: NewTab
) -> None:
    (first,) = open_group(session, 1)
    tabs = [Participant.at(new_tab(), session, 2).connected() for _ in range(2)]
    first.click_done()
    for tab in tabs:
        tab.expect_results(moved_by=1)
    Participant.at(new_tab(), session, 3).expect_results(moved_by=1)


def test_p4_a_click_while_the_server_cannot_be_reached_counts(
    session: Session, proxy: Proxy, new_tab: NewTab
) -> None:
    member = Participant.at(new_tab(), session.through(proxy.url), 2).connected()
    proxy.cut()
    member.wait_until("document.body.innerText.includes('Reconnecting…')")
    member.click_done()
    proxy.restore()
    member.expect_results(moved_by=2)
    assert Visitor(session, 1).moved_by() == 2


def test_p4_a_member_whose_connections_are_all_dead_without_a_sign_moves(
    session: Session, proxy: Proxy, open_group: OpenGroup, new_tab: NewTab
) -> None:
    (first,) = open_group(session, 1)
    third = Participant.at(new_tab(), session.through(proxy.url), 3).connected()
    proxy.silence()
    first.click_done()
    third.expect_results(moved_by=1, seconds=IN_TIME)


def test_p4_a_member_whose_network_fails_during_the_move_is_not_left_on_an_error_page(
    session: Session, proxy: Proxy, open_group: OpenGroup, new_tab: NewTab
) -> None:
    (first,) = open_group(session, 1)
    third = Participant.at(new_tab(), session.through(proxy.url), 3).connected()
    proxy.faults = NetworkFaults(cut=1)
    first.click_done()
    first.expect_results(moved_by=1)
    third.wait_until("document.body.innerText.includes('Reconnecting…')")
    proxy.faults = NONE
    third.expect_results(moved_by=1, seconds=IN_TIME)


def test_p4_all_move_after_the_server_is_killed_behind_the_click(
    instrumented: Instrumented, groups: Groups, new_tab: NewTab
) -> None:
    session = groups.new(instrumented.server)
    group = [Participant.at(new_tab(), session, place).connected() for place in (1, 2)]
    with instrumented.hold("publish", NEWS):
        group[1].click_done()
        instrumented.wait_until_held("publish")
        instrumented.server.kill()
    instrumented.server.start()
    for member in group:
        member.expect_results(moved_by=2, seconds=30)


def test_p4_without_any_websocket_a_click_counts_and_the_others_follow(
    session: Session, proxy: Proxy, new_tab: NewTab
) -> None:
    proxy.blocks_sockets = True
    group = [Participant.at(new_tab(), session.through(proxy.url), place) for place in (1, 3)]
    for member in group:
        member.wait_until("document.body.innerText.includes('Reconnecting…')")
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=3, seconds=30)


def test_p4_a_page_from_the_back_forward_cache_moves(
    session: Session, open_group: OpenGroup, new_tab: NewTab
) -> None:
    """WebKit keeps the page in this cache; Firefox loads it again, since oTree forbids that."""
    (first,) = open_group(session, 1)
    second = Participant.at(new_tab(), session, 2).connected()
    second.tab.goto(f"{session.url}/static/otree/css/theme.css")
    first.click_done()
    first.expect_results(moved_by=1)
    second.tab.evaluate("history.back()")
    second.expect_results(moved_by=1, seconds=IN_TIME)


def test_p4_with_any_fault_all_members_arrive_and_nobody_else_in_firefox(
    firefox: NewTab, run_trial: RunTrial
) -> None:
    """The trials of fault injection, as the contract suite makes them in Chromium."""
    with ExitStack() as tabs:

        def join(session: Session, place: int) -> Participant:
            tab = tabs.enter_context(closing(firefox()))
            return Participant.at(tab, session, place).connected()

        run_trial(join)
