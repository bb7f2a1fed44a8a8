"""P. The page, as a participant sees it."""

from pathlib import Path

from playwright.sync_api import expect

from channelsmin.runtime.export import Export, write
from harness.fixtures import OpenGroup, OpenMember
from harness.members import Network, Session


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
    session: Session, open_group: OpenGroup, open_without_scripts: OpenMember
) -> None:
    (first,) = open_group(session, 1)
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
