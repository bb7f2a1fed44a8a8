"""`neighbours.toml`: of each kind of fault and of false alarm, several projects that differ."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from channelsmin.paths import read_toml
from channelsmin.project.doctor import run_checks

READ = read_toml(Path(__file__).parent / "neighbours.toml")
BASES, PARTS = READ["base"], READ["parts"]
KINDS: dict[str, list[dict[str, Any]]] = {
    kind: found for kind, found in READ.items() if kind not in {"base", "parts"}
}


def write(folder: Path, entry: Mapping[str, Any]) -> None:
    """Write the project of an entry: its base, with the entry's parts and files."""
    parts = {**PARTS[entry["base"]], **entry}
    for name, text in {**BASES[entry["base"]], **entry.get("files", {})}.items():
        for _ in range(2):  # a part can have a place for another one
            for part, value in parts.items():
                text = text.replace(f"«{part}»", value) if isinstance(value, str) else text
        while "«" in text:
            before, _, after = text.partition("«")
            text = before + after.partition("»")[2]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, found in KINDS.items() for n in range(len(found))]
)
def test_a_neighbour_gets_the_right_answer(kind: str, number: int, tmp_path: Path) -> None:
    entry = KINDS[kind][number]
    write(tmp_path, entry)
    report = run_checks.examine(tmp_path)
    newer = ["newer"] if sys.version_info < (3, 12) else []
    for found, words in (
        (report.findings, ["says"]),
        (report.remarks, ["remark", "second", *newer]),
    ):
        expected = [entry[word] for word in words if word in entry]
        assert len(found) == len(expected), [(one.where, one.what) for one in found]
        assert all(what in one.what for what, one in zip(expected, found, strict=True))


def test_each_kind_has_at_least_five_neighbours() -> None:
    assert all(len(found) >= 5 for found in KINDS.values())
