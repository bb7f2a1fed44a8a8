"""Write the files with which a project goes online: on Heroku, or in Docker containers.

What each release starts, and what it needs, is in `matrix/api_changes.toml` and in the variants.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from packaging.version import Version

from channelsmin.matrix import api_changes, variants
from channelsmin.matrix.variants import Api, ProductionServers

PORT = 8000
"""The port on which the server in the container listens."""

IMAGES = {"db": "postgres:15", "redis": "redis:7"}
"""PostgreSQL and Redis of the lines with which docs/deploy.md was tested."""

IGNORED = (".git", ".venv", "venv", "__pycache__", "__temp_*", "_static_root", "db.sqlite3")

SECRETS = ("OTREE_ADMIN_PASSWORD", "OTREE_SECRET_KEY")

SLIM_FROM = Version("3.10")
"""The first Python for which every package that oTree needs comes without a compiler."""


class Target(str, Enum):
    """Where a project goes online."""

    HEROKU = "heroku"
    DOCKER = "docker"


@dataclass(frozen=True)
class Deployed:
    """What the files are written for: a release on a Python."""

    release: Version
    python: str

    @property
    def servers(self) -> ProductionServers:
        """oTree's production commands."""
        return variants.serving(self.release).production_servers(self.release)

    @property
    def collects_static(self) -> bool:
        """Whether static files have to be collected before it serves them: Django does that."""
        return variants.serving(self.release).api is not Api.LIVE_PAGES

    @property
    def needs_redis(self) -> bool:
        """Whether its processes need Redis."""
        return bool(api_changes.redis_in_production(self.release))


def files(release: Version, targets: Iterable[Target]) -> dict[str, str]:
    """Return the texts of the files for these places, by their names."""
    made: dict[str, str] = {}
    for target in targets:
        made |= _heroku(release) if target is Target.HEROKU else _docker(release)
    return made


def packages(release: Version) -> tuple[str, ...]:
    """Return the packages that production needs and oTree does not require."""
    variant = variants.serving(release)
    return (*variant.postgresql_needs, *variant.production_servers(release).needs)


def next_steps(release: Version, targets: Iterable[Target]) -> list[str]:
    """Return what to do with the files, in a line for each place."""
    steps = {
        Target.HEROKU: "Heroku: commit the files, `heroku create`, "
        + ("" if _builds(release) else "`heroku stack:set container`, ")
        + "add what app.json lists, `git push heroku main`, `heroku run otree resetdb`",
        Target.DOCKER: "Docker: set OTREE_ADMIN_PASSWORD and OTREE_SECRET_KEY, then "
        "`docker compose run --rm web otree resetdb --noinput` and `docker compose up`",
    }
    return [steps[target] for target in dict.fromkeys(targets)]


def _builds(release: Version) -> bool:
    """Return whether Heroku itself still installs a Python that runs this release."""
    return bool(_hosted(release))


def _hosted(release: Version) -> list[str]:
    host = api_changes.host_python()
    return [python for python in variants.pythons(release) if host.builds_on(python)]


def _heroku(release: Version) -> dict[str, str]:
    python = next(iter((*_hosted(release), *variants.pythons(release))))
    deployed = Deployed(release, python)
    processes = api_changes.procfile(release)
    made = {
        "Procfile": "".join(f"{name}: {command}\n" for name, command in processes.items()),
        ".python-version": f"{python}\n",
        "app.json": json.dumps(_app(deployed, processes), indent=2) + "\n",
    }
    if _builds(release):
        return made
    # Heroku installs no such Python any more: it runs a container instead.
    run = "".join(f"  {name}: {command}\n" for name, command in processes.items())
    return {
        **made,
        "heroku.yml": f"build:\n  docker:\n    web: Dockerfile\nrun:\n{run}",
        "Dockerfile": _dockerfile(deployed),
        ".dockerignore": _ignored(),
    }


def _app(deployed: Deployed, processes: Mapping[str, str]) -> dict[str, object]:
    """Return the content of app.json, from which Heroku sets an app up."""
    addons = ["heroku-postgresql", *(["heroku-redis"] if deployed.needs_redis else [])]
    return {
        "name": "oTree project",
        "env": {
            "OTREE_PRODUCTION": "1",
            "OTREE_AUTH_LEVEL": "STUDY",
            "OTREE_ADMIN_PASSWORD": {"description": "the password of the user admin"},
            "OTREE_SECRET_KEY": {"generator": "secret"},
        },
        "addons": addons,
        "formation": {name: {"quantity": 1} for name in processes},
        **({} if _builds(deployed.release) else {"stack": "container"}),
    }


def _docker(release: Version) -> dict[str, str]:
    deployed = Deployed(release, variants.pythons(release)[0])
    return {
        "Dockerfile": _dockerfile(deployed),
        ".dockerignore": _ignored(),
        "compose.yaml": _compose(deployed),
    }


def _dockerfile(deployed: Deployed) -> str:
    slim = "-slim" if Version(deployed.python) >= SLIM_FROM else ""
    collect = ["RUN otree collectstatic --noinput"] if deployed.collects_static else []
    lines = [
        f"FROM python:{deployed.python}{slim}",
        "WORKDIR /project",
        "COPY *.txt ./",
        "RUN pip install --no-cache-dir -r requirements.txt",
        "COPY . .",
        *collect,
        "ENV OTREE_PRODUCTION=1 PYTHONUNBUFFERED=1",
        f"EXPOSE {PORT}",
        f"CMD exec otree {deployed.servers.first} 0.0.0.0:{PORT}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _ignored() -> str:
    return "".join(f"{name}\n" for name in IGNORED)


def _compose(deployed: Deployed) -> str:
    redis = deployed.needs_redis
    services = ["db", *(["redis"] if redis else [])]
    lines = [
        "services:",
        "  web:",
        "    build: .",
        f'    ports: ["{PORT}:{PORT}"]',
        "    restart: unless-stopped",
        "    environment:",
        "      DATABASE_URL: postgres://otree:otree@db/otree",
        *(["      REDIS_URL: redis://redis:6379"] if redis else []),
        '      OTREE_PRODUCTION: "1"',
        "      OTREE_AUTH_LEVEL: STUDY",
        *(f"      {name}: ${{{name}:?set it before you start}}" for name in SECRETS),
        "    depends_on:",
        *(f"      {name}: {{condition: service_healthy}}" for name in services),
        "  db:",
        f"    image: {IMAGES['db']}",
        "    environment: {POSTGRES_USER: otree, POSTGRES_PASSWORD: otree, POSTGRES_DB: otree}",
        '    volumes: ["database:/var/lib/postgresql/data"]',
        *_health("pg_isready", "-U", "otree"),
    ]
    if redis:
        lines += ["  redis:", f"    image: {IMAGES['redis']}", *_health("redis-cli", "ping")]
    return "\n".join([*lines, "volumes:", "  database: {}", ""])


def _health(*command: str) -> list[str]:
    return [
        "    restart: unless-stopped",
        f"    healthcheck: {{test: {json.dumps(['CMD', *command])}, interval: 5s, retries: 20}}",
    ]
