"""Differences between releases that a project is held against: `matrix/api_changes.toml`."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin.paths import ROOT, read_toml

API_CHANGES = ROOT / "matrix" / "api_changes.toml"


@dataclass(frozen=True)
class PageMethod:
    """A method of a page of a one-file app: what oTree calls it with."""

    name: str
    parameters: tuple[str, ...]
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class AppFunction:
    """A function of a one-file app: what oTree calls it with, and what happens if that fails."""

    name: str
    parameters: tuple[str, ...]
    otherwise: str

    @property
    def is_of_field(self) -> bool:
        """Whether it is called for each field of a form."""
        return "{field}" in self.name

    def of_field(self, field: str, model: str) -> "AppFunction":
        """Return the one for a field of a model, which its first argument is."""
        parameters = tuple(one.format(model=model) for one in self.parameters)
        return replace(self, name=self.name.format(field=field), parameters=parameters)


@dataclass(frozen=True)
class ScriptName:
    """A name that oTree's scripts define on the pages of some releases."""

    name: str
    releases: SpecifierSet
    instead: str

    @property
    def in_words(self) -> str:
        """The releases that have it, in words: `5.7.0 to before 5.9.0`."""
        bounds = {one.operator: one.version for one in self.releases}
        last = f" to before {bounds['<']}" if "<" in bounds else " on"
        return f"from {bounds['>=']}{last}"


@functools.cache
def _all() -> Mapping[str, Any]:
    return read_toml(API_CHANGES)


@functools.cache
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def _about(kind: str, release: Version) -> list[Mapping[str, Any]]:
    return [
        entry
        for entry in _all()[kind]
        if _specifier(entry["releases"]).contains(release, prereleases=True)
    ]


def python_break(release: Version, python: str) -> str:
    """Return how a release fails on a Python that it accepts, "" if it does not."""
    for entry in _about("python_break", release):
        if python in _specifier(entry["pythons"]):
            return str(entry["message"])
    return ""


def page_methods(release: Version) -> dict[str, PageMethod]:
    """Return the methods that a release calls on a page of a one-file app, by name."""
    return {
        entry["name"]: PageMethod(
            entry["name"], tuple(entry["parameters"]), tuple(entry.get("keywords", ()))
        )
        for entry in _about("page_method", release)
    }


def app_functions(release: Version) -> list[AppFunction]:
    """Return the functions that a release calls in a one-file app."""
    return [
        AppFunction(entry["name"], tuple(entry["parameters"]), entry["otherwise"])
        for entry in _about("app_function", release)
    ]


def missing_script_names(release: Version) -> list[ScriptName]:
    """Return the names that other releases define on their pages and this one does not."""
    every = [
        ScriptName(entry["name"], _specifier(entry["releases"]), entry["instead"])
        for entry in _all()["script_name"]
    ]
    return [one for one in every if not one.releases.contains(release, prereleases=True)]


def template_filters(release: Version) -> frozenset[str]:
    """Return the filters of a release's own template engine; empty if it has Django's."""
    return _names("template_filters", release)


def template_tags(release: Version) -> frozenset[str]:
    """Return the tags of a release's own template engine; empty if it has Django's."""
    return _names("template_tags", release)


def all_tags() -> frozenset[str]:
    """Return the tags of Django's template engine, and those that some release of oTree has."""
    entries = (*_all()["django_tags"], *_all()["template_tags"])
    return frozenset(name for entry in entries for name in entry["names"])


def template_blocks(release: Version) -> frozenset[str]:
    """Return the blocks that a release's own base templates have."""
    return _names("template_blocks", release)


def _names(kind: str, release: Version) -> frozenset[str]:
    return frozenset(name for entry in _about(kind, release) for name in entry["names"])


def filter_instead(name: str) -> str:
    """Return the filters of oTree 5 and 6 that replace one of Django's, "" if none does."""
    entries = _all()["filter_instead"]
    return next((str(entry["instead"]) for entry in entries if entry["name"] == name), "")


def modules_gone(release: Version) -> dict[str, str]:
    """Return what could once be imported with oTree and with this release cannot: what to use."""
    return {entry["module"]: entry["instead"] for entry in _about("module_gone", release)}


def refuses_none(release: Version) -> bool:
    """Return whether a release raises an error where a field that is None is read."""
    return bool(_about("refuses_none", release))


def server_commands() -> frozenset[str]:
    """Return every command that starts a part of oTree's production server, of any release."""
    return frozenset(entry["command"] for entry in _all()["server_command"])


def has_server_command(command: str, release: Version) -> bool:
    """Return whether a release has a command that starts a part of its production server."""
    return any(entry["command"] == command for entry in _about("server_command", release))


def is_one_process(release: Version) -> bool:
    """Return whether a release's server works as a single process only."""
    return bool(_about("one_process", release))


def needs_redis_in_production(release: Version) -> bool:
    """Return whether a release's production server keeps its channel layer in Redis."""
    return redis_in_production(release) == "channel layer"


def redis_in_production(release: Version) -> str:
    """Return what a release's production server needs Redis for, "" if it does not."""
    return next((str(entry["purpose"]) for entry in _about("redis_in_production", release)), "")


def procfile(release: Version) -> dict[str, str]:
    """Return the processes of a release on a host: their names and commands, those that do work."""
    entries = _about("procfile", release)
    processes: dict[str, str] = entries[0]["processes"] if entries else {}
    return dict(processes)


@dataclass(frozen=True)
class HostPython:
    """What a host installs: by default, and at all; and the file that names a Python for it."""

    host: str
    default: str
    file: str
    builds: SpecifierSet

    def builds_on(self, python: str) -> bool:
        """Return whether the host installs this Python."""
        return python in self.builds


def host_python() -> HostPython:
    """Return which Pythons Heroku installs."""
    entry = _all()["host_python"][0]
    return HostPython(entry["host"], entry["python"], entry["file"], _specifier(entry["builds"]))
