"""`channelsmin doctor`: each planted fault is named, and a healthy project gives no finding."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from channelsmin.project import add
from channelsmin.project.doctor import run_checks
from channelsmin.runtime import export
from channelsmin.runtime.processes import free_port

LINES = (
    *(
        "1.4.49",
        "2.0.0",
        "2.1.41",
        "2.2.4",
        "2.3.33",
        "2.4.5",
        "2.5.8",
        "2.6.0b24",
        "3.0.12",
        "3.4.0",
    ),
    *("5.0.8", "5.11.5", "6.0.15"),
)
"""A release of each line."""

ROUTING = "channelsmin/otree_extensions/routing.py"
CONSUMERS = "channelsmin/consumers.py"
TEMPLATES = "channelsmin/templates/channelsmin"

Edit = Callable[[Path], None]


def change(file: str, old: str, new: str, times: int = 1) -> Edit:
    """Return the edit that writes something else in a file."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text()
        assert text.count(old) == times, f"{old!r} in {file}"
        (folder / file).write_text(text.replace(old, new))

    return edit


def append(file: str, text: str) -> Edit:
    """Return the edit that adds to the end of a file, which it makes if need be."""

    def edit(folder: Path) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        with (folder / file).open("a") as opened:
            opened.write(text)

    return edit


def remove(name: str) -> Edit:
    """Return the edit that removes a file or a folder."""

    def edit(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def each(*edits: Callable[[Path], object]) -> Edit:
    """Return the edit that is several, one after the other."""

    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def copy_by_hand(folder: Path) -> None:
    """Copy the app under another name, and forget to change it in a query of the models."""
    shutil.copytree(folder / "channelsmin", folder / "lobby")
    (folder / "lobby/templates/channelsmin").rename(folder / "lobby/templates/lobby")
    for path in (folder / "lobby").rglob("*.*"):
        if path.is_file():
            text = path.read_text().replace("channelsmin", "lobby")
            path.write_text(text.replace("app_name='lobby'", "app_name='channelsmin'"))
    change("settings.py", "EXTENSION_APPS = [", "EXTENSION_APPS = ['lobby', ")(folder)
    settings = (folder / "settings.py").read_text()
    sequence = "'app_sequence': ['channelsmin', 'lobby']"
    settings = settings.replace("'app_sequence': ['channelsmin']", sequence)
    (folder / "settings.py").write_text(settings)


def same_address(folder: Path) -> None:
    """Copy the app under another name, and leave it the other's address."""
    add.run(folder, "lobby", "3.4.0", sure=True)
    change("lobby/consumers.py", "'lobby/{}/'", "'channelsmin/{}/'")(folder)


def database(version: int, *tables: str) -> Edit:
    """Return the edit that leaves a database there."""

    def edit(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "db.sqlite3")) as made:
            made.execute(f"PRAGMA user_version = {version}")
            for table in tables:
                made.execute(f"CREATE TABLE {table} (id INTEGER)")

    return edit


@dataclass(frozen=True)
class Fault:
    """A fault to plant in a project for a release, and what is to be said of it, and where.

    `line` is a part of the line that is to be named, "" where no line is.
    """

    release: str
    edit: Edit
    what: str
    file: str
    line: str = ""


FAULTS = {
    "release of another variant": Fault(
        "2.3.33",
        change("requirements.txt", "otree==2.3.33", "otree==3.4.0"),
        "is made for oTree 2.3.0b2 to 2.5.8",
        "channelsmin/release_check.py",
        "'channelsmin: found oTree",
    ),
    "app of another variant, without its own check": Fault(
        "2.2.4",
        each(
            change("requirements.txt", "otree==2.2.4", "otree==2.5.8"),
            lambda folder: (folder / "channelsmin/__init__.py").write_text(""),
            lambda folder: (folder / "channelsmin/release_check.py").unlink(),
        ),
        "which is Channels 0.17; oTree 2.5.8 has Channels 2",
        CONSUMERS,
        "from channels.generic.websockets",
    ),
    "Channels under oTree 6": Fault(
        "6.0.15",
        append(
            CONSUMERS,
            "from channels.generic.websocket import WebsocketConsumer as Base\n\n"
            "class Chat(Base):\n    pass\n",
        ),
        "which is Channels 2; oTree 6.0.15 has live pages",
        CONSUMERS,
        "from channels",
    ),
    "pins that disagree": Fault(
        "2.5.8",
        append("requirements_base.txt", "# ours\notree==5.11.5\n"),
        "not certain which oTree",
        "requirements.txt",
        "otree==2.5.8",
    ),
    "pin against oTree's": Fault(
        "2.5.8",
        append("requirements.txt", "channels==3.0.5\n"),
        "channels==3.0.5 and oTree 2.5.8 exclude each other",
        "requirements.txt",
        "channels==3.0.5",
    ),
    "Channels over oTree's own": Fault(
        "3.4.0",
        append("requirements.txt", "channels_redis\n"),
        "over oTree's own copy",
        "requirements.txt",
        "channels_redis",
    ),
    "driver that is too new": Fault(
        "3.4.0",
        change("requirements.txt", "psycopg2-binary==2.8.6", "psycopg2>=2.8.4"),
        "psycopg2>=2.8.4 gets version 2.9",
        "requirements.txt",
        "psycopg2>=2.8.4",
    ),
    "nothing held back": Fault(
        "3.2.8",
        change("requirements.txt", "-c constraints.txt\n", ""),
        "nothing holds huey back",
        "requirements.txt",
        "otree==3.2.8",
    ),
    "release that can't be installed": Fault(
        "2.0.18",
        change("requirements.txt", "otree==2.0.18", "otree==2.0.19"),
        "oTree 2.0.19 can't be installed",
        "requirements.txt",
        "otree==2.0.19",
    ),
    "Python that is too old": Fault(
        "2.3.33",
        append("runtime.txt", "python-3.6.15\n"),
        "Python 3.6 is refused by oTree 2.3.33",
        "runtime.txt",
        "python-3.6.15",
    ),
    "EXTENSION_APPS without the app": Fault(
        "2.5.8",
        change("settings.py", "EXTENSION_APPS = ['channelsmin']", "EXTENSION_APPS = []"),
        "EXTENSION_APPS lacks channelsmin",
        "settings.py",
        "EXTENSION_APPS = ",
    ),
    "CHANNEL_ROUTING that leads elsewhere": Fault(
        "2.2.4",
        append("settings.py", "CHANNEL_ROUTING = 'other.routing.routes'\n"),
        "CHANNEL_ROUTING does not lead to the routes of channelsmin",
        "settings.py",
        "CHANNEL_ROUTING = ",
    ),
    "CHANNEL_ROUTING where it has no meaning": Fault(
        "2.3.33",
        append("settings.py", "CHANNEL_ROUTING = 'channelsmin.routing.channel_routing'\n"),
        "oTree 2.3.33 does not read CHANNEL_ROUTING",
        "settings.py",
        "CHANNEL_ROUTING = ",
    ),
    "EXTENSION_APPS where it has no meaning": Fault(
        "5.11.5",
        append("settings.py", "EXTENSION_APPS = ['channelsmin']\n"),
        "oTree 5.11.5 does not read EXTENSION_APPS",
        "settings.py",
        "EXTENSION_APPS = ",
    ),
    "no session config": Fault(
        "6.0.15",
        each(
            lambda folder: add.run(folder, "survey", "6.0.15", sure=True),
            change(
                "settings.py", "'app_sequence': ['channelsmin']", "'app_sequence': ['survey']", 2
            ),
        ),
        "no session config has channelsmin",
        "settings.py",
        "SESSION_CONFIGS = ",
    ),
    "settings not augmented": Fault(
        "2.0.0",
        change("settings.py", "otree.settings.augment_settings(globals())", ""),
        "does not call augment_settings",
        "settings.py",
    ),
    "layer of another variant": Fault(
        "2.2.4",
        append(
            "settings.py",
            "CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}\n",
        ),
        "CHANNEL_LAYERS is not for the Channels 0.17",
        "settings.py",
        "CHANNEL_LAYERS = ",
    ),
    "settings that are no Python": Fault(
        "6.0.15",
        change("settings.py", "ROOMS = []", "ROOMS = [}"),
        "a syntax error",
        "settings.py",
        "ROOMS = ",
    ),
    "Redis that does not answer": Fault(
        "2.3.0b2",
        change("settings.py", "    CHANNEL_LAYERS", "    NO_LAYERS"),
        "no Redis answers at 127.0.0.1",
        "settings.py",
    ),
    "migrations of another oTree": Fault(
        "3.4.0",
        append("__temp_migrations/otree-version.txt", "2.5.8"),
        "the database was made by oTree 2.5.8",
        "__temp_migrations/otree-version.txt",
        "2.5.8",
    ),
    "migrations where there are none any more": Fault(
        "5.11.5",
        append("__temp_migrations/__init__.py", ""),
        "is left from oTree 2 or 3",
        "__temp_migrations",
    ),
    "database of another release": Fault(
        "5.11.5",
        database(508, "otree_session"),
        "db.sqlite3 is of another oTree",
        "db.sqlite3",
    ),
    "database of Django's": Fault(
        "6.0.15",
        database(0, "otree_session", "django_migrations"),
        "db.sqlite3 is of another oTree",
        "db.sqlite3",
    ),
    "database of oTree 5": Fault(
        "3.4.0", database(5115, "otree_session"), "db.sqlite3 is of another oTree", "db.sqlite3"
    ),
    "no _static": Fault("5.0.8", remove("_static"), "there is no folder _static", "_static"),
    "no __init__.py": Fault(
        "2.5.8",
        remove("channelsmin/otree_extensions/__init__.py"),
        "has no __init__.py",
        "channelsmin/otree_extensions",
    ),
    "no routes": Fault(
        "3.4.0",
        remove("channelsmin/otree_extensions"),
        "no route leads to MyPageConsumer",
        CONSUMERS,
        "class MyPageConsumer",
    ),
    "routes in the wrong place": Fault(
        "2.5.8",
        each(
            change(ROUTING, "from ..consumers", "from .consumers"),
            lambda folder: (folder / ROUTING).rename(folder / "channelsmin/routing.py"),
        ),
        "oTree does not read these routes",
        "channelsmin/routing.py",
        "    url(",
    ),
    "list of routes of another name": Fault(
        "3.4.0",
        change(ROUTING, "websocket_routes", "websocket_urlpatterns"),
        "there is no websocket_routes",
        ROUTING,
        "    url(",
    ),
    "list of routes of another variant": Fault(
        "2.3.33",
        change(ROUTING, "websocket_routes", "channel_routing"),
        "has channel_routing, which is Channels 0.17",
        ROUTING,
        "channel_routing = ",
    ),
    "slash before a route": Fault(
        "3.4.0",
        change(ROUTING, "url('^' +", "url('^/' +"),
        "begins with a slash: ^/channelsmin/",
        ROUTING,
        "    url(",
    ),
    "no slash before a route": Fault(
        "2.2.4",
        change(ROUTING, "path='^/' +", "path='^' +"),
        "does not begin with a slash: ^channelsmin/",
        ROUTING,
        "    route_class(",
    ),
    "address that no route serves": Fault(
        "3.4.0",
        change(
            f"{TEMPLATES}/socket.html",
            "'{{ socket_path }}'",
            "'/channelsmin2/{{ participant.code }}/'",
        ),
        "no route serves the address /channelsmin2/",
        f"{TEMPLATES}/socket.html",
        "new WebSocket(",
    ),
    "address that the page does not give": Fault(
        "2.2.4",
        change("channelsmin/pages.py", "'socket_path'", "'socket_address'"),
        "needs socket_path",
        f"{TEMPLATES}/socket.html",
        "new WebSocket(",
    ),
    "route that no page uses": Fault(
        "2.5.8",
        change(f"{TEMPLATES}/MyPage.html", '{% include "channelsmin/socket.html" %}', ""),
        "no page opens a socket at this route",
        ROUTING,
        "    url(",
    ),
    "template that is not there": Fault(
        "6.0.15",
        change(f"{TEMPLATES}/MyPage.html", "channelsmin/script.html", "channelsmin/scripts.html"),
        "there is no template channelsmin/scripts.html",
        f"{TEMPLATES}/MyPage.html",
        "scripts.html",
    ),
    "page without a template": Fault(
        "5.11.5",
        remove(f"{TEMPLATES}/Results.html"),
        "the page Results has no template",
        "channelsmin/__init__.py",
        "class Results",
    ),
    "consumer of another name": Fault(
        "3.4.0",
        change(CONSUMERS, "class MyPageConsumer", "class PageConsumer"),
        "imports MyPageConsumer from channelsmin.consumers",
        ROUTING,
        "MyPageConsumer\n",
    ),
    "helper that has gone": Fault(
        "2.5.8",
        append(CONSUMERS, "from otree.common_internal import get_models_module\n"),
        "imports otree.common_internal.get_models_module, which oTree 2.5.8 does not have",
        CONSUMERS,
        "otree.common_internal",
    ),
    "argument of another name": Fault(
        "3.4.0",
        change(CONSUMERS, "['kwargs']['participant_code']", "['kwargs']['code']"),
        "don't agree on 'code'",
        CONSUMERS,
        "['kwargs']['code']",
    ),
    "argument that is not taken": Fault(
        "2.2.4",
        change(
            CONSUMERS,
            "def disconnect(self, message, participant_code=None)",
            "def disconnect(self, message)",
        ),
        "don't agree on 'participant_code'",
        CONSUMERS,
        "def disconnect",
    ),
    "event without a type": Fault(
        "3.4.0",
        change(CONSUMERS, "{'type': 'news', 'text': text}", "{'text': text}"),
        "has no type",
        CONSUMERS,
        "group_send(",
    ),
    "event that nobody handles": Fault(
        "2.3.33",
        change(CONSUMERS, "'type': 'news'", "'type': 'group.news'"),
        "of the type 'group_news'",
        CONSUMERS,
        "group_send(",
    ),
    "not awaited": Fault(
        "3.4.0",
        change(CONSUMERS, "await self.channel_layer.group_send", "self.channel_layer.group_send"),
        "group_send is called and not awaited",
        CONSUMERS,
        "group_send(",
    ),
    "never accepted": Fault(
        "2.5.8",
        change(CONSUMERS, "        await self.accept()\n", ""),
        "never accepts a socket",
        CONSUMERS,
        "async def connect",
    ),
    "copied by hand": Fault(
        "3.4.0",
        copy_by_hand,
        "asks for participants in the app 'channelsmin', and is in 'lobby'",
        "lobby/models.py",
        "_current_app_name",
    ),
    "two apps of one name in addresses": Fault(
        "6.0.15",
        each(
            lambda folder: add.run(folder, "lobby", "6.0.15", sure=True),
            change("lobby/__init__.py", "name_in_url = 'lobby'", "name_in_url = 'channelsmin'"),
        ),
        "name_in_url is 'channelsmin'",
        "lobby/__init__.py",
        "name_in_url = ",
    ),
    "two apps at one address": Fault(
        "3.4.0",
        same_address,
        f"this route is also that of channelsmin ({ROUTING}:6)",
        "lobby/otree_extensions/routing.py",
        "    url(",
    ),
    "page without a live method": Fault(
        "6.0.15",
        change("channelsmin/__init__.py", "def live_method", "def live"),
        "MyPage sends live messages and has no live_method",
        f"{TEMPLATES}/socket.html",
        "liveSend(message)",
    ),
    "live method that nothing calls": Fault(
        "5.11.5",
        change(f"{TEMPLATES}/MyPage.html", '{% include "channelsmin/socket.html" %}', ""),
        "nothing on the page MyPage calls its live_method",
        "channelsmin/__init__.py",
        "def live_method",
    ),
    "live method by its name": Fault(
        "6.0.15",
        change(
            "channelsmin/__init__.py",
            "    @staticmethod\n    def live_method",
            "    live_method = 'live'\n\n    @staticmethod\n    def live",
        ),
        "live_method is the name of a function",
        "channelsmin/__init__.py",
        "live_method = ",
    ),
    "socket of its own under oTree 6": Fault(
        "6.0.15",
        append(f"{TEMPLATES}/script.html", "<script>new WebSocket('/channelsmin/1/')</script>\n"),
        "the page opens a socket of its own",
        f"{TEMPLATES}/script.html",
        "new WebSocket(",
    ),
    "app that is no Python": Fault(
        "2.5.8",
        change(CONSUMERS, "async def receive(", "async receive("),
        "a syntax error",
        CONSUMERS,
        "async receive(",
    ),
}


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment is active, and there is no Redis."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("OTREE_PRODUCTION", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[str], Path]:
    """Make a project for a release."""

    def make(release: str) -> Path:
        export.write(export.named(release), tmp_path / "project")
        return tmp_path / "project"

    return make


each_line = pytest.mark.parametrize("wanted", LINES)


@each_line
def test_a_healthy_project_gives_no_finding(wanted: str, exported: Callable[[str], Path]) -> None:
    report = run_checks.examine(exported(wanted))
    assert report.findings == ()
    assert (str(report.release), report.apps) == (wanted, ("channelsmin",))


@each_line
def test_an_app_that_was_added_gives_no_finding(wanted: str, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(
        "import otree.settings\nSESSION_CONFIGS = []\notree.settings.augment_settings(globals())\n"
    )
    (tmp_path / "_static").mkdir()
    (tmp_path / "requirements.txt").write_text(f"otree=={wanted}\n")
    for app in ("lobby", "market"):
        add.run(tmp_path, app, None, sure=True)
    report = run_checks.examine(tmp_path)
    assert (report.findings, report.apps) == ((), ("lobby", "market"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_else_is(
    name: str, exported: Callable[[str], Path]
) -> None:
    fault = FAULTS[name]
    folder = exported(fault.release)
    fault.edit(folder)
    (finding,) = run_checks.examine(folder).findings
    assert fault.what in finding.what
    where = fault.file
    if fault.line:
        before, found, _ = (folder / fault.file).read_text().partition(fault.line)
        assert found
        where += f":{before.count(chr(10)) + 1}"
    assert finding.where == where
    assert finding.why
    assert finding.fix


OLD = {
    "settings.py": """\
import otree.settings
SESSION_CONFIGS = [dict(name='auction', num_demo_participants=2, app_sequence=['survey', 'bid'])]
""",
    "survey/__init__.py": "",
    "survey/pages.py": "from ._builtin import Page\npage_sequence = []\n",
    "bid/__init__.py": "",
    "bid/_builtin/__init__.py": "from otree.api import Page as Page\n",
    "bid/models.py": "from otree.api import models\nclass Group:\n    pass\n",
    "bid/pages.py": """\
from ._builtin import Page
from . import models

class Bid(Page):
    pass

page_sequence = [Bid]
""",
    "_templates/bid/Bid.html": """\
{% extends "global/Page.html" %}
{% block scripts %}
<script>
    // the address, as in var path = "/nowhere/";
    var scheme = window.location.protocol == "https:" ? "wss" : "ws";
    var path = scheme + '://' + window.location.host +
        "/bid/" + {{ group.id }} + ',{{ player.id_in_group }}/';
    var socket = new ReconnectingWebSocket(path);
</script>
{% endblock %}
""",
}
"""A project in the style of 2018 to 2020, with a template of its own and an app without sockets."""

OLD_ERAS = {
    "2.2.4": {
        "settings.py": OLD["settings.py"] + "CHANNEL_ROUTING = 'bid.routing.channel_routing'\n",
        "bid/consumers.py": """\
from channels import Group
from channels.generic.websockets import JsonWebsocketConsumer
from otree.common_internal import get_models_module

class BidConsumer(JsonWebsocketConsumer):
    def connection_groups(self, **kwargs):
        return ['bid']

    def receive(self, content, **kwargs):
        Group('bid').send({'text': 'news'})

def leave(message, params):
    pass
""",
        "bid/routing.py": """\
from channels.routing import route, route_class
from otree.channels.routing import channel_routing
from .consumers import BidConsumer, leave

channel_routing += [
    route_class(BidConsumer, path=r'^/bid/(?P<params>[\\w,]+)/$'),
    route('websocket.disconnect', leave, path=r'^/bid/(?P<params>[\\w,]+)/$'),
]
""",
    },
    "3.4.0": {
        "settings.py": OLD["settings.py"] + "EXTENSION_APPS = ['bid']\n",
        "bid/consumers.py": """\
from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer
from otree.common import get_models_module

class Base(JsonWebsocketConsumer):
    def connect(self):
        self.params = self.scope['url_route']['kwargs']['params']
        async_to_sync(self.channel_layer.group_add)('bid', self.channel_name)
        self.accept()

class BidConsumer(Base):
    def receive_json(self, content):
        async_to_sync(self.channel_layer.group_send)('bid', {"type": "new.bid", "bid": content})

    def new_bid(self, event):
        self.send_json(event["bid"])
""",
        "bid/otree_extensions/__init__.py": "",
        "bid/otree_extensions/routing.py": """\
from django.conf.urls import url
from otree.channels.routing import websocket_routes
from bid.consumers import BidConsumer

websocket_routes += [
    url(r'^bid/(?P<params>[\\w,]+)/$', BidConsumer),
]
""",
    },
}


def old_project(folder: Path, wanted: str) -> Path:
    """Write the project in the style that its era had."""
    for name, text in {**OLD, **OLD_ERAS[wanted]}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "requirements.txt").write_text(f"otree=={wanted}\n")
    return folder


@pytest.mark.parametrize("wanted", OLD_ERAS)
def test_a_project_of_somebody_s_own_gives_no_finding(wanted: str, tmp_path: Path) -> None:
    report = run_checks.examine(old_project(tmp_path, wanted))
    assert (report.findings, report.apps) == ((), ("bid",))


@pytest.mark.parametrize(
    ("wanted", "file", "old", "new", "what"),
    [
        ("2.2.4", "settings.py", "'bid.routing", "'survey.routing", "CHANNEL_ROUTING does not"),
        ("2.2.4", "_templates/bid/Bid.html", '"/bid/"', '"/bids/"', "no route serves"),
        (
            "2.2.4",
            "bid/consumers.py",
            "def leave(message, params)",
            "def leave(message)",
            "'params",
        ),
        ("2.2.4", "requirements.txt", "2.2.4", "2.5.8", "which is Channels 0.17"),
        ("3.4.0", "settings.py", "['bid']", "['bids']", "EXTENSION_APPS lacks bid"),
        ("3.4.0", "settings.py", "'survey', 'bid'", "'survey'", "no session config has bid"),
        ("3.4.0", "_templates/bid/Bid.html", "id_in_group }}/'", "id_in_group }}'", "no route ser"),
        ("3.4.0", "bid/consumers.py", "new.bid", "bid.new", "'bid_new', for which there is no"),
        ("3.4.0", "bid/consumers.py", "['params']", "['param']", "don't agree on 'param'"),
        ("3.4.0", "requirements.txt", "3.4.0", "6.0.15", "which is Channels 2"),
    ],
)
def test_a_fault_in_a_project_of_somebody_s_own_is_named(
    wanted: str, file: str, old: str, new: str, what: str, tmp_path: Path
) -> None:
    change(file, old, new)(old_project(tmp_path, wanted))
    (tmp_path / "_static").mkdir()
    found = run_checks.examine(tmp_path).findings
    assert what in found[0].what
    assert len(found) == 1


@pytest.mark.parametrize(
    "script",
    [
        "new WebSocket('wss://elsewhere.example/bid/' + x)",
        "new WebSocket(address())",
        "new WebSocket(scheme + host + path)",
        "new WebSocket(`${scheme}://${host}/bid/${id}/`)",
        "var part = '/b' + 'id/'\nvar end = '/'\nnew WebSocket(base + part + 7 + end, [])",
        "<!-- new WebSocket('/nowhere/') -->",
    ],
)
def test_of_an_address_that_can_t_be_told_nothing_is_said(script: str, tmp_path: Path) -> None:
    folder = old_project(tmp_path, "3.4.0")
    append("_templates/bid/Bid.html", f"<script>\n{script}\n</script>\n")(folder)
    assert run_checks.examine(folder).findings == ()


def test_settings_that_import_others_are_not_judged_by_what_they_lack(
    exported: Callable[[str], Path],
) -> None:
    folder = exported("3.4.0")
    (folder / "settings.py").write_text("from base import *\n")
    assert run_checks.examine(folder).findings == ()


def test_a_redis_that_answers_is_no_fault(
    exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported("2.2.4")
    monkeypatch.setenv("OTREE_PRODUCTION", "1")
    (finding,) = run_checks.examine(folder).findings
    assert finding.what.startswith("no Redis answers at 127.0.0.1:")
    with socket.create_server(("127.0.0.1", 0)) as redis:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{redis.getsockname()[1]}")
        assert run_checks.examine(folder).findings == ()


def test_what_a_development_server_leaves_behind_is_no_fault(
    exported: Callable[[str], Path],
) -> None:
    folder = exported("3.4.0")
    append("__temp_migrations/otree-version.txt", "3.4.0")(folder)
    database(0, "django_migrations", "otree_session")(folder)
    assert run_checks.examine(folder).findings == ()


def test_faults_that_have_nothing_to_do_with_each_other_are_all_named(
    exported: Callable[[str], Path],
) -> None:
    folder = exported("3.4.0")
    for name in ("EXTENSION_APPS without the app", "driver that is too new", "never accepted"):
        FAULTS[name].edit(folder)
    found = [finding.what for finding in run_checks.examine(folder).findings]
    assert len(found) == 3


def test_the_release_that_is_named_settles_it(exported: Callable[[str], Path]) -> None:
    folder = exported("2.5.8")
    append("requirements_base.txt", "otree==5.11.5\n")(folder)
    assert len(run_checks.examine(folder).findings) == 1
    assert run_checks.examine(folder, "2.5.8").findings == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--otree", "two"], "'two' is not a known release"),
        (["--otree", "2.3.99"], "'2.3.99' is not a known release"),
        ([], "nothing in "),
        (["project/nowhere"], "is not a folder"),
        (["empty"], "it has no settings.py"),
    ],
)
def test_bad_input_ends_in_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "project/settings.py").write_text("SESSION_CONFIGS = []\n")
    where = [] if arguments and not arguments[0].startswith("-") else ["project"]
    ended = run(tmp_path, *where, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    command = [sys.executable, "-m", "channelsmin", "doctor", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_ends_with_status_0_or_1_and_says_what_was_looked_at(
    exported: Callable[[str], Path],
) -> None:
    folder = exported("6.0.15")
    healthy = run(folder.parent, "project")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert "oTree 6.0.15, real-time apps: channelsmin: nothing found." in healthy.stdout
    assert "Checked: Python, requirements, settings.py" in healthy.stdout
    (folder / "_static").rmdir()
    ill = run(folder.parent, "project/channelsmin")
    assert (ill.returncode, ill.stderr) == (1, "")
    where, why, fix = ill.stdout.splitlines()[:3]
    assert where == "_static: there is no folder _static"
    assert why.startswith("    why: oTree 5 and 6 do not start without it")
    assert fix == "    fix: create it, with any file in it"
    assert "one finding." in ill.stdout
