"""`channelsmin scaffold`: a new variant begins as a copy of its neighbour."""

import functools
import shutil
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.upkeep import scaffold


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of variants that lacks the first one."""
    for variant in variants.load_all()[1:]:
        shutil.copytree(variant.folder, tmp_path / variant.name)
    monkeypatch.setattr(variants, "VARIANTS", tmp_path)
    monkeypatch.setattr(variants, "load_all", functools.cache(variants.load_all.__wrapped__))
    return tmp_path


def check_of(variant: Path) -> str:
    return (variant / scaffold.CHECK).read_text().partition("\n\nfrom ")[0]


def test_its_check_is_the_one_that_the_variant_has(folder: Path) -> None:
    missing = Path(__file__).parents[3] / "variants" / "otree-1.4"
    scaffold.run("otree-2.0", "1.4.0b1", "1.4.49", lambda line: None)
    assert check_of(folder / "otree-1.4") == check_of(missing)
    made = variants.load(folder / "otree-1.4")
    assert made.range == "1.4.0b1 to 1.4.49"
    model = variants.load(folder / "otree-2.0")
    assert {**made.facts, "first": "", "last": ""} == {**model.facts, "first": "", "last": ""}


def test_one_without_an_end_is_like_the_last_one(folder: Path) -> None:
    scaffold.run("otree-5.0", "7.0.0a1", None, lambda line: None)
    assert "if LINE < [7, 0]:" in check_of(folder / "otree-7.0")
    assert "serves oTree 7.0.0a1 and later. '" in check_of(folder / "otree-7.0")
    assert variants.load(folder / "otree-7.0").last is None


def test_all_of_them_name_it(folder: Path) -> None:
    scaffold.run("otree-2.6", "4.1.0", "4.1.9", lambda line: None)
    lines = "([2, 0], [2, 3], [2, 6], [4, 1], [5, 0])"
    checks = [check_of(path) for path in folder.iterdir()]
    assert len(checks) == 6
    assert all(lines in text for text in checks)


@pytest.mark.parametrize(
    ("like", "first", "message"),
    [
        ("otree-9.9", "7.0.0", "there is no variant 'otree-9.9' to copy: name one of otree-2.0"),
        ("otree-5.0", "2.3.0", "is there already"),
        ("otree-5.0", "seven", "'seven' is no release"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    like: str, first: str, message: str, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=message):
        scaffold.run(like, first, None, lambda line: None)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
