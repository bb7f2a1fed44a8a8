"""The README's table of variants."""

from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.report import documents, readme


def test_every_variant_has_its_row() -> None:
    rows = readme.variants_table()
    for variant in variants.load_all():
        assert f"| {variant.range} | [`{variant.name}`]" in rows


def test_a_stale_table_is_found_and_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- variants: x -->\nold\n<!-- end of variants -->\nafter\n")
    block = documents.Block(file, "variants", readme.variants_table)
    monkeypatch.setattr(documents, "BLOCKS", [block])
    with pytest.raises(UserError, match="stale"):
        documents.check()
    documents.update()
    documents.check()
    assert file.read_text().startswith("before\n")
    assert file.read_text().endswith("after\n")
    assert "old" not in file.read_text()
