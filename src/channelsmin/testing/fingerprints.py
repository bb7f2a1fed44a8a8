"""Fingerprints of what a result was produced with: short SHA-256 hashes by meaning.

What is executed counts: of Python its syntax tree without docstrings, of templates the text without
comments, of `variant.toml` the facts without their reasons. So a comment, a docstring or formatting
does not invalidate a result.
"""

import ast
import functools
import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any, TypeVar

from packaging.version import Version

from channelsmin.matrix import locks, notes, variants
from channelsmin.matrix.variants import Variant
from channelsmin.paths import ROOT
from channelsmin.runtime import export

DIGITS = 12
"""How many hexadecimal digits of a SHA-256 are kept: enough to tell versions of a file apart."""

CONTRACT = ROOT / "tests" / "contract"
HARNESS = ROOT / "tests" / "harness"
FIXTURES = HARNESS / "fixtures.py"

TEMPLATE_COMMENTS = re.compile(
    r"\{%\s*comment\b.*?endcomment\s*%\}|\{#.*?#\}|<!--.*?-->|/\*.*?\*/|(?:^|\s)//[^\n]*",
    re.DOTALL | re.MULTILINE,
)
"""Comments of Django's templates, HTML, CSS and JavaScript."""

TEXTS = {
    *("reason", "document", "how_it_works", "same_app_as", "beyond_otree_api", "private_fields"),
    *("python", "live_page"),
}
"""Facts of a variant that no run of the suite depends on."""


def of(release: Version, python: str) -> dict[str, str]:
    """Return the fingerprints of the variant with its templates, of the suite and of the lock file.

    A release without a lock, as it is new, has no fingerprint of one: what is installed may differ
    from day to day. One that needs help has a fingerprint of its steps. Raises UserError if no
    variant serves the release.
    """
    lock, help_ = locks.find(release, python), notes.help_for(release)
    return {
        "variant": of_variant(variants.serving(release), release),
        "suite": of_suite(),
        **({"lock": digits([locks.requirements(release, lock)])} if lock else {}),
        **({"help": help_.digest} if help_ else {}),
    }


@functools.cache
def of_suite() -> str:
    """Return the fingerprint of the contract suite and of the harness modules that it imports."""
    return digits(sorted(of_module(file) for file in suite_files()))


def suite_files() -> list[Path]:
    """Return the files of the suite: the tests, the modules they import, and what servers load."""
    found = {FIXTURES, *CONTRACT.glob("*.py"), *HARNESS.glob("taps/*.py")}
    files = list(found)
    while files:
        new = set(_imported_from_harness(files.pop())) - found
        found |= new
        files += new
    return sorted(found)


def _imported_from_harness(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parent, *rest = node.module.split(".")
            modules = rest or [alias.name for alias in node.names]
            if parent == "harness" and (path := HARNESS / f"{modules[0]}.py").exists():
                yield path


def of_variant(variant: Variant, release: Version) -> str:
    """Return the fingerprint of everything that an export contains, except its README.

    Of `variant.toml`, only the facts that apply to this release: facts about other releases do not
    invalidate results.
    """
    check = export.release_check(variant, listed=())
    facts = _without_texts(variant.facts_for(release))
    return digits([*_of_export(variant.folder), _of_python(check), json.dumps(facts)])


@functools.cache
def _of_export(folder: Path) -> tuple[str, ...]:
    return tuple(
        f"{name} {of_file(path)}"
        for root in (folder, export.SHARED_TEMPLATES)
        for name, path in named(root, root.rglob("*")).items()
        if path.is_file() and "__pycache__" not in path.parts and path.suffix in {".py", ".html"}
    )


AnyPath = TypeVar("AnyPath", bound=PurePath)


def named(root: PurePath, paths: Iterable[AnyPath]) -> dict[str, AnyPath]:
    """Return paths below a folder by their names there: the same words and order on every system.

    Windows has backslashes, and sorts without regard to case.
    """
    ordered = sorted(paths, key=lambda path: path.parts)
    return {path.relative_to(root).as_posix(): path for path in ordered}


def _without_texts(fact: Any) -> Any:
    if isinstance(fact, dict):
        return {key: _without_texts(fact[key]) for key in sorted(fact) if key not in TEXTS}
    return [_without_texts(entry) for entry in fact] if isinstance(fact, list) else str(fact)


def of_file(file: Path) -> str:
    """Return the fingerprint of a Python file or a template."""
    text = file.read_text(encoding="utf-8")
    return _of_python(text) if file.suffix == ".py" else of_template(text)


def of_template(text: str) -> str:
    """Return the fingerprint of a template: without comments, indentation and blank lines."""
    lines = (line.strip() for line in TEMPLATE_COMMENTS.sub("", text).splitlines())
    return digits(filter(None, lines))


def of_module(file: Path) -> str:
    """Return the fingerprint of a module of the suite; names of modules don't matter."""
    return _of_python(file.read_text(encoding="utf-8"), names_modules=False)


def _of_python(text: str, names_modules: bool = True) -> str:
    tree = ast.parse(text)
    if not names_modules:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                node.module = None
    return digits(_executed(tree))


def _executed(node: ast.AST) -> Iterator[str]:
    """Yield what a syntax tree executes, in words that are the same on every Python.

    Texts that stand alone, as docstrings do, are left out, and so are empty fields: new Pythons
    add some.
    """
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if value is None and not isinstance(node, ast.Constant):
            continue
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, ast.AST):
                if inner := [*_executed(part)]:
                    yield from (name, *inner, "end")
            elif name != "kind":
                yield f"{name} {part!r}"


def digits(parts: Iterable[str]) -> str:
    """Return a short hash of texts."""
    digest = sha256()
    for part in parts:
        digest.update(f"{len(part)}\n{part}".encode())
    return digest.hexdigest()[:DIGITS]
