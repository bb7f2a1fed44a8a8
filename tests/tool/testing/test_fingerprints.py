"""Fingerprints: what changes a result changes them, and nothing else does."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.matrix import variants
from channelsmin.runtime import export
from channelsmin.testing import fingerprints

RELEASE = Version("6.0.15")

MODULE = '''
"""A docstring."""
from harness.members import Member

def test_a1(member: Member) -> None:
    """Another one."""
    member.click(3)  # a comment
'''

TEMPLATE = """
{% comment %}What it does{% endcomment %}
<script>
    // A comment.
    send({type: 'click'});  // another one
    open('https://example.org');
</script>
"""


def of_module(folder: Path, text: str) -> str:
    (folder / "module.py").write_text(text)
    return fingerprints.of_module(folder / "module.py")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A docstring."""\n', ""),
        ("Another one.", "Something else."),
        ("  # a comment", ""),
        ("def test_a1(member: Member)", "def test_a1(\n    member: Member,\n)"),
        ("harness.members", "harness.people"),
        ("member.click(3)", "member.click((3))"),
    ],
)
def test_what_is_not_executed_does_not_matter(old: str, new: str, tmp_path: Path) -> None:
    assert old in MODULE
    assert of_module(tmp_path, MODULE.replace(old, new)) == of_module(tmp_path, MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("click(3)", "click(4)"),
        ("click(3)", "click(3.0)"),
        ("click(3)", "click(-3)"),
        ("click(3)", "click(None)"),
        ("click", "press"),
        ("test_a1", "test_a2"),
        ("import Member", "import Socket"),
        ("member.click", "not member.click"),
        ("    member.click(3)", "    if member:\n        member.click(3)"),
    ],
)
def test_what_is_executed_matters(old: str, new: str, tmp_path: Path) -> None:
    assert old in MODULE
    assert of_module(tmp_path, MODULE.replace(old, new)) != of_module(tmp_path, MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{% comment %}What it does{% endcomment %}\n", ""),
        ("    // A comment.\n", ""),
        ("  // another one", ""),
        ("    send", "  send"),
        ("<script>", "<!-- ours --><script>"),
    ],
)
def test_a_comment_in_a_template_does_not_matter(old: str, new: str) -> None:
    assert old in TEMPLATE
    changed = TEMPLATE.replace(old, new)
    assert fingerprints.of_template(changed) == fingerprints.of_template(TEMPLATE)


@pytest.mark.parametrize(("old", "new"), [("click", "ask"), ("example.org", "example.com")])
def test_the_text_of_a_template_matters(old: str, new: str) -> None:
    changed = TEMPLATE.replace(old, new)
    assert fingerprints.of_template(changed) != fingerprints.of_template(TEMPLATE)


def test_only_files_that_take_part_in_the_suite_count() -> None:
    names = {file.name for file in fingerprints.suite_files()}
    assert {"fixtures.py", "members.py", "test_advancing.py", "sitecustomize.py"} <= names
    assert not names & {"clause_report.py", "process_stats.py", "test_soak.py"}


@pytest.fixture
def copy(tmp_path: Path) -> variants.Variant:
    """A variant whose files can be changed."""
    variant = variants.serving(Version("2.5.8"))
    shutil.copytree(variant.folder, tmp_path / variant.name)
    return replace(variant, folder=tmp_path / variant.name)


@pytest.mark.parametrize(
    ("file", "text", "matters"),
    [
        ("README.md", "\nMore.\n", False),
        ("channelsmin/consumers.py", "\n# More.\n", False),
        ("channelsmin/consumers.py", "\nMORE = 1\n", True),
        ("channelsmin/more.py", "", True),
        ("settings.py", "\nMORE = 1\n", True),
    ],
)
def test_a_file_of_a_variant_matters_by_what_it_executes(
    file: str, text: str, matters: bool, copy: variants.Variant
) -> None:
    release = Version("2.5.8")
    before = fingerprints.of_variant(copy, release)
    with (copy.folder / file).open("a") as changed:
        changed.write(text)
    fingerprints._of_export.cache_clear()
    assert (fingerprints.of_variant(copy, release) != before) == matters


def test_a_release_check_that_lists_one_more_variant_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variant = variants.serving(RELEASE)
    before = fingerprints.of_variant(variant, RELEASE)
    more = (*variants.load_all(), replace(variant, name="otree-7.0", first=Version("7.0.0")))
    monkeypatch.setattr(variants, "load_all", lambda: more)
    assert "otree-7.0" in export.release_check(variant)
    assert fingerprints.of_variant(variant, RELEASE) == before


def test_the_facts_that_apply_to_a_release_matter_and_their_reasons_do_not() -> None:
    variant = variants.serving(RELEASE)
    before = fingerprints.of_variant(variant, RELEASE)

    def with_expected_failure(releases: str, reason: str = "it can't") -> str:
        found = {"clause": "P3", "test": "test_p3", "releases": releases, "reason": reason}
        expected = [*variant.facts["expected_failure"], found]
        facts = {**variant.facts, "expected_failure": expected}
        return fingerprints.of_variant(replace(variant, facts=facts), RELEASE)

    assert with_expected_failure("==6.0.6") == before
    assert with_expected_failure(">=6.0.6") != before
    assert with_expected_failure(">=6.0.6") == with_expected_failure("", "it must not")
    pythons = replace(variant, facts={**variant.facts, "python": [{"use": ["3.14"]}]})
    assert fingerprints.of_variant(pythons, RELEASE) == before
