"""What a researcher does on the admin's pages."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext

from participants import Session


def exported(researcher: BrowserContext, url: str) -> dict[tuple[str, int], dict[str, str]]:
    """Download the app's data; return its rows, by the participant's code and the round."""
    with researcher.new_page() as page:
        page.goto(f"{url}/demo/")
        page.get_by_role("link", name="Data", exact=True).click()
        page.wait_for_load_state()
        # From 2.1 on the file comes over the page's own socket.
        page.wait_for_function("typeof socket === 'undefined' || socket.readyState === 1")
        row = page.get_by_role("row").filter(has_text="channelsmin")
        with page.expect_download() as download:
            row.get_by_role("link", name=re.compile("^(CSV|Plain)$")).first.click()
        text = download.value.path().read_text(encoding="utf-8-sig")
    return {
        (row["participant.code"], int(row["subsession.round_number"])): row
        for row in csv.DictReader(io.StringIO(text))
    }


@contextmanager
def monitor(researcher: BrowserContext, session: Session) -> Iterator[Callable[[], None]]:
    """Open the session's monitor; give a function that clicks "Advance slowest user(s)" there.

    It stays open for the whole block: oTree 5 answers a participant with error 500 where it
    still counts on a monitor that has just been closed.
    """
    with researcher.new_page() as page:
        page.goto(f"{session.url}/SessionMonitor/{session.code}")

        def advance_slowest() -> None:
            with page.expect_response(re.compile("/AdvanceSession/")) as answer:
                page.get_by_role("button", name="Advance slowest").click()
            assert answer.value.ok, answer.value.text()

        yield advance_slowest
