"""tox's environments: a release that needs help is installed by the tool, all others by pip."""

from pathlib import Path
from typing import IO

import pytest
from packaging.version import Version
from tox.config.types import Command

from channelsmin.runtime import environment
from channelsmin.runtime.environment import Environment
from channelsmin.testing import tox_environments


def test_a_release_that_needs_help_has_an_installer_of_its_own() -> None:
    command = tox_environments._settings(Version("3.3.0b6"))["install_command"]
    assert isinstance(command, Command)
    assert command.args[1] == "-c"
    assert command.args[-3:] == ["3.3.0b6", "3.7", "{packages}"]
    assert "install_command" not in tox_environments._settings(Version("3.3.0b5"))


@pytest.mark.parametrize("status", [0, 3])
def test_it_installs_into_the_environment_that_tox_names(
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    asked = list[tuple[Environment, Version, str, Path]]()

    def install(
        made: Environment, release: Version, python: str, folder: Path, output: IO[bytes] | int
    ) -> int:
        asked.append((made, release, python, folder))
        return status

    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    monkeypatch.setattr(environment, "install", install)
    with capfd.disabled(), pytest.raises(SystemExit) as ended:
        tox_environments.install("3.3.0b6", "3.7")
    assert ended.value.code == status
    assert asked == [(Environment(tmp_path), Version("3.3.0b6"), "3.7", tmp_path)]
