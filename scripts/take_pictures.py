"""Take the README's pictures, docs/moving.gif and docs/matrix.png.

Run it with `.venv/bin/python scripts/take_pictures.py`.

Both come from a real run: three members of one group on the newest release that this machine
runs, of whom one clicks; and the page of the matrix as it is.
"""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, expect, sync_playwright

from channelsmin.paths import ROOT
from channelsmin.report.page import PAGE
from channelsmin.runtime import demo, environment, export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server
from channelsmin.testing import browser

FOLDER = ROOT / "docs"

WIDTH, HEIGHT = 380, 270
"""CSS pixels of one window: the page's content, without oTree's debug information."""

TITLE, GAP = 24, 8
CLICKER = 1
"""Which window the click is made in, counted from 0."""

POINTER = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


def windows(pages: Sequence[Page]) -> Image.Image:
    """Return what the pages show, side by side, each in a frame with the member's number."""
    whole = Image.new("RGB", (len(pages) * (WIDTH + GAP) + GAP, TITLE + HEIGHT + 2 * GAP), "white")
    draw = ImageDraw.Draw(whole)
    for place, page in enumerate(pages):
        left = GAP + place * (WIDTH + GAP)
        frame = (left - 1, GAP - 1, left + WIDTH, GAP + TITLE + HEIGHT)
        draw.rectangle(frame, fill="#dde1e7", outline="#8a93a0")
        draw.text((left + 8, GAP + 4), f"member {place + 1}", "black", ImageFont.load_default(13))
        shown = Image.open(io.BytesIO(page.screenshot()))
        whole.paste(shown, (left, GAP + TITLE))
    return whole


def pointed_at(picture: Image.Image, x: float, y: float) -> Image.Image:
    """Return the picture with a mouse pointer at this place of the clicker's window."""
    copy = picture.copy()
    left, top = GAP + CLICKER * (WIDTH + GAP) + x, GAP + TITLE + y
    points = [(left + right, top + down) for right, down in POINTER]
    ImageDraw.Draw(copy).polygon(points, fill="black", outline="white")
    return copy


def film(chromium: Browser, address: str) -> None:
    """Let one of three members click, and keep what all of them see."""
    researcher = chromium.new_page()
    researcher.goto(f"{address}/demo/channelsmin/")
    researcher.wait_for_url("**/SessionStartLinks/**")
    links = researcher.get_by_text("/InitializeParticipant/").all_text_contents()
    size = {"width": WIDTH, "height": HEIGHT}
    pages = [chromium.new_page(viewport=size) for _ in links]  # type: ignore[arg-type]
    for page, link in zip(pages, links, strict=True):
        page.goto(link.strip())
        page.get_by_text("Connected.").wait_for()
    waiting = windows(pages)
    button = pages[CLICKER].get_by_role("button", name="Done")
    box = button.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    pages[CLICKER].mouse.move(x, y)
    pointing = pointed_at(windows(pages), x, y)
    pages[CLICKER].mouse.down()
    pressed = pointed_at(windows(pages), x, y)
    pages[CLICKER].mouse.up()
    for page in pages:
        expect(page.get_by_text("Your group has moved on")).to_be_visible()
    moved = pointed_at(windows(pages), x, y)
    frames = [frame.quantize(64) for frame in (waiting, pointing, pressed, moved)]
    frames[0].save(
        FOLDER / "moving.gif",
        save_all=True,
        append_images=frames[1:],
        duration=[1500, 900, 300, 2800],  # milliseconds
        loop=0,
    )


def show_matrix(chromium: Browser) -> None:
    """Keep what the page of the matrix shows first of a release that was typed."""
    page = chromium.new_page(viewport={"width": 900, "height": 620})
    page.goto(f"{PAGE.as_uri()}#2.3.7")
    page.screenshot(path=FOLDER / "matrix.png")


def main() -> None:
    """Take both."""
    release = demo.newest_runnable()
    chosen = export.named(str(release))
    installed = environment.cached(release)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        export.write(chosen, project)
        port = free_port()
        with (
            Server(installed, project, "devserver", port, Path(folder, "log")) as server,
            sync_playwright() as playwright,
        ):
            chromium = browser.launch(playwright)
            film(chromium, server.url)
            show_matrix(chromium)
            chromium.close()


if __name__ == "__main__":
    main()
