"""Fields that are None: what the doctor names, and what it leaves to the person."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tool.project.doctor.planted import INIT, LEFT, append, change, each, findings

FIELD = "moved_by = models.IntegerField(initial=0, doc"
NO_START = change(INIT, FIELD, "moved_by = models.IntegerField(doc")
FIELDS = "class Player(BasePlayer):\n    pass"
TAKEN = "class Player(BasePlayer):\n    taken = models.IntegerField({})\n"
RESULTS_PAGE = "class Results(Page):\n    pass\n"


def page(body: str, field: str = "") -> Callable[[Path], None]:
    """Return the edit that gives the player a field, and MyPage more code."""
    return each(
        change(INIT, FIELDS, TAKEN.format(field).rstrip()),
        change(INIT, "class MyPage(Page):\n", f"class MyPage(Page):\n{body}\n"),
    )


DISPLAYED = "    @staticmethod\n    def is_displayed(player):\n        {}\n"
NOT_DISPLAYED = change(INIT, "def is_displayed(player):", "def is_shown(player):")
SET_LATER = change(INIT, LEFT, "happened):\n        player.taken = 1")

FAULTS = {
    "tested before it is first set": (NO_START, "group.moved_by"),
    "an addition": (
        page("    @staticmethod\n    def js_vars(player):\n        player.taken += 1\n"),
        "player.taken",
    ),
    "compared with None, and set on the same page": (
        each(NOT_DISPLAYED, page(DISPLAYED.format("return player.taken is None")), SET_LATER),
        "player.taken",
    ),
    "shown, and set when the page is left": (
        each(
            page(
                "    @staticmethod\n    def vars_for_template(player):\n"
                "        return dict(taken=player.taken)\n"
            ),
            SET_LATER,
        ),
        "player.taken",
    ),
    "never set": (
        each(NOT_DISPLAYED, page(DISPLAYED.format("return not player.taken"))),
        "player.taken",
    ),
    "an initial value of None": (
        each(NOT_DISPLAYED, page(DISPLAYED.format("return not player.taken"), "initial=None")),
        "player.taken",
    ),
}


@pytest.mark.parametrize("wanted", ["5.0.8", "6.0.15"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_field_that_is_certainly_none_is_named(
    name: str, wanted: str, exported: Callable[[str], Path]
) -> None:
    edit, what = FAULTS[name]
    folder = exported(wanted)
    edit(folder)
    (finding,) = findings(folder)
    assert finding.what == f"reads {what} while it is None"
    assert finding.where.startswith(INIT)


SHOWN = (
    "    @staticmethod\n    def vars_for_template(player):\n{}        return dict(x=player.taken)\n"
)

HEALTHY = {
    "set in the line before": page(SHOWN.format("        player.taken = 3\n")),
    "set in the line before, and elsewhere": each(
        page(SHOWN.format("        player.taken = player.id_in_group\n")), SET_LATER
    ),
    "set by a function that is called before": each(
        page(SHOWN.format("        take(player)\n")),
        append(INIT, "\n\ndef take(player):\n    player.taken = 1\n"),
    ),
    "a value from the start": page(DISPLAYED.format("return not player.taken"), "initial=0"),
    "field_maybe_none": page(
        "    @staticmethod\n    def js_vars(player):\n"
        "        return dict(x=player.field_maybe_none('taken'))\n"
    ),
    "set when the session is created": each(
        page("    @staticmethod\n    def js_vars(player):\n        return dict(x=player.taken)\n"),
        append(
            INIT,
            "\n\ndef creating_session(subsession):\n"
            "    for p in subsession.get_players():\n        p.taken = 1\n",
        ),
    ),
    "a field of the form": each(
        page(
            "    form_model = 'player'\n    form_fields = ['taken']\n\n    @staticmethod\n"
            "    def js_vars(player):\n        return {}\n",
            "blank=True",
        ),
        change(
            INIT,
            RESULTS_PAGE.rstrip(),
            RESULTS_PAGE.replace("pass", "").rstrip() + "\n"
            "    @staticmethod\n    def js_vars(player):\n        return dict(x=player.taken)",
        ),
    ),
    "set on the page before": each(
        page(""),
        SET_LATER,
        change(
            INIT,
            RESULTS_PAGE.rstrip(),
            RESULTS_PAGE.replace("pass", "").rstrip() + "\n"
            "    @staticmethod\n    def js_vars(player):\n        return dict(x=player.taken)",
        ),
    ),
    "caught": page(
        "    @staticmethod\n    def js_vars(player):\n        try:\n"
        "            return dict(x=player.taken)\n        except TypeError:\n"
        "            return {}\n"
    ),
    "read in one case, and set in another": each(
        page(""),
        change(
            INIT,
            "        this_round = str(",
            "        if message == 'ask' and player.taken:\n            return None\n"
            "        if message == 'take':\n            player.taken = 1\n"
            "        this_round = str(",
        ),
    ),
    "set by its name": each(
        page("    @staticmethod\n    def js_vars(player):\n        return dict(x=player.taken)\n"),
        append(INIT, "\n\ndef put(player, name):\n    setattr(player, name, 1)\n"),
    ),
    "set by a helper of an unknown caller": each(
        page("    @staticmethod\n    def js_vars(player):\n        return dict(x=player.taken)\n"),
        append(INIT, "\n\ndef take(player):\n    player.taken = 1\n"),
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_field_that_may_have_a_value_is_left_alone(
    name: str, exported: Callable[[str], Path]
) -> None:
    folder = exported("6.0.15")
    HEALTHY[name](folder)
    assert findings(folder) == ()


def test_earlier_releases_have_no_such_error(exported: Callable[[str], Path]) -> None:
    folder = exported("3.4.0")
    change(
        "channelsmin/models.py",
        "moved_by = models.IntegerField(initial=0",
        "moved_by = models.IntegerField(initial=None",
    )(folder)
    assert findings(folder) == ()
