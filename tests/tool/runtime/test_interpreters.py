"""The places in which interpreters are searched for."""

import os
import sys
from pathlib import Path

import pytest

from channelsmin.runtime import interpreters

HERE = "{}.{}".format(*sys.version_info[:2])


def linked(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    (folder / name).symlink_to(sys.executable)
    return folder / name


def test_a_shim_that_does_not_start_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shims").mkdir()
    shim = tmp_path / "shims" / f"python{HERE}"
    shim.write_text("#!/bin/sh\necho no version is selected >&2\nexit 127\n")
    shim.chmod(0o755)
    real = linked(tmp_path / "pyenv" / "versions" / f"{HERE}.99" / "bin", f"python{HERE}")
    monkeypatch.setenv("PATH", str(tmp_path / "shims") + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = list(interpreters.interpreters(HERE))
    assert shim not in found
    assert real in found


def test_what_uv_has_installed_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = linked(tmp_path / f"cpython-{HERE}.99-linux" / "bin", f"python{HERE}")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    assert real in list(interpreters.interpreters(HERE))


def test_a_python_that_nobody_has_is_not_found() -> None:
    assert list(interpreters.interpreters("3.99")) == []
