"""docs/architecture.md: the rooms that it lists are the rooms that there are."""

import re
from pathlib import Path

import pytest

from channelsmin.paths import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def folders(parent: str) -> set[str]:
    found = (path for path in (ROOT / parent).iterdir() if path.is_dir())
    return {path.name for path in found if not path.name.startswith(("_", "."))}


def listed(parent: str) -> set[str]:
    """Return the folders of `parent` that have a row of their own."""
    return set(re.findall(rf"^\| \[`[\w/]+`\]\(\.\./{parent}/(\w+)\) ", TEXT, re.MULTILINE))


@pytest.mark.parametrize("parent", ["src/channelsmin", "tests"])
def test_every_room_is_listed_and_every_listed_room_exists(parent: str) -> None:
    assert listed(parent) == folders(parent)


def test_every_module_that_a_row_names_is_in_its_room() -> None:
    for room in folders("src/channelsmin"):
        row = next(line for line in TEXT.splitlines() if f"](../src/channelsmin/{room})" in line)
        named = re.findall(r"`(\w+)`", row.split(" | ")[1])
        here = {path.stem for path in Path(ROOT, "src", "channelsmin", room).glob("*.py")}
        assert set(named) <= here | {"variants"}, room


def test_the_tests_of_the_tool_are_in_the_folders_of_the_tool() -> None:
    assert folders("tests/tool") == folders("src/channelsmin")


def test_lint_checks_the_schema_of_every_workflow() -> None:
    workflows = (ROOT / ".github").rglob("*.yml")
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert [file for file in workflows if file.relative_to(ROOT).as_posix() not in tox] == []
