"""Files that nobody can read: one clear line, or an answer without them, and never a traceback."""

import os
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.project import pick
from channelsmin.project.doctor import run_checks

FILES: dict[str, list[str]] = {
    "pyproject.toml": [
        '[project]\ndependencies="otree"\n',
        '[project]\nrequires-python=3\n[tool.poetry]\ndependencies=["otree"]\n',
        'project="x"\n',
        "[tool]\npoetry=1\n",
        '[dependency-groups]\nx="otree==2.5.8"\n',
        '[project.optional-dependencies]\nx="a"\n',
        "[tool.poetry.dependencies]\notree=5\n",
        "[tool.poetry.dependencies]\notree={version=5}\n",
        '[tool.poetry.dependencies]\notree=">>>5"\n',
        "[tool.uv]\nsources=1\n",
        "[tool.poetry.group]\nx=1\n",
    ],
    "Pipfile": [
        "packages=1\n",
        "[packages]\notree=1\n",
        '[packages]\notree="nonsense"\n',
        "[requires]\npython_version=3.7\n",
        "requires=1\n",
    ],
    "Pipfile.lock": [
        "[]",
        '{"default":[]}',
        '{"default":{"otree":1}}',
        "1",
        '{"default":{"otree":{"version":5}}}',
    ],
    "uv.lock": [
        "package=1\n",
        'package=["a"]\n',
        "[[package]]\nversion=1\n",
        '[[package]]\nname="otree"\nversion="x y"\n',
    ],
    "environment.yml": [
        "[]",
        "dependencies: 1",
        "dependencies:\n - pip: otree",
        "dependencies:\n - pip:\n   - 5\n - 7\n - [a]",
        "a: b: c",
        "dependencies:\n - otree=a=b=c",
        "dependencies:\n - python=abc",
    ],
    "docker-compose.yml": [
        "[]",
        "services: 1",
        "services:\n a: 1",
        "services:\n a:\n  deploy: 1\n  command: 5",
        "services:\n a:\n  deploy:\n   replicas: x",
        "a: b: c",
    ],
    "setup.py": ["(", 'setup(install_requires=["otree==abc"])', 'x="\x00"'],
    "setup.cfg": ["x", "[options]\ninstall_requires = otree==abc\n", "[a]\n[a]\n"],
    "runtime.txt": ["", "\x00\x01", "python", "3"],
    "requirements.txt": [
        "otree==\n",
        "otree>=5,<\n",
        "-r\n",
        "-r nowhere.txt\n",
        "-e git+https://x/y\n",
        "-e git+\n",
        "otree @ \n",
        "otree @ file:///x/otree-5.tar.gz\n",
        'otree; python_version > "a"\n',
        'otree==5.11.5; extra == "x"\n',
        "otree===5.11.5\n",
        "otree!=5.0.0\n",
        "otree==2.3.99\n",
        "otree==99\n",
        "http://[bad\n",
        "git+https://[bad/otree-core.git@v2\n",
        "./otree-5.whl\n",
        "otree-.tar.gz\n",
    ],
    "app.json": ["[]", '{"formation":1}', '{"formation":{"web":{"quantity":"x"}}}'],
    "Procfile": ["\x00", "web", "web: \n"],
    "__temp_migrations/otree-version.txt": ["", "x", "\x80"],
    "db.sqlite3": ["not a database"],
    "x.otreezip": ["nothing"],
    ".tool-versions": ["python"],
    "plain/__init__.py": [
        "def (",
        "class A(B.C[1]):\n pass\npage_sequence=[A()]\n",
        "page_sequence = f()\n",
        "from .. import x\nfrom ...a import b\n",
        "import a.b.c\n" + "x=(" * 60 + ")" * 60,
        "class Player:\n objects=1\npage_sequence=[Player]\nclass P(P):\n pass\npage_sequence+=[P]",
    ],
    "settings.py": [
        'SESSION_CONFIGS = [dict(app_sequence=1), dict(app_sequence=[1,"x"]), {**a}]\n',
        "x=(\n",
        "\xff",
        "",
        "from x import *\n",
        "SESSION_CONFIGS: list = []\n",
        "DEBUG: bool\nSESSION_CONFIGS=[]\n",
    ],
}

SETTINGS = """\
SESSION_CONFIGS = [dict(name='p', app_sequence=['plain'], num_demo_participants=1)]
"""


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in FILES.items() for text in texts]
)
def test_a_file_that_is_not_what_it_should_be_ends_in_one_line_at_most(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    (tmp_path / "plain").mkdir()
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "plain/__init__.py").write_text("from otree.api import *\npage_sequence = []\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text, encoding="latin-1")
    for lines in (_picked, _examined):
        try:
            assert lines(tmp_path)
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017


def _picked(folder: Path) -> list[str]:
    picked = pick.pick(folder)
    return [*picked.lines(), *picked.explanation()]


def _examined(folder: Path) -> list[str]:
    return list(run_checks.examine(folder).lines())
