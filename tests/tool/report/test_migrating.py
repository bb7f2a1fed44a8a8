"""docs/migrating.md: what it says of the variants is in them."""

import re
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix.variants import VARIANTS
from channelsmin.report import markdown
from channelsmin.report.documents import DOCS

CELL = re.compile(r"\[`([\w/.]+)`\]\(\S+\): (.+)")


def places() -> list[tuple[str, str, str]]:
    """Return what the table of correspondences names: the variant, the file, the name in it."""
    text = (DOCS / "migrating.md").read_text()
    rows = [
        line.strip("| ").split(" | ") for line in text[text.index("## From 2.6") :].splitlines()
    ]
    cells = [("otree-2.6", row[0]) for row in rows] + [
        ("otree-5.0", row[1]) for row in rows if len(row) > 1
    ]
    found = ((variant, CELL.fullmatch(cell.strip())) for variant, cell in cells)
    return [
        (variant, cell[1], name)
        for variant, cell in found
        if cell
        for name in re.findall(r"`(\w+)`", cell[2])
    ]


def test_the_table_names_all_that_an_app_consists_of() -> None:
    named = {(variant, name) for variant, _, name in places()}
    for variant in ("otree-2.6", "otree-5.0"):
        for file in (VARIANTS / variant / "channelsmin").glob("*.py"):
            if file.name != "tests.py":
                defined = re.findall(r"^ *(?:async )?(?:def|class) (\w+)", file.read_text(), re.M)
                missing = {its for its in defined if (variant, its) not in named}
                assert missing <= {"MyPageConsumer", "is_displayed", "before_next_page"}, variant


@pytest.mark.parametrize(("variant", "file", "name"), places())
def test_what_it_names_is_there(variant: str, file: str, name: str) -> None:
    folder = VARIANTS / variant
    path = folder / "channelsmin" / file
    text = (path if path.exists() else folder / file).read_text()
    assert re.search(rf"\b{name}\b", text)


def test_a_difference_is_shown_without_numbers(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_text("1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    after.write_text("1\n2\n3\n4\nfive\n6\n7\n8\n9\n")
    assert markdown.diff(before, after) == "```diff\n@@\n 3\n 4\n-5\n+five\n 6\n 7\n```\n"


def test_a_document_that_tells_of_no_difference_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("same\n")
    with pytest.raises(UserError, match="are the same"):
        markdown.diff(tmp_path / "one", tmp_path / "one")
    with pytest.raises(UserError, match="does not exist"):
        markdown.diff(tmp_path / "one", tmp_path / "other")
