"""Which oTree is it: small projects as people have them, with the right answer for each."""

import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.project import pick
from channelsmin.project.pick import Pick


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))


SETTINGS = (
    "SESSION_CONFIGS = [dict(name='plain', num_demo_participants=1, app_sequence=['plain'])]\n"
)
OLD = {"plain/models.py": "", "plain/pages.py": "from otree.api import Page\npage_sequence = []\n"}
LITE = {"plain/__init__.py": "from otree.api import *\npage_sequence = []\n"}
CHANNELS_2 = {
    **OLD,
    "plain/consumers.py": "from channels.generic.websocket import WebsocketConsumer\n",
    "plain/otree_extensions/routing.py": "websocket_routes = []\n",
}
CHANNELS_1 = {
    **OLD,
    "plain/consumers.py": "from channels.generic.websockets import WebsocketConsumer\n",
}
VIEWS = {"plain/models.py": "", "plain/views.py": "page_sequence = []\n"}
FREEZE = "channels==0.17.3\nDjango==1.11.2\notree==2.2.4\notree-core==0.0.0b1\n"


def project(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a project."""
    for name, text in {"settings.py": SETTINGS, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@dataclass(frozen=True)
class Case:
    """The files of a project, the right release and variant, and words that the answer contains."""

    files: Mapping[str, str]
    release: str
    variant: str
    says: str = ""


NEWEST = "6.0.15"

CASES = {
    # what oTree's own startproject writes, and other open bounds
    "startproject_line": Case(
        {"requirements.txt": "# oTree-may-overwrite-this-file\notree>=5.0.0a21\n", **LITE},
        NEWEST,
        "otree-5.0",
    ),
    "python_bounds_release": Case(
        {"requirements.txt": "otree>=5.0.7\n", "runtime.txt": "python-3.7.10\n", **LITE},
        "5.11.5",
        "otree-5.0",
        "runtime.txt:1 says Python 3.7, which oTree 6.0.15 does not support",
    ),
    "bounded by .python-version": Case(
        {"requirements.txt": "otree>=5\n", ".python-version": "3.9.18\n"}, "5.11.5", "otree-5.0"
    ),
    "bounded by requires-python": Case(
        {"pyproject.toml": '[project]\nrequires-python = "==3.8.*"\ndependencies = ["otree>=3"]\n'},
        "5.11.5",
        "otree-5.0",
    ),
    "bounded by a Dockerfile": Case(
        {"Dockerfile": "FROM python:3.7-slim\nRUN pip3 install 'otree>=5.0'\n"},
        "5.11.5",
        "otree-5.0",
    ),
    "a pre-release in an upper bound": Case(
        {"requirements.txt": "otree>=2.3.0b2,<2.4.0b1\n"}, "2.3.33", "otree-2.3"
    ),
    "a star": Case({"requirements.txt": "otree==5.10.*\n"}, "5.10.4", "otree-5.0"),
    "no bound": Case({"requirements.txt": "otree\n", **LITE}, NEWEST, "otree-5.0"),
    # empty packages
    "frozen_with_shim": Case({"requirements.txt": FREEZE}, "2.2.4", "otree-2.0"),
    "shim before otree": Case(
        {"requirements.txt": "otree-core==0.0.0b1\notree==3.0.12\n"}, "3.0.12", "otree-2.6"
    ),
    "otree-core 1.6": Case(
        {"requirements.txt": "otree-core==1.6.1\n", **CHANNELS_1}, "2.2.4", "otree-2.0"
    ),
    "otree-core 1.5.0": Case(
        {"requirements.txt": "otree_core==1.5.0\notree==2.0.4\n"}, "2.0.4", "otree-2.0"
    ),
    "open otree-core next to otree": Case(
        {"requirements.txt": "otree-core>=1.0\notree==2.3.7\n"}, "2.3.7", "otree-2.3"
    ),
    "core_open": Case(
        {"requirements_base.txt": "otree-core>=1.4.17\n", **VIEWS},
        "1.4.49",
        "otree-1.4",
        "pin otree-core==1.4.49",
    ),
    "otree-core ~=": Case({"requirements.txt": "otree-core~=1.4.20\n"}, "1.4.49", "otree-1.4"),
    # a requirements file that includes another one
    "a file that requirements.txt does not include": Case(
        {
            "requirements.txt": "-r requirements_base.txt\n",
            "requirements_base.txt": "otree-core==1.4.18\n",
            "requirements_big.txt": "otree==2.5.8\n",
        },
        "1.4.18",
        "otree-1.4",
    ),
    "a file that an open requirements.txt does not include": Case(
        {"requirements.txt": "otree>=2\n", "requirements_server.txt": "otree==2.5.8\n", **OLD},
        "2.5.8",
        "otree-2.3",
    ),
    "block.super is Django's": Case(
        {
            "requirements.txt": "otree>=2.4.0\n",
            "plain/templates/plain/Ask.html": "{% block styles %}{{ block.super }}{% endblock %}",
            **OLD,
        },
        "3.4.0",
        "otree-2.6",
    ),
    "a Procfile with webandworkers": Case(
        {
            "requirements.txt": "otree>=2.1.13\n",
            "Procfile": "web: otree webandworkers\ntimeoutworker: otree timeoutworker\n",
            **OLD,
        },
        "2.5.8",
        "otree-2.3",
    ),
    # build files, as people write them
    "several installations in one step": Case(
        {
            "Dockerfile": "FROM python:3.7\nRUN pip install --upgrade pip && \\\n"
            "    pip install \\\n      psycopg2 \\\n      otree==3.3.1\n"
        },
        "3.3.1",
        "otree-2.6",
    ),
    "ARG": Case(
        {
            "Dockerfile": "ARG PYTHON=3.9\nFROM python:${PYTHON}-slim\nARG OTREE=5.10.1\n"
            "RUN pip install otree==${OTREE}\n"
        },
        "5.10.1",
        "otree-5.0",
    ),
    "ENV": Case(
        {"Dockerfile": 'FROM python:3.9\nENV V 5.10.1\nRUN pip install "otree==$V"\n'},
        "5.10.1",
        "otree-5.0",
    ),
    "a default": Case(
        {"Dockerfile": "FROM python:3.9\nRUN pip install otree==${V:-5.10.1}\n"},
        "5.10.1",
        "otree-5.0",
    ),
    "a variable of somewhere else": Case(
        {
            "Dockerfile": "FROM python:3.7\nRUN pip install otree==$OTREE\n",
            ".github/workflows/test.yml": "      - run: pip install otree==${{ matrix.otree }}\n",
            **OLD,
        },
        "3.4.0",
        "otree-2.6",
    ),
    "an environment of Hatch": Case(
        {"pyproject.toml": '[tool.hatch.envs.default]\ndependencies = ["otree==5.10.2"]\n'},
        "5.10.2",
        "otree-5.0",
    ),
    "Pixi": Case(
        {"pyproject.toml": '[tool.pixi.pypi-dependencies]\notree = "==5.10.2"\n'},
        "5.10.2",
        "otree-5.0",
    ),
    "an archive of a tag": Case(
        {
            "requirements.txt": "https://github.com/oTree-org/otree-core/archive/refs/tags/"
            "v2.1.41.zip\n"
        },
        "2.1.41",
        "otree-2.0",
    ),
    "an archive of a fork": Case(
        {"requirements.txt": "otree @ https://github.com/lab/otree-core/archive/2.2.4.tar.gz\n"},
        "2.2.4",
        "otree-2.0",
        "a fork of oTree, lab/otree-core",
    ),
    # the code tells
    "open_but_routes_tell": Case(
        {"requirements.txt": "otree>=2.3.2\n", **CHANNELS_2},
        "3.4.0",
        "otree-2.6",
        "the code tells the release line, 2.3.2 to 3.4.0",
    ),
    "code-tells-era": Case(
        {"requirements.txt": "otree>=2.1.41\n", "runtime.txt": "python-3.7.3\n", **CHANNELS_2},
        "3.4.0",
        "otree-2.6",
    ),
    "no-requirement-old-code": Case(CHANNELS_1, "2.2.4", "otree-2.0", "Channels 0.17"),
    "no requirement, Channels 2": Case(CHANNELS_2, "3.4.0", "otree-2.6"),
    "no requirement, views.py": Case(VIEWS, "1.4.49", "otree-1.4"),
    "no requirement, one file": Case(LITE, NEWEST, "otree-5.0"),
    "no requirement, pages.py": Case(OLD, "3.4.0", "otree-2.6"),
    "open, template in double braces": Case(
        {"requirements.txt": "otree>=3\n", "plain/Ask.html": "{{ block content }}{{ endblock }}"},
        NEWEST,
        "otree-5.0",
    ),
    "open, otree.common_internal": Case(
        {
            "requirements.txt": "otree>=2.1\n",
            **CHANNELS_2,
            "plain/models.py": "from otree.common_internal import get_models_module\n",
        },
        "2.4.5",
        "otree-2.3",
    ),
    "open, the Procfile of 2.5": Case(
        {
            "requirements.txt": "otree>=2.1.28\n",
            "Procfile": "web: otree runprodserver1of2\n",
            **CHANNELS_2,
        },
        "2.5.8",
        "otree-2.3",
    ),
    # git and files
    "from_git": Case(
        {"requirements.txt": "-e git+https://github.com/example/otree-core.git@v2.0.4#egg=otree\n"},
        "2.0.4",
        "otree-2.0",
        "a fork of oTree, example/otree-core",
    ),
    "@ git": Case(
        {"requirements.txt": "otree @ git+https://github.com/oTree-org/otree-core@5.10.4\n"},
        "5.10.4",
        "otree-5.0",
    ),
    "git without egg": Case(
        {"requirements.txt": "git+ssh://git@github.com/oTree-org/otree-core.git@v3.3.11\n"},
        "3.3.11",
        "otree-2.6",
    ),
    "a branch": Case(
        {
            "requirements.txt": "git+https://github.com/somebody/otree-core@my-fix#egg=otree\n",
            **LITE,
        },
        NEWEST,
        "otree-5.0",
        "somebody/otree-core, at my-fix",
    ),
    "a wheel": Case(
        {"requirements.txt": "https://example.org/otree-5.8.5-py3-none-any.whl\n"},
        "5.8.5",
        "otree-5.0",
    ),
    "a git tag in pyproject": Case(
        {
            "pyproject.toml": "[tool.poetry.dependencies]\n"
            'otree = {git = "https://github.com/x/otree-core.git", tag = "v3.4.0"}\n'
        },
        "3.4.0",
        "otree-2.6",
    ),
    # files of other tools
    "pipfile_only": Case(
        {"Pipfile": '[packages]\notree = "==5.11.4"\n[requires]\npython_version = "3.10"\n'},
        "5.11.4",
        "otree-5.0",
    ),
    "Pipfile with a star": Case(
        {"Pipfile": '[packages]\notree = "*"\n[requires]\npython_version = "3.8"\n'},
        "5.11.5",
        "otree-5.0",
    ),
    "setup_py": Case(
        {
            "requirements.txt": "-e .\n",
            "setup.py": "from setuptools import setup\n"
            "setup(name='thing', install_requires=['otree>=3.3,<4'])\n",
        },
        "3.4.0",
        "otree-2.6",
    ),
    "setup.cfg": Case(
        {"setup.cfg": "[options]\ninstall_requires =\n    numpy\n    otree==2.5.8\n"},
        "2.5.8",
        "otree-2.3",
    ),
    "environment.yml": Case(
        {
            "environment.yml": "name: x\ndependencies:\n  - python=3.9\n  - pip\n"
            "  - pip:\n      - otree==5.4.0\n"
        },
        "5.4.0",
        "otree-5.0",
    ),
    "environment.yml of conda": Case(
        {"environment.yml": "dependencies:\n  - python=3.7.4=h359304d_1\n  - otree=3.3.11\n"},
        "3.3.11",
        "otree-2.6",
    ),
    "pdm.lock": Case(
        {
            "pyproject.toml": '[project]\ndependencies = ["otree>=5"]\n',
            "pdm.lock": '[[package]]\nname = "otree"\nversion = "5.9.8"\n',
        },
        "5.9.8",
        "otree-5.0",
    ),
    "docker_only": Case(
        {"Dockerfile": "FROM python:3.7\nRUN pip install otree==3.3.11\nCOPY . /app\n"},
        "3.3.11",
        "otree-2.6",
    ),
    "a continued RUN": Case(
        {"Dockerfile": 'FROM python:3.8\nRUN pip install \\\n    numpy \\\n    "otree==3.2.8"\n'},
        "3.2.8",
        "otree-2.6",
    ),
    "a compose file": Case(
        {"compose.yml": "services:\n  web:\n    command: sh -c 'pip install otree==5.5.0'\n"},
        "5.5.0",
        "otree-5.0",
    ),
    "a CI job": Case(
        {".github/workflows/test.yml": "steps:\n  - run: python -m pip install otree==5.2.8\n"},
        "5.2.8",
        "otree-5.0",
    ),
    "a marker": Case(
        {
            "requirements.txt": 'otree==3.4.0; python_version < "3.9"\n'
            'otree==5.11.5; python_version >= "3.9"\n',
            "runtime.txt": "python-3.8.12",
        },
        "3.4.0",
        "otree-2.6",
    ),
    # what oTree itself left
    "the version file": Case(
        {"requirements.txt": "otree>=2.3\n", "__temp_migrations/otree-version.txt": "2.5.2\n"},
        "2.5.2",
        "otree-2.3",
    ),
    # two statements
    "pins of two variants, and the code": Case(
        {"requirements.txt": "otree==5.11.5\n", "requirements_old.txt": "otree==2.5.8\n", **LITE},
        "5.11.5",
        "otree-5.0",
        "requirements_old.txt says otree==2.5.8",
    ),
    "a pin outside an open range, and the code": Case(
        {"requirements.txt": "otree>=5\n", "requirements_x.txt": "otree==2.5.8\n", **CHANNELS_2},
        "2.5.8",
        "otree-2.3",
    ),
    "an open range, a pin outside it, and the code": Case(
        {"requirements.txt": "otree>=5\n", "requirements_x.txt": "otree==2.5.8\n", **LITE},
        NEWEST,
        "otree-5.0",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_project_gets_the_right_answer(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    picked = pick.pick(project(tmp_path, case.files))
    assert (str(picked.release), picked.variant.name) == (case.release, case.variant)
    assert case.says in "\n".join(picked.lines())


def test_the_mark_in_the_database_tells_the_release(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        database.execute("PRAGMA user_version = 5104")
        database.execute("CREATE TABLE otree_session (id INTEGER)")
    assert picked(project(tmp_path, {"requirements.txt": "otree>=5\n"})) == "5.10.4"


def test_an_archive_tells_the_release(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "mine.otreezip", "w:gz") as archive:
        member = tarfile.TarInfo("requirements.txt")
        text = b"# oTree-may-overwrite-this-file\notree==5.9.5\n"
        member.size = len(text)
        archive.addfile(member, BytesIO(text))
    assert picked(project(tmp_path, {})) == "5.9.5"


def picked(folder: Path) -> str:
    return str(pick.pick(folder).release)


def test_windows_line_ends_and_utf_16_without_a_mark(tmp_path: Path) -> None:
    folder = project(tmp_path, {})
    (folder / "requirements.txt").write_bytes("numpy\r\notree==5.8.5\r\n".encode("utf-16-le"))
    assert picked(folder) == "5.8.5"


def test_a_project_in_a_subfolder_is_found_with_the_requirements_around_it(tmp_path: Path) -> None:
    project(tmp_path / "experiment", LITE)
    (tmp_path / "requirements.txt").write_text("otree==5.11.4\n")
    answer: Pick = pick.pick(tmp_path)
    assert (str(answer.release), answer.folder) == ("5.11.4", tmp_path / "experiment")


def test_several_projects_below_are_listed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        project(tmp_path / name, LITE)
    with pytest.raises(UserError, match="several oTree projects: pass one of first, second"):
        pick.pick(tmp_path)
    assert str(pick.pick(tmp_path, "2.3.7").release) == "2.3.7"


@pytest.mark.parametrize("requirement", ["otree-core==1.1.2", "otree-core<1.4", "otree-core==0.4"])
def test_an_otree_older_than_any_variant_is_named_as_such(requirement: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="older than any variant, which begin with 1"):
        pick.pick(project(tmp_path, {"requirements.txt": requirement}))


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "otree==2.5.8\n", "requirements_base.txt": "otree==5.11.5\n"},
        {"requirements.txt": "numpy\n"},
    ],
)
def test_nothing_is_guessed_where_nothing_speaks_for_a_release(
    files: Mapping[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="--otree"):
        pick.pick(project(tmp_path, files))


def test_explain_lists_each_statement_with_its_line_and_what_became_of_it(tmp_path: Path) -> None:
    files = {"requirements.txt": FREEZE, "runtime.txt": "python-3.7.2\n"}
    lines = list(pick.pick(project(tmp_path, files)).explanation())
    assert "    requirements.txt:3: otree==2.2.4 (a requirement)" in lines
    assert (
        "    requirements.txt:4: otree-core==0.0.0b1 "
        "(a requirement; not followed: this package is empty)"
    ) in lines
    assert "    runtime.txt:1: 3.7" in lines


def test_a_project_of_300_files_is_answered_with_each_file_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"plain/part{number}.py": "class A:\n    pass\n" * 40 for number in range(300)}
    folder = project(tmp_path, {"requirements.txt": "otree>=2.1\n", **files, **OLD})
    opened: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        opened.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    pick.pick(folder)
    code = [path for path in opened if path.suffix == ".py" and "plain" in path.parts]
    assert len(code) == len(set(code)) == 302
