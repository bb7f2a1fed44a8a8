"""A plain tox, in an environment of its own, in a fresh clone and with an empty HOME."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from channelsmin.paths import ROOT


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, without anything that git does not track."""
    folder = tmp_path_factory.mktemp("plain-tox") / "clone"
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=unwanted)
    return folder


@pytest.fixture(scope="module")
def tox(clone: Path) -> Path:
    """The tox that `pip install tox` installs."""
    environment = clone.parent / "tox"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "tox"]
    subprocess.run(pip, check=True)
    return environment / "bin" / "tox"


def run(tox: Path, clone: Path, *arguments: str, status: int = 0) -> str:
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    left_out = ("PYTHON", "PYTEST", "TOX", "VIRTUAL_ENV")
    variables = {name: text for name, text in os.environ.items() if not name.startswith(left_out)}
    ended = subprocess.run(
        [str(tox), *arguments],
        cwd=clone,
        env={**variables, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout


def test_it_lists_an_environment_for_every_release(tox: Path, clone: Path) -> None:
    assert "otree2.1.35 " in run(tox, clone, "list")


@pytest.mark.timeout(900)
def test_it_installs_what_it_needs_and_tests_a_release(tox: Path, clone: Path) -> None:
    printed = run(tox, clone, "-e", "otree6.0.15", "--", "-k", "release_is_the_one or p2 or a1")
    assert "otree6.0.15: OK" in printed
    assert re.search(r"[3-9] passed", printed)


def test_a_release_that_does_not_exist_is_refused_in_one_line(tox: Path, clone: Path) -> None:
    printed = run(tox, clone, "-e", "otree9.9.9", status=254)
    assert "Traceback" not in printed
    assert "otree9.9.9 - did you mean" in printed
