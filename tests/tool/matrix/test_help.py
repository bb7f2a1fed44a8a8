"""Help for releases that pip alone does not install or start: the notes, and what they come to."""

from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.matrix.help import Edit, Help

HELP = Help(
    "some help",
    "no-install",
    "as it is",
    first=("incremental",),
    add=("six>=1",),
    instead=("Twisted>=19.2.1",),
    without=("pypiwin32",),
    edits=(Edit("setup.py", "old", "new"), Edit("empty.txt", "", "")),
)
HELPED = [release for release in releases.known() if notes.help_for(release)]


def test_requirements_are_corrected() -> None:
    declared = ("Django==1.8.8", "PyPiWin32==220", "Twisted==19.2.0.dev0")
    assert HELP.corrected(declared) == ("Django==1.8.8", "six>=1", "Twisted>=19.2.1")


def test_an_edit_changes_one_place_and_keeps_the_line_ends() -> None:
    edit = Edit("a.py", "one\ntwo\n", "1\n2\n")
    assert edit.applied("zero\none\ntwo\n") == "zero\n1\n2\n"
    assert edit.applied("zero\r\none\r\ntwo\r\n") == "zero\r\n1\r\n2\r\n"


@pytest.mark.parametrize("text", ["nothing of it", "one\ntwo\none\ntwo\n"])
def test_an_edit_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a\.py does not contain 'one\\ntwo\\n' just once"):
        Edit("a.py", "one\ntwo\n", "").applied(text)


def test_the_digest_is_of_what_is_done() -> None:
    assert replace(HELP, line="other words", reason="another").digest == HELP.digest
    assert replace(HELP, first=()).digest != HELP.digest
    assert replace(HELP, edits=HELP.edits[:1]).digest != HELP.digest


def test_the_steps_are_told_in_the_order_to_do_them() -> None:
    steps = ("\n".join(step) for step in HELP.steps(["incremental==17.5.0"]))
    first, without, instead, add, edit, new_file = steps
    assert "before all others: `incremental==17.5.0`" in first
    assert "except `pypiwin32`" in without
    assert "`Twisted>=19.2.1` instead" in instead
    assert "Also install `six>=1`" in add
    old, new = "\n\n   ```\n   old\n   ```\n\n", "\n\n   ```\n   new\n   ```"
    assert edit == f"In oTree's `setup.py`, replace{old}   by{new}"
    assert new_file == "Add an empty file `empty.txt`."


def test_there_are_helps_and_each_release_has_one_at_most() -> None:
    assert len(HELPED) > 15
    for release in HELPED:
        assert len(notes._about("help", release)) == 1, release


@pytest.mark.parametrize("helped", HELPED, ids=str)
def test_a_release_with_help_is_served_and_locked_and_is_no_known_failure(helped: Version) -> None:
    help_, pythons = notes.help_for(helped), variants.pythons(helped)
    assert help_
    assert pythons
    assert notes.known_failures(helped) == {}
    for python in pythons:
        lock = locks.find(helped, python)
        assert lock
        assert lock.staleness() is None
        pinned = {canonicalize_name(name) for name, _ in locks.PIN.findall(lock.path.read_text())}
        assert {canonicalize_name(name) for name in help_.first} <= pinned
        assert not {canonicalize_name(name) for name in help_.without} & pinned


def test_what_comes_first_is_taken_from_the_lock_with_its_hashes() -> None:
    release = Version("1.4.0b3")
    lock = locks.find(release, "3.6")
    assert lock
    assert locks.first(release, lock).startswith("incremental==17.5.0 \\\n    --hash=sha256:")
    assert [name for name, _ in locks.PIN.findall(locks.first(release, lock))] == ["incremental"]


def test_by_hand_the_locked_version_comes_first() -> None:
    release = Version("2.1.40")
    help_ = notes.help_for(release)
    assert help_
    assert locks.steps_by_hand(release, help_) == [
        "Install these packages before all others: `dj-database-url==0.4.1`, `Django==1.11.2`, "
        "`pytz==2017.3`."
    ]


def test_a_release_that_needs_no_help_has_nothing_to_install_first() -> None:
    release = Version("2.1.35")
    lock = locks.find(release, "3.7")
    assert lock
    assert notes.help_for(release) is None
    assert locks.first(release, lock) == ""
