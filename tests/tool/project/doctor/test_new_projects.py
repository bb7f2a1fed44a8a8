"""A project as oTree's own commands write it gives no finding, on each line of releases."""

import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.project.doctor import run_checks
from tool.conftest import Installed
from tool.project.doctor.planted import change
from tool.project.doctor.test_neighbours import write
from tool.project.doctor.test_run_checks import LINES

CONFIG = (
    "SESSION_CONFIGS = [\n    dict(name='game', num_demo_participants=2, app_sequence=['game']),"
)


@pytest.mark.parametrize("wanted", ["1.4.49", "2.2.4", "2.5.8", "3.4.0", "6.0.15"])
def test_a_new_project_with_a_new_app_gives_no_finding(
    wanted: str, tmp_path: Path, installed: Installed
) -> None:
    place = installed(Version(wanted))
    for command, folder in (("startproject new", tmp_path), ("startapp game", tmp_path / "new")):
        subprocess.run(
            [str(place.otree), *command.split()],
            cwd=folder,
            env=place.variables(),
            input=b"n\n",
            check=True,
            capture_output=True,
        )
    project = tmp_path / "new"
    change("settings.py", "SESSION_CONFIGS = [", CONFIG)(project)
    report = run_checks.examine(project, wanted)
    assert [app.name for app in report.read.played] == ["game"] if report.read else False
    assert report.findings == ()


NEW = {
    "1.4": ("otree-core>=1.4.31\npsycopg2>=2.5.1\n", "runprodserver"),
    "2.0": ("otree>=2.0.0\npsycopg2>=2.5.1\n", "runprodserver"),
    "2.6": ("otree>=2.5.0\npsycopg2>=2.5.1\n", "prodserver"),
    "3.2": ("otree>=3.2.3\npsycopg2>=2.8.4\n", "prodserver"),
    "5.0": ("otree>=5.0.0a21\npsycopg2>=2.8.4\n", "prodserver"),
    "5.4": ("otree>=5.0.0a21\npsycopg2>=2.8.4\nsentry-sdk>=0.7.9\n", "prodserver"),
}
"""What the requirements and the Procfile of a new project say, from these lines on."""


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("wanted", [*LINES, "3.1.0", "3.2.8", "3.3.11", "5.4.7", "5.8.5"])
def test_what_a_new_project_of_each_line_requires_and_starts_is_no_finding(
    wanted: str, named: bool, tmp_path: Path
) -> None:
    release = Version(wanted)
    requirements, server = NEW[max(line for line in NEW if Version(line) <= release)]
    files = {
        "requirements.txt": requirements,
        "Procfile": f"web: otree {server}1of2\nworker: otree {server}2of2\n",
    }
    if release < Version("2.1"):
        files[".travis.yml"] = "language: python\npython: 3.5\nscript:\n  - otree test\n"
    if release < Version("2.0.20"):
        files["settings.py"] = (
            "import otree.settings\nSESSION_CONFIGS = []\n"
            "otree.settings.augment_settings(globals())\n"
        )
    base = "self" if release.major < 5 else "lite"
    write(tmp_path, {"base": base, "release": wanted, "files": files})
    assert run_checks.examine(tmp_path, wanted if named else None).findings == ()
