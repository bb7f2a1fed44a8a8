"""Play the first pages of an app in a real browser, as its members would.

Pages before the one with the app's socket are filled in and submitted.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from channelsmin.project.add import OTREE_SOCKETS
from channelsmin.runtime import browser

if TYPE_CHECKING:
    from playwright.sync_api import (
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
        Request,
        Response,
    )

LOAD_SECONDS = 20
"""Seconds that a page may take to load."""

MOVE_SECONDS = 8
"""Seconds in which the others have to follow a click; the slowest path of the variants takes 6."""

PAGES = 12
"""How many pages, wait pages included, the members go on to reach the one with the socket."""

FILL_SECONDS = 2
"""Seconds in which a control of a form has to take a value."""

BUTTON = (
    "form button[type=button]:visible:enabled",
    "form input[type=button]:visible:enabled",
    "button[type=button]:visible:enabled:not([data-bs-toggle]):not([data-toggle])",
)
"""The buttons that a person would press first, in this order: those that submit no form."""

SUBMIT = (
    "button.otree-btn-next:visible:enabled",
    "form button:not([type=button]):visible:enabled",
    "form input[type=submit]:visible",
)
"""The buttons that submit a form without a script."""

NEXT = (*SUBMIT, ".otree-btn-next:visible:enabled", "form button:visible:enabled")
"""The buttons with which a person would go on, in this order."""

ERRORS = ".otree-form-errors:visible, .otree-error:visible, .alert-danger:visible"


@dataclass
class Seen:
    """What one member's browser reported: errors of scripts, failed requests, opened sockets."""

    errors: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)

    def own_sockets(self) -> list[str]:
        """Return the sockets that are not those of oTree's own pages."""
        return [path for path in self.sockets if _first_part(path) not in OTREE_SOCKETS - {"live"}]


def _first_part(path: str) -> str:
    return path.strip("/").partition("/")[0]


@dataclass
class Member:
    """A participant in a browser of their own."""

    page: "Page"
    seen: Seen

    @property
    def path(self) -> str:
        """The address of the page that is shown."""
        return urlsplit(self.page.url).path


@dataclass(frozen=True)
class Played:
    """What came of playing: what a person did, how many members moved, and what went wrong."""

    members: int
    moved: int
    pressed: str
    page: str
    problems: tuple[tuple[str, str], ...]
    """Each with the step, and the text."""
    clicked: bool
    """Whether a button was pressed that submits no form by itself."""
    opened: bool
    """Whether the page opened a socket of its own."""
    after: str = ""
    """What was pressed next, if the first press moved nobody and this the member who pressed it."""


@contextmanager
def _members(links: list[str]) -> "Iterator[list[Member]]":
    """Open each link in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = browser.launch(playwright)
        try:
            members = []
            for link in links:
                members.append(_member(chromium.new_context(), link))
                members[-1].page.goto(link, timeout=LOAD_SECONDS * 1000)
            yield members
        finally:
            chromium.close()


NOT_LOADED = "Failed to load resource"


def _member(context: "BrowserContext", link: str) -> Member:
    page, seen = context.new_page(), Seen()

    def on_console(message: "ConsoleMessage") -> None:
        about = f"{message.text} {message.location}"
        # on_response and on_failed report it with its address.
        if message.type == "error" and "favicon" not in about and NOT_LOADED not in about:
            seen.errors.append(message.text)

    def on_response(response: "Response") -> None:
        if response.status >= 400 and "favicon" not in response.url:
            path = urlsplit(response.url).path
            seen.errors.append(f"{response.request.method} {path}: status {response.status}")

    def on_failed(request: "Request") -> None:
        failure = request.failure or ""
        # That there is no way to another server from here is no fault of the project.
        is_here = urlsplit(request.url).netloc == urlsplit(link).netloc
        if is_here and "ERR_ABORTED" not in failure:
            seen.errors.append(f"{request.method} {urlsplit(request.url).path}: {failure}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("response", on_response)
    page.on("requestfailed", on_failed)
    page.on("websocket", lambda socket: seen.sockets.append(urlsplit(socket.url).path))
    return Member(page, seen)


def play(links: list[str], with_socket: Collection[str] = ()) -> Played:
    """Open the links, press what a person would press first, and look who moves.

    If pages are named in `with_socket`, the first one that is reached of these is played.
    """
    with _members(links) as opened_by:
        members = _reach(opened_by, with_socket)
        if not members:
            first = opened_by[0]
            failed = tuple((f"go on from {first.path}", text) for text in _errors(opened_by))
            return Played(len(links), 0, "", first.path, failed, False, False)
        first = members[0]
        start = first.path
        first.page.wait_for_timeout(1500)
        problems = [("load the page", text) for text in _errors(members)]
        opened = any(member.seen.own_sockets() for member in members)
        pressed = _press(first.page, BUTTON) if not problems else ""
        clicked = bool(pressed)
        if clicked:
            _wait(members, start)
        moved = _moved(members, start)
        problems += [(f"press {pressed!r}", text) for text in _errors(members, len(problems))]
        problems += [(f"press {pressed!r}", text) for text in _shown_errors(members)]
        after = ""
        if not moved and not problems:
            # That the page refuses what was filled in here is no fault of it.
            after = _go_on(first)
            problems += [(f"press {after!r}", text) for text in _errors(members)]
            if not clicked:
                pressed, moved, after = after, _moved(members, start), ""
            elif not _moved(members, start):
                after = ""
        if _moved(members, start) and not problems:
            went_on = _go_on(first)
            problems += [(f"press {went_on!r} on the next page", text) for text in _errors(members)]
        unique = tuple(dict.fromkeys(problems))
        return Played(len(members), moved, pressed, start, unique, clicked, opened, after)


def _reach(members: list[Member], with_socket: Collection[str]) -> list[Member]:
    """Let all members go on to a named page; return those who are there, at last.

    A page that opens a socket of its own counts, too. Not every page can be left: that it refuses
    what was filled in here is no fault of it.
    """
    there = members
    for _ in range(PAGES if with_socket else 0):
        there = [one for one in members if _is_there(one, with_socket)]
        others = [one for one in members if one not in there]
        before = [member.path for member in others]
        for member in others:
            if not _is_there(member, with_socket):  # a wait page may just have ended
                _go_on(member, SUBMIT)
        waited = 0
        while [member.path for member in others] == before:
            if not others or waited >= MOVE_SECONDS * 1000:
                return there
            members[0].page.wait_for_timeout(250)
            waited += 250
    return there


def _is_there(member: Member, with_socket: Collection[str]) -> bool:
    return page_name(member.path) in with_socket or bool(member.seen.own_sockets())


def submit_without_scripts(link: str) -> str:
    """Submit the first page's form as a browser without scripts does; return what went wrong.

    So it is submitted, too, where the time is over, or where no socket gets through. "" if nothing
    went wrong, or if the page offers no Next button then. Only an error of the server counts: a
    form may need its script.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = browser.launch(playwright)
        try:
            member = _member(chromium.new_context(java_script_enabled=False), link)
            member.page.goto(link, timeout=LOAD_SECONDS * 1000)
            _go_on(member, SUBMIT)
            errors = [text for text in member.seen.errors if SERVER_ERROR.match(text)]
            return errors[0] if errors else ""
        finally:
            chromium.close()


SERVER_ERROR = re.compile(r"POST .*: status 5\d\d$")


def _errors(members: list[Member], known: int = 0) -> list[str]:
    """Return the members' errors, each once, although their addresses differ by the member."""
    found = dict[str, str]()
    for text in (text for member in members for text in member.seen.errors):
        found.setdefault(re.sub(r"/p/\w+/", "/p/", text), text)
    return list(found.values())[known:]


def _shown_errors(members: list[Member]) -> list[str]:
    found = []
    for member in members:
        for shown in _texts(member.page)[:1]:
            text = re.sub(r"\s+", " ", shown).strip()
            found.append(f"the page says: {text[:200]}")
    return list(dict.fromkeys(found))


def _texts(page: "Page") -> list[str]:
    """Return the errors that a page shows, once it stays long enough to be read."""
    from playwright.sync_api import Error

    for _ in range(5):
        try:
            return page.locator(ERRORS).all_inner_texts()
        except Error:  # it was just loaded again
            page.wait_for_timeout(500)
    return []


def _press(page: "Page", selectors: tuple[str, ...]) -> str:
    """Press the first control that there is; return its text, "" if there is none."""
    for selector in selectors:
        control = page.locator(selector).first
        if control.count():
            text = (control.inner_text() or control.get_attribute("value") or "a button").strip()
            control.click(timeout=5000)
            return text
    return ""


def _go_on(member: Member, buttons: tuple[str, ...] = NEXT) -> str:
    """Fill the form as a person would, and press its button; return the button's text."""
    from playwright.sync_api import Error

    for control in member.page.locator(FILLABLE).all():
        try:
            _fill(control)
        except Error:  # hidden behind something, or gone: the form is submitted without it
            continue
    before = member.path
    pressed = _press(member.page, buttons)
    if pressed:
        _wait([member], before)
    return pressed


FILLABLE = ", ".join(
    f"form {control}:visible:enabled:not([readonly])"
    for control in (
        *("input[type=number]", "input[type=text]", "input[type=range]", "input[type=radio]"),
        *("select", "textarea"),
    )
)


def _fill(control: "Locator") -> None:
    kind = control.evaluate("control => control.type")
    if kind == "radio":
        control.check(timeout=FILL_SECONDS * 1000)
    elif kind.startswith("select"):
        options = control.locator("option").count()
        control.select_option(index=min(1, options - 1), timeout=FILL_SECONDS * 1000)
    else:
        control.fill(control.get_attribute("min") or "1", timeout=FILL_SECONDS * 1000)


def _wait(members: list[Member], start: str) -> None:
    waited = 0
    while _moved(members, start) < len(members) and waited < MOVE_SECONDS * 1000:
        members[0].page.wait_for_timeout(250)
        waited += 250
        if waited > 1500 and any(member.seen.errors for member in members):
            return


def _moved(members: list[Member], start: str) -> int:
    """Return how many members have left the page at `start`, each on one of its own address."""
    place = _place(start)
    return sum(_place(member.path) != place for member in members)


def page_name(path: str) -> str:
    """Return the page's name in an address: /p/<code>/<app>/<page>/<index>."""
    return path.rstrip("/").rpartition("/")[0].rpartition("/")[2]


def _place(path: str) -> str:
    """Return the app, the page and its number in an address."""
    parts = path.strip("/").split("/")
    return "/".join(parts[2:])
