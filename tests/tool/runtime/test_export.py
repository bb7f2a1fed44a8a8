"""`channelsmin export`: what it writes, and what it refuses."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.runtime import export

SHARED = {path.name for path in export.SHARED_TEMPLATES.iterdir()}


def channelsmin(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    command = [sys.executable, "-m", "channelsmin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("variant", variants.load_all(), ids=lambda variant: variant.name)
def test_an_export_is_the_variant_and_the_shared_templates(
    variant: variants.Variant, tmp_path: Path
) -> None:
    export.write(export.named(variant.name), tmp_path / "project")
    written = {
        path.relative_to(tmp_path / "project")
        for path in (tmp_path / "project").rglob("*")
        if path.is_file()
    }
    own = {
        path.relative_to(variant.folder)
        for path in variant.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - {Path("variant.toml")}
    templates = {export.TEMPLATES / name for name in SHARED}
    made = {Path("requirements.txt"), export.RELEASE_CHECK}
    assert written - {Path("constraints.txt")} == own | templates | made
    assert (tmp_path / "project" / "_static").is_dir()


def test_a_variants_own_template_takes_the_place_of_the_shared_one(tmp_path: Path) -> None:
    export.write(export.named("otree-5.0"), tmp_path / "project")
    written = (tmp_path / "project" / export.TEMPLATES / "socket.html").read_text()
    assert "liveSocket" in written


def test_the_requirements_are_the_release_or_the_variants_range(tmp_path: Path) -> None:
    for what, line in (
        ("2.2.4", "otree==2.2.4"),
        ("1.5.0b2", "otree-core==1.5.0b2"),
        ("otree-1.4", "otree-core>=1.4.0b1,<=1.4.49"),
        ("otree-2.0", "otree>=2.0.0b1,<=2.2.4"),
        ("otree-2.3", "otree>=2.3.0b1,<=2.5.8"),
    ):
        export.write(export.named(what), tmp_path / what)
        assert line in (tmp_path / what / "requirements.txt").read_text().splitlines()


def test_upper_bounds_are_constraints_of_the_exported_project(tmp_path: Path) -> None:
    export.write(export.named("3.2.8"), tmp_path / "project")
    requirements = (tmp_path / "project" / "requirements.txt").read_text()
    assert "-c constraints.txt" in requirements.splitlines()
    assert (tmp_path / "project" / "constraints.txt").read_text() == "huey<3\n"


def test_the_readme_names_the_help_that_a_release_needs(tmp_path: Path) -> None:
    export.write(export.named("3.3.0b2"), tmp_path / "project")
    readme = (tmp_path / "project" / "README.md").read_text()
    assert "\n## oTree 3.3.0b2 needs help\n" in readme
    assert "`channelsmin rebuild 3.3.0b2 FOLDER`" in readme
    assert "\n1. In oTree's `otree/management/commands/prodserver1of2.py`, replace\n" in readme
    assert "\n   bind=f'{addr}:{port}'\n" in readme
    export.write(export.named("3.3.0b5"), tmp_path / "without")
    assert "needs help" not in (tmp_path / "without" / "README.md").read_text()


def test_what_otree_forgets_to_require_is_required_by_the_project(tmp_path: Path) -> None:
    export.write(export.named("2.3.20"), tmp_path / "project")
    lines = (tmp_path / "project" / "requirements.txt").read_text().splitlines()
    assert lines[1:3] == ["otree==2.3.20", "otree-save-the-change==1.1.3"]


@pytest.mark.parametrize("what", ["3.4.0", "otree-2.6", "otree-5.0"])
def test_a_release_without_upper_bounds_has_no_constraints(what: str, tmp_path: Path) -> None:
    export.write(export.named(what), tmp_path / "project")
    assert not (tmp_path / "project" / "constraints.txt").exists()


def test_without_constraints_the_requirements_name_none(tmp_path: Path) -> None:
    export.write(export.named("3.4.0"), tmp_path / "project")
    assert "-c " not in (tmp_path / "project" / "requirements.txt").read_text()
    assert not (tmp_path / "project" / "constraints.txt").exists()


def test_a_release_that_no_variant_serves_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "find", lambda release: None)
    with pytest.raises(UserError, match=r"no variant serves oTree 2\.3\.7 \(otree-1\.4: "):
        export.named("2.3.7")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("9.9.9", "'9.9.9' is not a known release"),
        ("two", "'two' is not a known release"),
        ("otree-9", "'otree-9' is not a known release"),
    ],
)
def test_a_release_that_cannot_be_served_is_refused_in_one_line(
    what: str, message: str, tmp_path: Path
) -> None:
    ended = channelsmin("export", what, tmp_path / "project")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"channelsmin: {message}")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "project").exists()


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = channelsmin("export", "2.2.4", tmp_path)
    assert ended.returncode == 1
    assert "is not empty" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        export.write(export.named("2.2.4"), tmp_path / "file")
    with pytest.raises(UserError, match="file is not a folder"):
        export.write(export.named("2.2.4"), tmp_path / "file" / "project")


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last file of an export fail to be written."""

    def fail(chosen: object) -> list[str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "_requirements", fail)


def test_a_failed_export_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch)
    with pytest.raises(UserError, match="cannot be written: the disk is full"):
        export.write(export.named("2.2.4"), tmp_path / "above" / "project")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_an_empty_folder_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch)
    with pytest.raises(UserError, match="cannot be written: the disk is full"):
        export.write(export.named("2.2.4"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_into_an_empty_folder_is_the_same_as_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        export.write(export.named("2.2.4"), tmp_path / name)
    written = [
        {path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")}
        for name in ("empty", "new")
    ]
    assert written[0] == written[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_an_export_that_is_interrupted_while_it_moves_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, moved = Path.rename, list[Path]()

    def interrupted(path: Path, target: Path) -> Path:
        if target.parent == tmp_path and len(moved) == 2:
            moved.clear()
            raise KeyboardInterrupt
        moved.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.write(export.named("2.2.4"), tmp_path)
    assert list(tmp_path.iterdir()) == []
