"""Check a project apart from its apps: requirements, settings, leftovers, Redis."""

import difflib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.matrix import api_changes, notes, releases, variants
from channelsmin.project import pick, traces
from channelsmin.project.detect_release import STATED, UNSTATED
from channelsmin.project.doctor import app_checks
from channelsmin.project.doctor.context import (
    CHANNELS_1,
    CHANNELS_2,
    LIVE_PAGES,
    SEVERAL_PYTHONS,
    Examined,
)
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.requirements import text_of
from channelsmin.project.settings import OTREE_ROUTING, routing_imports
from channelsmin.project.source import NAMES
from channelsmin.project.traces import MIGRATIONS

AUGMENTED_BY_HAND = SpecifierSet("<2.0.20", prereleases=True)
"""Releases whose settings.py has to call augment_settings."""


OWN_CHANNELS = SpecifierSet(">=3.3.0b1,<5", prereleases=True)
"""Releases that vendor the package `channels`."""


def _bad_release(examined: Examined) -> Iterator[Finding]:
    row = releases.rows().get(examined.release)
    if why := notes.refused_by_pip(examined.release) or (row and row.yanked):
        helped = (
            ", or let `rebuild` make the environment" if notes.help_for(examined.release) else ""
        )
        yield Finding(
            f"oTree {examined.release} can't be installed by pip alone, or was yanked",
            _place_of_otree(examined),
            why,
            f"use the next release of its line{helped}",
        )


def _unknown_release(examined: Examined) -> Iterator[Finding]:
    """Find a pin of a release that the package index does not have."""
    found = examined.picked.found
    for source, _ in found.unused if found else ():
        if source.pin and source.weight in STATED and releases.was_skipped(source.pin):
            yield Finding(
                f"there is no oTree {source.pin} on the package index",
                source.where,
                "pip refuses the whole file",
                f"write {source.requirement.name}=={examined.release}",
            )


def _place_of_otree(examined: Examined) -> str:
    places = [wanted.where for wanted in examined.wanted if wanted.name in NAMES]
    return next(
        iter([*places, *(source.place for source in examined.picked.sources)]), "settings.py"
    )


def _python(examined: Examined) -> Iterator[Finding]:
    """Find a Python that this oTree refuses; one that was only never tested is a remark."""
    for hint in examined.picked.own_pythons:
        how = pick.objection(hint, examined.release)
        if not how:
            continue
        use = pick.either(examined.picked.pythons)
        message = next(
            filter(None, (api_changes.python_break(examined.release, p) for p in hint.pythons())),
            "",
        )
        place = hint.where if hint.line or not _is_file(examined, hint.place) else f"{hint.place}:1"
        yield Finding(
            f"Python {hint.python} {how} oTree {examined.release}",
            place,
            f"its packages work with Python {use}" + (f"; on this one: {message}" * bool(message)),
            f"use Python {use} for this project",
            is_remark=how == "is untested with" or hint.place.startswith(SEVERAL_PYTHONS),
        )


def _is_file(examined: Examined, place: str) -> bool:
    return (examined.folder / place).is_file()


def _disagreement(examined: Examined) -> Iterator[Finding]:
    """Find files that pin releases of different variants, although the code decides for one."""
    found = examined.picked.found
    for source, _ in found.unused if found else ():
        other = source.pin and variants.find(source.pin)
        is_stated = source.weight not in UNSTATED and not source.python
        if other and other != examined.picked.variant and is_stated:
            followed = [one for one in examined.picked.sources if one.pin and not one.python]
            place = followed[0].where if followed else source.where
            yield Finding(
                "it is not certain which oTree the project is for",
                place,
                f"{examined.picked.release} fits the code, but {source} ({source.where})",
                "name one release everywhere, such as "
                f"{source.requirement.name}=={examined.release}, and install that",
            )
            return


def _misspelled(examined: Examined) -> Iterator[Finding]:
    for source in examined.picked.sources:
        if source.note.startswith("pip refuses"):
            yield Finding(
                "a line about oTree is not a requirement",
                source.where,
                "pip refuses the whole file",
                source.note.partition(": ")[2],
            )


def _pins(examined: Examined) -> Iterator[Finding]:
    """Find requirements that conflict with those of oTree; what a fork requires is not known."""
    if examined.is_fork:
        return
    row = releases.rows().get(examined.release)
    theirs = releases.requires(row.requires) if row and row.requires else ()
    by_name: dict[str, list[SpecifierSet]] = {}
    for one in map(Requirement, theirs):
        if one.marker is None:
            by_name.setdefault(canonicalize_name(one.name), []).append(one.specifier)
    for wanted in examined.wanted:
        for specifier in by_name.get(wanted.name, ()):
            if not _agree(wanted.specifier, specifier):
                yield Finding(
                    f"{wanted.name}{wanted.specifier} and oTree {examined.release} exclude each "
                    "other",
                    wanted.where,
                    f"oTree {examined.release} requires {wanted.name}{specifier}, so pip refuses "
                    "both, "
                    "or installs another oTree",
                    f"remove the line: oTree requires {wanted.name} itself",
                )
        if wanted.name in {"channels", "channels-redis"} and examined.release in OWN_CHANNELS:
            yield Finding(
                f"{wanted.name} is installed over oTree's own copy of channels",
                wanted.where,
                "oTree 3.3.0b1 to 3.4.0 contains a package of that name, and both are installed "
                "into "
                "one folder",
                "remove the line",
            )


def _agree(one: SpecifierSet, other: SpecifierSet) -> bool:
    pins = [
        part.version for part in [*one, *other] if part.operator == "==" and "*" not in part.version
    ]
    return all(
        one.contains(pin, prereleases=True) and other.contains(pin, prereleases=True)
        for pin in pins
    )


def _drivers(examined: Examined) -> Iterator[Finding]:
    """Find a driver for PostgreSQL that this oTree does not work with."""
    needs = [Requirement(one) for one in examined.picked.variant.postgresql_needs]
    drivers = [one for one in examined.wanted if one.name in {"psycopg2", "psycopg2-binary"}]
    if not needs[0].specifier or not drivers:
        return
    if all(one.specifier.contains("2.9.9") for one in drivers):
        yield Finding(
            f"{drivers[0].name}{drivers[0].specifier} gets version 2.9",
            drivers[0].where,
            "with it, Django up to 2.2 answers participants with error 500 (database connection "
            "isn't set to UTC); it matters as soon as the database is PostgreSQL",
            f"write {needs[0]}",
            is_remark=not examined.is_meant_for_a_host,
        )


def _upper_bounds(examined: Examined) -> Iterator[Finding]:
    """Find what pip installs too new; a remark if no file pins this oTree: later ones differ."""
    own = [one for one in examined.wanted if one.name in NAMES]
    if not own:
        return
    for hold in map(Requirement, notes.upper_bounds(examined.release)):
        name = canonicalize_name(hold.name)
        wanted = [one.specifier for one in examined.wanted if one.name == name]
        bounded = [one for one in wanted if any(s.operator in {"<", "<=", "==", "~="} for s in one)]
        if not bounded or not all(_agree(one, hold.specifier) for one in bounded):
            yield Finding(
                f"nothing holds {name} back",
                _place_of_otree(examined),
                f"oTree {examined.release} sets no upper bound for {name} and does not work with "
                "today's version",
                f"add a line {hold}",
                is_remark=not any(part.operator == "==" for one in own for part in one.specifier),
            )


def _routes_unread(examined: Examined) -> Iterator[Finding]:
    """Find apps whose routes oTree does not read."""
    if examined.context.api == LIVE_PAGES or examined.settings.imports_all:
        return
    own, foreign = examined.settings.string("CHANNEL_ROUTING"), _foreign(examined)
    replaced = examined.context.api == CHANNELS_1 and examined.settings.binds("CHANNEL_ROUTING")
    taken = routing_imports(examined.folder, own) if replaced and own else set()
    by_name = examined.picked.variant.needs_extension_apps(examined.release)
    for app in examined.real_time:
        extends = not by_name or app.name in examined.settings.strings("EXTENSION_APPS")
        leads = any(one.split(".")[0] == app.name for one in (*taken, own))
        if not app.routes() or app.name in foreign or (replaced and leads):
            continue
        if replaced and own and not (OTREE_ROUTING in taken and extends):
            yield Finding(
                f"CHANNEL_ROUTING does not lead to the routes of {app.name}",
                f"settings.py:{examined.settings.line('CHANNEL_ROUTING')}",
                "oTree 1.4 to 2.2 use this list instead of their own, so nothing answers on the "
                "app's "
                "socket",
                f"remove it, or build that list on oTree's, or add {app.name}'s channel_routing",
            )
        elif not extends:
            yield Finding(
                f"EXTENSION_APPS lacks {app.name}",
                f"settings.py:{examined.settings.line('EXTENSION_APPS')}",
                "oTree reads the routes of these apps only, so nothing answers on the socket",
                f"add {app.name!r} to EXTENSION_APPS, or write EXTENSION_APPS = [{app.name!r}]",
            )


def _foreign(examined: Examined) -> set[str]:
    """Return the apps that are for another oTree: no other check applies to them."""
    apps = (
        app for app in examined.real_time if any(app_checks.of_another_era(app, examined.context))
    )
    return {app.name for app in apps}


def _settings_unread(examined: Examined) -> Iterator[Finding]:
    """Find settings of other releases, which this oTree ignores silently."""
    unread = {"CHANNEL_ROUTING": "2.3", "EXTENSION_APPS": "5"}
    names = {CHANNELS_1: (), CHANNELS_2: ("CHANNEL_ROUTING",)}.get(examined.context.api, (*unread,))
    for name in names:
        if (
            examined.settings.binds(name)
            and examined.settings.strings(name)
            and not _foreign(examined)
        ):
            yield Finding(
                f"oTree {examined.release} does not read {name}",
                f"settings.py:{examined.settings.line(name)}",
                f"from {unread[name]} on it is ignored silently: the routes that it names do not "
                "exist",
                "remove it; the variant that `channelsmin pick` names shows what replaces it",
            )


def _no_config(examined: Examined) -> Iterator[Finding]:
    for app in examined.real_time:
        if app.has_page_sequence and not examined.settings.may_play(app.name):
            yield Finding(
                f"no session config has {app.name} in its app_sequence",
                f"settings.py:{examined.settings.line('SESSION_CONFIGS')}",
                "oTree loads only the apps that a session config plays",
                f"add dict(name={app.name!r}, num_demo_participants=3, "
                f"app_sequence=[{app.name!r}]) to SESSION_CONFIGS",
            )


def _dormant(examined: Examined) -> Iterator[Finding]:
    names = [app.name for app in examined.context.apps if examined.is_dormant(app)]
    if names:
        yield Finding(
            f"not checked, as no session config has them in its app_sequence: {', '.join(names)}",
            f"settings.py:{examined.settings.line('SESSION_CONFIGS')}",
            "oTree does not load such apps",
            "add them to SESSION_CONFIGS to have them checked",
            is_remark=True,
        )


def _missing_apps(examined: Examined) -> Iterator[Finding]:
    """Find app sequences that name an app without a folder."""
    own = {path.stem if path.is_file() else path.name for path in examined.folder.iterdir()}
    seen = set[str]()
    for name, line in examined.settings.played():
        if name in own or name in seen or (examined.folder / name.replace(".", "/")).exists():
            continue
        if canonicalize_name(name) in examined.context.packages:  # an installed app
            continue
        seen.add(name)
        apps = [app.name for app in examined.context.apps]
        close = difflib.get_close_matches(name, apps, n=1)
        yield Finding(
            f"app_sequence names {name!r}, and the project has no folder of this name",
            f"settings.py:{line}",
            "the server stops when it starts, as it cannot import the app",
            f"write {close[0]!r}" if close else f"create the app {name!r}, or remove it here",
        )


def _not_augmented(examined: Examined) -> Iterator[Finding]:
    if examined.release in AUGMENTED_BY_HAND and not examined.settings.calls("augment_settings"):
        yield Finding(
            "settings.py does not call augment_settings",
            "settings.py",
            "oTree up to 2.0.18 does not start without it; later releases call it themselves",
            "write `import otree.settings`, and as the last line "
            "`otree.settings.augment_settings(globals())`",
        )


def _layers(examined: Examined) -> Iterator[Finding]:
    """Find a channel layer that this oTree cannot use."""
    named = examined.settings.strings("CHANNEL_LAYERS")
    of_1 = any(one.startswith(("asgi_redis.", "asgiref.")) for one in named)
    of_2 = any(one.startswith(("channels.layers.", "channels_redis.")) for one in named)
    if (examined.context.api, True) in {(CHANNELS_1, of_2), (CHANNELS_2, of_1)}:
        yield Finding(
            f"CHANNEL_LAYERS is not for the {examined.context.api.in_words} of oTree "
            f"{examined.release}",
            f"settings.py:{examined.settings.line('CHANNEL_LAYERS')}",
            "the server does not find the layer, and does not start, or no socket opens",
            "remove it: oTree sets its own layer",
        )


def _redis(examined: Examined) -> Iterator[Finding]:
    """Find a Redis that is needed and does not answer."""
    url, where, why = os.environ.get("REDIS_URL", "redis://localhost:6379"), "settings.py", ""
    own = [one for one in examined.settings.strings("CHANNEL_LAYERS") if "redis" in one.lower()]
    in_memory = examined.picked.variant.layer_in_memory(examined.release)
    if (
        in_memory
        and not examined.settings.binds("CHANNEL_LAYERS")
        and not examined.settings.imports_all
    ):
        why = in_memory
    elif (
        own and examined.context.api == CHANNELS_2
    ):  # of 1.4 to 2.2, only production servers use it
        where, why = (
            f"settings.py:{examined.settings.line('CHANNEL_LAYERS')}",
            "CHANNEL_LAYERS names it",
        )
    elif api_changes.needs_redis_in_production(examined.release) and os.environ.get(
        "OTREE_PRODUCTION"
    ):
        where, why = "OTREE_PRODUCTION", "the production server of this oTree needs it"
    if why and not answers(url):
        fix = "start Redis, or set REDIS_URL to its address"
        if in_memory:
            fix += "; or copy CHANNEL_LAYERS from the settings.py of `channelsmin export`"
        yield Finding(
            f"no Redis answers at {urlsplit(url).netloc.rpartition('@')[2] or url}",
            where,
            f"{why}; without it no socket is served",
            fix,
        )


def answers(url: str) -> bool:
    """Return whether something listens at the host and the port of a Redis URL."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "localhost", parts.port or 6379), 2).close()
    except (OSError, ValueError):  # ValueError: the URL's port is not a number
        return False
    return True


def _leftovers(examined: Examined) -> Iterator[Finding]:
    """Find files of another oTree that make this one stop."""
    old = examined.folder / MIGRATIONS
    made_by = old / "otree-version.txt"
    version = text_of(made_by).strip() if made_by.is_file() else ""
    both = f"delete db.sqlite3 and {MIGRATIONS}; first save the data that you need"
    if old.is_dir() and examined.release.major == 5:
        yield Finding(
            f"{MIGRATIONS} is left from oTree 2 or 3",
            MIGRATIONS,
            "so is the database next to it; oTree 5 stops when it sees the folder",
            both,
        )
    elif version and version != str(examined.release):
        yield Finding(
            f"the database was made by oTree {version}",
            f"{MIGRATIONS}/otree-version.txt:1",
            "its tables change from release to release: from 2.5 on the development server stops "
            "at a database of another release, earlier ones go on with the wrong tables",
            both,
        )
    elif why := _old_database(examined.folder / "db.sqlite3", examined.release):
        yield Finding(
            "db.sqlite3 is of another oTree",
            "db.sqlite3",
            why,
            "delete it; first save the data that you need",
        )


def _old_database(file: Path, release: Version) -> str:
    """Return why a database is not of this release, "" if it may be."""
    database = traces.read_database(file)
    if database is None or not database.tables:
        return ""
    if release.major < 5:
        return "" if database.is_of_django else "it has no tables of Django, as from oTree 5 on"
    if database.is_of_django:
        return "it has tables of Django, as up to oTree 3; oTree 5 and 6 have none"
    mark = traces.mark_of(release)
    if database.mark in (0, mark):
        return ""
    return f"its mark is {database.mark}; the development server of {release} expects {mark}"


def _no_static(examined: Examined) -> Iterator[Finding]:
    if examined.context.api == LIVE_PAGES and not (examined.folder / "_static").is_dir():
        yield Finding(
            "there is no folder _static",
            "_static",
            "oTree 5 and 6 do not start without it; git does not keep an empty folder",
            "create it, with any file in it",
        )


Check = Callable[[Examined], Iterable[Finding]]


CHECKS: tuple[Check, ...] = (
    *(_disagreement, _misspelled, _bad_release, _unknown_release, _python, _pins, _drivers),
    *(_upper_bounds, _routes_unread, _settings_unread, _no_config, _missing_apps, _dormant),
    *(_not_augmented, _layers, _redis, _leftovers, _no_static),
)
"""The checks of the project as a whole; those of each app are in the other modules."""
