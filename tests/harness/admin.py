"""The steps that a researcher takes on oTree's admin pages."""

import csv
import io
import re
from collections import Counter

from playwright.sync_api import Page

from harness.members import Session


def exported(admin: Page, url: str) -> dict[tuple[str, int], dict[str, str]]:
    """Download the app's data; return its rows, by the participant's code and the round."""
    admin.goto(f"{url}/demo/")
    admin.get_by_role("link", name="Data", exact=True).click()
    admin.wait_for_load_state()
    # From 2.1 on the file comes over the page's own socket.
    admin.wait_for_function("typeof socket === 'undefined' || socket.readyState === 1")
    row = admin.get_by_role("row").filter(has_text="channelsmin")
    with admin.expect_download() as download:
        row.get_by_role("link", name=re.compile("^(CSV|Plain)$")).first.click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    rows = dict[tuple[str, int], dict[str, str]]()
    rows_of = Counter[str]()
    for record in csv.DictReader(io.StringIO(text)):
        code = record["participant.code"]
        rows_of[code] += 1
        # The last betas of 6.0.0 to 6.0.8 omit the round; the rows are in its order.
        rows[code, int(record.get("subsession.round_number", rows_of[code]))] = record
    return rows


def open_monitor(admin: Page, session: Session) -> None:
    """Open the session's monitor.

    It should stay open while the members move: after a monitor was closed, oTree 5 still counts on
    it for a moment, and answers a participant with error 500.
    """
    admin.goto(f"{session.url}/SessionMonitor/{session.code}")


def advance_slowest(monitor: Page) -> None:
    """Click "Advance slowest user(s)" on a session's monitor."""
    with monitor.expect_response(re.compile("/AdvanceSession/")) as answer:
        monitor.get_by_role("button", name="Advance slowest").click()
    assert answer.value.status < 400  # up to 1.4.12 it redirects to the monitor
