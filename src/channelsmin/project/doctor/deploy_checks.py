"""Check the files with which a project goes online: Procfile, Dockerfile, compose file, app.json.

What each release can start, and as how many processes, is the table of docs/deploy.md.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from channelsmin.matrix import api_changes
from channelsmin.project import pick
from channelsmin.project.build_files import COMPOSE, services
from channelsmin.project.detect_release import Certainty
from channelsmin.project.doctor.context import Examined
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.requirements import text_of
from channelsmin.project.source import PythonHint

FOREIGN = re.compile(r"\b(gunicorn|uvicorn|daphne|hypercorn|waitress-serve|python3? manage\.py)\b")
"""Servers that are not oTree's own command."""

COMMAND = re.compile(r"\botree\s+(\w+)")
SERVERS = {"prodserver", "prodserver1of2", "runprodserver", "runprodserver1of2", "webandworkers"}
FIRST = {"prodserver1of2", "runprodserver1of2"}
SECOND = {"prodserver2of2", "runprodserver2of2", "timeoutworker", "prodserver", "runprodserver"}


@dataclass(frozen=True)
class Started:
    """A command that a file starts: the name of the process, its command, and how many of it."""

    process: str
    command: str
    where: str
    count: int = 1

    @property
    def otree(self) -> str:
        """oTree's command, "" if it starts something else."""
        match = COMMAND.search(self.command)
        return match[1] if match else ""


def _procfile(folder: Path) -> list[Started]:
    file = folder / "Procfile"
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(text_of(file).splitlines(), 1):
        if match := re.match(r"\s*([\w-]+)\s*:\s*(\S.*)", line):
            found.append(Started(match[1], match[2], f"Procfile:{number}"))
    return found


def _dockerfile(folder: Path) -> list[Started]:
    found = []
    for file in sorted(filter(Path.is_file, folder.glob("Dockerfile*"))):
        for number, line in enumerate(text_of(file).splitlines(), 1):
            if match := re.match(r"\s*(?:CMD|ENTRYPOINT)\s+(.*)", line, re.IGNORECASE):
                words = " ".join(re.findall(r"[^\s\"',\[\]]+", match[1]))
                found.append(Started("web", words, f"{file.name}:{number}"))
    return found


def _compose(folder: Path) -> list[Started]:
    found = []
    for file in sorted(filter(Path.is_file, folder.glob(COMPOSE))):
        text = text_of(file)
        for name, service in services(file).items():
            command = service.get("command") or ""
            words = " ".join(map(str, command)) if isinstance(command, list) else str(command)
            deploy = service.get("deploy")
            replicas = deploy.get("replicas") if isinstance(deploy, dict) else service.get("scale")
            count = replicas if isinstance(replicas, int) else 1
            line = _line_with(text, "replicas:" if count > 1 else f"{name}:")
            found.append(Started(name, words, f"{file.name}:{line}", count))
    return found


def _line_with(text: str, words: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if words in line), 1)


def _app_json(folder: Path) -> dict[str, object]:
    try:
        table = json.loads(text_of(folder / "app.json"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _commands(examined: Examined) -> Iterator[Finding]:
    """Find commands that this release does not have, and servers that are not oTree's."""
    started = [*_procfile(examined.folder), *_dockerfile(examined.folder)]
    for one in (*started, *_compose(examined.folder)):
        known = one.otree in api_changes.server_commands()
        if known and not api_changes.has_server_command(one.otree, examined.release):
            yield Finding(
                f"oTree {examined.release} has no command {one.otree}",
                one.where,
                "the process ends at once",
                f"start {_first(examined)} here",
                is_remark=_is_assumed(examined),
            )
        elif foreign := FOREIGN.search(one.command) if one.process.startswith("web") else None:
            if not one.otree:
                yield Finding(
                    f"{foreign[1]} serves the pages in place of oTree's own command",
                    one.where,
                    "oTree's command also prepares static files, timeouts and sockets; under "
                    "another "
                    "server, or with several workers, the process ends or half of the members hear "
                    "nothing",
                    f"write {one.process}: otree {_first(examined)}",
                )
        elif one.otree == "devserver":
            yield Finding(
                "the development server serves the project online",
                one.where,
                "it restarts when a file changes, and oTree 2.6.0b18 and later keep its data in "
                "memory",
                f"start otree {_first(examined)}",
                is_remark=True,
            )


def _is_assumed(examined: Examined) -> bool:
    """Return whether the release is no more than the likeliest one."""
    found = examined.picked.found
    return examined.is_fork or (found is not None and found.certainty is Certainty.ASSUMED)


def _first(examined: Examined) -> str:
    command = "prodserver1of2"
    if api_changes.has_server_command(command, examined.release):
        return command
    old = "runprodserver1of2"
    return old if api_changes.has_server_command(old, examined.release) else "webandworkers"


def _processes(examined: Examined) -> Iterator[Finding]:
    """Find several server processes of a release that works as one only."""
    if not api_changes.is_one_process(examined.release):
        return
    procfile = [one for one in _procfile(examined.folder) if one.otree in SERVERS]
    compose = [one for one in _compose(examined.folder) if one.otree in SERVERS]
    by_file = groupby(compose, key=lambda one: one.where.partition(":")[0])
    for servers in (procfile, *(list(found) for _, found in by_file)):
        if sum(one.count for one in servers) > 1:
            several = next((one for one in servers if one.count > 1), servers[-1])
            yield Finding(
                f"{sum(one.count for one in servers)} server processes of oTree "
                f"{examined.release}, which works as one only",
                several.where,
                "the sockets are listed in the memory of one process: members on another one hear "
                "nothing",
                "start one server process",
            )
    formation = _app_json(examined.folder).get("formation")
    web = formation.get("web") if isinstance(formation, dict) else None
    quantity = web.get("quantity") if isinstance(web, dict) else 1
    if isinstance(quantity, int) and quantity > 1:
        line = _line_with(text_of(examined.folder / "app.json"), '"quantity"')
        yield Finding(
            f"{quantity} web dynos of oTree {examined.release}, which works as one process only",
            f"app.json:{line}",
            "the sockets are listed in the memory of one process: members on another one hear "
            "nothing",
            "set the quantity to 1",
        )


ELSEWHERE = re.compile(r"rediss?://(?!localhost|127\.)")
"""Matches the address of a Redis that does not run next to the server."""

ADDED = r"addons:(?:create|add)\s+\S*redis"
"""Matches the command that adds Redis on Heroku, as a README or a script has it."""


def _redis(examined: Examined) -> Iterator[Finding]:
    """Find a production server that needs Redis where no file provides one."""
    servers = [one for one in _procfile(examined.folder) if one.otree in SERVERS]
    if not servers or not api_changes.needs_redis_in_production(examined.release):
        return
    places = dict.fromkeys(("app.json", ".env*", "heroku.yml", COMPOSE), "redis")
    places |= dict.fromkeys(("[Rr][Ee][Aa][Dd][Mm][Ee]*", "*.sh", "Makefile"), ADDED)
    found = ((file, words) for name, words in places.items() for file in examined.folder.glob(name))
    settings = examined.settings.strings("CHANNEL_LAYERS") | examined.settings.strings("REDIS_URL")
    if any(map(ELSEWHERE.match, settings)) or any(
        re.search(words, text_of(file), re.IGNORECASE) for file, words in found if file.is_file()
    ):
        return
    yield Finding(
        f"the server of oTree {examined.release} needs Redis, and no file of the project provides "
        "one",
        servers[0].where,
        "its channel layer and its workers are connected through Redis: without one the web "
        "process "
        "ends, or no socket is served",
        "add Redis on the host (`heroku addons:create heroku-redis`); if it is there already, name "
        "it in app.json, so that a second host gets it, too",
        is_remark=not examined.is_meant_for_a_host or _is_assumed(examined),
    )


def _host_python(examined: Examined) -> Iterator[Finding]:
    """Find a Procfile without a Python, where the host's default is too new."""
    servers = _procfile(examined.folder)
    if not servers or examined.picked.own_pythons:
        return
    host, file = api_changes.host_python().host, api_changes.host_python().file
    python = api_changes.host_python().default
    hint = PythonHint(host, f">={python}")
    if pick.objection(hint, examined.release) == "is refused by":
        use = examined.picked.pythons[0]
        yield Finding(
            "no file names the Python for the host",
            "Procfile:1",
            f"{host} then takes Python {python} or later, on which oTree {examined.release} does "
            "not "
            "run",
            f"write {use} into a file {file} (or python-{use} and its patch release into "
            "runtime.txt)",
            is_remark=not examined.is_meant_for_a_host,
        )


def _second(examined: Examined) -> Iterator[Finding]:
    """Find a server whose second half is not started: page timeouts are then not enforced."""
    started = _procfile(examined.folder)
    names = {one.otree for one in started}
    if names & FIRST and not names & SECOND and not api_changes.is_one_process(examined.release):
        first = next(one for one in started if one.otree in FIRST)
        yield Finding(
            "only the first half of the production server is started",
            first.where,
            "the second half enforces page timeouts and plays browser bots",
            f"add a line worker: otree {first.otree.replace('1of2', '2of2')}",
            is_remark=True,
        )


CHECKS: tuple[Callable[[Examined], Iterable[Finding]], ...] = (
    *(_commands, _processes, _redis, _host_python, _second),
)
"""The checks of the files for a host."""
