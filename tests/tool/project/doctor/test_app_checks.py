"""`channelsmin doctor`: each planted fault in consumers, routes and imports is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from channelsmin.project import add
from tool.project.doctor.planted import (
    CONSUMERS,
    ROUTING,
    Fault,
    append,
    change,
    check,
    copy_by_hand,
    each,
    remove,
    same_address,
)

FAULTS = {
    "release of another variant": Fault(
        "2.3.33",
        change("requirements.txt", "otree==2.3.33", "otree==3.4.0"),
        "is made for oTree 2.3.0b1 to 2.5.8",
        "channelsmin/release_check.py",
        "'channelsmin: found oTree",
    ),
    "app of another variant, without its own check": Fault(
        "2.2.4",
        each(
            change("requirements.txt", "otree==2.2.4", "otree==2.5.8"),
            change("settings.py", "\nCHANNEL_LAYERS = {", "\nNOT_USED = {"),
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
    "app that is no Python": Fault(
        "2.5.8",
        change(CONSUMERS, "async def receive(", "async receive("),
        "a syntax error",
        CONSUMERS,
        "async receive(",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_else_is(
    name: str, exported: Callable[[str], Path]
) -> None:
    folder = exported(FAULTS[name].release)
    FAULTS[name].edit(folder)
    check(FAULTS[name], folder)
