"""P. The page, as a participant sees it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from channelsmin.runtime.export import Export, write
from harness.fixtures import MoveOn, OpenGroup, OpenMember
from harness.members import HURRIED, Member, Network, Session, Tabs


def test_p1_one_sentence_and_one_button_named_done(session: Session, open_group: OpenGroup) -> None:
    (member,) = open_group(session, 1)
    content = member.page.locator("#form")
    expect(content.get_by_role("button")).to_have_count(1)
    expect(content.get_by_role("button", name="Done", exact=True)).to_be_enabled()
    sentence = content.get_by_text("When any member of your group")
    expect(sentence).to_have_text(
        "When any member of your group clicks this button, the whole group goes on."
    )


def test_p1_without_scripts_otrees_next_button_replaces_done(
    session: Session, open_through_network: OpenMember, open_without_scripts: OpenMember
) -> None:
    first = open_through_network(session, 1).ready()
    second = open_without_scripts(session, 2)
    expect(second.page.get_by_role("button", name="Done", exact=True)).to_be_hidden()
    expect(second.page.locator(".otree-btn-next")).to_be_visible()
    second.go_on()
    for member in (second, first):
        member.expect_results(moved_by=2)


def test_p2_results_says_that_the_group_moved_and_who_moved_it(
    session: Session, open_group: OpenGroup
) -> None:
    group = open_group(session, 2, 3)
    group[1].click_done()
    for member in group:
        member.expect_results(moved_by=3)
        expect(member.page.get_by_text("Your group has moved on")).to_be_visible()


def test_p3_the_button_works_by_keyboard(session: Session, open_group: OpenGroup) -> None:
    (member,) = open_group(session, 1)
    keyboard, button = member.page.keyboard, member.page.get_by_role("button", name="Done")
    for _ in range(10):
        keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    keyboard.press("Enter")
    member.expect_results(moved_by=1)


def test_p3_the_state_of_the_connection_is_announced(
    session: Session, network: Network, open_through_network: OpenMember
) -> None:
    network.cut_sockets()
    member = open_through_network(session, 1)
    announced = member.page.locator("[aria-live=polite]")
    expect(announced).to_have_text("Reconnecting…", use_inner_text=True)
    network.restore()
    expect(announced).to_have_text("Connected.", use_inner_text=True, timeout=30_000)


def test_p3_a_page_without_a_server_says_that_it_reconnects(
    session: Session, network: Network, open_through_network: OpenMember, move_on: MoveOn
) -> None:
    """Even if it knows that the group has moved on, and asks for the next page in vain."""
    third = open_through_network(session, 3).ready()
    third.page.route("**/p/**", lambda route: route.abort())
    move_on(session, 1)
    expect(third.page.get_by_text("The next page does not come.")).to_be_visible()
    network.cut_sockets()
    for _ in range(2):  # the page has noticed the first failure when the second one comes
        third.page.wait_for_event("requestfailed")
    expect(third.page.get_by_text("Reconnecting…")).to_be_visible()
    third.page.unroute_all()
    network.restore()
    third.expect_results(moved_by=1)


def test_p3_every_text_that_a_participant_reads_is_in_one_place(
    session: Session, open_group: OpenGroup, export: Export, tmp_path: Path
) -> None:
    """Search the exported project for the texts of the pages, hidden ones included."""
    (member,) = open_group(session, 1)
    texts = member.texts()
    member.click_done()
    member.expect_results(moved_by=1)
    texts |= {text.removeprefix("Member 1 ") for text in member.texts()}
    assert {"Done", "Connected.", "of your group clicked the button."} <= texts
    write(export, tmp_path / "project")
    files = [path for path in (tmp_path / "project").rglob("*.*") if path.name != "README.md"]
    everything = "\n".join(path.read_text() for path in files if path.is_file())
    for text in texts:
        assert everything.count(text) == 1, text


@pytest.mark.parametrize("missing", ["AbortController", "WebSocket"])
def test_p4_the_page_works_without(session: Session, tabs: Tabs, missing: str) -> None:
    """Browsers of 2017 have no AbortController; a WebSocket can be forbidden."""
    second, third = (Member(tabs.context, session, place) for place in (2, 3))
    for member in (second, third):
        member.page.add_init_script(HURRIED + WITHOUT[missing])
        member.open()
        expect(member.page.get_by_role("button", name="Done")).to_be_visible()
    second.click_done()
    for member in (second, third):
        member.expect_results(moved_by=2)


WITHOUT = {
    "AbortController": "delete window.AbortController",
    # As Firefox and WebKit do where a content security policy forbids sockets.
    "WebSocket": """
        const Before = WebSocket;
        window.WebSocket = function (address) {
            if (!address.includes('/channelsmin/')) return new Before(address);
            throw new DOMException('', 'SecurityError');
        };
        Object.assign(window.WebSocket, {CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3});
    """,
}


def test_p4_the_page_fits_on_a_phone(session: Session, tabs: Tabs) -> None:
    member = Member(tabs.context, session, 1)
    member.page.set_viewport_size({"width": 360, "height": 640})
    member.open().ready()
    button = member.page.get_by_role("button", name="Done")
    expect(button).to_be_in_viewport(ratio=1)
    assert member.page.evaluate("document.documentElement.scrollWidth") <= 360
    button.click()
    member.expect_results(moved_by=1)
