"""Take the README's picture of the page, docs/page.png: `python docs/picture.py`."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from channelsmin import browser, demo, environment, export
from channelsmin.server import Server, free_port

WIDTH, HEIGHT = 760, 250  # CSS pixels: the page's content, without oTree's debug information


def main() -> None:
    """Start the newest release that this machine runs, open the page and keep what it shows."""
    release = demo.newest_runnable()
    chosen = export.named(str(release))
    installed = environment.create(chosen.variant, release, demo.cache() / f"otree{release}")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        export.write(chosen, project)
        port = free_port()
        with (
            Server(installed, project, "devserver", port, Path(folder, "log")) as server,
            sync_playwright() as playwright,
        ):
            chromium = browser.launch(playwright)
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"{server.url}/demo/channelsmin/")
            page.wait_for_url("**/SessionStartLinks/**")
            link = page.get_by_text("/InitializeParticipant/").first.text_content()
            page.goto(str(link).strip())
            page.get_by_text("Connected.").wait_for()
            page.screenshot(path=Path(__file__).with_name("page.png"))
            chromium.close()


if __name__ == "__main__":
    main()
