"""`channelsmin releases`: what is taken from the index and the releases' own files."""

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from channelsmin import paths
from channelsmin.errors import UserError
from channelsmin.matrix import lines, notes, releases, variants
from channelsmin.matrix.releases import Row
from channelsmin.paths import ROOT, read_toml
from channelsmin.runtime import index
from channelsmin.runtime.index import Listed
from channelsmin.upkeep import sdist, update_releases
from channelsmin.upkeep.sdist import Facts

URL = "https://index.example/otree-6.0.0.tar.gz"
HERE = "https://index.example/otree-"
NEWEST_URL = f"{HERE}5.9.6.tar.gz"
OTHER = {"hashes": {"sha256": "f" * 64}}
UPLOADED = datetime(2026, 5, 10, 12, 35, 7, tzinfo=timezone.utc)
OLD = Row(Version("2.0.0"), UPLOADED, "", ">=3.5", "2.0.0", "a" * 64)
NEW = Listed(Version("6.0.0"), UPLOADED, "", "", "b" * 64, URL)


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A matrix that knows 2.0.0, and an index that has 6.0.0 and nothing else."""
    monkeypatch.setattr(releases, "RELEASES", tmp_path / "releases.toml")
    monkeypatch.setattr(releases, "REQUIRES", tmp_path / "requires")
    monkeypatch.setattr(releases, "rows", lambda: {OLD.release: OLD})
    monkeypatch.setattr(index, "ask", lambda package: [NEW])
    monkeypatch.setattr(sdist, "facts", lambda *release: Facts(">=3.10", ("a==1", "b")))
    (tmp_path / "releases.toml").touch()
    return tmp_path


@pytest.mark.parametrize("name", ["releases", "notes"])
def test_the_files_are_as_their_schema_says(name: str) -> None:
    schema = json.loads((ROOT / "matrix" / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    text = json.dumps(read_toml(ROOT / "matrix" / f"{name}.toml"), default=as_toml_has_it)
    errors = Draft202012Validator(schema).iter_errors(json.loads(text))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def as_toml_has_it(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_the_rows_are_sorted_and_complete() -> None:
    rows = list(releases.rows().values())
    assert [row.release for row in rows] == sorted({row.release for row in rows})
    assert all(row.uploaded for row in rows)
    assert all((row.python and row.requires) or notes.not_installable(row.release) for row in rows)


def test_before_2_a_release_has_another_package() -> None:
    packages = {str(row.release): row.package for row in releases.rows().values()}
    assert (packages["1.5.0b5"], packages["2.0.0b1"]) == ("otree-core", "otree")


@pytest.mark.parametrize("empty", ["1.5.0", "1.6.1"])
def test_an_empty_package_is_told_to_be_one(empty: str) -> None:
    with pytest.raises(UserError, match=rf"otree-core {empty} is an empty package: .* 1\.5\.0b5;"):
        releases.find(empty)


def test_no_variant_runs_a_release_on_a_python_that_it_refuses() -> None:
    for release, row in releases.rows().items():
        if variant := variants.find(release):
            accepted = SpecifierSet(row.python or "")
            assert all(map(accepted.contains, variant.pythons(release))), release


def test_what_is_required_is_kept_once_and_for_somebody() -> None:
    kept = {path.stem for path in releases.REQUIRES.iterdir()}
    assert kept == {row.requires for row in releases.rows().values() if row.requires}
    assert len({releases.requires(name) for name in kept}) == len(kept)


def test_an_answer_that_lacks_a_release_takes_nothing_away() -> None:
    assert update_releases.merge({OLD.release: OLD}, []) == [OLD]


def test_an_answer_that_lacks_a_fact_takes_nothing_away() -> None:
    lacking = Listed(OLD.release, None, "", "", OLD.sha256, URL)
    assert update_releases.merge({OLD.release: OLD}, [lacking]) == [OLD]


def test_a_release_that_was_yanked_since_is_told_so() -> None:
    yanked = Listed(OLD.release, UPLOADED, "removed due to bug", "", OLD.sha256, URL)
    assert update_releases.merge({OLD.release: OLD}, [yanked]) == [
        replace(OLD, yanked="removed due to bug")
    ]


def test_a_file_that_is_another_one_than_it_was_is_a_problem() -> None:
    other = Listed(OLD.release, UPLOADED, "", "", "c" * 64, URL)
    with pytest.raises(UserError, match=r"of oTree 2\.0\.0 has changed"):
        update_releases.merge({OLD.release: OLD}, [other])


def test_a_new_release_is_added_to_what_was_there(matrix: Path, said: list[str]) -> None:
    update_releases.update()
    assert said == ["6.0.0"]
    first, second = read_toml(matrix / "releases.toml")["releases"]
    assert first["version"] == "2.0.0"
    assert second == {
        "version": "6.0.0",
        "uploaded": UPLOADED,
        "yanked": "",
        "python": ">=3.10",
        "requires": "6.0.0",
        "sha256": "b" * 64,
    }
    assert releases.requires("6.0.0") == ("a==1", "b")


def test_what_cannot_be_read_is_unknown_and_the_release_is_added_nevertheless(
    matrix: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*release: object) -> Facts:
        raise UserError("refused")

    monkeypatch.setattr(sdist, "facts", fail)
    update_releases.update()
    assert said == ["6.0.0: refused", "6.0.0"]
    added = read_toml(matrix / "releases.toml")["releases"][1]
    assert added.keys() == {"version", "uploaded", "yanked", "sha256"}


def test_who_requires_the_same_shares_it(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(NEW, release=Version("6.0.1"))
    monkeypatch.setattr(index, "ask", lambda package: [NEW, other])
    update_releases.update()
    assert [path.name for path in (matrix / "requires").iterdir()] == ["6.0.0.txt"]
    added = read_toml(matrix / "releases.toml")["releases"][1:]
    assert [row["requires"] for row in added] == ["6.0.0", "6.0.0"]


def test_check_names_what_the_matrix_lacks(matrix: Path) -> None:
    with pytest.raises(UserError, match=r"has new releases: 6\.0\.0;"):
        update_releases.check()


def test_check_is_content_when_nothing_is_new(
    matrix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ask", lambda package: [])
    update_releases.check()


def test_the_index_s_page_is_read() -> None:
    page = {
        "files": [
            {
                "filename": "otree-5.9.6.tar.gz",
                "url": "../../otree-5.9.6.tar.gz",
                "hashes": {"sha256": "e" * 64},
                "requires-python": ">=3.7",
                "upload-time": "2022-09-16T13:28:38.519550Z",
                "yanked": "removed due to bug",
            },
            {
                "filename": "otree-2.0.0.tar.gz",
                "url": f"{HERE}2.0.0.tar.gz",
                "hashes": {"sha256": "f" * 64},
                "yanked": True,
            },
            {
                "filename": "otree-6.0.0-py3-none-any.whl",
                "url": "x.whl",
                "hashes": {"sha256": "f" * 64},
            },
        ]
    }
    moment = datetime(2022, 9, 16, 13, 28, 38, 519550, timezone.utc)
    assert list(index.read(page, "https://index.example/simple/otree/")) == [
        Listed(
            Version("5.9.6"), moment, "removed due to bug", ">=3.7", "e" * 64, f"{HERE}5.9.6.tar.gz"
        ),
        Listed(Version("2.0.0"), None, "no reason given", "", "f" * 64, f"{HERE}2.0.0.tar.gz"),
    ]


@pytest.mark.parametrize(
    ("setup", "accepted"),
    [
        ("if sys.version_info < (3, 6):\r\n", ">=3.6"),
        ("if sys.version_info < (3, 7):\nif sys.version_info >= (3, 8):\n", ">=3.7,<3.8"),
        ("if sys.version_info < (3, 7) or sys.version_info >= (3, 10):\n", ">=3.7,<3.10"),
        ("SUPPORTED_PY3_VERSIONS = [7, 8, 9, 10]\n", ">=3.7,<3.11"),
        ("SUPPORTED_PY3_VERSIONS = [10, 12]\n", ">=3.10,<3.13,!=3.11.*"),
    ],
)
def test_what_setup_py_accepts_is_understood(setup: str, accepted: str) -> None:
    assert sdist.accepted(setup) == accepted


def test_the_requirements_of_extras_are_left_out_and_those_with_a_condition_are_not() -> None:
    written = 'b==2\na\n\n[:python_version < "3.8"]\nc>=1\n\n[mturk]\nboto3\n'
    assert list(sdist.required(written)) == ["b==2", "a", 'c>=1; python_version < "3.8"']


def test_a_file_is_written_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    paths.write_atomically(file, "before")

    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        paths.write_atomically(file, "after")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_releases_that_follow_each_other_are_named_by_the_first_and_the_last() -> None:
    among = [Version(f"2.0.{number}") for number in range(9)]
    some = [among[place] for place in (0, 2, 3, 5, 6, 7)]
    assert lines.span(some, among) == "2.0.0, 2.0.2, 2.0.3, 2.0.5 to 2.0.7"
