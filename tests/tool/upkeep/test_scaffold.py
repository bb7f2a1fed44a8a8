"""`channelsmin scaffold`: a new variant starts as a copy of its neighbour."""

import functools
import shutil
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.runtime import export
from channelsmin.upkeep import scaffold


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of variants that lacks the first one."""
    for variant in variants.load_all()[1:]:
        shutil.copytree(variant.folder, tmp_path / variant.name)
    monkeypatch.setattr(variants, "VARIANTS", tmp_path)
    monkeypatch.setattr(variants, "load_all", functools.cache(variants.load_all.__wrapped__))
    return tmp_path


def test_it_is_its_neighbour_with_a_range_of_its_own(folder: Path) -> None:
    scaffold.run("otree-2.0", "1.4.0b1", "1.4.49")
    made, model = (variants.load(folder / name) for name in ("otree-1.4", "otree-2.0"))
    assert made.range == "1.4.0b1 to 1.4.49"
    assert {**made.facts, "first": "", "last": ""} == {**model.facts, "first": "", "last": ""}
    text = (folder / "otree-1.4" / "variant.toml").read_text()
    assert text.replace("1.4.0b1", "1.5.0b1").replace("1.4.49", "2.2.4") == (
        (folder / "otree-2.0" / "variant.toml").read_text()
    )


def test_one_without_an_end_is_like_the_last_one(folder: Path) -> None:
    scaffold.run("otree-2.6", "7.0.0a1", None)
    assert variants.load(folder / "otree-7.0").range == "7.0.0a1 and later"


def test_one_with_an_end_may_be_a_copy_of_one_without(folder: Path) -> None:
    scaffold.run("otree-5.0", "4.1.0", "4.1.9")
    assert variants.load(folder / "otree-4.1").range == "4.1.0 to 4.1.9"


def test_the_release_checks_of_all_variants_name_it(folder: Path) -> None:
    scaffold.run("otree-2.6", "4.1.0", "4.1.9")
    variants.load_all.cache_clear()
    for variant in variants.load_all():
        assert "('4.1.0', 'otree-4.1')" in export.release_check(variant)


@pytest.mark.parametrize(
    ("like", "first", "message"),
    [
        ("otree-9.9", "7.0.0", "there is no variant 'otree-9.9'; the variants are otree-2.0"),
        ("otree-5.0", "2.3.0", "exists already"),
        ("otree-5.0", "seven", "'seven' is not a release"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    like: str, first: str, message: str, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=message):
        scaffold.run(like, first, None)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
