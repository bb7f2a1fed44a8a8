"""Drive the page in Firefox and in WebKit, besides Chromium, which all other tests drive.

On Debian they come from its packages: firefox-esr, and WPE WebKit (`cog`), about as old as Safari
16. Playwright drives only its own builds of these, so this module speaks to them itself: to Firefox
over Marionette, to WebKit over WebDriver. Elsewhere Playwright's own builds are driven.
"""

import itertools
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from playwright.sync_api import BrowserType, Error, Page, Playwright

from channelsmin.runtime.processes import free_port, listening
from harness.members import RESULTS_LINE, Session, named_in

SYSTEMS_FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
SYSTEMS_WEBKIT = shutil.which("WPEWebDriver"), shutil.which("cog")

HOW_TO_INSTALL = "`apt-get install firefox-esr wpewebkit-driver cog` installs Firefox and WebKit"

ENGINES = ("firefox", "webkit")

START_SECONDS = 60
"""How long a browser may take to start."""

AS_IF_IN_FRONT = {
    "dom.min_background_timeout_value": "4",
    "dom.timeout.enable_budget_timer_throttling": "false",
}
"""Preferences of Firefox: a participant has one tab, in front, so no tab has slow timers."""

FEW_PROCESSES = {
    "dom.ipc.processPrelaunch.enabled": "false",
    "dom.ipc.processCount.webIsolated": "1",
}
"""Preferences of Firefox: one process for all tabs, and none in reserve, since each takes long."""

KEYS = {"Enter": "\ue007", "Space": " "}
"""WebDriver's codes: https://www.w3.org/TR/webdriver2/#keyboard-actions"""


class Tab(Protocol):
    """A tab of any browser."""

    def goto(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""

    def press(self, key: str, css: str) -> None:
        """Press a key of KEYS while this element has the focus."""

    def click(self, css: str) -> None:
        """Click this element."""

    def close(self) -> None:
        """Close the tab."""


NewTab = Callable[[], Tab]


@dataclass(frozen=True)
class PlaywrightTab:
    """A tab that Playwright drives."""

    page: Page

    def goto(self, address: str) -> None:
        """Open an address."""
        self.page.goto(address)

    def evaluate(self, expression: str) -> Any:
        """Evaluate it."""
        return self.page.evaluate(expression)

    def press(self, key: str, css: str) -> None:
        """Press the key."""
        self.page.press(css, key)

    def click(self, css: str) -> None:
        """Click the element."""
        self.page.click(css)

    def close(self) -> None:
        """Close the page."""
        self.page.close()


@dataclass(frozen=True)
class WebDriverTab:
    """A browser with one tab, in a WebDriver session: https://www.w3.org/TR/webdriver2/"""

    client: httpx.Client

    def _ask(self, path: str, **parameters: object) -> Any:
        answer = self.client.post(path, json=parameters)
        answer.raise_for_status()
        return answer.json()["value"]

    def _element(self, css: str) -> str:
        (found,) = self._ask("element", using="css selector", value=css).values()
        return f"element/{found}"

    def goto(self, address: str) -> None:
        """Open an address."""
        self._ask("url", url=address)

    def evaluate(self, expression: str) -> Any:
        """Evaluate it."""
        return self._ask("execute/sync", script=f"return {expression}", args=[])

    def press(self, key: str, css: str) -> None:
        """Press the key."""
        self._ask(f"{self._element(css)}/value", text=KEYS[key])

    def click(self, css: str) -> None:
        """Click the element."""
        self._ask(f"{self._element(css)}/click")

    def close(self) -> None:
        """Close the window, and with it the session."""
        self.client.delete("window").raise_for_status()


class Marionette:
    """A connection to Firefox, which answers one command after the other.

    The protocol: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, port: int) -> None:
        """Connect to the Firefox that listens on this port, and start a session."""
        self.idle_tabs: list[str] = []
        """The handles of the tabs that were closed; opening another one takes long."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._read()  # it greets first
        self.ask("WebDriver:NewSession")

    def ask(self, command: str, **parameters: object) -> Any:
        """Return the answer to a command; raise EngineError if it is an error."""
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        _, _, error, result = self._read()
        if error:
            raise EngineError(f"{command}: {error['message']}")
        return result.get("value", result) if isinstance(result, dict) else result

    def new_tab(self) -> str:
        """Return the handle of a tab that nobody uses: of an idle one, else of a new one."""
        if self.idle_tabs:
            return self.idle_tabs.pop()
        return str(self.ask("WebDriver:NewWindow", type="tab", focus=True)["handle"])

    def _read(self) -> Any:
        length = b""
        while (digit := self._file.read(1)) != b":":
            if not digit:
                raise EngineError("Firefox has ended")
            length += digit
        return json.loads(self._file.read(int(length)))

    def close(self) -> None:
        """Disconnect."""
        self._file.close()
        self._socket.close()


class EngineError(Exception):
    """What a browser answered to a command that it could not carry out."""


@dataclass(frozen=True)
class MarionetteTab:
    """A tab of a Firefox; all tabs share a profile."""

    firefox: Marionette
    handle: str

    def _ask(self, command: str, **parameters: object) -> Any:
        self.firefox.ask("WebDriver:SwitchToWindow", handle=self.handle, focus=False)
        return self.firefox.ask(f"WebDriver:{command}", **parameters)

    def _element(self, css: str) -> str:
        found = self._ask("FindElement", using="css selector", value=css)
        return str(next(iter(found.values())))

    def goto(self, address: str) -> None:
        """Open an address."""
        self._ask("Navigate", url=address)

    def evaluate(self, expression: str) -> Any:
        """Evaluate it."""
        return self._ask("ExecuteScript", script=f"return {expression}", args=[])

    def press(self, key: str, css: str) -> None:
        """Press the key."""
        self._ask("ElementSendKeys", id=self._element(css), text=KEYS[key])

    def click(self, css: str) -> None:
        """Click the element."""
        self._ask("ElementClick", id=self._element(css))

    def close(self) -> None:
        """Leave its page; Firefox keeps the tab for the next member."""
        self.goto("about:blank")
        self.firefox.idle_tabs.append(self.handle)


@contextmanager
def _playwrights_own(engine: BrowserType) -> Iterator[NewTab]:
    browser = engine.launch()
    yield lambda: PlaywrightTab(browser.new_page())
    browser.close()


@contextmanager
def firefox(playwright: Playwright, folder: Path) -> Iterator[NewTab]:
    """Start Firefox: the system's, else Playwright's own."""
    if not SYSTEMS_FIREFOX:
        with _playwrights_own(playwright.firefox) as new_tab:
            yield new_tab
        return
    port = free_port()
    folder.mkdir()
    preferences = {"marionette.port": str(port), **AS_IF_IN_FRONT, **FEW_PROCESSES}
    (folder / "user.js").write_text(
        "".join(f'user_pref("{name}", {value});\n' for name, value in preferences.items())
    )
    options = ["--marionette", "--headless", "--no-remote", "--profile", str(folder)]
    with (
        listening([SYSTEMS_FIREFOX, *options], port, seconds=START_SECONDS),
        closing(Marionette(port)) as connection,
    ):
        yield lambda: MarionetteTab(connection, connection.new_tab())


@contextmanager
def webkit(playwright: Playwright, folder: Path) -> Iterator[NewTab]:
    """Start WebKit: Debian's WPE, else Playwright's own. Each tab has a profile of its own."""
    if not all(SYSTEMS_WEBKIT):
        with _playwrights_own(playwright.webkit) as new_tab:
            yield new_tab
        return
    homes = map(folder.joinpath, map(str, itertools.count()))
    with ExitStack() as started:
        yield lambda: started.enter_context(_webkit_tab(next(homes)))


@contextmanager
def _webkit_tab(home: Path) -> Iterator[Tab]:
    """Start a driver and a browser with an empty profile: one of each per tab."""
    driver, cog = SYSTEMS_WEBKIT
    assert driver
    home.mkdir(parents=True)
    port = free_port()
    variables = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "NO_AT_BRIDGE": "1",
    }
    options = {"binary": cog, "args": ["--automation", "-P", "headless"]}
    wanted = {"capabilities": {"alwaysMatch": {"wpe:browserOptions": options}}}
    sessions = f"http://127.0.0.1:{port}/session"
    with listening(
        [driver, f"--port={port}"],
        port,
        seconds=START_SECONDS,
        variables=variables,
    ):
        answer = httpx.post(sessions, json=wanted, timeout=START_SECONDS).raise_for_status()
        address = f"{sessions}/{answer.json()['value']['sessionId']}"
        with httpx.Client(base_url=address, timeout=30) as client:
            yield WebDriverTab(client)
            with suppress(httpx.HTTPError):
                client.delete("")


def is_available(engine: str, playwright: Playwright) -> bool:
    """Return whether this one of ENGINES can be driven here."""
    if engine == "firefox":
        return bool(SYSTEMS_FIREFOX) or Path(playwright.firefox.executable_path).exists()
    return all(SYSTEMS_WEBKIT) or Path(playwright.webkit.executable_path).exists()


@dataclass(frozen=True)
class Participant:
    """A participant in a tab of any browser."""

    tab: Tab
    link: str
    code: str

    @classmethod
    def at(cls, tab: Tab, session: Session, place: int) -> "Participant":
        """Become the participant at `place` (from 1) of the session, and open the start link."""
        link = session.url + session.links[place - 1]
        participant = cls(tab, link, session.codes[place - 1])
        tab.goto(participant.link)
        return participant

    def wait_until(self, expression: str, seconds: float = 15) -> Any:
        """Wait until this JavaScript expression is true in the page, and return its value."""
        deadline = time.monotonic() + seconds
        value = None
        while not value:
            assert time.monotonic() < deadline, self._shown()
            value = self.look(f"() => {expression}")
            time.sleep(0.05)
        return value

    def look(self, function: str) -> Any:
        """Return what this JavaScript function returns in the page; None while it is loaded."""
        with suppress(Error, EngineError, httpx.HTTPError):
            return self.tab.evaluate(f"({function})()")
        return None

    def reload(self) -> None:
        """Load the page again."""
        self.look("() => location.reload()")

    def _shown(self) -> str:
        return str(self.tab.evaluate("location.href + '\\n' + document.body.innerText"))

    def connected(self) -> "Participant":
        """Wait until the page says that it is connected."""
        self.wait_until("document.body.innerText.includes('Connected.')")
        return self

    def click_done(self) -> None:
        """Click the button."""
        self.tab.click("#done")

    def expect_results(self, moved_by: int, seconds: float = 15) -> None:
        """Expect to be on Results, which names `moved_by` as the member who moved the group."""
        shown = self.wait_until(f"({RESULTS_LINE})()", seconds)
        assert named_in(str(shown)) == moved_by

    def click_next(self) -> None:
        """Click oTree's Next, and wait until it has led on from Results."""
        self.tab.click(".otree-btn-next")
        self.wait_until("!location.pathname.includes('/Results/')")
