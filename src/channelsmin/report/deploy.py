"""The tables of docs/deploy.md: what each release starts online, and what it needs."""

from collections.abc import Callable, Sequence
from itertools import groupby

from packaging.version import Version

from channelsmin.matrix import api_changes, releases, variants
from channelsmin.report import markdown

Facts = Sequence[str]


def _ranges(of: Callable[[Version], Facts]) -> list[tuple[str, Facts]]:
    """Return the facts about the releases in their order, those with the same ones in one row."""
    served = sorted(release for release in releases.known() if variants.find(release))
    rows = []
    for facts, group in groupby(served, of):
        found = list(group)
        last = f"to {found[-1]}" if found[-1] != served[-1] else "and later"
        rows.append((f"{found[0]} {last}" if len(found) > 1 else str(found[0]), facts))
    return rows


def _servers(release: Version) -> Facts:
    servers = variants.serving(release).production_servers(release)
    before = ", ".join(f"`otree {step}`" for step in servers.before_resetdb)
    further = f"`otree {servers.further} 127.0.0.1:8002`"
    purpose = api_changes.redis_in_production(release)
    return (
        before or "nothing",
        f"`otree {servers.first} 127.0.0.1:8001`",
        "none" if api_changes.is_one_process(release) else further,
        f"for its {purpose}" if purpose else "no",
        ", ".join(f"`{package}`" for package in servers.needs) or "none",
    )


def servers_table() -> str:
    """Return what to run, by release."""
    head = ("your oTree", "before `resetdb`", "the server", "further processes", "Redis", "install")
    return markdown.table(head, [(where, *facts) for where, facts in _ranges(_servers)])


def _procfile(release: Version) -> Facts:
    return [
        ", ".join(f"`{name}: {command}`" for name, command in api_changes.procfile(release).items())
    ]


def procfile_table() -> str:
    """Return the Procfile, by release."""
    rows = [(where, *facts) for where, facts in _ranges(_procfile)]
    return markdown.table(("your oTree", "Procfile"), rows)


def _driver(release: Version) -> Facts:
    return [f"`pip install {' '.join(variants.serving(release).postgresql_needs)}`"]


def drivers_table() -> str:
    """Return the driver for PostgreSQL, by release."""
    rows = [(where, *facts) for where, facts in _ranges(_driver)]
    return markdown.table(("your oTree", "driver"), rows)
