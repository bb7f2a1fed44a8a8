"""Which oTree a project is for: what is read, and when nothing is chosen quietly."""

import json
import venv
from pathlib import Path

import pytest
from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.project import detect_release, roots
from channelsmin.runtime import export


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is active, and no program is on PATH."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that says nothing yet."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "settings.py").touch()
    return made


def environment(folder: Path, *installed: str) -> Path:
    """Make an environment in which this is installed, as pip would note it."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for pin in installed:
        name, _, version = pin.partition("==")
        noted = site / f"{name.replace('-', '_')}-{version}.dist-info"
        noted.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (noted / "METADATA").write_text(text)
    (site / "otree.py").write_text("raise SystemExit('oTree was imported')")
    return folder


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)


def found(folder: Path) -> tuple[str, bool]:
    answer = detect_release.find(folder)
    return str(answer.release), answer.pinned


@pytest.mark.parametrize(
    "text",
    [
        "otree==2.3.7\n",
        "oTree == 2.3.7  # not newer\n",
        "otree[mturk]==2.3.7\npsycopg2\n",
        "otree==2.3.7 \\\n    --hash=sha256:abc\n",
        "# otree==5.11.5\nnumpy # otree==5.11.5\notree==2.3.7",
        "-e git+https://example.com/x\n--no-index\notree==2.3.7",
        "otree_tools==5.11.5\notree-redwood==0.8.0\notree==2.3.7",
    ],
)
def test_a_pin_in_requirements_is_the_release(folder: Path, text: str) -> None:
    write(folder, requirements=text)
    assert found(folder) == ("2.3.7", True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_what_windows_writes_is_read(folder: Path, encoding: str) -> None:
    (folder / "requirements.txt").write_text("otree==2.3.7\r\n", encoding=encoding)
    assert found(folder) == ("2.3.7", True)


@pytest.mark.parametrize(
    "line", ["-r base/all.txt", "--requirement=base/all.txt", "-rbase/all.txt", "-c base/all.txt"]
)
def test_what_a_requirements_file_includes_is_followed(folder: Path, line: str) -> None:
    write(folder, requirements=f"{line}\n")
    (folder / "base").mkdir()
    write(folder / "base", all="-r more.txt\n-r ../requirements.txt\n", more="otree==2.3.7\n")
    assert found(folder) == ("2.3.7", True)
    assert [source.place for source in detect_release.sources(folder)] == ["base/more.txt"]


def test_every_requirements_file_is_read_once(folder: Path) -> None:
    write(folder, requirements="-r requirements_base.txt\n", requirements_base="otree==2.2.4\n")
    assert [str(source) for source in detect_release.sources(folder)] == [
        "requirements_base.txt says otree==2.2.4"
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["otree==2.3.7"]\n'),
        ("pyproject.toml", '[project.optional-dependencies]\nx = ["otree==2.3.7"]\n'),
        (
            "pyproject.toml",
            '[dependency-groups]\nx = [{include-group = "y"}, "otree==2.3.7"]\ny = []\n',
        ),
        ("pyproject.toml", '[tool.poetry.dependencies]\notree = "2.3.7"\npython = "^3.7"\n'),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\notree = {version = "==2.3.7", extras = ["x"]}\n',
        ),
        ("uv.lock", 'version = 1\n[[package]]\nname = "otree"\nversion = "2.3.7"\n'),
        ("poetry.lock", '[[package]]\nname = "otree"\nversion = "2.3.7"\noptional = false\n'),
        ("Pipfile.lock", json.dumps({"default": {"otree": {"version": "==2.3.7"}}})),
    ],
)
def test_other_files_that_name_the_release_are_read(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert found(folder) == ("2.3.7", True)


@pytest.mark.parametrize(
    ("wanted", "requirement"),
    [
        ('"^5.4.0"', "otree<6,>=5.4.0"),
        ('"~5.4.1"', "otree==5.4.*,>=5.4.1"),
        ('">=5.4"', "otree>=5.4"),
        ('"*"', "otree"),
        ('{git = "https://example.com/otree"}', "otree"),
        ('[{version = "5.1"}, {version = "5.2"}]', "otree"),
    ],
)
def test_poetrys_notation_is_understood(folder: Path, wanted: str, requirement: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.poetry.dependencies]\notree = {wanted}\n")
    assert [str(source.requirement) for source in detect_release.sources(folder)] == [requirement]


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_the_projects_environment_is_asked_and_otree_is_not_imported(
    folder: Path, name: str
) -> None:
    environment(folder / name, "otree==2.3.7")
    assert found(folder) == ("2.3.7", False)
    assert [source.place for source in detect_release.sources(folder)] == [name]


def test_an_environment_of_windows_is_asked(folder: Path) -> None:
    made = environment(folder / ".venv", "otree==2.3.7")
    (made / "bin").rename(made / "Scripts")
    assert found(folder) == ("2.3.7", False)


def test_the_active_environment_is_asked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(environment(tmp_path / "active", "otree==2.3.7")))
    (source,) = detect_release.sources(folder)
    assert str(source) == f"the active environment {tmp_path}/active has otree==2.3.7"


def test_the_otree_on_path_is_asked_if_there_is_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = environment(tmp_path / "conda", "otree==2.3.7")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "otree").write_text(f"#!{made}/bin/python\n")
    (programs / "otree").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert [str(source) for source in detect_release.sources(folder)] == [
        f"{programs}/otree has otree==2.3.7"
    ]
    environment(folder / ".venv", "otree==5.11.5")
    assert [source.place for source in detect_release.sources(folder)] == [".venv"]


def test_an_otree_on_path_that_is_no_script_of_pythons_is_asked_through_its_neighbour(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = environment(tmp_path / "conda", "otree==2.3.7")
    (made / "bin" / "otree").write_text("#!/bin/sh\nexec a-long-way-around\n")
    (made / "bin" / "otree").chmod(0o755)
    monkeypatch.setenv("PATH", str(made / "bin"))
    assert found(folder) == ("2.3.7", False)


def test_an_environment_that_came_from_another_machine_says_nothing(folder: Path) -> None:
    made = environment(folder / ".venv", "otree==2.3.7")
    for interpreter in (made / "bin").glob("python*"):
        interpreter.unlink()
        interpreter.symlink_to("/nowhere/python")
    assert detect_release.sources(folder) == ()


def test_a_shim_that_does_not_start_says_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("otree", "python"):
        (shims / name).write_text("#!/bin/sh\nexit 127\n")
        (shims / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(shims))
    assert detect_release.sources(folder) == ()


@pytest.mark.parametrize(
    ("requirement", "newest"),
    [
        ("otree>=5.4.0", releases.known()[-1]),
        ("otree~=2.3.7", "2.3.33"),
        ("otree==2.3.*", "2.3.33"),
    ],
)
def test_a_range_that_one_variant_serves_is_the_newest_of_it_and_no_pin(
    folder: Path, requirement: str, newest: object
) -> None:
    write(folder, requirements=requirement)
    assert found(folder) == (str(newest), False)


def test_a_release_that_was_withdrawn_or_is_broken_is_none_of_a_range(folder: Path) -> None:
    write(folder, requirements="otree>=2.1.38,<=2.1.40")
    assert found(folder)[0] == "2.1.39"


def test_an_environment_tells_the_release_where_the_files_leave_it_open(folder: Path) -> None:
    write(folder, requirements="otree>=2.1.28")
    environment(folder / ".venv", "otree==2.2.4")
    assert found(folder) == ("2.2.4", False)


def test_a_prerelease_that_is_installed_is_in_a_range(folder: Path) -> None:
    write(folder, requirements="otree>=5")
    environment(folder / ".venv", "otree==6.0.0b20")
    assert found(folder) == ("6.0.0b20", False)


@pytest.mark.parametrize("variant", variants.load_all(), ids=lambda variant: variant.name)
def test_an_exported_variant_is_for_itself(variant: variants.Variant, tmp_path: Path) -> None:
    export.write(export.named(variant.name), tmp_path / "exported")
    assert variant.serves(detect_release.release_of(tmp_path / "exported"))


def problem(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        detect_release.release_of(folder)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_sources_that_disagree_are_all_named(folder: Path) -> None:
    write(folder, requirements="otree==2.3.7")
    environment(folder / ".venv", "otree==5.11.5")
    assert problem(folder) == (
        "these disagree on the release: requirements.txt says otree==2.3.7, "
        ".venv has otree==5.11.5. Fix the wrong one, or pass --otree "
        "with the release that you use"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("otree>=5", "otree==2.3.7"),
        ("otree==2.3.7", "otree==3.4.0"),
        ("otree-core==1.4.12", "otree==2.3.7"),
    ],
)
def test_a_pin_outside_the_others_range_is_a_disagreement(
    folder: Path, one: str, other: str
) -> None:
    write(folder, requirements=one, requirements_server=other)
    message = problem(folder)
    assert "disagree" in message
    assert f"requirements.txt says {one}, requirements_server.txt says {other}" in message


def test_two_pins_of_one_variant_are_no_disagreement(folder: Path) -> None:
    write(folder, requirements_server="otree==2.3.8", requirements="otree==2.3.7")
    answer = detect_release.find(folder)
    assert str(answer.release) == "2.3.7"
    assert answer.assumptions == (
        "requirements_server.txt says otree==2.3.8, and 2.3.7 is followed",
    )


def test_an_open_lower_bound_is_what_pip_installs_today(folder: Path) -> None:
    write(folder, requirements="otree>=2.1.28")
    answer = detect_release.find(folder)
    assert str(answer.release) == str(releases.known()[-1])
    assert answer.certainty is detect_release.Certainty.ASSUMED
    assert [candidate.variant.name for candidate in answer.candidates] == [
        *("otree-5.0", "otree-2.6", "otree-2.3", "otree-2.0"),
    ]


def test_a_range_that_holds_no_release_is_a_problem(folder: Path) -> None:
    write(folder, requirements="otree>=99")
    assert problem(folder).startswith("no known oTree release satisfies the project's requirements")


def test_a_project_that_says_nothing_is_a_problem(folder: Path) -> None:
    write(folder, requirements="numpy\n")
    assert problem(folder).startswith(f"nothing in {folder} says which oTree it is for")
    assert "--otree 2.3.7" in problem(folder)


def test_the_empty_package_of_the_old_name_beside_otree_says_nothing(folder: Path) -> None:
    environment(folder / ".venv", "otree-core==0.0.0b1", "otree==2.2.4")
    assert found(folder) == ("2.2.4", False)


def test_before_2_otree_has_another_name(folder: Path) -> None:
    write(folder, requirements_base="otree-core==1.4.12\n")
    assert found(folder) == ("1.4.12", True)
    write(folder, requirements_base="otree-core>=1.4.13\n")
    assert found(folder) == ("1.4.49", False)


def test_a_line_that_is_not_a_requirement_is_named(folder: Path) -> None:
    write(folder, requirements="oTree==two")
    assert problem(folder).startswith("requirements.txt says 'oTree==two', which is not a requirem")


@pytest.mark.parametrize("line", ["otree=2.3.7", "otree 2.3.7"])
def test_a_misspelled_pin_is_read_and_named(folder: Path, line: str) -> None:
    write(folder, requirements=line)
    answer = detect_release.find(folder)
    assert str(answer.release) == "2.3.7"
    assert answer.assumptions == (f"requirements.txt:1: pip refuses {line!r}: write otree==2.3.7",)


@pytest.mark.parametrize("line", ["otree-tools=2.3.7", "otree_tools 2.3.7", "./otree"])
def test_what_only_begins_like_otree_is_somebody_elses(folder: Path, line: str) -> None:
    write(folder, requirements=line)
    assert detect_release.sources(folder) == ()


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.lock", "Pipfile.lock"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("<<<<<<< HEAD\n")
    assert problem(folder).startswith(f"{name} cannot be read (")


@pytest.mark.parametrize(
    ("name", "text", "python"),
    [
        ("runtime.txt", "python-3.7.16\n", "3.7"),
        (".python-version", "3.11\n", "3.11"),
        (".python-version", "cpython-3.12.1\n3.7\n", "3.12"),
    ],
)
def test_the_projects_python_is_read(folder: Path, name: str, text: str, python: str) -> None:
    (folder / name).write_text(text)
    (hint,) = detect_release.read(folder).pythons
    assert (hint.place, hint.python, hint.line) == (name, python, 1)


def test_a_python_version_that_names_an_environment_says_nothing(folder: Path) -> None:
    (folder / ".python-version").write_text("my-otree-3.7\n")
    assert detect_release.read(folder).pythons == ()


def test_the_project_is_the_nearest_folder_above_with_settings(folder: Path) -> None:
    (folder / "app" / "templates").mkdir(parents=True)
    (folder.parent / "settings.py").touch()
    assert roots.find(folder / "app" / "templates") == folder
    assert roots.find(folder) == folder
    (folder / "settings.py").unlink()
    (folder.parent / "settings.py").unlink()
    assert roots.find(folder / "app") == folder / "app"
    with pytest.raises(UserError, match="is not a folder"):
        roots.find(folder / "nowhere")


def test_the_release_need_not_be_known_to_be_found(folder: Path) -> None:
    write(folder, requirements="otree==99.1")
    assert detect_release.release_of(folder) == Version("99.1")
