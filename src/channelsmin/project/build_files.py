"""Read what the commands of build files install: Dockerfiles, compose and CI files, scripts."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from channelsmin.project.requirements import text_of
from channelsmin.project.source import PythonHint, Source, Weight, from_text

COMPOSE = "*compose*.y*ml"
"""The names of Docker's compose files, as a pattern."""

INSTALLS = re.compile(r"\b(?:pip[\d.]*|pipx|pipenv|uv|poetry|pdm)(?: pip| tool)? (?:install|add)\b")
"""The beginning of a command that installs packages."""

VARIABLES = re.compile(
    r"(?:^\s*(?:ARG|ENV)\s+(\w+)\s+|(?:^|\s)(\w+)\s*(?:[:?]?=|:\s)\s*)['\"]?([\w.]+)"
)
"""Where a Dockerfile, a script, a Makefile or a CI file gives a variable its value."""

USED = re.compile(
    r"\$\{(\w+)(?::?-([\w.]+))?\}|\$\{\{\s*env\.(\w+)\s*\}\}|\$\((\w+)\)|\$(\w+)|%(\w+)%"
)
"""Where one of them uses a variable; `${NAME:-default}` has a value of its own."""

IMAGE = re.compile(r"(?:^\s*FROM|image['\"]?:)\s+\S*python:(?:\d+-)?(\d+\.\d+)", re.IGNORECASE)
"""Where a Dockerfile, a compose file or a CI file names an image of Python."""

JOB = re.compile(
    r"^[ \t]*(?:-[ \t]+)?python(?:-version)?:\s*(?:-\s+|\[\s*)?['\"]?(\d+\.\d+)[\d.]*['\"]?\s*\]?"
    r"[ \t]*(?:#.*)?$(?!\s*-\s*['\"]?\d)",
    re.MULTILINE,
)
"""Where a CI file names the only Python of a job: of a list of several, none is the project's."""


def commands(file: Path) -> Iterator[Source | PythonHint]:
    """Read `pip install otree==3.3.11` and the Python of an image or of a CI job.

    What a variable of the file gives is filled in, and what a compose file gives to a Dockerfile;
    a word with another variable says nothing.
    """
    text, given, variables = text_of(file), _build_arguments(file), dict[str, str]()
    for number, line in _logical_lines(text):
        bare = _as_shell(re.split(r"(?:^|\s)#", line)[0])
        written = _filled_in(bare, {**variables, **given})
        variables |= {name or other: value for name, other, value in VARIABLES.findall(written)}
        for part in re.split(r"&&|\|\||;(?!\s*python)", written):
            for word in _installed_by(part):
                if names_otree(word) and (source := from_text("", word, number, Weight.BUILD)):
                    yield source
        if image := IMAGE.search(written):
            yield PythonHint("", image[1], number)
    for job in JOB.finditer(text):
        yield PythonHint("", job[1], text.count("\n", 0, job.start(1)) + 1)


def names_otree(word: str) -> bool:
    """Return whether a requirement may be about oTree, and has no variable in it."""
    about = re.match(r"otree(-core)?($|\[|[=<>~!])|git\+|https?://", word, re.IGNORECASE)
    return bool(about) and not re.search(r"[${]|%\w+%", word)


def services(compose: Path) -> dict[str, Mapping[str, Any]]:
    """Return the services of a compose file, by their names; none if it cannot be read."""
    try:
        table = yaml.safe_load(text_of(compose))
    except (yaml.YAMLError, OSError):
        return {}
    listed = table.get("services") if isinstance(table, Mapping) else None
    entries = listed.items() if isinstance(listed, Mapping) else ()
    return {str(name): service for name, service in entries if isinstance(service, Mapping)}


def _build_arguments(dockerfile: Path) -> dict[str, str]:
    """Return the build arguments that compose files, here or one folder up, give a Dockerfile."""
    if "dockerfile" not in dockerfile.name.lower():
        return {}
    folders = (dockerfile.parent.parent, dockerfile.parent)
    files = (file for folder in folders for file in sorted(folder.glob(COMPOSE)))
    found = dict[str, str]()
    for service in (service for file in files for service in services(file).values()):
        build = service.get("build")
        arguments = build.get("args") if isinstance(build, Mapping) else None
        if isinstance(arguments, Mapping):
            found |= {str(name): str(value) for name, value in arguments.items()}
        elif isinstance(arguments, list):
            found |= dict(re.findall(r"(\w+)=(\S+)", "\n".join(map(str, arguments))))
    return found


def _as_shell(line: str) -> str:
    """Return `RUN ["pip", "install", "otree"]` as one would type it: `pip install otree`."""
    words = re.fullmatch(r"\s*RUN\s*\[(.*)\]\s*", line, re.IGNORECASE)
    return re.sub(r"[\"',\s]+", " ", words[1]) if words else line


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with those that continue them, numbered by the first one."""
    number = 1
    for line in re.split(r"(?<!\\)\n", text.replace("\r\n", "\n")):
        yield number, line.replace("\\\n", "  ")
        number += 1 + line.count("\n")


def _filled_in(line: str, variables: Mapping[str, str]) -> str:
    """Return a line with the values of the variables that are known."""

    def value(used: re.Match[str]) -> str:
        name, default, *others = used.groups()
        return variables.get(name or next(filter(None, others)), default or used[0])

    return USED.sub(value, line)


def _installed_by(command: str) -> Iterator[str]:
    """Yield the words after each `pip install`, which may stand between quotes, as in JSON."""
    for installs in INSTALLS.finditer(command):
        before, arguments = command[: installs.start()], command[installs.end() :]
        for quote in "\"'":
            if before.count(quote) % 2:
                arguments = arguments.partition(quote)[0]
        for word in _words(arguments):
            # Poetry and uv also take `otree@5.9.8`.
            yield re.sub(r"^(otree(?:-core)?(?:\[.*\])?)@(?=\d)", r"\1==", word)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return re.sub(r"[\"']", "", text).split()
