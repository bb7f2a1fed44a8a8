"""A project as oTree's own commands write it gives no finding, on each line of releases."""

import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.project.doctor import run_checks
from channelsmin.runtime import environment
from tool.project.doctor.planted import change

CONFIG = (
    "SESSION_CONFIGS = [\n    dict(name='game', num_demo_participants=2, app_sequence=['game']),"
)


@pytest.mark.parametrize("wanted", ["1.4.49", "2.2.4", "2.5.8", "3.4.0", "6.0.15"])
def test_a_new_project_with_a_new_app_gives_no_finding(wanted: str, tmp_path: Path) -> None:
    place = environment.cached(Version(wanted))
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
