"""The wheel and the sdist: what `uvx channelsmin` and `pipx run channelsmin` have to work with."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from channelsmin import maintainer_cli, paths
from channelsmin.paths import ROOT
from channelsmin.runtime import export

Channelsmin = Callable[..., "subprocess.CompletedProcess[str]"]


def run_python(python: str | Path, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    run_python(sys.executable, "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def channelsmin(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Channelsmin:
    """The command, installed from the wheel, at somebody's who has nothing else."""
    home = tmp_path_factory.mktemp("home")
    (wheel,) = built.glob("*.whl")
    environment = tmp_path_factory.mktemp("installed") / "environment"
    run_python(sys.executable, "venv", environment)
    run_python(environment / "bin" / "python", "pip", "install", "--quiet", wheel)

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [environment / "bin" / "channelsmin", *map(str, arguments)],
            cwd=home,
            env={"HOME": str(home), "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("what", ["2.3.7", "3.2.8", "otree-5.0"])
def test_an_export_is_the_same_as_from_the_checkout(
    what: str, channelsmin: Channelsmin, tmp_path: Path
) -> None:
    ended = channelsmin("export", what, tmp_path / "from-the-wheel")
    assert ended.stderr == ""
    assert ended.returncode == 0
    export.write(export.named(what), tmp_path / "from-the-checkout")
    assert contents(tmp_path / "from-the-wheel") == contents(tmp_path / "from-the-checkout")


def test_pick_works_without_the_repository(channelsmin: Channelsmin, tmp_path: Path) -> None:
    ended = channelsmin("pick", "--otree", "2.3.7")
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.startswith("oTree 2.3.7 is served by the variant otree-2.3 ")
    assert "\n    channelsmin export 2.3.7 DIR\n" in ended.stdout
    (tmp_path / "requirements.txt").write_text("otree==6.0.15\n")
    ended = channelsmin("pick", "--project", tmp_path)
    assert "The suite on 6.0.15: " in ended.stdout


def test_doctor_works_without_the_repository(channelsmin: Channelsmin, tmp_path: Path) -> None:
    export.write(export.named("3.4.0"), tmp_path / "project")
    ended = channelsmin("doctor", tmp_path / "project")
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert "real-time apps: channelsmin: nothing found." in ended.stdout


@pytest.mark.parametrize("command", sorted({*maintainer_cli.COMMANDS} - {"scaffold"}))
def test_what_needs_the_repository_says_so(command: str, channelsmin: Channelsmin) -> None:
    ended = channelsmin(command)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"channelsmin: `{command}` needs a clone of the whole repository"
    )
    assert ended.stderr.count("\n") == 1


def test_an_unknown_release_is_refused_without_a_word_of_the_repository(
    channelsmin: Channelsmin, tmp_path: Path
) -> None:
    ended = channelsmin("export", "9.9.9", tmp_path / "project")
    assert ended.returncode == 1
    assert "if it is new, upgrade channelsmin" in ended.stderr
    assert "run.py" not in ended.stderr


def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("tox.ini", "run.py", "tests/conftest.py", "docs/spec.md", "CITATION.cff"):
        assert name in names
    assert {name.partition("/")[0] for name in names if name.startswith(".")} == {
        ".ci",
        ".gitattributes",
        ".github",
        ".gitignore",
    }
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_holds_the_tool_and_its_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"channelsmin"}
    data = {name.split("/")[2] for name in names if name.startswith("channelsmin/data/")}
    assert data == {"matrix", "shared_templates", "variants"}
    for part in ("cli.py", "report/page.html", "report/page.css", "report/page.js"):
        assert f"channelsmin/{part}" in names


def test_the_index_would_take_what_is_built(built: Path) -> None:
    files = map(str, built.iterdir())
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.stdout.count("PASSED") == 2, checked.stdout
    assert checked.returncode == 0


def test_the_changelog_has_this_version_with_its_date() -> None:
    version = paths.read_toml(ROOT / "pyproject.toml")["project"]["version"]
    text = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", text, re.MULTILINE)
    assert newest
    assert newest[1] == version
    assert f'\ndate-released: "{newest[2]}"\n' in (ROOT / "CITATION.cff").read_text()


def test_the_citation_names_the_version_that_is_built(built: Path) -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    project = paths.read_toml(ROOT / "pyproject.toml")["project"]
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
    assert f"channelsmin-{project['version']}.tar.gz" in {path.name for path in built.iterdir()}
