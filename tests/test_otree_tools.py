"""B. Beside oTree's own tools."""

import csv
from pathlib import Path

from channelsmin.environment import Environment
from channelsmin.export import Export, write
from channelsmin.server import run_otree


def test_b1_otree_test_plays_the_pages_to_the_end(
    environment: Environment, export: Export, tmp_path: Path
) -> None:
    write(export, tmp_path / "project")
    beside = tmp_path / "beside"
    environment.install_beside(beside, export.variant.facts.get("bots_need", []))
    ended = run_otree(
        environment,
        tmp_path / "project",
        "test",
        "channelsmin",
        f"--export={tmp_path / 'data'}",
        extra={"PYTHONPATH": str(beside)},
    )
    assert ended.returncode == 0, ended.stdout
    with (tmp_path / "data" / "channelsmin.csv").open(encoding="utf-8-sig") as file:
        players = list(csv.DictReader(file))
    assert len(players) == 3
    for player in players:
        assert player["participant._current_page_name"] == "Results"
        assert player["participant._index_in_pages"] > player["participant._max_page_index"]
        assert player["group.moved_by"] in {"1", "2", "3"}
