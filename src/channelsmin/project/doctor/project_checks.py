"""What can be wrong with a project apart from its apps: pins, settings, leftovers, Redis."""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.matrix import notes, releases
from channelsmin.project import add, detect_release, pick
from channelsmin.project.doctor import app_checks
from channelsmin.project.doctor.context import CHANNELS_1, CHANNELS_2, LIVE_PAGES, Project
from channelsmin.project.doctor.finding import Finding

AUGMENTED_BY_HAND = SpecifierSet("<2.0.20", prereleases=True)
"""Releases whose settings.py has to call augment_settings."""


REDIS_IN_PRODUCTION = SpecifierSet("<2.6.0b18", prereleases=True)
"""Releases whose production server has its channel layer in Redis (docs/deploy.md)."""


OWN_CHANNELS = SpecifierSet(">=3.3.0b1,<5", prereleases=True)
"""Releases that bring a copy of the package channels along."""


LEFTOVER = "__temp_migrations"
"""Where the development server of oTree 2 and 3 keeps what it knows of the database."""


def _bad_release(its: Project) -> Iterator[Finding]:
    row = releases.rows().get(its.release)
    if why := notes.not_installable(its.release) or (row and row.yanked):
        yield Finding(
            f"oTree {its.release} can't be installed, or was withdrawn",
            _place_of_otree(its),
            why,
            "take the next release of its line",
        )


def _place_of_otree(its: Project) -> str:
    places = [wanted.where for wanted in its.wanted if wanted.name in detect_release.NAMES]
    return next(iter([*places, *(source.place for source in its.picked.sources)]), "settings.py")


def _python(its: Project) -> Iterator[Finding]:
    for place, python in its.picked.own_pythons:
        if how := pick.objection(python, its.release):
            use = pick.either(its.picked.pythons)
            yield Finding(
                f"Python {python} {how} oTree {its.release}",
                f"{place}:1" if (its.folder / place).is_file() else place,
                f"what this oTree is built upon works with Python {use}",
                f"take Python {use} for this project",
            )


def _pins(its: Project) -> Iterator[Finding]:
    """Find requirements that can't be had together with those of oTree."""
    row = releases.rows().get(its.release)
    theirs = releases.requires(row.requires) if row and row.requires else ()
    by_name: dict[str, list[SpecifierSet]] = {}
    for one in map(Requirement, theirs):
        if one.marker is None:
            by_name.setdefault(canonicalize_name(one.name), []).append(one.specifier)
    for wanted in its.wanted:
        for specifier in by_name.get(wanted.name, ()):
            if not _agree(wanted.specifier, specifier):
                yield Finding(
                    f"{wanted.name}{wanted.specifier} and oTree {its.release} exclude each other",
                    wanted.where,
                    f"oTree {its.release} requires {wanted.name}{specifier}, so pip refuses both, "
                    "or takes another oTree",
                    f"remove the line: oTree brings {wanted.name} along",
                )
        if wanted.name in {"channels", "channels-redis"} and its.release in OWN_CHANNELS:
            yield Finding(
                f"{wanted.name} is installed over oTree's own copy of channels",
                wanted.where,
                "from 3.3.0b1 to 3.4.0 oTree brings a package of that name, and the two end up in "
                "one folder",
                "remove the line",
            )


def _agree(one: SpecifierSet, other: SpecifierSet) -> bool:
    pins = [
        its.version for its in [*one, *other] if its.operator == "==" and "*" not in its.version
    ]
    return all(
        one.contains(pin, prereleases=True) and other.contains(pin, prereleases=True)
        for pin in pins
    )


def _drivers(its: Project) -> Iterator[Finding]:
    """Find a driver for PostgreSQL that this oTree does not work with."""
    needs = [Requirement(one) for one in its.picked.variant.postgresql_needs]
    drivers = [one for one in its.wanted if one.name in {"psycopg2", "psycopg2-binary"}]
    if not needs[0].specifier or not drivers:
        return
    if all(one.specifier.contains("2.9.9") for one in drivers):
        yield Finding(
            f"{drivers[0].name}{drivers[0].specifier} gets version 2.9",
            drivers[0].where,
            "Django up to 2.2, which this oTree has, answers participants with error 500 on it "
            "(database connection isn't set to UTC)",
            f"write {needs[0]}",
        )


def _held_back(its: Project) -> Iterator[Finding]:
    if not any(one.name in detect_release.NAMES for one in its.wanted):
        return
    for hold in map(Requirement, notes.upper_bounds(its.release)):
        own = [one.specifier for one in its.wanted if one.name == canonicalize_name(hold.name)]
        bounded = [one for one in own if any(s.operator in {"<", "<=", "==", "~="} for s in one)]
        if not bounded or not all(_agree(one, hold.specifier) for one in bounded):
            yield Finding(
                f"nothing holds {hold.name} back",
                _place_of_otree(its),
                f"oTree {its.release} leaves {hold.name} open and does not work with today's",
                f"add a line {hold}",
            )


def _routes_unread(its: Project) -> Iterator[Finding]:
    """Find apps whose routes oTree does not come to."""
    if its.case.api == LIVE_PAGES or its.settings.imports_all:
        return
    own, foreign = its.settings.string("CHANNEL_ROUTING"), _foreign(its)
    replaced = its.case.api == CHANNELS_1 and its.settings.binds("CHANNEL_ROUTING")
    taken = add.routing_imports(its.folder, own) if replaced and own else set()
    by_name = its.picked.variant.needs_extension_apps(its.release)
    for app in its.real_time:
        extends = not by_name or app.name in its.settings.strings("EXTENSION_APPS")
        leads = any(one.split(".")[0] == app.name for one in (*taken, own))
        if not app.routes() or app.name in foreign or (replaced and leads):
            continue
        if replaced and own and not (add.OTREE_ROUTING in taken and extends):
            yield Finding(
                f"CHANNEL_ROUTING does not lead to the routes of {app.name}",
                f"settings.py:{its.settings.line('CHANNEL_ROUTING')}",
                "oTree 1.4 to 2.2 use this list instead of their own, so nobody answers on the "
                "app's socket",
                f"remove it, or build that list on oTree's, or add {app.name}'s channel_routing",
            )
        elif not extends:
            yield Finding(
                f"EXTENSION_APPS lacks {app.name}",
                f"settings.py:{its.settings.line('EXTENSION_APPS')}",
                "oTree collects the routes of these apps alone, so nobody answers on the socket",
                f"add {app.name!r} to EXTENSION_APPS, or write EXTENSION_APPS = [{app.name!r}]",
            )


def _foreign(its: Project) -> set[str]:
    """Return the apps that are for another oTree, and so judged by nothing else."""
    apps = (app for app in its.real_time if any(app_checks.of_another_era(app, its.case)))
    return {app.name for app in apps}


def _settings_unread(its: Project) -> Iterator[Finding]:
    """Find settings of another era, which this oTree passes over without a word."""
    unread = {"CHANNEL_ROUTING": "2.3", "EXTENSION_APPS": "5"}
    names = {CHANNELS_1: (), CHANNELS_2: ("CHANNEL_ROUTING",)}.get(its.case.api, (*unread,))
    for name in names:
        if its.settings.binds(name) and its.settings.strings(name) and not _foreign(its):
            yield Finding(
                f"oTree {its.release} does not read {name}",
                f"settings.py:{its.settings.line(name)}",
                f"from {unread[name]} on it has no meaning, and nothing says so: routes that it "
                "names are not there",
                "remove it; what it was for, the app needs in another way (`channelsmin pick`)",
            )


def _no_config(its: Project) -> Iterator[Finding]:
    for app in its.real_time:
        if not its.settings.may_play(app.name):
            yield Finding(
                f"no session config has {app.name} in its app_sequence",
                f"settings.py:{its.settings.line('SESSION_CONFIGS')}",
                "oTree loads the apps that a session config plays, and no others",
                f"add dict(name={app.name!r}, num_demo_participants=3, "
                f"app_sequence=[{app.name!r}]) to SESSION_CONFIGS",
            )


def _not_augmented(its: Project) -> Iterator[Finding]:
    if its.release in AUGMENTED_BY_HAND and not its.settings.calls("augment_settings"):
        yield Finding(
            "settings.py does not call augment_settings",
            "settings.py",
            "oTree up to 2.0.18 does not start without; later ones do it by themselves",
            "write `import otree.settings`, and as the last line "
            "`otree.settings.augment_settings(globals())`",
        )


def _layers(its: Project) -> Iterator[Finding]:
    """Find a channel layer that this oTree can't have."""
    told = its.settings.strings("CHANNEL_LAYERS")
    of_1 = any(one.startswith(("asgi_redis.", "asgiref.")) for one in told)
    of_2 = any(one.startswith(("channels.layers.", "channels_redis.")) for one in told)
    if (its.case.api, True) in {(CHANNELS_1, of_2), (CHANNELS_2, of_1)}:
        yield Finding(
            f"CHANNEL_LAYERS is not for the {its.case.api.in_words} of oTree {its.release}",
            f"settings.py:{its.settings.line('CHANNEL_LAYERS')}",
            "the server does not find the layer, and does not start, or no socket opens",
            "remove it: oTree has a layer of its own",
        )


def _redis(its: Project) -> Iterator[Finding]:
    """Find a Redis that is wanted and does not answer."""
    url, where, why = os.environ.get("REDIS_URL", "redis://localhost:6379"), "settings.py", ""
    own = [one for one in its.settings.strings("CHANNEL_LAYERS") if "redis" in one.lower()]
    in_memory = its.picked.variant.layer_in_memory(its.release)
    if in_memory and not its.settings.binds("CHANNEL_LAYERS") and not its.settings.imports_all:
        why = in_memory
    elif own and its.case.api != LIVE_PAGES:
        where, why = f"settings.py:{its.settings.line('CHANNEL_LAYERS')}", "CHANNEL_LAYERS names it"
    elif its.release in REDIS_IN_PRODUCTION and os.environ.get("OTREE_PRODUCTION"):
        where, why = "OTREE_PRODUCTION", "the production server of this oTree wants it"
    if why and not answers(url):
        fix = "start Redis, or set REDIS_URL to where it is"
        if in_memory:
            fix += "; or copy CHANNEL_LAYERS from the settings.py of `channelsmin export`"
        yield Finding(
            f"no Redis answers at {urlsplit(url).netloc.rpartition('@')[2] or url}",
            where,
            f"{why}; without it no socket is served",
            fix,
        )


def answers(url: str) -> bool:
    """Say whether somebody listens at the host and the port of a Redis URL."""
    its = urlsplit(url)
    try:
        socket.create_connection((its.hostname or "localhost", its.port or 6379), 2).close()
    except (OSError, ValueError):  # ValueError: the URL's port is not a number
        return False
    return True


def _leftovers(its: Project) -> Iterator[Finding]:
    """Find what another oTree has left in the folder, and this one stumbles over."""
    old = its.folder / LEFTOVER
    made_by = old / "otree-version.txt"
    version = (
        made_by.read_text(encoding="utf-8", errors="replace").strip() if made_by.is_file() else ""
    )
    both = f"delete db.sqlite3 and {LEFTOVER}; save what you need of the data first"
    if old.is_dir() and its.release.major == 5:
        yield Finding(
            f"{LEFTOVER} is left from oTree 2 or 3",
            LEFTOVER,
            "the database beside it is from there, too; oTree 5 stops when it sees the folder",
            both,
        )
    elif version and version != str(its.release):
        yield Finding(
            f"the database was made by oTree {version}",
            f"{LEFTOVER}/otree-version.txt:1",
            "its tables change from release to release: from 2.5 on the development server stops "
            "at one of another release, earlier ones go on with tables that are not theirs",
            both,
        )
    elif why := _old_database(its.folder / "db.sqlite3", its.release):
        yield Finding(
            "db.sqlite3 is of another oTree",
            "db.sqlite3",
            why,
            "delete it; save what you need of the data first",
        )


def _old_database(file: Path, release: Version) -> str:
    """Return why a database is not of this release, "" if it may be."""
    if not file.is_file() or not file.stat().st_size:
        return ""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in rows}
    except sqlite3.Error as error:
        return f"it can't be read: {error}"
    of_django = "django_migrations" in tables
    if release.major < 5:
        return "" if of_django or not tables else "it has no tables of Django's, as from oTree 5 on"
    if of_django:
        return "it has tables of Django's, as up to oTree 3; oTree 5 and 6 have none"
    mark = int("".join(filter(str.isdigit, str(release))))
    if version in (0, mark):
        return ""
    return f"it bears the mark {version}; the development server of {release} wants {mark}"


def _no_static(its: Project) -> Iterator[Finding]:
    if its.case.api == LIVE_PAGES and not (its.folder / "_static").is_dir():
        yield Finding(
            "there is no folder _static",
            "_static",
            "oTree 5 and 6 do not start without it; git keeps no empty folder",
            "make it, with any file in it",
        )


Check = Callable[[Project], Iterable[Finding]]


CHECKS: tuple[Check, ...] = (
    *(_bad_release, _python, _pins, _drivers, _held_back),
    *(_routes_unread, _settings_unread, _no_config, _not_augmented, _layers, _redis),
    *(_leftovers, _no_static),
)
"""The checks of the project as a whole; those of each app are in `app_checks`."""
