"""Try a project's sockets: a server, a session, its page, the socket, a click.

All of it in a copy, so that nothing of the project or its database changes.
"""

import ast
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from subprocess import SubprocessError
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from packaging.version import InvalidVersion
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.project import environments
from channelsmin.project.add import OTREE_SOCKETS
from channelsmin.project.doctor import template_source
from channelsmin.project.doctor.app_source import UNKNOWN, App, text_of
from channelsmin.project.doctor.context import Examined
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Template
from channelsmin.runtime import environment
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server, run_otree

NOT_COPIED = (
    *(".git", ".venv", "venv", "node_modules", "__pycache__", "__temp_*", "*.sqlite3*"),
    "_static_root",
)

CONFIG = """

SESSION_CONFIGS = [
    *SESSION_CONFIGS,
    dict(name={name!r}, display_name='', num_demo_participants={members}, app_sequence=[{app!r}]),
]
"""

LIVE_SOCKET = re.compile(r"""id="otree-live"\s+data-socket-url="([^"]+)\"""")
OURS = "'click' : 'ask'"
"""What the script of this project's page has in it: it is known what to say to its server."""

ERROR = re.compile(
    r"^\s*[\w.]*(?:Error|Exception)\b:?.*|(?<=<class ')[\w.]+'>: .*|.*was never awaited.*",
    re.MULTILINE,
)
"""How a server says that something went wrong: as Python, as Twisted, and as asyncio does."""

PATIENCE = 10
"""Seconds that the server may take to say something."""

QUIET = 2
"""Seconds that a socket has to stay open where it isn't known what to say on it."""


class Stopped(Exception):
    """A step did not succeed: which one, and what was said."""

    def __init__(self, step: str, said: str) -> None:
        """Remember both."""
        super().__init__(f"{step}: {said}")
        self.step = step
        self.said = said


class Untried(Exception):
    """An app whose socket can't be tried; the message says why."""


@dataclass(frozen=True)
class Member:
    """A participant on the app's first page: their browser, its address, its socket's path."""

    browser: OpenerDirector
    url: str
    path: str
    is_ours: bool


def find_environment(read: Examined, named: Path | None) -> Environment:
    """Return the environment to run the project in.

    That is the one that is named, or else the project's own or the active one if it has the
    project's release, or else the demo's, which is made if need be. Raises UserError if the one
    that is named has another release, or no oTree at all.
    """
    if named:
        place = Environment(named.absolute())
        if not _has(place, read):
            raise UserError(f"{named} is not a virtual environment with oTree {read.release} in it")
        return place
    places = (place.folder for place in environments.search(read.folder))
    for place in map(Environment, map(Path.absolute, places)):
        if _has(place, read):
            return place
    console.note(f"no environment with oTree {read.release} here: using the one of `demo`")
    return environment.cached(read.release)


def _has(place: Environment, read: Examined) -> bool:
    try:
        return place.otree.is_file() and place.release() == read.release
    except (OSError, InvalidVersion, SubprocessError):
        return False


def examine(read: Examined, place: Environment) -> list[Finding]:
    """Return at which step the sockets of each real-time app stop, if they do."""
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as name:
        folder = Path(name)
        _copy(read, folder / "project")
        log = folder / "server.log"
        log.touch()
        server = _server(read, place, folder / "project", log)
        try:
            with _started(server):
                for app in read.real_time:
                    try:
                        console.say(f"{app.name}: {_try(app, read, server)}")
                    except Untried as why:
                        console.say(f"{app.name}: not tried, as {why}")
                    except Stopped as stopped:
                        findings.append(_finding(app.name, stopped, log))
        except Stopped as stopped:
            findings.append(_finding("", stopped, log))
    return findings


def _copy(read: Examined, copy: Path) -> None:
    """Copy the project, with a session config for each app that begins with this very app."""
    shutil.copytree(read.folder, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    with (copy / "settings.py").open("a", encoding="utf-8") as settings:
        for app in read.real_time:
            members = _group_size(app)
            settings.write(CONFIG.format(name=_config(app), members=members, app=app.name))


def _config(app: App) -> str:
    return f"{app.name}_doctor"


def _group_size(app: App) -> int:
    """Return how many members a group has, as the app's constants say; two, if they don't."""
    for _, node in app.nodes():
        if isinstance(node, ast.Assign):
            names = {target.id.lower() for target in node.targets if isinstance(target, ast.Name)}
            size = text_of(node.value, {})
            if "players_per_group" in names and size.isdigit():
                return int(size)
    return 2


def _server(read: Examined, place: Environment, copy: Path, log: Path) -> Server:
    """Return the server, which is not started yet: one whose database is a file.

    The development servers of 2.6.0b18 and later keep theirs in memory, where create_session
    can't come to it.
    """
    command = read.picked.variant.durable_server(read.release)
    server = Server(place, copy, command, free_port(), log)
    server.prepare()
    return server


@contextmanager
def _started(server: Server) -> Iterator[None]:
    try:
        server.start()
    except UserError as problem:
        raise Stopped("start the server", str(problem)) from problem
    try:
        yield
    finally:
        server.kill()


def _try(app: App, read: Examined, server: Server) -> str:
    """Go through the steps; return what was shown."""
    size = _group_size(app)
    links = _session(app, server, size)
    members = [_opened(server, link) for link in links]
    with ExitStack() as sockets:
        opened = []
        for member in members:
            try:
                opened.append(sockets.enter_context(_socket(server, member.path)))
            except (OSError, WebSocketException) as error:
                raise Stopped(f"connect the socket {member.path}", str(error)) from error
        if not members[0].is_ours:
            _stays_open(opened[0])
            return f"{size} sockets opened and stayed open; what this app says on them isn't known"
        _talk(opened)
    for member in members:
        _, url = _get(member.browser, member.url)
        if urlsplit(url).path == urlsplit(member.url).path:
            raise Stopped("follow the click", f"a member is still on {url}")
    return f"one click moved {size} members, over their sockets"


def _session(app: App, server: Server, size: int) -> list[str]:
    """Make a session; return its members' start links."""
    made = run_otree(server.environment, server.project, "create_session", _config(app), str(size))
    code = re.search(r"session with code (\w+)", made.stdout)
    if not code:
        raise Stopped("make a session", _error(made.stdout) or "otree create_session made none")
    page, _ = _get(build_opener(), f"{server.url}/SessionStartLinks/{code[1]}")
    links = list(dict.fromkeys(re.findall(r"/InitializeParticipant/\w+", page)))
    if not links:
        raise Stopped("make a session", "its page of start links holds none; is there a password?")
    return links[:size]


def _opened(server: Server, link: str) -> Member:
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    page, url = _get(browser, server.url + link)
    if live := LIVE_SOCKET.search(page):
        return Member(browser, url, unescape(live[1]), OURS in page)
    shown = [Template("", Path(), page)]
    paths = [address.path for address in template_source.addresses(shown, {}) if address.path]
    own = [path for path in paths if path.split("/")[1] not in OTREE_SOCKETS]
    if not own:
        raise Untried(f"its first page, {urlsplit(url).path}, opens no socket of its own")
    if UNKNOWN in own[0]:
        raise Untried("the address of its socket is only known in the browser")
    return Member(browser, url, own[0], OURS in page)


def _get(browser: OpenerDirector, url: str) -> tuple[str, str]:
    """Return a page, and where it is in the end."""
    try:
        with browser.open(url, timeout=30) as answer:
            return answer.read().decode(errors="replace"), answer.url
    except HTTPError as error:
        error.close()
        raise Stopped(
            f"open the page {urlsplit(error.url).path}", f"status {error.code}"
        ) from error
    except (URLError, OSError) as error:
        raise Stopped(f"open the page {urlsplit(url).path}", str(error)) from error


@contextmanager
def _socket(server: Server, path: str) -> Iterator[ClientConnection]:
    """Open a socket as a page of that very server does, from which some servers take none else.

    It is closed in good order whatever happens: the server's last error is to be one of its own.
    """
    url = f"ws{server.url[len('http') :]}{path}"
    with connect(url, origin=Origin(server.url), proxy=None) as opened:
        try:
            yield opened
        finally:
            opened.close()


def _stays_open(opened: ClientConnection) -> None:
    try:
        opened.recv(QUIET)
    except TimeoutError:
        return
    except ConnectionClosed as closed:
        raise Stopped("keep the socket open", _how(closed)) from closed


def _talk(sockets: list[ClientConnection]) -> None:
    """Ask on each socket, click on the first, and expect the news on all."""
    for opened in sockets:
        if _said(opened, "ask").get("moved") is not False:
            raise Stopped("ask", "the server says that the group has moved already")
    first, *others = sockets
    if _said(first, "click").get("moved") is not True:
        raise Stopped("click", "the server does not say that the group has moved")
    for opened in others:
        if _heard(opened, "hear of the click").get("moved") is not True:
            raise Stopped("hear of the click", "the server does not say that the group has moved")


def _said(opened: ClientConnection, what: str) -> dict[str, Any]:
    try:
        opened.send(json.dumps({"type": what, "round": "1"}))
    except ConnectionClosed as closed:
        raise Stopped(what, _how(closed)) from closed
    return _heard(opened, what)


def _heard(opened: ClientConnection, step: str) -> dict[str, Any]:
    try:
        news: dict[str, Any] = json.loads(opened.recv(PATIENCE))
    except TimeoutError as error:
        raise Stopped(step, f"no answer within {PATIENCE} seconds") from error
    except ConnectionClosed as closed:
        raise Stopped(step, _how(closed)) from closed
    except ValueError as error:
        raise Stopped(step, str(error)) from error
    inner = news.get("live_method_payload", news)
    if not isinstance(inner, dict):
        raise Stopped(step, f"the server says {json.dumps(news)}")
    return inner


def _how(closed: ConnectionClosed) -> str:
    return f"the server closed it (code {closed.rcvd.code if closed.rcvd else 'none'})"


def _error(printed: str) -> str:
    """Return the last error that was printed, "" if there is none."""
    errors = ERROR.findall(printed)
    return str(errors[-1]).strip().replace("'>: ", ": ") if errors else ""


def _finding(app: str, stopped: Stopped, log: Path) -> Finding:
    error = _error(log.read_text(errors="replace"))
    said = f"; the server says: {error}" if error and error not in stopped.said else ""
    return Finding(
        f"it does not {stopped.step}",
        app or "the server",
        f"{stopped.said}{said}",
        "mend what the message names; `channelsmin export` makes a project that works, to compare",
    )
