"""The worked examples: written over a variant's app, for each oTree that they are for."""

from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix.variants import VARIANTS
from channelsmin.runtime import examples, export

NAMES = sorted(path.name for path in examples.EXAMPLES.iterdir() if (path / "templates").is_dir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", examples.PARTS)
def test_each_replaces_files_that_the_variant_has(name: str, variant: str, tmp_path: Path) -> None:
    examples.write(name, export.named(variant), tmp_path / "project")
    app = tmp_path / "project" / "channelsmin"
    export.write(export.named(variant), tmp_path / "plain")
    plain = {path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*.*")}
    written = {path.relative_to(app.parent) for path in app.parent.rglob("*.*")}
    assert plain - written == {Path("channelsmin/tests.py")}
    assert written <= plain
    files = [path for path in app.rglob("*.py") if path.name != export.RELEASE_CHECK.name]
    lines = sum(len(path.read_text().splitlines()) for path in files)
    assert lines <= 180


def test_the_two_that_share_a_consumer_have_the_same() -> None:
    of = [
        (VARIANTS / name / "channelsmin" / "consumers.py").read_text()
        for name in ("otree-2.3", "otree-2.6")
    ]
    assert of[0] == of[1]


@pytest.mark.parametrize("name", NAMES)
def test_each_checks_the_release_as_the_variant_does(name: str) -> None:
    live_page = Path("otree-5.0", "channelsmin", "__init__.py")
    files = (examples.EXAMPLES / name / "otree-5.0" / "__init__.py", VARIANTS / live_page)
    own, the_variants = (file.read_text().partition("\n\n")[0] for file in files)
    assert own == the_variants
    assert "import release_check" in own


def test_each_has_its_test() -> None:
    tests = Path(__file__).parents[2] / "examples"
    assert {path.stem.removeprefix("test_") for path in tests.glob("test_*.py")} == {*NAMES}


def test_for_another_variant_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"are written for otree-2\.0, "):
        examples.write("chat", export.named("otree-1.4"), tmp_path / "project")
    assert not (tmp_path / "project").exists()
