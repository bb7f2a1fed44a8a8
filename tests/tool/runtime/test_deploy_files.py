"""`--deploy`: the files with which a project goes online, and the commands in them."""

import functools
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.version import Version

from channelsmin import cli
from channelsmin.errors import UserError
from channelsmin.matrix import api_changes, releases, variants
from channelsmin.project import add
from channelsmin.project.doctor import run_checks
from channelsmin.runtime import deploy_files, export, processes, programs
from channelsmin.runtime.deploy_files import Target
from harness import services
from tool.conftest import Installed

SERVED = sorted(release for release in releases.known() if variants.find(release))
OF_EACH_KIND = (
    *("1.4.12", "1.4.49", "2.0.21", "2.2.4", "2.3.0b2", "2.5.8", "2.6.0b14"),
    *("2.6.0b24", "3.4.0", "5.0.0a12", "5.4.7", "5.11.5", "6.0.15"),
)


def test_each_release_gets_commands_that_it_has() -> None:
    for release in SERVED:
        made = deploy_files.files(release, Target)
        processes = [line.split(": otree ")[1] for line in made["Procfile"].splitlines()]
        assert all(api_changes.has_server_command(one, release) for one in processes), release
        command = made["Dockerfile"].rpartition("CMD exec otree ")[2].split()[0]
        assert api_changes.has_server_command(command, release), release
        assert made[".python-version"].strip() in variants.pythons(release), release


def test_each_release_gets_redis_where_it_needs_it() -> None:
    for release in SERVED:
        made = deploy_files.files(release, Target)
        needed = bool(api_changes.redis_in_production(release))
        assert ("redis" in yaml.safe_load(made["compose.yaml"])["services"]) is needed, release
        assert ("heroku-redis" in json.loads(made["app.json"])["addons"]) is needed, release
        assert programs.needs_redis(release) is needed, release


@pytest.mark.parametrize("wanted", OF_EACH_KIND)
def test_the_doctor_finds_nothing_in_what_is_written(wanted: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    export.write(export.named(wanted), folder, list(Target))
    report = run_checks.examine(folder)
    assert (report.findings, report.remarks) == ((), ())


@pytest.mark.parametrize(
    ("wanted", "is_built_by_heroku"),
    [("2.5.8", False), ("5.7.2", False), ("5.11.5", True), ("6.0.15", True)],
)
def test_heroku_runs_a_container_where_it_installs_no_such_python(
    wanted: str, is_built_by_heroku: bool
) -> None:
    made = deploy_files.files(Version(wanted), [Target.HEROKU])
    assert ("heroku.yml" not in made) is is_built_by_heroku
    if is_built_by_heroku:
        assert Version(made[".python-version"].strip()) >= Version("3.10")
        return
    said = yaml.safe_load(made["heroku.yml"])
    assert [f"{name}: {command}" for name, command in said["run"].items()] == (
        made["Procfile"].splitlines()
    )
    assert json.loads(made["app.json"])["stack"] == "container"


def test_production_packages_are_required(tmp_path: Path) -> None:
    for release, package in (("2.3.0b2", "uvicorn==0.8.1"), ("2.5.8", "psycopg2-binary==2.8.6")):
        export.write(export.named(release), tmp_path / release, [Target.DOCKER])
        assert package in (tmp_path / release / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("heroku", {"Procfile", ".python-version", "app.json"}),
        ("docker", {"Dockerfile", ".dockerignore", "compose.yaml"}),
    ],
)
def test_the_command_line_writes_the_files_of_each_place(
    place: str, files: set[str], tmp_path: Path
) -> None:
    command = ["export", "6.0.15", str(tmp_path / "project"), "--deploy", place]
    ended = CliRunner().invoke(cli.cli, command)
    assert ended.exit_code == 0, ended.output
    assert place.capitalize() in ended.output
    assert files <= {path.name for path in (tmp_path / "project").iterdir()}
    plain = tmp_path / "plain"
    export.write(export.named("6.0.15"), plain)
    assert not files & {path.name for path in plain.iterdir()}


def test_a_variant_without_a_release_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--deploy needs a release"):
        export.write(export.named("otree-2.0"), tmp_path / "project", [Target.HEROKU])
    assert list(tmp_path.iterdir()) == []


def test_files_are_added_to_a_project_and_none_is_replaced(tmp_path: Path, said: list[str]) -> None:
    export.write(export.named("2.5.8"), tmp_path / "project")
    folder = tmp_path / "project"
    shutil.rmtree(folder / "channelsmin")
    (folder / "Dockerfile").write_text("FROM mine\n")
    (folder / "requirements.txt").write_text("otree==2.5.8\n")
    add.run(folder, "lobby", None, True, [Target.DOCKER])
    assert (folder / "Dockerfile").read_text() == "FROM mine\n"
    assert "redis" in (folder / "compose.yaml").read_text()
    assert (folder / "lobby" / "consumers.py").is_file()
    shown = "\n".join(said)
    assert "kept: Dockerfile" in shown
    assert "new: compose.yaml" in shown
    assert "requirements.txt lacks psycopg2-binary==2.8.6" in shown
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    add.run(folder, "lobby", None, True, [Target.DOCKER])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert any("nothing to do" in line for line in said)


def test_nothing_is_written_without_an_answer(tmp_path: Path) -> None:
    export.write(export.named("6.0.15"), tmp_path / "project")
    command = ["add", str(tmp_path / "project"), "--app", "lobby", "--deploy", "heroku"]
    ended = CliRunner().invoke(cli.cli, command, input="")
    assert isinstance(ended.exception, UserError)
    assert not (tmp_path / "project" / "Procfile").exists()
    assert not (tmp_path / "project" / "lobby").exists()


def commands_in(folder: Path) -> list[dict[str, str]]:
    """Return the commands of the Procfile together, and the one of the Dockerfile."""
    procfile = dict(line.split(": ") for line in (folder / "Procfile").read_text().splitlines())
    container = (folder / "Dockerfile").read_text().rpartition("CMD ")[2].strip()
    return [procfile, {"web": container.replace(f"0.0.0.0:{deploy_files.PORT}", "127.0.0.1:$PORT")}]


def answers(port: int) -> bool:
    """Return whether a server leads to oTree's login on this port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return b"password" in answer.read()
    except OSError:
        return False


@contextmanager
def started(
    commands: dict[str, str], folder: Path, variables: dict[str, str]
) -> Iterator[dict[str, processes.Process]]:
    """Start commands as a host does, each by its shell; end them after the block."""
    running: dict[str, processes.Process] = {}
    try:
        for name, command in commands.items():
            with (folder.parent / f"{name}.log").open("wb") as log:
                running[name] = processes.start(
                    ["sh", "-c", f"exec {command.removeprefix('exec ')}"],
                    output=log,
                    cwd=folder,
                    variables=variables,
                )
        yield running
    finally:
        for process in running.values():
            processes.end(process)


@pytest.mark.skipif(sys.platform == "win32", reason="hosts run Linux")
@pytest.mark.parametrize("wanted", ["2.5.8", "3.4.0", "6.0.15"])
def test_the_commands_in_the_files_serve_the_project(
    wanted: str, tmp_path: Path, installed: Installed
) -> None:
    folder, release = tmp_path / "project", Version(wanted)
    export.write(export.named(wanted), folder, list(Target))
    place = installed(release)
    packages = services.installed_once(place, deploy_files.packages(release))
    with ExitStack() as stack:
        variables = {
            **place.variables(),
            "DATABASE_URL": stack.enter_context(services.postgresql()).url,
            "OTREE_PRODUCTION": "1",
            "OTREE_AUTH_LEVEL": "STUDY",
            "OTREE_ADMIN_PASSWORD": "secret",
            "OTREE_SECRET_KEY": "one long random text",
            "PYTHONPATH": str(packages),
        }
        if api_changes.redis_in_production(release):
            variables["REDIS_URL"] = stack.enter_context(services.redis())
        steps = ["otree resetdb --noinput"]
        if deploy_files.Deployed(release, "").collects_static:
            steps.insert(0, "otree collectstatic --noinput")
        for step in steps:
            subprocess.run(step.split(), cwd=folder, env=variables, check=True, capture_output=True)
        for commands in commands_in(folder):
            port = processes.free_port()
            with started(commands, folder, {**variables, "PORT": str(port)}) as running:
                web = running["web"]
                is_up = functools.partial(answers, port)
                assert processes.wait_until(is_up, web, 60), (tmp_path / "web.log").read_text()
                time.sleep(1)  # a worker that does not find its services ends at once
                assert {name: one.poll() for name, one in running.items()} == dict.fromkeys(running)
