"""`channelsmin doctor`: each planted fault in requirements, settings and leftovers is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from channelsmin.project import add
from tool.project.doctor.planted import (
    Fault,
    append,
    change,
    check,
    database,
    each,
    remove,
)

FAULTS = {
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
        "oTree 2.0.19 can't be installed by pip alone",
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
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_else_is(
    name: str, exported: Callable[[str], Path]
) -> None:
    folder = exported(FAULTS[name].release)
    FAULTS[name].edit(folder)
    check(FAULTS[name], folder)
