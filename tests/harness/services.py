"""The services that oTree needs in production: PostgreSQL, Redis and nginx.

Each is started from the program that is installed on this machine, on a free port of the loopback
interface, with its data in a new folder. It is ended after the block. If the program is missing,
the error message says what to install.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.paths import ROOT
from channelsmin.runtime import programs
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.processes import free_port, listening

PROCESS = "X-Process"
"""The header in which nginx names the server process that has answered."""

NGINX = """
daemon off;
master_process off;  # a master process would start workers as another user
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    add_header {process} $upstream_addr always;
    {site}
}}
"""


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database."""

    url: str

    def query(self, sql: str) -> str:
        """Return the result of a query, as text."""
        options = ["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql]
        command = [_program("psql"), self.url, *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run PostgreSQL with one empty database; root runs it as `postgres`, since it refuses root."""
    initdb, postgres = (_program(name) for name in ("initdb", "postgres"))
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
        if user:
            shutil.chown(folder, user)
        make = [initdb, "--pgdata", folder, "--username=otree", "--auth=trust", "--no-sync"]
        subprocess.run(make, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        options = ["-D", folder, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        with listening([postgres, *options], port, user=user, cwd=Path("/")):
            yield Database(f"postgres://otree@127.0.0.1:{port}/postgres")


@contextmanager
def redis() -> Iterator[str]:
    """Run Redis without persistence; yield its address."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with listening([_program("redis-server"), *options], port):
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def nginx(ports: Sequence[int]) -> Iterator[str]:
    """Run nginx with docs/nginx.conf in front of two server processes; yield its address."""
    port = free_port()
    site = (ROOT / "docs" / "nginx.conf").read_text()
    changes = {"listen 80": f"listen 127.0.0.1:{port}"}
    changes.update((f":{8001 + place}", f":{own}") for place, own in enumerate(ports))
    for old, new in changes.items():
        assert old in site
        site = site.replace(old, new)
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as name:
        conf = Path(name, "nginx.conf")
        conf.write_text(NGINX.format(folder=name, process=PROCESS, site=site))
        with listening([_program("nginx"), "-c", str(conf), "-e", "stderr"], port):
            yield f"http://127.0.0.1:{port}"


def installed_once(environment: Environment, packages: Sequence[str]) -> Path:
    """Return a folder with these packages, which later runs on this environment use again.

    It is in the environment's folder, but not where its Python finds it.
    """
    digest = sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = environment.folder / "packages-of-the-suite" / digest
    if not folder.exists():
        unfinished = folder.with_name(f"{digest}-{os.getpid()}")
        unfinished.mkdir(parents=True)
        environment.install_beside(unfinished, packages)
        unfinished.rename(folder)
    return folder


def _program(name: str) -> str:
    found = programs.find(name)
    if not found:
        missing = [service for service in programs.SERVICES if name in service.programs]
        raise UserError(f"no {name} on this machine: {programs.how_to_install(missing)}")
    return str(found)
