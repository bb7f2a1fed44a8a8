"""`channelsmin doctor` on small projects of each kind: faults, false alarms, doubtful places."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from channelsmin.project.doctor import run_checks
from channelsmin.project.doctor.finding import Finding
from tool.project.doctor.planted import (
    CONSUMERS,
    INIT,
    LEFT,
    TEMPLATES,
    Edit,
    append,
    change,
    each,
    findings,
    remove,
)

PAGE = f"{TEMPLATES}/MyPage.html"
SCRIPT, SOCKET, RESULTS = (f"{TEMPLATES}/{n}.html" for n in ("script", "socket", "Results"))
SEND = "await self.channel_layer.group_send(self.group_name, {'type': 'news', 'text': text})"
BEFORE = f"    @staticmethod\n    def before_next_page(player, timeout_{LEFT}"
LIVE = "        return {receiver: {'round': this_round, 'moved': moved}}"
DONE = '<button type="button" id="done"'


def _send(*lines: str) -> Edit:
    """Return the edit that sends to the group in another way."""
    return change(CONSUMERS, SEND, "\n            ".join(lines))


def _leave(text: str) -> Edit:
    return change(INIT, BEFORE, text)


def _answer(text: str) -> Edit:
    return change(INIT, LIVE, f"        {text}")


def _filter(text: str) -> Edit:
    return change(RESULTS, "{{ group.moved_by }}", text)


def _add(text: str) -> Edit:
    return append(SCRIPT, f"<script>\n{text}\n</script>\n")


SUBMITS = _add("function on() { document.getElementById('form').submit(); }")

FAULTS: dict[str, tuple[str, Edit, str]] = {
    # before_next_page and its neighbours: release, edit, what is said
    "bnp-one-arg": (
        "6.0.15",
        _leave("    @staticmethod\n    def before_next_page(player):\n        move_on(player)"),
        "MyPage.before_next_page(player) does not accept",
    ),
    "no-staticmethod-self": (
        "6.0.15",
        _leave("    def before_next_page(self):\n        move_on(self.player)"),
        "MyPage.before_next_page(self) does not accept",
    ),
    "bnp of another name": (
        "5.11.5",
        _leave("    @staticmethod\n    def before_next_page(player, timeout):\n        pass"),
        "MyPage.before_next_page(player, timeout) does not accept",
    ),
    "self.player": (
        "5.4.7",
        _leave("    def vars_for_template(self):\n        return {'x': self.player.id}"),
        "MyPage.vars_for_template(self) is called with the player",
    ),
    "two arguments": (
        "6.0.15",
        _leave("    @staticmethod\n    def get_timeout_seconds(player, session):\n        pass"),
        "get_timeout_seconds(player, session) does not accept",
    ),
    "error_message without values": (
        "5.0.8",
        _leave("    @staticmethod\n    def error_message(player):\n        pass"),
        "error_message(player) does not accept",
    ),
    # live methods
    "live-returns-plain": ("6.0.15", _answer("return {'round': 1, 'moved': moved}"), "key 'round'"),
    "a dict of keywords": ("5.11.5", _answer("return dict(moved=moved)"), "the key 'moved'"),
    "a text": ("5.4.7", _answer("return 'moved'"), "returns no dict"),
    "a list": ("6.0.15", _answer("return [receiver, moved]"), "returns no dict"),
    "0 and others": ("6.0.15", _answer("return {0: 1, 2: moved}"), "the key 0 and others"),
    "a dict in a variable": (
        "6.0.15",
        _answer("answer = {'moved': moved}\n        return answer"),
        "the key 'moved'",
    ),
    "yield-live-6-sync": ("6.0.15", _answer("yield {receiver: {'moved': moved}}"), "yields"),
    "yield on 5": ("5.11.5", _answer("yield {receiver: {'moved': moved}}"), "yields"),
    "async-live-5": (
        "5.11.5",
        change(INIT, "    def live_method(", "    async def live_method("),
        "is asynchronous",
    ),
    "async without yield on 6": (
        "6.0.15",
        change(INIT, "    def live_method(", "    async def live_method("),
        "is async and does not yield",
    ),
    "async and yields a text": (
        "6.0.15",
        each(
            change(INIT, "    def live_method(", "    async def live_method("),
            _answer("yield 'moved'"),
            change(
                INIT,
                "            return None\n        receiver",
                "            return\n        receiver",
            ),
        ),
        "returns no dict",
    ),
    # what oTree 5 does not have
    "django-import-5": (
        "5.11.5",
        each(
            append("channelsmin/helpers.py", "from django.db.models import Sum\n"),
            change(
                INIT,
                "from otree.database import db",
                "from otree.database import db\nfrom . import helpers",
            ),
        ),
        "imports django.db.models",
    ),
    "import django": ("6.0.15", append(INIT, "import django.utils\n"), "imports django.utils"),
    "objects-filter-5": (
        "5.11.5",
        _answer("return Player.objects.filter(group=1)"),
        "Player.objects",
    ),
    "Group.objects": (
        "6.0.15",
        append(INIT, "\ndef f(g):\n    Group.objects.all()\n"),
        "Group.objects",
    ),
    "type(x).objects": (
        "5.0.8",
        append(INIT, "\ndef f(g):\n    type(g).objects.get()\n"),
        ".objects",
    ),
    "floatformat-5": (
        "5.11.5",
        _filter("{{ group.moved_by|floatformat:0 }}"),
        "filter floatformat",
    ),
    "date": ("6.0.15", _filter("{{ group.moved_at|date }}"), "the filter date"),
    "to3 on 5": ("5.11.5", _filter("{{ group.moved_by|to3 }}"), "the filter to3"),
    "yesno": ("5.0.8", _filter("{% if group.moved_by|yesno %}1{% endif %}"), "the filter yesno"),
    "a tag": ("5.11.5", _filter("{% cycle 'a' 'b' %}"), "the tag cycle"),
    "a tag of 6": ("5.8.5", _filter("{% back_button %}"), "the tag back_button"),
    "forminputs-5.8": ("5.11.5", _add("var n = formInputs.guess.value;"), "formInputs"),
    "forminputs before 5.8.5": ("5.8.0", _add("forminputs.guess.value = 1;"), "forminputs"),
    "formInputs before 5.7": ("5.4.7", _add("formInputs.guess.value = 1;"), "formInputs"),
    # forms
    "button-named-submit": (
        "6.0.15",
        each(change(PAGE, DONE, f'{DONE} name="submit"'), SUBMITS),
        "a control on the page MyPage is called submit",
    ),
    "id submit": (
        "3.4.0",
        each(change(PAGE, DONE, DONE.replace("done", "submit")), SUBMITS),
        "is called submit",
    ),
    "input": (
        "5.11.5",
        each(append(SCRIPT, '<input type="hidden" id="submit">'), SUBMITS),
        "is called submit",
    ),
    # Channels 2
    "type-missing-in-variable": (
        "2.5.8",
        _send(
            "event = {'text': text}", "await self.channel_layer.group_send(self.group_name, event)"
        ),
        "has no type",
    ),
    "dict()": (
        "2.3.33",
        _send("event = dict(text=text)", "await self.channel_layer.group_send('x', event)"),
        "has no type",
    ),
    "by keyword": (
        "3.4.0",
        _send("await self.channel_layer.group_send(group='x', message={'text': text})"),
        "has no type",
    ),
    "starred": (
        "3.4.0",
        _send(
            "base = {'text': text}", "await self.channel_layer.group_send('x', {**base, 'a': 1})"
        ),
        "has no type",
    ),
    "made by a function": (
        "2.6.0b24",
        each(
            _send("await self.channel_layer.group_send('x', event(text))"),
            append(CONSUMERS, "\n\ndef event(text):\n    return {'text': text}\n"),
        ),
        "has no type",
    ),
    "async-to-sync-in-async": (
        "2.5.8",
        each(
            _send(f"async_to_sync(self.channel_layer.group_send)({SEND.partition('(')[2]}"),
            change(
                CONSUMERS, "import json\n", "import json\nfrom asgiref.sync import async_to_sync\n"
            ),
        ),
        "async_to_sync is called inside the coroutine receive",
    ),
    "accept-not-awaited": (
        "2.5.8",
        change(CONSUMERS, "await self.accept()", "self.accept()"),
        "accept is called and not awaited",
    ),
    "send not awaited": (
        "3.4.0",
        change(CONSUMERS, "await self.send(text)", "self.send(text)"),
        "send is called and not awaited",
    ),
    "close not awaited": (
        "2.3.33",
        change(CONSUMERS, "await self.close()", "self.close()"),
        "close is called and not awaited",
    ),
    "the database not awaited": (
        "3.4.0",
        change(CONSUMERS, "player = await database", "player = database"),
        "database_sync_to_async(…)(…) is called and not awaited",
    ),
    "own coroutine not awaited": (
        "3.4.0",
        each(
            _send("self.tell(text)"),
            change(
                CONSUMERS,
                "    async def news(",
                "    async def tell(self, t):\n        pass\n\n    async def news(",
            ),
        ),
        "tell is called and not awaited",
    ),
    "a space in a group's name": (
        "2.5.8",
        change(CONSUMERS, "'channelsmin-{}'", "'channelsmin {}'"),
        "the name of the group contains ' '",
    ),
    "a colon in a group's name": (
        "2.2.4",
        change(CONSUMERS, "group = channels.Group('channelsmin-", "group = channels.Group('a:"),
        "the name of the group contains ':'",
    ),
    "an umlaut by %": (
        "3.4.0",
        change(
            CONSUMERS, "'channelsmin-{}'.format(player.group_id)", "'größe-%d' % player.group_id"
        ),
        "the name of the group contains",
    ),
    # addresses
    "ws-hardcoded-scheme": (
        "2.5.8",
        change(SOCKET, "location.origin.replace('http', 'ws') +", "'ws://' + location.host +"),
        "the socket's scheme is written out: ws://",
    ),
    "localhost": (
        "2.5.8",
        change(SOCKET, "location.origin.replace('http', 'ws') +", "'ws://localhost:8000' +"),
        "the socket's host is written out: localhost",
    ),
    "127.0.0.1": (
        "3.4.0",
        change(SOCKET, "location.origin.replace('http', 'ws') +", "'wss://127.0.0.1' +"),
        "the socket's host is written out: 127.0.0.1",
    ),
    "ws:// by a backtick": (
        "2.2.4",
        change(SOCKET, "location.origin.replace('http', 'ws') + '", "`ws://${location.host}` + '"),
        "the socket's scheme is written out: ws://",
    ),
    # base templates
    "base-template-own": (
        "6.0.15",
        each(
            append("_templates/global/X.html", ""),
            append(
                "_templates/global/Base.html",
                "<html><form id=form>{% block title %}{% endblock %}{% block styles %}{% endblock "
                "%}"
                "{% block content %}{% endblock %}</form>{% block scripts %}{% endblock %}</html>",
            ),
            change(PAGE, "otree/Page.html", "global/Base.html"),
        ),
        "global/Base.html does not extend otree/Page.html",
    ),
    "a block of another name": (
        "5.11.5",
        change(PAGE, "{% block scripts %}", "{% block script %}"),
        "the base template has no block 'script'",
    ),
    "a block on 3.4": (
        "3.4.0",
        change(RESULTS, "{% block content %}", "{% block contents %}"),
        "the base template has no block 'contents'",
    ),
    # sessions, hosts
    "session-config-missing-app": (
        "6.0.15",
        append("settings.py", "SESSION_CONFIGS += [dict(name='x', app_sequence=['channelmin'])]\n"),
        "app_sequence names 'channelmin'",
    ),
    "missing next to one that is there": (
        "2.5.8",
        append(
            "settings.py",
            "SESSION_CONFIGS += [{'name': 'x', 'app_sequence': ['channelsmin', 'pay']}]\n",
        ),
        "app_sequence names 'pay'",
    ),
    "timeout-6": (
        "6.0.15",
        each(
            change(INIT, "class MyPage(Page):\n", "class MyPage(Page):\n    timeout_seconds = 4\n"),
            change(INIT, "if not (timeout_happened or player.participant._is_bot):", "if True:"),
        ),
        "a timeout on MyPage counts as a click",
    ),
    "pipfile-py": (
        "2.5.8",
        append("Pipfile", '[requires]\npython_version = "3.11"\n'),
        "Python 3.11 is refused",
    ),
    "pyproject-py": (
        "2.5.8",
        append("pyproject.toml", '[project]\nrequires-python = ">=3.11"\n'),
        "Python >=3.11 is refused",
    ),
    "a Dockerfile's Python": (
        "3.4.0",
        append("Dockerfile", "FROM python:3.12-slim\n"),
        "3.12 is refused",
    ),
    "conda's Python": (
        "2.5.8",
        append("environment.yml", "dependencies:\n  - python=3.9\n"),
        "Python 3.9 is refused",
    ),
    "rU": (
        "2.2.4",
        append("runtime.txt", "python-3.12.1\n"),
        "Python 3.12 is refused by oTree 2.2.4",
    ),
    "procfile-redis": (
        "2.1.28",
        each(
            append("Procfile", "web: otree runprodserver1of2\nworker: otree runprodserver2of2\n"),
            append("runtime.txt", "python-3.7.13\n"),
        ),
        "needs Redis",
    ),
    "heroku-no-python": (
        "3.4.0",
        append("Procfile", "web: otree prodserver1of2\nworker: otree prodserver2of2\n"),
        "no file names the Python for the host",
    ),
    "procfile-gunicorn": (
        "6.0.15",
        append("Procfile", "web: gunicorn otree.asgi:app -k uvicorn.workers.UvicornWorker -w 4\n"),
        "gunicorn serves the pages",
    ),
    "daphne": ("5.11.5", append("Procfile", "web: daphne otree.asgi:app\n"), "daphne serves"),
    "procfile-two-web": (
        "6.0.15",
        append("Procfile", "web: otree prodserver1of2\nweb2: otree prodserver1of2\n"),
        "2 server processes of oTree 6.0.15",
    ),
    "replicas": (
        "6.0.15",
        append(
            "docker-compose.yml",
            "services:\n  web:\n    command: otree prodserver1of2\n    deploy:\n      replicas: "
            "3\n",
        ),
        "3 server processes of oTree 6.0.15",
    ),
    "dynos": (
        "5.11.5",
        append("app.json", '{"formation": {"web": {"quantity": 2}}}\n'),
        "2 web dynos of oTree 5.11.5",
    ),
    "webandworkers": (
        "6.0.15",
        append("Procfile", "web: otree webandworkers\n"),
        "oTree 6.0.15 has no command webandworkers",
    ),
    # other forms of the same kinds
    "an answer as JSON": ("6.0.15", _answer("return json.dumps({'moved': moved})"), "no dict"),
    "a participant's code as the key": (
        "6.0.15",
        _answer("return {player.participant.code: {'moved': moved}}"),
        "a key that is no id_in_group",
    ),
    "objects of the class": (
        "5.11.5",
        append(INIT, "def count(player):\n    return player.__class__.objects.count()\n"),
        "__class__.objects",
    ),
    "save": (
        "5.11.5",
        append(INIT, "def keep(player):\n    player.group.save()\n"),
        "calls group.save()",
    ),
    "a field called submit": (
        "6.0.15",
        each(
            change(
                INIT,
                "class Player(BasePlayer):\n    pass",
                "class Player(BasePlayer):\n    submit = models.IntegerField(initial=0)",
            ),
            change(
                INIT,
                "class MyPage(Page):\n",
                "class MyPage(Page):\n    form_model = 'player'\n    form_fields = ['submit']\n",
            ),
            SUBMITS,
        ),
        "a field of the page MyPage is called submit",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_each_kind_is_the_only_finding(
    name: str, exported: Callable[[str], Path]
) -> None:
    release, edit, what = FAULTS[name]
    folder = exported(release)
    edit(folder)
    (finding,) = findings(folder)
    assert what in finding.what
    assert finding.why
    assert finding.fix
    file, _, line = finding.where.partition(":")
    assert (folder / file).exists()
    assert not line or int(line) <= len((folder / file).read_text().splitlines())


HEALTHY: dict[str, tuple[str, Edit]] = {
    "as_route": (
        "2.2.4",
        each(
            change(
                "channelsmin/otree_extensions/routing.py",
                "route_class(MyPageConsumer, ",
                "MyPageConsumer.as_route(",
            ),
            change(
                "channelsmin/otree_extensions/routing.py",
                "from channels.routing import route_class\n",
                "",
            ),
        ),
    ),
    "a helper without pages": (
        "2.5.8",
        each(
            append("ticker/__init__.py", ""),
            append(
                "ticker/consumers.py",
                "from channels.generic.websocket import WebsocketConsumer as W\n"
                "class TickerConsumer(W):\n    pass\n",
            ),
            append("ticker/otree_extensions/__init__.py", ""),
            append(
                "ticker/otree_extensions/routing.py",
                "from django.conf.urls import url\n"
                "from ..consumers import TickerConsumer\n"
                "websocket_routes = [url('^ticker/$', TickerConsumer)]\n",
            ),
            append(
                RESULTS,
                "<script>new WebSocket((a ? 'wss://' : 'ws://') + location.host + "
                "'/ticker/')</script>",
            ),
            change("settings.py", "EXTENSION_APPS = [", "EXTENSION_APPS = ['ticker', "),
        ),
    ),
    "include by a constant": (
        "5.6.0",
        each(
            change(PAGE, '{% include "channelsmin/socket.html" %}', "{% include C.PART %}"),
            change(PAGE, '{% include "channelsmin/script.html" %}', ""),
        ),
    ),
    "live by a decorator": (
        "5.11.4",
        each(
            change(INIT, "class MyPage(Page):", "@live_page\nclass MyPage(Page):"),
            change(INIT, "    def live_method(", "    def live_say("),
            change(
                INIT, "class Subsession", "from lib.live import live_page\n\n\nclass Subsession"
            ),
        ),
    ),
    "live by an assignment": (
        "6.0.15",
        each(
            change(INIT, "    def live_method(", "    def live_say("),
            change(
                INIT, "page_sequence = ", "MyPage.live_method = MyPage.live_say\npage_sequence = "
            ),
        ),
    ),
    "tests in a folder": (
        "2.5.8",
        each(
            remove("channelsmin/tests.py"),
            append("channelsmin/tests/__init__.py", "from .. import pages\n"),
            append("channelsmin/tests/test_old.py", "from channelsmin import views\n"),
        ),
    ),
    "a file that the server does not import": (
        "5.11.5",
        append(
            "channelsmin/analysis.py",
            "import django\nfrom . import nothing\nPlayer.objects.all()\n",
        ),
    ),
    "a Python that was only never tried": ("5.11.4", append(".python-version", "3.13\n")),
    "DEBUG off": ("2.5.8", append("settings.py", "DEBUG = False\n")),
    "an app in no app_sequence": (
        "5.11.4",
        append(
            "old_chat/__init__.py",
            "from otree.api import *\nclass Ask(Page):\n"
            "    @staticmethod\n    def live_method(player, data):\n        return 'no'\n"
            "page_sequence = [Ask]\n",
        ),
    ),
    "django in a try": (
        "5.11.5",
        append(INIT, "try:\n    import django\nexcept ImportError:\n    django = None\n"),
    ),
    "a message whose type is set later": (
        "3.4.0",
        _send(
            "e = {'text': text}",
            "e['type'] = 'news'",
            "await self.channel_layer.group_send('x', e)",
        ),
    ),
    "a message from elsewhere": (
        "3.4.0",
        _send("await self.channel_layer.group_send('x', make(text))"),
    ),
    "async_to_sync in a function inside": (
        "3.4.0",
        _send(
            "def tell():",
            "    async_to_sync(self.channel_layer.group_send)('x', {'type': 'news'})",
            "await database_sync_to_async(tell)()",
        ),
    ),
    "a scheme that is chosen": (
        "2.5.8",
        change(
            SOCKET,
            "location.origin.replace('http', 'ws') +",
            "(location.protocol == 'https:' ? 'wss://' : 'ws://') + location.host +",
        ),
    ),
    "filters and tags of oTree 6": (
        "6.0.15",
        _filter("{{ group.moved_by|to2 }}{{ if 1 || 0 }}{{ endif }}"),
    ),
    "self that is a player": (
        "6.0.15",
        _leave("    def vars_for_template(self):\n        return {'x': self.id_in_group}"),
    ),
    "a default argument": (
        "6.0.15",
        _leave(
            "    @staticmethod\n    def before_next_page(player, timeout_happened=False):\n       "
            " pass"
        ),
    ),
    "a base class with a block": (
        "5.11.5",
        each(
            append(
                "_templates/global/X.html",
                '{% extends "otree/Page.html" %}'
                "{% block content %}{% block inner %}{% endblock %}{% endblock %}",
            ),
            change(RESULTS, "otree/Page.html", "global/X.html"),
            change(RESULTS, "{% block content %}", "{% block inner %}"),
        ),
    ),
    "a timeout that is told apart": (
        "6.0.15",
        change(INIT, "class MyPage(Page):\n", "class MyPage(Page):\n    timeout_seconds = 4\n"),
    ),
    "the Procfile of this oTree": (
        "6.0.15",
        append("Procfile", "web: otree prodserver1of2\nworker: otree prodserver2of2\n"),
    ),
    "a Procfile with Redis": (
        "2.5.8",
        each(
            append("Procfile", "web: otree runprodserver1of2\nworker: otree runprodserver2of2\n"),
            append("runtime.txt", "python-3.7.16\n"),
            append("app.json", '{"addons": ["heroku-redis"]}\n'),
        ),
    ),
    "save of something else": (
        "5.11.5",
        append(INIT, "def keep(figure):\n    figure.save('a.png')\n"),
    ),
    "a form that is submitted, with a field of another name": (
        "6.0.15",
        each(append(PAGE, '<button id="submit-it" type="button">Go</button>'), SUBMITS),
    ),
    # seen in public projects
    "an editor's history, and a copy with a space in its name": (
        "5.11.5",
        each(
            append("channelsmin/.history/__init___2021.py", "def broken(:\n"),
            append("channelsmin/pages copy.py", "class MyPage(Page):\n    pass\n"),
        ),
    ),
    "pages in another module of an app without self": (
        "6.0.15",
        each(
            append(
                "quiz/__init__.py", "from otree.api import *\nfrom .pages import page_sequence\n"
            ),
            append(
                "quiz/pages.py",
                "from otree.api import Page\n\n\nclass Ask(Page):\n    @staticmethod\n"
                "    def vars_for_template(player):\n        return {}\n\n\n"
                "page_sequence = [Ask]\n",
            ),
            append("quiz/Ask.html", "{{ block content }}{{ endblock }}"),
            change(
                "settings.py",
                "'app_sequence': ['channelsmin']",
                "'app_sequence': ['channelsmin', 'quiz']",
                times=2,
            ),
        ),
    ),
    "a tag that prints a variable": ("5.11.5", _filter("{% group.moved_by %}")),
    "an empty block, and one with no more than super": (
        "5.11.5",
        append(
            RESULTS, "{% block form %}\n{% endblock %}{% block vars %}{{ super() }}{% endblock %}"
        ),
    ),
    "a style sheet in a block of no base": (
        "5.11.5",
        append(RESULTS, "{% block css %}<style>p {margin: 0}</style>{% endblock %}"),
    ),
    "a script that asks whether there is liveSend": (
        "6.0.15",
        append(
            RESULTS,
            "{{ block scripts }}<script>if (typeof liveSend !== 'undefined') liveSend('here');"
            "</script>{{ endblock }}",
        ),
    ),
    "a script of modules that calls liveSend": (
        "6.0.15",
        each(
            change(PAGE, '{% include "channelsmin/script.html" %}', ""),
            change(PAGE, '{% include "channelsmin/socket.html" %}', ""),
            append("_static/page.mjs", "liveSend('here')\n"),
        ),
    ),
    "objects in a try": (
        "5.11.5",
        append(
            INIT, "try:\n    every = Session.objects.all()\nexcept Exception:\n    every = []\n"
        ),
    ),
    "a timeout that calls what only reads": (
        "6.0.15",
        each(
            change(INIT, "class MyPage(Page):\n", "class MyPage(Page):\n    timeout_seconds = 4\n"),
            change(INIT, LEFT, "happened):\n        current(player)"),
            change(INIT, "this_round = str(", "current(player)\n        this_round = str("),
            change(
                INIT,
                "class MyPage(Page):\n",
                "def current(player):\n    return player.group.moved_by\n\n\nclass MyPage(Page):\n",
            ),
        ),
    ),
    "routes that nothing imports on oTree 6": (
        "6.0.15",
        append(
            "channelsmin/admin_extensions/routing.py",
            "from channels.routing import route_class\n"
            "from otree.channels.routing import channel_routing\n"
            "channel_routing = [route_class(Export, path='^/export/$')]\n",
        ),
    ),
    "a list of routes that the project's own CHANNEL_ROUTING takes up": (
        "2.2.4",
        each(
            change("channelsmin/otree_extensions/routing.py", "channel_routing", "my_routes"),
            append("settings.py", "CHANNEL_ROUTING = 'routes.channel_routing'\n"),
            append(
                "routes.py",
                "from otree.channels.routing import channel_routing\n"
                "from channelsmin.otree_extensions.routing import my_routes\n"
                "channel_routing += my_routes\n",
            ),
        ),
    ),
    "requirements of a fork": (
        "2.2.4",
        change(
            "requirements.txt",
            "otree==2.2.4",
            "git+https://github.com/somelab/otree-core@2.2.4#egg=otree\nchannels==1.1.8",
        ),
    ),
    "a sequence that is computed": (
        "6.0.15",
        append(
            "settings.py",
            "APPS = ['channelsmin']\n"
            "SESSION_CONFIGS += [dict(name='x', app_sequence=APPS[:1] + ['channelsmin'])]\n",
        ),
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_project_of_each_kind_gives_no_finding(
    name: str, exported: Callable[[str], Path]
) -> None:
    release, edit = HEALTHY[name]
    folder = exported(release)
    edit(folder)
    assert findings(folder) == ()


@pytest.mark.parametrize(
    ("wanted", "edit", "what"),
    [
        ("5.11.4", append(".python-version", "3.13\n"), "Python 3.13 is untested"),
        (*HEALTHY["an app in no app_sequence"], "not checked, as no session config has them"),
        (
            "2.5.8",
            append("channelsmin/tests.py", "from .models import Nothing\n"),
            "imports Nothing",
        ),
        (
            "2.5.8",
            each(
                append("Procfile", "web: otree runprodserver1of2\n"),
                append("runtime.txt", "python-3.7.16\n"),
                append("app.json", '{"addons": ["heroku-redis"]}\n'),
            ),
            "only the first half",
        ),
    ],
)
def test_what_is_doubtful_is_a_remark(
    wanted: str, edit: Edit, what: str, exported: Callable[[str], Path]
) -> None:
    folder = exported(wanted)
    edit(folder)
    report = run_checks.examine(folder)
    (remark,) = report.remarks
    assert report.findings == ()
    assert what in remark.what
    assert any(line.startswith("remark: ") for line in report.lines())


QUIZ = """\
from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models


class C(BaseConstants):
    NAME_IN_URL = 'quiz'
    PLAYERS_PER_GROUP = 3
    NUM_ROUNDS = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    pass


class Player(BasePlayer):
    guess = models.IntegerField({field})


class Ask(Page):
    form_model = 'player'
    form_fields = ['guess']

    @staticmethod
    def live_method(player, message):
        return {{0: 'on'}}


page_sequence = [Ask]
"""

ASK = """\
{{{{ block content }}}}
{{{{ formfields }}}}
<button type="button" onclick="liveSend('click')">Done</button>
<script>
function liveRecv(message) {{
    {hears}
}}
</script>
{{{{ endblock }}}}
"""


@pytest.mark.parametrize(
    ("field", "hears", "is_fault"),
    [
        ("", "document.getElementById('form').submit();", True),
        ("min=1, max=9", "document.forms[0].submit()", True),
        ("label='How much?'", "if (message) { form.submit() }", True),
        ("", "document.querySelector('form').requestSubmit();", True),
        ("choices=[1, 2]", "$('#form').submit();", True),
        ("blank=True", "document.getElementById('form').submit();", False),
        ("initial=0", "document.getElementById('form').submit();", False),
        ("", "location.reload();", False),
        ("", "forminputs.guess.value = 3; document.forms[0].submit();", False),
    ],
)
def test_a_message_that_submits_an_empty_required_field_is_named(
    field: str, hears: str, is_fault: bool, tmp_path: Path
) -> None:
    write_quiz(tmp_path, QUIZ.format(field=field), ASK.format(hears=hears))
    found = findings(tmp_path)
    assert [one.what for one in found] == (
        ["a message submits the form while guess may be empty"] if is_fault else []
    )


def write_quiz(folder: Path, code: str, template: str) -> None:
    (folder / "settings.py").write_text(
        "SESSION_CONFIGS = [dict(name='quiz', num_demo_participants=3, app_sequence=['quiz'])]\n"
    )
    (folder / "requirements.txt").write_text("otree==6.0.15\n")
    (folder / "_static").mkdir()
    (folder / "quiz").mkdir()
    (folder / "quiz/__init__.py").write_text(code)
    (folder / "quiz/Ask.html").write_text(template)


def test_an_otree_that_is_too_old_is_the_finding(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("SESSION_CONFIGS = []\n")
    (tmp_path / "requirements.txt").write_text("otree-core==1.1.2\n")
    (finding,) = findings(tmp_path)
    assert isinstance(finding, Finding)
    assert finding.what == "oTree 1.1.2 is older than any variant"
    assert finding.where == "requirements.txt:1"


def test_a_line_that_pip_refuses_is_a_finding(exported: Callable[[str], Path]) -> None:
    folder = exported("3.4.0")
    change("requirements.txt", "otree==3.4.0", "otree=3.4.0")(folder)
    (finding,) = findings(folder)
    assert finding.what == "a line about oTree is not a requirement"
    assert finding.fix == "write otree==3.4.0"


def test_each_module_is_walked_once_however_many_classes_there_are(
    tmp_path: Path, walked: list[ast.Module]
) -> None:
    rows = "".join(f"class Row{n}(Page):\n    form_fields = ['guess']\n\n\n" for n in range(400))
    names = ", ".join(f"Row{n}" for n in range(400))
    code = QUIZ.format(field="").replace(
        "page_sequence = [Ask]", f"{rows}page_sequence = [{names}]"
    )
    write_quiz(tmp_path, code, "{{ block content }}{{ endblock }}")
    for number in range(400):
        (tmp_path / f"quiz/Row{number}.html").write_text("{{ block content }}{{ endblock }}")
    assert findings(tmp_path) == ()
    assert len(walked) <= 1
