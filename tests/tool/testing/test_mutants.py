"""`channelsmin mutants`: every fault can be planted, and what was tried is kept."""

import compileall
import shutil
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import results, variants
from channelsmin.matrix.results import Planted
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.report import spec
from channelsmin.testing import mutants
from channelsmin.testing.mutants import Edit, Mutant

PAIRS = [
    pytest.param(mutant, variant, id=f"{variant.name}: {mutant.name}")
    for variant in variants.load_all()
    for mutant in mutants.load_all()
    if mutant.edits_for(variant)
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The parts of the repository in which mutants are planted."""
    for part in ("variants", "shared_templates"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


@pytest.mark.parametrize(("mutant", "variant"), PAIRS)
def test_a_mutant_changes_a_variant_and_leaves_it_python(
    mutant: Mutant, variant: Variant, copy: Path
) -> None:
    paths = [path for path in copy.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    before = {path: path.read_bytes() for path in paths}
    mutants.plant(mutant, variant, copy)
    changed = [path for path in paths if path.read_bytes() != before[path]]
    assert len(changed) == len(mutant.edits_for(variant)) == 1
    assert compileall.compile_dir(copy / "variants" / variant.name, quiet=1)


def test_every_mutant_breaks_a_clause_of_the_contract() -> None:
    names = [mutant.name for mutant in mutants.load_all()]
    assert len(names) == len(set(names)) >= 20
    for mutant in mutants.load_all():
        assert set(mutant.clauses) <= set(spec.clauses()), mutant.name


def test_an_edit_that_no_longer_matches_is_an_error(copy: Path) -> None:
    stale = Mutant("stale", ("A1",), (Edit(("channels-2",), "no such line", ""),))
    with pytest.raises(UserError, match=r"'stale' matches in 0 files of otree-2\.3"):
        mutants.plant(stale, variants.named("otree-2.3"), copy)


def test_the_last_trial_of_a_mutant_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(results, "MUTANTS", tmp_path / "mutants.json")
    assert results.mutants() == []
    survived = Planted("otree-2.3", "2.5.8", "no jitter", (), {"suite": "a" * 12})
    killed = Planted("otree-2.3", "2.5.8", "no jitter", ("test_r5_x",), {"suite": "b" * 12})
    other = Planted("otree-2.0", "2.2.4", "no jitter", ("test_r5_x",), {"suite": "b" * 12})
    for planted in (survived, killed, other):
        results.save_mutant(planted)
    assert results.mutants() == [other, killed]
