"""What the tests of the doctor can ask for."""

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from channelsmin.runtime import export
from channelsmin.runtime.processes import free_port


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment is active, and there is no Redis."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("OTREE_PRODUCTION", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[str], Path]:
    """Make a project for a release."""

    def make(release: str) -> Path:
        export.write(export.named(release), tmp_path / "project")
        return tmp_path / "project"

    return make


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[ast.Module]:
    """The modules that are walked through as a whole, each as often as this is done."""
    modules: list[ast.Module] = []
    walk = ast.walk

    def noted(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.Module):
            modules.append(node)
        return walk(node)

    monkeypatch.setattr(ast, "walk", noted)
    return modules
