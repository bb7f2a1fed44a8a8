"""The variants, as texts: what they import, how long they are, how alike their neighbours."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from calmjs.parse import es5
from calmjs.parse.exceptions import ECMASyntaxError

from channelsmin.matrix import releases, variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.runtime import export
from channelsmin.upkeep import shared_app

ALL = variants.load_all()
each_variant = pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)

BOILERPLATE = {"manage.py", "settings.py"}
"""Files that `otree startproject` writes, so they do not count as the variant's text."""


def python_files(variant: Variant) -> list[Path]:
    return sorted(path for path in variant.folder.rglob("*.py") if path.name not in BOILERPLATE)


def imported(file: Path) -> Iterator[str]:
    """Yield the module of each import that is not the app's own."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def code_lines(file: Path) -> int:
    """Count the lines that are neither blank nor a comment; docstrings count."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


@each_variant
def test_v2_every_import_beyond_otree_api_is_listed_with_its_reason(
    variant: Variant, tmp_path: Path
) -> None:
    own = {"otree.api", "channelsmin", "settings", *sys.stdlib_module_names}
    export.write(export.named(variant.name), tmp_path / "project")
    files = [path for path in (tmp_path / "project").rglob("*.py") if path.name != "manage.py"]
    found = {
        module
        for file in files
        for module in imported(file)
        if module not in own and module.partition(".")[0] not in own
    }
    listed = {"otree" if name == "otree.__version__" else name for name in variant.beyond_otree_api}
    assert found == listed
    assert all(variant.beyond_otree_api.values())


@each_variant
def test_a_variant_is_short_enough_to_read_in_five_minutes(variant: Variant) -> None:
    lines = {str(file): code_lines(file) for file in python_files(variant)}
    assert sum(lines.values()) <= 120, lines
    assert all(count <= 60 for name, count in lines.items() if "consumers" in name), lines


def test_neighbours_with_channels_have_the_same_files_in_the_same_places() -> None:
    consumers = [variant.folder / "channelsmin" / "consumers.py" for variant in ALL]
    trees = [
        {path.relative_to(variant.folder) for path in variant.folder.rglob("*.*")}
        for variant, file in zip(ALL, consumers, strict=True)
        if file.exists()
    ]
    first, *others = trees
    assert len(others) == 3
    assert others[0] == others[1] == others[2]
    # 1.4 finds a module called pages only in its last releases.
    assert {path.as_posix() for path in first ^ others[0]} == {
        "channelsmin/pages.py",
        "channelsmin/views.py",
    }


def test_the_app_that_two_variants_share_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(copy.name, of.name) for copy, of in shared_app.copies()] == [
        ("otree-2.6", "otree-2.3")
    ]
    shared_app.check()


def test_the_variants_of_live_pages_open_their_socket_alike() -> None:
    copies = list(variants.VARIANTS.glob("*/channelsmin/templates/channelsmin/socket.html"))
    assert len(copies) == 2
    assert len({copy.read_text() for copy in copies}) == 1


def test_every_release_has_one_variant() -> None:
    for release in releases.known():
        serving = [variant.name for variant in ALL if variant.serves(release)]
        assert len(serving) == 1, (release, serving)


@each_variant
def test_every_release_of_a_variant_has_a_python_and_a_durable_server(variant: Variant) -> None:
    for release in filter(variant.serves, releases.known()):
        assert variant.pythons(release)
        assert variant.durable_server(release)


SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
TEMPLATES = [
    *(ROOT / "shared_templates").glob("*.html"),
    *(ROOT / "variants").rglob("*.html"),
]


def syntax_error(script: str) -> str:
    """Return what is wrong with it as ECMAScript 5, the syntax of browsers of 2009 to 2015."""
    try:
        es5(script)
    except ECMASyntaxError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_scripts_have_the_syntax_of_old_browsers(template: Path) -> None:
    scripts = SCRIPT.findall(template.read_text())
    assert scripts or template.name in {"MyPage.html", "Results.html"}
    for script in scripts:
        assert not syntax_error(TAG.sub("0", script))


@pytest.mark.parametrize("newer", ["let f = () => 1;", "a?.b;", "async function f() {}"])
def test_newer_syntax_is_noticed(newer: str) -> None:
    assert syntax_error(newer)
