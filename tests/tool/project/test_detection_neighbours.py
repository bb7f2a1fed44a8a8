"""Which oTree is it: `detection_neighbours.toml`, and encodings that no TOML file can have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from channelsmin.errors import UserError
from channelsmin.paths import read_toml
from channelsmin.project import pick
from tool.project.test_detection_cases import (
    CHANNELS_1,
    CHANNELS_2,
    LITE,
    OLD,
    SETTINGS,
    VIEWS,
    _no_environment,
)

__all__ = ["_no_environment"]

CODE = {
    "channels-1": CHANNELS_1,
    "channels-2": CHANNELS_2,
    "one-file": LITE,
    "pages": OLD,
    "views": VIEWS,
}

KINDS = read_toml(Path(__file__).parent / "detection_neighbours.toml")


def write(folder: Path, entry: Mapping[str, Any]) -> None:
    code = CODE.get(entry.get("code", ""), {})
    settings = {} if "found" in entry else {"settings.py": SETTINGS}
    for name, text in {**settings, **code, **entry.get("files", {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, found in KINDS.items() for n in range(len(found))]
)
def test_a_neighbour_gets_the_right_answer(kind: str, number: int, tmp_path: Path) -> None:
    entry = KINDS[kind][number]
    write(tmp_path, entry)
    if "release" not in entry:
        with pytest.raises(UserError, match="older than any variant"):
            pick.pick(tmp_path)
        return
    picked = pick.pick(tmp_path / entry.get("asked", "."))
    assert str(picked.release) == entry["release"]
    assert picked.folder.resolve() == (tmp_path / entry.get("found", ".")).resolve()


def test_each_kind_has_at_least_five_neighbours() -> None:
    assert all(len(found) >= 5 for found in KINDS.values())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-8-sig"])
def test_a_freeze_of_powershell_is_read(encoding: str, tmp_path: Path) -> None:
    write(tmp_path, {})
    text = "Django==2.2.4\r\notree==2.5.8\r\notree-core==0.0.0b1\r\n"
    (tmp_path / "requirements.txt").write_text(text, encoding=encoding)
    assert str(pick.pick(tmp_path).release) == "2.5.8"
