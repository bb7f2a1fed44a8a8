"""`channelsmin lock`: which locks there should be, who shares one, and when one is stale."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import locks, notes, releases, variants
from channelsmin.matrix.locks import Lock
from channelsmin.matrix.notes import ManualPin
from channelsmin.runtime import environment, interpreters
from channelsmin.upkeep import resolve_locks

TWISTED = ManualPin("Twisted==16.2.0", "a" * 64)
LOCK = Lock("2.1.35", (Version("2.1.35"),), "3.7", ("Django==1.11.2", "certifi"), (), ())
ANSWER = "certifi==2026.10.18 \\\n    --hash=sha256:1\ndjango==1.11.2 \\\n    --hash=sha256:2\n"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Lock], Lock]:
    """Make a lock be wanted, and its file be there."""
    monkeypatch.setattr(locks, "LOCKS", tmp_path)
    monkeypatch.setattr(resolve_locks, "find_spec", lambda name: "the tool is not run here")

    def write(lock: Lock) -> Lock:
        monkeypatch.setattr(locks, "wanted", lambda: (lock,))
        lock.path.write_text(f"{locks.BANNER}{lock.head}{ANSWER}")
        return lock

    return write


def test_no_lock_is_missing_or_stale_or_obsolete() -> None:
    locks.check()


def test_every_release_that_can_be_installed_has_a_lock_on_each_of_its_pythons() -> None:
    for release in releases.known():
        variant = variants.find(release)
        if variant and not notes.not_installable(release):
            assert all(locks.find(release, python) for python in variant.pythons(release)), release


def test_a_lock_holds_pins_with_hashes_and_nothing_else() -> None:
    """In particular no address of an index."""
    line = re.compile(r"#.*|[\w.-]+(\[\w+\])?==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    for path in locks.LOCKS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert all(map(line.fullmatch, text.splitlines())), path.name
        assert "://" not in text


def test_releases_that_require_the_same_share_a_lock() -> None:
    first, second = (locks.find(Version(text), "3.7") for text in ("2.1.14", "2.1.41"))
    assert first is not None
    assert first is second


def test_releases_with_different_upper_bounds_do_not_share_a_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = Version("2.1.41")
    monkeypatch.setattr(notes, "upper_bounds", lambda release: ("six<2",) * (release == apart))
    wanted = locks.wanted.__wrapped__()
    [alone] = [lock for lock in wanted if lock.python == "3.7" and apart in lock.releases]
    assert alone.releases == (apart,)
    assert alone.upper_bounds == ("six<2",)
    assert alone.path.name == "2.1.41-bounded-py3.7.txt"


def test_a_note_on_one_release_leaves_the_others_their_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, installable_before = {lock.path for lock in locks.wanted()}, notes.not_installable
    noted = Version("2.1.14")

    def why(release: Version) -> str | None:
        return "as noted" if release == noted else installable_before(release)

    monkeypatch.setattr(
        notes, "not_installable", lambda r: "as noted" if r == noted else installable_before(r)
    )
    assert {lock.path for lock in locks.wanted.__wrapped__()} == before


def test_no_two_locks_have_the_same_file() -> None:
    assert len({lock.path for lock in locks.wanted()}) == len(locks.wanted())


def test_a_release_that_cannot_be_installed_has_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    release = Version("2.0.19")
    assert any(release in lock.releases for lock in locks.wanted())
    monkeypatch.setattr(notes, "not_installable", lambda r: "noted" if r == release else None)
    assert not any(release in lock.releases for lock in locks.wanted.__wrapped__())


def test_a_fresh_lock_is_not_stale(written: Callable[[Lock], Lock]) -> None:
    assert written(LOCK).staleness() is None
    locks.check()


def test_a_missing_lock_is_named(written: Callable[[Lock], Lock]) -> None:
    written(LOCK).path.unlink()
    with pytest.raises(UserError, match=r"2\.1\.35-py3\.7\.txt is missing"):
        locks.check()


def test_a_lock_that_is_obsolete_is_named(written: Callable[[Lock], Lock]) -> None:
    written(LOCK)
    (locks.LOCKS / "2.1.36-py3.7.txt").touch()
    with pytest.raises(UserError, match=r"2\.1\.36-py3\.7\.txt is obsolete"):
        locks.check()


@pytest.mark.parametrize(
    "changed",
    [
        replace(LOCK, upper_bounds=("six<2",)),
        replace(LOCK, manual_pins=(TWISTED,)),
        replace(LOCK, requires=("Django==1.11.3", "certifi")),
        replace(LOCK, requires=(*LOCK.requires, "six")),
    ],
)
def test_a_lock_for_something_else_is_stale(written: Callable[[Lock], Lock], changed: Lock) -> None:
    written(LOCK)
    assert changed.staleness()


def test_an_upper_bound_need_not_be_required() -> None:
    assert replace(LOCK, upper_bounds=("six<2",)).unsatisfied_by(ANSWER) == []
    held = replace(LOCK, upper_bounds=("certifi<2026",))
    assert held.unsatisfied_by(ANSWER) == ["certifi<2026"]


def test_what_another_python_requires_is_not_asked_for() -> None:
    other = replace(LOCK, requires=('zipp; python_version < "3.7"', "setuptools"))
    assert other.unsatisfied_by(ANSWER) == []
    assert replace(other, python="3.6").unsatisfied_by(ANSWER) == ['zipp; python_version < "3.7"']


def test_without_uv_nothing_is_tried(
    written: Callable[[Lock], Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(LOCK).path.unlink()
    monkeypatch.setattr(resolve_locks, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="is not installed next to"):
        resolve_locks.update()


def test_a_stale_lock_is_written_again_and_an_obsolete_one_deleted(
    written: Callable[[Lock], Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = written(LOCK)
    lock.path.write_text("")
    orphan = locks.LOCKS / "2.1.36-py3.7.txt"
    orphan.touch()
    monkeypatch.setattr(resolve_locks, "resolve", lambda lock: f"{lock.head}{ANSWER}")
    resolve_locks.update()
    assert lock.staleness() is None
    assert not orphan.exists()


def test_what_cannot_be_resolved_is_named_and_leaves_the_rest_as_it_was(
    written: Callable[[Lock], Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(lock: Lock) -> str:
        raise UserError("no such Twisted")

    lock = written(LOCK)
    lock.path.write_text("as it was")
    monkeypatch.setattr(resolve_locks, "resolve", fail)
    with pytest.raises(UserError, match="no such Twisted"):
        resolve_locks.update()
    assert lock.path.read_text() == "as it was"


def test_a_lock_cannot_be_resolved_without_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "first", lambda version: None)
    with pytest.raises(UserError, match=r"without Python 3\.7"):
        resolve_locks.resolve(LOCK)


def test_manual_pins_are_sorted_in_and_names_are_spelled_as_otree_spells_them() -> None:
    manual_pins = [TWISTED.block, "Automat[visualize]==1 \\\n    --hash=sha256:3\n"]
    answer = ANSWER.replace("certifi", "certifi[extra]")
    text = resolve_locks.spelled(answer, manual_pins, LOCK.requires)
    assert "certifi[extra]==2026.10.18" in text
    names = [name for name, _ in locks.PIN.findall(text)]
    assert names == ["Automat", "certifi", "Django", "Twisted"]
    assert text.count("--hash") == 4


def test_an_environment_is_a_release_with_its_hash_and_its_lock() -> None:
    release = Version("2.1.35")
    text = environment.requirements(release, "3.7")
    assert f"otree==2.1.35 \\\n    --hash=sha256:{releases.rows()[release].sha256}\n" in text
    assert "Django==1.11.2 \\\n" in text


def test_a_release_without_a_lock_is_taken_as_the_index_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "find", lambda release, python: None)
    release = Version("2.1.35")
    assert environment.requirements(release, "3.7") == "otree==2.1.35\n"
