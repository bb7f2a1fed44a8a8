"""The page of the matrix, in real browsers."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from playwright.sync_api import Browser, Error, Locator, Page, Playwright, expect, sync_playwright

from channelsmin.matrix import lines, notes, releases, results, variants
from channelsmin.matrix.results import Run, Status
from channelsmin.report import page as matrix_page
from channelsmin.testing import browser

CHOSEN = [*Random(7).sample(releases.known(), 20), Version("3.3.0b6")]
FIREFOX = shutil.which("firefox-esr")
AXE = "axe-core@4.14.1"
PHONE, DESK = (360, 740), (1280, 800)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    started = browser.launch(playwright)
    yield started
    started.close()


@pytest.fixture(scope="module")
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open the page; at the end none of them may have asked anybody, or complained of anything."""
    requests, complaints = list[str](), list[str]()

    def opened(hash_: str = "", size: tuple[int, int] = PHONE, scheme: str = "light") -> Page:
        viewport = {"width": size[0], "height": size[1]}
        tab = chromium.new_page(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(f"{matrix_page.PAGE.as_uri()}{hash_}")
        return tab

    yield opened
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert complaints == []


@pytest.fixture(scope="module")
def page(open_page: OpenPage) -> Page:
    """The page on a phone."""
    return open_page()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of axe-core, from npm."""
    if not (npm := shutil.which("npm")):
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, check=True, capture_output=True)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extract("package/axe.min.js", folder)
    return folder / "package" / "axe.min.js"


def typed(page: Page, text: str) -> Locator:
    """Type into the field; return the answer."""
    page.get_by_label("Your release, or the line of your requirements.txt").fill(text)
    return page.get_by_role("region", name="Answer")


def test_the_page_is_fresh() -> None:
    matrix_page.check()


@pytest.mark.parametrize("its", CHOSEN, ids=str)
def test_a_typed_release_is_answered_with_what_is_known_of_it(page: Page, its: Version) -> None:
    answer = typed(page, str(its))
    expect(answer.get_by_role("heading", level=2)).to_have_text(f"oTree {its}")
    variant = variants.find(its)
    expect(answer).to_contain_text(f"variants/{variant.name}" if variant else "No variant serves")
    for run in results.load(its):
        row = answer.get_by_role("row", name=re.compile(rf"^{re.escape(run.python or 'none')} "))
        expect(row).to_contain_text(run.status.value)
        expect(row).to_contain_text(run.date)
        expect(row).to_contain_text(run.reason)
    for python in variants.pythons(its):
        expect(answer.get_by_role("rowheader", name=python, exact=True)).to_be_visible()
    for expected in variant.expected_failures(its) if variant else ():
        expect(answer).to_contain_text(expected.reason)
    for reason in notes.known_failures(its).values():
        expect(answer).to_contain_text(reason)
    if help_ := notes.help_for(its):
        expect(answer).to_contain_text(f"{help_.line}. Without it: {help_.reason}")
    if variant:
        expect(answer).to_contain_text(f"python3 run.py demo {its}")
        expect(page.get_by_role("status")).to_contain_text(f"take the variant {variant.name}")


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("otree==2.3.7", "otree==2.3.7"),
        ("otree-core==1.4.2", "otree==1.4.2"),
        ("otree[mturk]>=2.1.8,<2.2  # as in the manual", "otree>=2.1.8,<2.2"),
        ("otree>=5; python_version>'3.7'", "otree>=5"),
        ('"otree ~= 2.5.0",', "otree~= 2.5.0"),
        ("v2.3.7", "oTree 2.3.7"),
        ("oTree 2.3.7", "oTree 2.3.7"),
        ("Name: otree\nVersion: 2.3.7", "oTree 2.3.7"),
        ("2.3", "oTree 2.3"),
        ("2.3.*", "oTree 2.3"),
        ("5", "oTree 5"),
        ("otree", "otree"),
    ],
)
def test_what_people_have_can_be_typed(page: Page, text: str, heading: str) -> None:
    expect(typed(page, text).get_by_role("heading", level=2)).to_have_text(heading)


def specifiers() -> list[str]:
    """Requirements at random, of all operators."""
    random = Random(3)
    made = []
    for operator in ("==", ">=", "<=", "<", ">", "~=", "!="):
        for one, other in zip(*(random.sample(releases.known(), 6) for _ in "ab"), strict=True):
            made.append(f"{operator}{one}")
            made.append(f">={min(one, other)},<{max(one, other)}")
    return [
        *made,
        "<=5.9.6",
        "==5.9.6",
        "==2.3.*",
        "!=6.0.*",
        "==5.*",
        ">=5",
        "<2.3",
        "<=2.3",
        ">2.3.0b1,<2.3.0",
        "~=5.0",
    ]


def test_a_requirement_means_what_pip_takes_it_for(page: Page) -> None:
    """pip takes the newest final release; a pre-release if it is named, or all that is there."""
    offered = [release for release, row in releases.rows().items() if not row.yanked]
    texts = specifiers()
    answers = page.evaluate(ANSWERS, [f"otree{text}" for text in texts])
    for text, (allowed, taken) in zip(texts, answers, strict=True):
        among = list(SpecifierSet(text).filter(releases.known(), prereleases=True))
        assert (text, allowed) == (text, len(among))
        finals = list(SpecifierSet(text).filter(offered))
        assert (text, taken) == (text, f"oTree {(finals or among)[-1]}" if among else "")


ANSWERS = """texts => texts.map(text => {
    const field = document.getElementById('wanted');
    field.value = text;
    field.dispatchEvent(new Event('input'));
    const answer = document.getElementById('answer');
    const allowed = /It allows (\\d+) /.exec(answer.textContent);
    const taken = answer.querySelector('h3');
    return [allowed ? Number(allowed[1]) : 0, answer.hidden ? '' : taken.textContent];
})"""
"""Types each text; returns how many releases it allows, and which one pip takes."""


@pytest.mark.parametrize("text", ["2.3.99", "django>=2", "hello", "otree>=99", "==", "1" * 50])
def test_what_is_no_release_is_told_so(page: Page, text: str) -> None:
    answer = typed(page, text)
    expect(answer).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("is no release of oTree")


def test_an_empty_field_has_no_answer(page: Page) -> None:
    expect(typed(page, " ")).to_be_hidden()
    expect(page.get_by_role("status")).to_be_empty()


def test_a_line_is_answered_with_all_its_releases(page: Page) -> None:
    rows = typed(page, "2.3").get_by_role("row")
    expect(rows).to_have_count(1 + sum(str(r).startswith("2.3.") for r in releases.known()))
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("searchbox")).to_have_value("2.3.40b2")


@pytest.mark.parametrize("text", ["2.3.7", "otree>=5", "otree~=2.5.0"])
def test_an_answer_has_an_address_that_can_be_shared(open_page: OpenPage, text: str) -> None:
    page = open_page(f"#{quote(text)}")
    expect(page.get_by_role("searchbox")).to_have_value(text)
    expect(page.get_by_role("region", name="Answer")).to_be_visible()
    # From the page itself: on a busy machine, `page.url` follows a moment later.
    typed(page, "2.2.4")
    assert page.evaluate("location.href").endswith("#2.2.4")
    typed(page, "")
    assert "#" not in page.evaluate("location.href")
    page.close()


def test_an_address_that_cannot_be_read_is_no_error(open_page: OpenPage) -> None:
    page = open_page("#%E0%A4%A")
    expect(page.get_by_role("status")).to_contain_text("is no release of oTree")
    page.close()


def test_the_matrix_is_one_stop_of_the_keyboard_and_arrows_lead_through_it(
    open_page: OpenPage,
) -> None:
    page = open_page(size=DESK)
    first, second = lines.load_all()[::-1][:2]
    links = page.get_by_role("grid").get_by_role("link")
    expect(links).to_have_count(len(releases.known()) + len(lines.load_all()))
    assert page.locator("#matrix [tabindex='0']").count() == 1
    links.first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name=f"{next(iter(first.runs))}: ")).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = next(iter(second.runs))
    expect(page.get_by_role("link", name=f"{below}: ")).to_be_focused()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", name=f"oTree {below}", exact=True)
    expect(heading).to_be_focused()
    expect(page.locator(".here")).to_have_count(1)
    page.close()


def test_all_lines_are_seen_on_one_screen(open_page: OpenPage) -> None:
    page = open_page(size=DESK)
    box = page.get_by_role("grid").bounding_box()
    assert box
    assert box["height"] <= DESK[1]
    page.close()


@pytest.mark.parametrize("text", ["", "2.3.7", "otree>=5", "3.3.0b1", "6.0", "1.4.16"])
def test_the_page_is_no_wider_than_a_phone(page: Page, text: str) -> None:
    typed(page, text)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_status_is_told_by_its_colour_alone(page: Page) -> None:
    signs = set(page.get_by_role("gridcell").all_inner_texts())
    assert signs <= {"✓", "+", "✗", "·", "?"}
    meanings = page.locator("#legend dt").all_inner_texts()
    assert [text.split()[1].rstrip(":") for text in meanings][:3] == ["pass", "pass", "fail"]


def test_a_pass_with_help_is_no_plain_pass(page: Page) -> None:
    helped = [r for r, runs in results.load_all().items() if runs[0].status is Status.HELPED]
    assert helped
    for release in helped:
        cell = page.get_by_role("link", name=f"{release}: pass with help on Python ")
        expect(cell).to_have_text("+")


def test_the_worst_run_decides_what_a_release_is_shown_as() -> None:
    run = Run("3.7", Status.PASS, "", "2026-11-23", 90, "Linux", {}, {}, {})
    helped, failed = (
        Run(*("3.8", s, "", "", 0, "", {}, {}, {})) for s in (Status.HELPED, Status.FAIL)
    )
    assert matrix_page.overall([]) is None
    assert matrix_page.overall([run]) is Status.PASS
    assert matrix_page.overall([run, helped]) is Status.HELPED
    assert matrix_page.overall([helped, failed, run]) is Status.FAIL


def test_the_commands_are_copied(chromium: Browser) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{matrix_page.PAGE.as_uri()}#2.3.7")
    page.get_by_role("button", name="Copy the commands").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0] == "python3 run.py demo 2.3.7"
    context.close()


def test_on_windows_the_commands_begin_with_the_launcher(chromium: Browser) -> None:
    """`python3` would open the Store there."""
    context = chromium.new_context(user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
    page = context.new_page()
    page.goto(f"{matrix_page.PAGE.as_uri()}#2.3.7")
    commands = page.get_by_role("region", name="Answer").locator("pre").first
    expect(commands).to_contain_text("py run.py demo 2.3.7")
    expect(commands).not_to_contain_text("python3")
    context.close()


def test_on_paper_there_is_the_answer_and_no_field(open_page: OpenPage) -> None:
    page = open_page("#2.3.7")
    page.emulate_media(media="print")
    expect(page.get_by_role("searchbox")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy the commands")).to_be_hidden()
    expect(page.get_by_role("region", name="Answer")).to_be_visible()
    assert page.pdf()[:4] == b"%PDF"
    page.close()


def test_without_scripts_the_matrix_is_there(chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(matrix_page.PAGE.as_uri())
    expect(page.get_by_role("gridcell")).to_have_count(len(releases.known()))
    expect(page.get_by_text("Without JavaScript")).to_be_visible()
    context.close()


@pytest.mark.parametrize(
    ("hash_", "size", "scheme"),
    [
        ("", DESK, "light"),
        ("", PHONE, "dark"),
        ("#3.3.0b1", DESK, "dark"),
        ("#otree%3E%3D5", PHONE, "light"),
        ("#2.3", PHONE, "dark"),
        ("#nonsense", DESK, "light"),
    ],
)
def test_axe_finds_nothing(
    open_page: OpenPage, axe: Path, hash_: str, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(hash_, size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
    page.add_script_tag(path=axe)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run(document, { runOnly: tags })", tags)
    assert [(it["id"], it["nodes"][0]["html"]) for it in found["violations"]] == []
    assert len(found["passes"]) > 20
    page.close()


@pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox here")
def test_it_answers_in_firefox(playwright: Playwright) -> None:
    firefox = playwright.firefox.launch(channel="moz-firefox", executable_path=FIREFOX)
    try:
        page = firefox.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    except Error as error:
        pytest.skip(f"this Playwright and this Firefox do not fit: {error.message.splitlines()[0]}")
    complaints = list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{matrix_page.PAGE.as_uri()}#otree%3E%3D5")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("A new installation gets 6.")
    expect(typed(page, "2.3.7").get_by_role("heading", level=2)).to_have_text("oTree 2.3.7")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    firefox.close()
    assert complaints == []
