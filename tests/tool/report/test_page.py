"""The page of the matrix, in a real browser."""

import re
from collections.abc import Iterator
from random import Random

import pytest
from packaging.version import Version
from playwright.sync_api import Page, expect, sync_playwright

from channelsmin.matrix import releases, results, variants
from channelsmin.report import page as matrix_page
from channelsmin.testing import browser

CHOSEN = Random(7).sample(releases.known(), 20)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """The page on a phone; at the end it must have asked nobody, and complained of nothing."""
    with sync_playwright() as playwright:
        chromium = browser.launch(playwright)
        tab = chromium.new_page(viewport={"width": 360, "height": 740})
        requests, complaints = list[str](), list[str]()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(matrix_page.PAGE.as_uri())
        yield tab
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        assert complaints == []
        chromium.close()


def test_the_page_is_fresh() -> None:
    matrix_page.check()


@pytest.mark.parametrize("its", CHOSEN, ids=str)
def test_a_typed_release_is_shown_with_what_is_known_of_it(page: Page, its: Version) -> None:
    page.get_by_role("searchbox").fill(str(its))
    row = page.get_by_role("row", name=re.compile(rf"^{re.escape(str(its))} "))
    expect(row).to_be_visible()
    for run in filter(lambda run: run.python, results.load(its)):
        cell = row.get_by_role("button", name=f"on Python {run.python}: {run.status.value}")
        expect(cell).to_be_visible()
    told = page.locator("#details")
    expect(told.get_by_role("heading")).to_have_text(f"oTree {its}")
    if variant := variants.find(its):
        expect(told).to_contain_text(f"Take variants/{variant.name}, with Python ")
        for python in variants.pythons(its):
            expect(told).to_contain_text(python)
        for expected in variant.expected_failures(its):
            expect(told).to_contain_text(f": {expected.reason}")
    for run in results.load(its):
        expect(told).to_contain_text(run.date)
        expect(told).to_contain_text(run.reason)


def test_a_line_can_be_typed_and_what_is_typed_can_be_no_release(page: Page) -> None:
    rows = page.locator("tr[data-release]:visible")
    page.get_by_role("searchbox").fill("2.3.")
    expect(rows).to_have_count(sum(str(r).startswith("2.3.") for r in releases.known()))
    expect(page.locator("#details")).to_be_hidden()
    page.get_by_role("searchbox").fill("2.3.99")
    expect(rows).to_have_count(0)
    expect(page.locator("#count")).to_have_text("no release begins with this")
    page.get_by_role("searchbox").fill("")
    expect(rows).to_have_count(len(releases.known()))


def test_the_keyboard_opens_a_release(page: Page) -> None:
    page.get_by_role("searchbox").fill("2.3.3")
    page.get_by_role("button", name="2.3.33", exact=True).press("Enter")
    expect(page.locator("#details").get_by_role("heading")).to_have_text("oTree 2.3.33")


def test_the_page_is_no_wider_than_a_phone(page: Page) -> None:
    page.get_by_role("searchbox").fill("")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_no_status_is_told_by_its_colour_alone(page: Page) -> None:
    page.get_by_role("searchbox").fill("")
    texts = set(page.locator("td button").all_inner_texts())
    assert all(re.fullmatch(r"[✓✗·?] [a-z -]+", text) for text in texts), texts
