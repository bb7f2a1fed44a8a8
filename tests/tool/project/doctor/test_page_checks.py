"""`channelsmin doctor`: each planted fault in pages, templates and scripts is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tool.project.doctor.planted import (
    ROUTING,
    TEMPLATES,
    Fault,
    append,
    change,
    check,
    remove,
)

FAULTS = {
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
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_else_is(
    name: str, exported: Callable[[str], Path]
) -> None:
    folder = exported(FAULTS[name].release)
    FAULTS[name].edit(folder)
    check(FAULTS[name], folder)
