"""`channelsmin doctor` as a whole: healthy projects, several faults, bad input, what it prints."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from channelsmin.project import add
from channelsmin.project.doctor import run_checks
from tool.project.doctor.planted import append, change, database
from tool.project.doctor.test_app_checks import FAULTS as APP_FAULTS
from tool.project.doctor.test_project_checks import FAULTS as PROJECT_FAULTS

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


each_line = pytest.mark.parametrize("wanted", LINES)


@pytest.mark.parametrize("wanted", [*LINES, "5.0.0a26"])
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
    for faults, name in (
        (PROJECT_FAULTS, "EXTENSION_APPS without the app"),
        (PROJECT_FAULTS, "driver that is too new"),
        (APP_FAULTS, "never accepted"),
    ):
        faults[name].edit(folder)
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


def test_the_text_of_a_message_is_looked_up(tmp_path: Path) -> None:
    known = run(tmp_path, "RuntimeWarning: coroutine 'x' was never awaited")
    assert known.returncode == 0
    assert "fix: write `await` before the call" in known.stdout
    unknown = run(tmp_path, "it just does not work " * 20)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no known message contains these words" in unknown.stderr
    assert unknown.stderr.count("\n") == 1
