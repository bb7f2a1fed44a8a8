"""Run a copy of a project: a server, a session, its pages in a browser, the sockets, a click.

The project and its database do not change.
"""

import ast
import json
import re
import shutil
import tempfile
import time
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
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

from packaging.version import InvalidVersion
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.project import environments, requirements
from channelsmin.project.add import OTREE_SOCKETS
from channelsmin.project.doctor import play, template_checks, template_source
from channelsmin.project.doctor.app_source import UNKNOWN, App, name_of, text_of
from channelsmin.project.doctor.context import Examined, is_ours
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Template
from channelsmin.project.traces import VERSION_FILE
from channelsmin.runtime import browser, environment
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import DIRECTLY, Server, run_otree

NOT_COPIED = (".git", ".venv", "venv", "env", "node_modules", "__pycache__", "*.sqlite3*")

OPEN = """

AUTH_LEVEL = ''
"""
"""Opens oTree's admin pages without a password, of the server that only this machine reaches."""

CONFIG = """
SESSION_CONFIGS = [
    *SESSION_CONFIGS,
    dict(
        next((one for one in SESSION_CONFIGS if {app!r} in one['app_sequence']), {{}}),
        name={name!r},
        display_name='',
        num_demo_participants={members},
        app_sequence=[{app!r}],
        use_browser_bots=False,
    ),
]
"""
"""Adds a session config that begins with an app, and is like the first one that plays it."""

MANY = 8
"""More members than this are not opened in a browser each, unless a group is as large."""

LIVE_SOCKET = re.compile(r"""id="otree-live"\s+data-socket-url="([^"]+)\"""")
OURS = "'click' : 'ask'"
"""A mark in the script of this project's own page: its protocol is known."""

ERROR = re.compile(
    r"^\s*[\w.]*(?:Error|Exception|BadReturnValue)\b(?! in ASGI application):?.*"
    r"|^[a-z]\w*(?:\.\w+)*\.[A-Z]\w+: .*|(?<=<class ')[\w.]+'>: .*"
    r"|.*was never awaited.*|.*Exception inside application: .*",
    re.MULTILINE,
)
"""How a server reports an error: as Python, Twisted, asyncio and the ASGI servers print it."""

CLOSED = re.compile(
    r"Errno (?:32|104|107)\b|ConnectionResetError|BrokenPipeError|ConnectionClosed|Disconnect"
    r"|after sending 'websocket.close'"
)
"""What a server reports when a browser closes a connection: no error of the project."""

PATIENCE = 10
"""Seconds in which the server has to answer a message."""

QUIET = 2
"""Seconds for which a socket has to stay open if the app's protocol is not known."""

LOG_IS_QUIET = 1.0
"""Seconds without a new line after which the server's log is complete; at most five times as long
is waited."""


class Stopped(Exception):
    """A step failed: which one, and the message."""

    def __init__(self, step: str, said: str) -> None:
        """Remember both."""
        super().__init__(f"{step}: {said}")
        self.step = step
        self.said = said


class Untried(Exception):
    """An app whose socket cannot be tried; the message gives the reason."""


@dataclass(frozen=True)
class Member:
    """A participant on the app's first page: their browser, its address, its socket's path."""

    browser: OpenerDirector
    url: str
    path: str
    is_ours: bool


def find_environment(read: Examined, named: Path | None) -> Environment:
    """Return the environment to run the project in.

    The one that is named; else the project's own or the active one, if it has the project's
    release; else the one of `demo`, which is created if there is none. Raises UserError if the one
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
    """Run a copy of the project; return what goes wrong with each app that can be played.

    Where there is a browser, each app is played in it, up to the page with its socket. Without one,
    only the sockets are tried, and no member counts as moved.
    """
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="channelsmin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        apps = _playable(read)
        _copy(read, apps, folder / "project")
        log = folder / "server.log"
        log.touch()
        try:
            server = _server(read, place, folder / "project", log)
            with _started(server):
                for app in apps:
                    findings += _played(app, read, server, log)
        except Stopped as stopped:
            findings.append(_finding("", stopped, log))
    return findings


def _playable(read: Examined) -> list[App]:
    """Return the real-time apps that have pages, or if there are none, all that are played."""
    real_time = [app for app in read.real_time if app.has_page_sequence and app in read.played]
    return real_time or read.played


def _played(app: App, read: Examined, server: Server, log: Path) -> list[Finding]:
    """Play one app, and print what was seen; return what went wrong."""
    try:
        if browser.is_available():
            return _in_browser(app, read, server, log)
        console.say(f"{app.name}: {_try(app, read, server)}")
        console.say(f"{app.name}: no browser here, so no script ran and no page was submitted")
    except Untried as why:
        console.say(f"{app.name}: not tried, as {why}")
    except Stopped as stopped:
        return [_finding(app.name, stopped, log)]
    return []


def _in_browser(app: App, read: Examined, server: Server, log: Path) -> list[Finding]:
    links = [server.url + link for link in _session(app, read, server)]
    logged = len(_quiet(log))
    with_socket = read.context.with_socket(app)
    try:
        played = play.play(links, with_socket)
    except Exception as error:  # of Playwright, which has no public base class without a browser
        said = str(error).splitlines()[0]
        raise Stopped("open its pages in a browser", said) from error
    findings = [_finding(app.name, Stopped(step, text), log) for step, text in played.problems[:3]]
    real_time = read.context.is_real_time(app)
    if real_time and not played.opened and not findings:
        if with_socket and play.page_name(played.page) not in with_socket:
            raise Untried(f"{', '.join(with_socket)} was not reached: {played.page} is still shown")
        why = f"its page {played.page} opened no socket of its own in the browser"
        findings.append(_finding(app.name, Stopped("open its socket", why), log))
    elif played.clicked and played.moved < played.members and not findings:
        step = f"move everybody at a press of {played.pressed!r}"
        why = f"{played.moved} of {played.members} members left {played.page} in the browser"
        failed = not played.moved and _error(_quiet(log)[logged:])
        if failed or _is_to_move(app, read, played):
            findings.append(_finding(app.name, Stopped(step, why), log))
    if not findings and (said := _submitted(app, read, server)):
        findings.append(_finding(app.name, Stopped("submit its form without scripts", said), log))
    if not findings:
        done = f"one press of {played.pressed!r}" if played.pressed else "nothing to press; it"
        moved = f"moved {played.moved} of {played.members} members, in a browser"
        if played.after:
            moved = f"moved nobody, and one of {played.after!r} the member who pressed it"
        elif not played.moved:
            moved = f"moved nobody; {played.page} is still shown in the browser"
        console.say(f"{app.name}: {done} {moved}")
    return findings


def _submitted(app: App, read: Examined, server: Server) -> str:
    """Submit the first page of another session's member; return what went wrong, "" if nothing."""
    link = _session(app, read, server)[0]
    try:
        return play.submit_without_scripts(server.url + link)
    except Exception as error:  # of Playwright, see above
        console.note(f"{app.name}: not submitted without scripts: {str(error).splitlines()[0]}")
        return ""


def _is_to_move(app: App, read: Examined, played: play.Played) -> bool:
    """Return whether one click on the page that was played has to move the others, or anybody.

    It has to if a message submits the form or leads to another page, whatever it contains, and also
    if it loads the page again, which is shown under a condition. If one member has moved, the
    message may have been for that member alone.
    """
    if is_ours(app):
        return True
    name = play.page_name(played.page)
    pages = [page for page in app.pages() if page.node.name == name] or app.pages()[:1]
    shown = [template.text for page in pages for template in read.context.loaded(page)]
    is_conditional = any(page.method("is_displayed") for page in pages)
    leads = any(template_checks.moves_when_it_hears(text, is_conditional) for text in shown)
    return leads and (not played.moved or _tells_everybody(app))


def _tells_everybody(app: App) -> bool:
    """Return whether an app sends a message to a whole group."""
    calls = {name_of(node.func) for _, node in app.of(ast.Call) if isinstance(node, ast.Call)}
    keys = (key for _, node in app.of(ast.Dict) if isinstance(node, ast.Dict) for key in node.keys)
    is_to_all = any(isinstance(key, ast.Constant) and key.value == 0 for key in keys)
    return is_to_all or bool(calls & {"group_send", "Group", "get_players"})


def _copy(read: Examined, apps: list[App], copy: Path) -> None:
    """Copy the project, with a session config for each app that begins with this very app.

    The collected static files come along if DEBUG may be off, as oTree then needs them.
    """
    left_out = [*NOT_COPIED]
    if not read.settings.may_be_false("DEBUG"):
        left_out.append("_static_root")
    version = read.folder / VERSION_FILE
    if not version.is_file() or requirements.text_of(version).strip() != str(read.release):
        left_out.append("__temp_*")
    ignored = shutil.ignore_patterns(*left_out)
    shutil.copytree(read.folder, copy, ignore=ignored, ignore_dangling_symlinks=True)
    with (copy / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write(OPEN)
        for app in apps:
            members = _size(app, read)
            settings.write(CONFIG.format(name=_config(app), members=members, app=app.name))


def _config(app: App) -> str:
    return f"{app.name}_doctor"


def _size(app: App, read: Examined) -> int:
    """Return the size of a group, from the app's constants.

    If they do not tell, it is that of a demo session of the project, or else 2.
    """
    for _, node in app.of(ast.Assign):
        if isinstance(node, ast.Assign):
            names = {target.id.lower() for target in node.targets if isinstance(target, ast.Name)}
            size = text_of(node.value, {})
            if "players_per_group" in names and size.isdecimal():
                return int(size)
    demo = read.settings.participants(app.name)
    return demo if demo and demo <= MANY else 2


def _server(read: Examined, place: Environment, copy: Path, log: Path) -> Server:
    """Return a server, not started yet, whose database is a file.

    The development servers of 2.6.0b18 and later keep theirs in memory, where create_session
    cannot reach it.
    """
    command = read.picked.variant.durable_server(read.release)
    server = Server(place, copy, command, free_port(), log)
    server.prepare()
    if read.settings.may_be_false("DEBUG") and read.release.major < 5:
        collected = run_otree(place, copy, "collectstatic", "--noinput")
        if collected.returncode:
            raise Stopped("collect the static files", _error(collected.stdout) or collected.stdout)
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
    """Try the sockets of one group without a browser; return what was seen, in words."""
    links = _session(app, read, server)
    members = [_opened(app, read, server, link) for link in links]
    with ExitStack() as sockets:
        opened = []
        for member in members:
            try:
                opened.append(sockets.enter_context(_socket(server, member.path)))
            except (OSError, WebSocketException) as error:
                raise Stopped(f"connect the socket {member.path}", str(error)) from error
        if not members[0].is_ours:
            _stays_open(opened[0])
            return f"{len(links)} sockets opened and stayed open; the app's protocol is not known"
        _talk(opened)
    for member in members:
        _, url = _get(member.browser, member.url)
        if urlsplit(url).path == urlsplit(member.url).path:
            raise Stopped("follow the click", f"a member is still on {url}")
    return f"one click was answered on {len(links)} sockets"


def _session(app: App, read: Examined, server: Server) -> list[str]:
    """Create a session of one group; return its members' start links."""
    size = _size(app, read)
    made = run_otree(server.environment, server.project, "create_session", _config(app), str(size))
    code = re.search(r"session with code (\w+)", made.stdout)
    if not code:
        raise Stopped(
            "create a session", _error(made.stdout) or "otree create_session created none"
        )
    page, _ = _get(DIRECTLY, f"{server.url}/SessionStartLinks/{code[1]}")
    links = list(dict.fromkeys(re.findall(r"/InitializeParticipant/\w+", page)))
    if not links:
        raise Stopped("create a session", "its page of start links is empty")
    return links[:size]


def _opened(app: App, read: Examined, server: Server, link: str) -> Member:
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    page, url = _get(browser, server.url + link)
    if live := LIVE_SOCKET.search(page):
        return Member(browser, url, unescape(live[1]), OURS in page)
    shown = [Template("", Path(), page)]
    paths = [address.path for address in template_source.addresses(shown, {}) if address.path]
    own = [path for path in paths if path.split("/")[1] not in OTREE_SOCKETS]
    if not own:
        with_socket = read.context.with_socket(app)
        if with_socket and play.page_name(urlsplit(url).path) not in with_socket:
            later = ", ".join(with_socket)
            raise Untried(f"{later} comes later, and there is no browser to go on in")
        raise Stopped(
            "open its socket", f"its first page, {urlsplit(url).path}, has no script that opens one"
        )
    if UNKNOWN in own[0]:
        raise Untried("the address of its socket is only known in the browser")
    return Member(browser, url, own[0], OURS in page)


def _get(browser: OpenerDirector, url: str) -> tuple[str, str]:
    """Return a page, and its final address."""
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
    """Open a socket with the Origin of the server's own page; some servers refuse others.

    It is closed cleanly whatever happens, so that the server's last error is one of its own.
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
    """Ask on each socket, click on the first one, and expect the answer on all."""
    for opened in sockets:
        if _said(opened, "ask").get("moved") is not False:
            raise Stopped("ask", "the server answers that the group has moved already")
    first, *others = sockets
    if _said(first, "click").get("moved") is not True:
        raise Stopped("click", "the server does not answer that the group has moved")
    for opened in others:
        if _heard(opened, "hear of the click").get("moved") is not True:
            raise Stopped(
                "hear of the click", "the server does not answer that the group has moved"
            )


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
        raise Stopped(step, f"the server answers {json.dumps(news)}")
    return inner


def _how(closed: ConnectionClosed) -> str:
    return f"the server closed it (code {closed.rcvd.code if closed.rcvd else 'none'})"


def _error(printed: str) -> str:
    """Return the last error that was printed, "" if there is none."""
    errors = [found for found in ERROR.findall(printed) if not CLOSED.search(found)]
    return str(errors[-1]).strip().replace("'>: ", ": ") if errors else ""


def _quiet(log: Path) -> str:
    """Return the server's log once no line was added for `LOG_IS_QUIET` seconds."""
    size, unchanged, deadline = -1, time.monotonic(), time.monotonic() + 5 * LOG_IS_QUIET
    while time.monotonic() < deadline:
        if log.stat().st_size != size:
            size, unchanged = log.stat().st_size, time.monotonic()
        if time.monotonic() - unchanged >= LOG_IS_QUIET:
            break
        time.sleep(0.1)
    return log.read_text(encoding="utf-8", errors="replace")


def _finding(app: str, stopped: Stopped, log: Path) -> Finding:
    error = _error(_quiet(log))
    said = f"; the server says: {error}" if error and error not in stopped.said else ""
    why = f"{stopped.said}{said}"
    fix = "fix what the message names"
    if missing := re.search(r"No module named '([\w.]+)'", why):
        fix = (
            f"if the project requires {missing[1]}, install it into the environment that it was "
            "tried in, or name one that has it with --environment"
        )
    return Finding(
        f"it does not {stopped.step}",
        app or "the server",
        why,
        f"{fix}; to compare, `channelsmin export` writes a project that works",
    )
