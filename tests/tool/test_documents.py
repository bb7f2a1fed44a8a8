"""The documents: every link leads somewhere, and every command in them works.

`commands.toml` names the test of each command. The commands that are tested here are typed, as the
document has them, into a shell in a clone of this repository. A stand-in script replaces what would
take minutes; the test says which.
"""

import ast
import configparser
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import click
import pytest

from channelsmin import cli, maintainer_cli
from channelsmin.matrix import releases, variants
from channelsmin.paths import ROOT, read_toml
from channelsmin.runtime import export
from tool import documents

pty = pytest.importorskip("pty", reason="Windows has none, and its documents have other commands")

RUN_BY: dict[str, str] = read_toml(Path(__file__).with_name("commands.toml"))
"""Each command in the documents, with the test or file that runs it, or why nobody does."""

NOBODY = "not run: "

HARNESS = ROOT / "tests" / "harness"

PYTHONS = [f"python3.{minor}" for minor in range(6, 15)]

SECONDS = 120
"""Seconds that a command may take. Building the wheel downloads packages."""


def where(document: Path) -> str:
    return str(document.relative_to(ROOT))


# Links


@pytest.mark.parametrize("document", documents.ALL, ids=where)
def test_every_link_leads_to_something_that_is_there(document: Path) -> None:
    assert [link for link in documents.links(document) if not leads_somewhere(document, link)] == []


def leads_somewhere(document: Path, link: str) -> bool:
    """Return whether a link leads to a file or heading, or is a well-formed external link."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme == "https" and "." in parts.netloc and not re.search(r"\s|%20", link)
    target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not parts.fragment or (
        target.suffix == ".md" and parts.fragment in documents.anchors(target)
    )


@pytest.mark.parametrize("document", documents.ALL, ids=where)
def test_nothing_that_was_meant_as_a_link_is_none(document: Path) -> None:
    assert [text for text in documents.plain_text(document) if re.search(r"\]\(|\]\[", text)] == []


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("spec.md", True),
        ("spec.md#test-results-by-clause", True),
        ("#protocol", True),
        ("../README.md#which-one-do-i-need", True),
        ("https://otree.readthedocs.io/en/latest/", True),
        ("specs.md", False),
        ("spec.md#test-results-by-clauses", False),
        ("#nowhere", False),
        ("../../elsewhere", False),
        ("http://otree.readthedocs.io/", False),
        ("https://otree.readthedocs.io/en latest/", False),
        ("https:otree", False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, leads: bool) -> None:
    assert leads_somewhere(ROOT / "docs" / "spec.md", link) == leads


def test_headings_of_the_same_words_have_anchors_of_their_own(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("# One `two`, 2.0 to 2.2\n\n## Again\n\n## Again\n\n## Again\n")
    assert documents.anchors(document) == {"one-two-20-to-22", "again", "again-1", "again-2"}


# Commands


def test_every_command_has_somebody_who_runs_it_and_nobody_runs_what_is_not_there() -> None:
    assert documents.all_commands() == set(RUN_BY)


@pytest.mark.parametrize("who", sorted(set(RUN_BY.values())))
def test_who_is_said_to_run_a_command_is_there(who: str) -> None:
    theirs = [command for command, runner in RUN_BY.items() if runner == who]
    if who.startswith(NOBODY):
        assert len(who) > len(NOBODY)
        return
    file, _, name = who.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    if not name:
        assert all(command in text for command in theirs)
        return
    (test,) = (node for node in functions(text) if node.name == name)
    if file == where(Path(__file__)):
        typed = {node.value for node in ast.walk(test) if isinstance(node, ast.Constant)}
        assert set(theirs) <= typed


def functions(text: str) -> Iterator[ast.FunctionDef]:
    nodes = ast.walk(ast.parse(text))
    return (node for node in nodes if isinstance(node, ast.FunctionDef))


def test_few_commands_are_run_by_nobody() -> None:
    assert sum(who.startswith(NOBODY) for who in RUN_BY.values()) <= 8


def to_channelsmin(command: str) -> list[str] | None:
    """Return what a command tells channelsmin, or None if it is not for channelsmin."""
    words = shlex.split(command)
    for name in ("run.py", "channelsmin"):
        if name in words:
            return words[words.index(name) + 1 :]
    return None


@pytest.mark.parametrize("command", sorted(filter(to_channelsmin, RUN_BY)))
def test_channelsmin_has_every_command_and_option_that_is_named(command: str) -> None:
    understand(to_channelsmin(command))


def understand(arguments: Sequence[str] | None) -> click.Context:
    """Parse the arguments of a command, and return its context; raises UsageError."""
    assert arguments
    command = cli.cli.commands.get(arguments[0])
    if command is None:
        raise click.UsageError(f"there is no command {arguments[0]}")
    return command.make_context(arguments[0], list(arguments[1:]))


@pytest.mark.parametrize(
    "wrong", ["python3 run.py pikc", "python3 run.py add --aap lobby", "channelsmin bench --x"]
)
def test_a_command_or_an_option_that_does_not_exist_is_refused(wrong: str) -> None:
    with pytest.raises(click.UsageError):
        understand(to_channelsmin(wrong))


def test_what_is_quoted_of_a_command_is_understood_too() -> None:
    """`add --app NAME` in a sentence, and `--app lobby` alone."""
    quoted = [line for its in documents.GUIDES for line in documents.code(its)]
    for line in quoted:
        name, _, rest = line.partition(" ")
        if name in cli.cli.commands and re.match(r"-\w|--\w", rest):
            understand(shlex.split(line))
    sources = [*map(Path, (cli.__file__, maintainer_cli.__file__)), HARNESS / "fixtures.py"]
    told = "".join(path.read_text(encoding="utf-8") for path in sources)
    options = {line.split()[0] for line in quoted if line.startswith("--")}
    assert options
    assert {option for option in options if f'"{option}"' not in told} == set()


# What is run here


@dataclass(frozen=True)
class Desk:
    """A clone of this repository that is set up, and a shell in it.

    `stand_ins` is a folder of programs that come first on its PATH, `modules` one of modules that
    Python finds first. `home` is where things are kept, or None for where they always are.
    """

    clone: Path
    stand_ins: Path
    modules: Path
    home: Path | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the shell, without those of the tests."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PYTEST", "OTREE_")) and name != "VIRTUAL_ENV"
        }
        scripts = [self.stand_ins, self.clone / ".venv" / "bin", Path(sys.executable).parent]
        return {
            **kept,
            **({"HOME": str(self.home)} if self.home else {}),
            "PATH": os.pathsep.join([*map(str, scripts), kept.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(map(str, (self.modules, self.clone / "src"))),
            "PYTHONUNBUFFERED": "1",
            "UV_SYSTEM_CERTS": "1",  # the machine's own certificates, as pip has them
        }

    def shell(self, command: str) -> list[str]:
        """Return how a command of the guides is typed in, as it stands there."""
        assert command in documents.all_commands()
        return ["bash", "-c", command]

    def type_in(self, command: str, answer: str = "", status: int = 0) -> str:
        """Type it in, and an answer if it asks; return what it printed. It ends with `status`."""
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, answer.encode())
            ended = subprocess.run(
                self.shell(command),
                cwd=self.clone,
                env=self.variables,
                stdin=terminal,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        finally:
            os.close(keyboard)
            os.close(terminal)
        assert ended.returncode == status, ended.stdout
        return ended.stdout

    def put(self, name: str, script: str) -> None:
        """Put a script on the PATH, before anything of the machine's own."""
        file = self.stand_ins / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A clone whose .venv stands in for one: its programs are those of this environment."""
    clone, stand_ins, modules = (tmp_path / name for name in ("clone", "stand-ins", "modules"))
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "dist")
    shutil.copytree(ROOT, clone, ignore=unwanted)
    scripts = clone / ".venv" / "bin"
    for folder in (scripts, stand_ins, modules):
        folder.mkdir(parents=True)
    for name, arguments in {"channelsmin": "-m channelsmin", "tox": "-m tox", "python": ""}.items():
        script = scripts / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        script.chmod(0o755)
    told = (clone / "pyproject.toml").read_bytes() + os.fsencode(clone.resolve())
    (clone / ".venv" / "installed-all").write_text(hashlib.sha256(told).hexdigest())
    return Desk(clone, stand_ins, modules)


@pytest.fixture
def own(desk: Desk) -> Path:
    """A project of somebody's own, for oTree 2.2.4."""
    folder = desk.clone.parent / "my_project"
    folder.mkdir()
    (folder / "settings.py").write_text("SESSION_CONFIGS = []\nLANGUAGE_CODE = 'en'\n")
    (folder / "requirements.txt").write_text("otree==2.2.4\n")
    return folder


def test_a_project_is_looked_at_and_added_to_and_examined(desk: Desk, own: Path) -> None:
    assert "otree-2.0" in desk.type_in("python3 run.py pick --project ../my_project")
    desk.type_in("python3 run.py add ../my_project", answer="y\n")
    desk.type_in("python3 run.py add ../my_project --app lobby", answer="y\n")
    assert (own / "channelsmin" / "consumers.py").is_file()
    found = desk.type_in("python3 run.py doctor ../my_project")
    assert "real-time apps: channelsmin, lobby: nothing found" in found
    found = desk.type_in("python3 run.py doctor ../my_project --otree 5.11.5", status=1)
    assert "lobby is made for oTree 1.5.0b1 to 2.2.4" in found


def test_a_project_is_exported(desk: Desk, tmp_path: Path) -> None:
    desk.type_in("python3 run.py export 2.3.7 ../exported")
    export.write(export.named("2.3.7"), tmp_path / "same")
    assert contents(tmp_path / "exported") == contents(tmp_path / "same")


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_a_variant_is_begun(desk: Desk) -> None:
    shutil.rmtree(desk.clone / "variants" / "otree-1.4")
    desk.type_in("python3 run.py scaffold 1.4.0b1 --last 1.4.49 --like otree-2.0")
    made = variants.load(desk.clone / "variants" / "otree-1.4")
    assert made.range == "1.4.0b1 to 1.4.49"


def test_what_is_generated_is_fresh_and_nothing_is_left_to_lock(desk: Desk) -> None:
    desk.type_in("python3 run.py generate --check")
    desk.type_in("python3 run.py sweep --check")
    assert desk.type_in("python3 run.py lock") == ""


def test_the_plot_is_drawn(desk: Desk) -> None:
    pytest.importorskip("matplotlib", reason="of group bench, which run.py installs")
    desk.type_in("python3 run.py plot")
    desk.type_in("python3 run.py generate --check")


def test_what_is_installed_is_shown(desk: Desk) -> None:
    """An oTree that is no more than its name and its number."""
    (desk.modules / "otree-2.3.7.dist-info").mkdir()
    metadata = desk.modules / "otree-2.3.7.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: otree\nVersion: 2.3.7\n")
    assert "Version: 2.3.7\n" in desk.type_in("pip show otree")


def test_the_wheel_is_built_and_run(desk: Desk) -> None:
    pytest.importorskip("uv", reason="of group lock, which run.py installs")
    desk.type_in("uv build")
    picked = desk.type_in("uvx --from dist/channelsmin-*.whl channelsmin pick --otree 2.3.7")
    assert "oTree 2.3.7 is served by the variant otree-2.3 " in picked


OLD_PYTHON = """
[ "$1" != -I ] || shift
case "$1" in
    -c) echo "${0##*python}" ;;
    -m) [ "$2" != venv ] || { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; }
        [ "$2" != venv ] || cp "$(dirname "$0")/otree-as-played" "$3/bin/otree" ;;
esac"""
"""Plays an interpreter, its venv and its pip: nothing is installed."""

OTREE = f"""
case "$1" in
    devserver) mkdir -p demo
        exec "{sys.executable}" -m http.server --bind 127.0.0.1 "${{2#*:}}" ;;
esac"""
"""Plays oTree: a server that answers at /demo/."""


@pytest.fixture
def played(desk: Desk) -> Desk:
    """A desk where scripts play all Pythons, and the oTree that is installed with them."""
    for name in PYTHONS:
        desk.put(name, OLD_PYTHON)
    desk.put("otree-as-played", OTREE)
    return replace(desk, home=desk.clone.parent)


def test_an_environment_is_rebuilt(played: Desk) -> None:
    """Up to what pip is told to install."""
    played.type_in("python3 run.py rebuild 2.1.35 ../otree-2.1.35")
    wanted = (played.clone.parent / "otree-2.1.35" / "requirements.txt").read_text()
    assert wanted.startswith(
        "# oTree 2.1.35 on Python 3.7, with everything that it requires.\notree==2.1.35"
    )


@pytest.mark.parametrize("command", ["python3 run.py demo", "python3 run.py demo 2.2.4"])
def test_a_demo_says_where_it_is_and_ends_when_it_is_told_to(command: str, played: Desk) -> None:
    """With all of it but oTree itself."""
    shell = subprocess.Popen(
        played.shell(command),
        cwd=played.clone,
        env=played.variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    with shell as demo:
        try:
            assert demo.stdout
            link = next(line.strip() for line in demo.stdout if "/demo/channelsmin/" in line)
            with urlopen(link.removesuffix("channelsmin/"), timeout=5) as answer:
                assert answer.status == 200
        finally:
            demo.terminate()
    assert demo.returncode == 128 + signal.SIGTERM


@pytest.fixture
def tox(played: Desk) -> Path:
    """Stand in for tox: return the file in which it notes what it is told."""
    told = played.clone.parent / "told"
    told.touch()
    (played.modules / "tox").mkdir()
    (played.modules / "tox" / "__init__.py").touch()
    (played.modules / "tox" / "__main__.py").write_text(
        f"""import json, sys
if sys.argv[1] == "list":
    print(*{default_environments()}, sep="\\n")
else:
    with open({str(told)!r}, "a") as file:
        print(json.dumps(sys.argv), file=file)
"""
    )
    played.put("tox", f'exec "{sys.executable}" -m tox "$@"')
    played.put("chromium-headless-shell", "")
    return told


def default_environments() -> list[str]:
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(ROOT / "tox.ini")
    return ini["tox"]["env_list"].split()


@pytest.mark.parametrize(
    "command",
    [
        "python3 run.py test",
        "python3 run.py test 2.1.35",
        "python3 run.py test 3.4.0",
        "python3 run.py trials",
        "python3 run.py trials 2.2.4",
        "python3 run.py trials 2.2.4 --browser firefox",
        "python3 run.py soak 2.2.4",
        "tox -e otree2.2.4",
        ".venv/bin/tox -e otree3.4.0 --notest",
        ".venv/bin/tox -e lint",
        ".venv/bin/tox -e tool",
        ".venv/bin/tox -e otree1.4.49",
        ".venv/bin/tox -e otree2.2.4 -- -k a5",
        ".venv/bin/tox -e otree2.2.4 -- -k bad_input --inputs 10000 --timeout 0",
        ".venv/bin/tox -e otree2.2.4 -- -k fault_injection --seed 17",
    ],
)
def test_what_a_run_of_the_suite_is_told_it_understands(
    command: str, played: Desk, tox: Path
) -> None:
    """Up to the tests that pytest then finds, if it is told which."""
    played.type_in(command)
    runs = [json.loads(line) for line in tox.read_text().splitlines()]
    assert runs
    for run in runs:
        names = run[run.index("-e") + 1].split(",")
        assert all(name in {"lint", "tool"} or serves(name) for name in names)
    if "--" in runs[0] and serves_a_release(names[0]):
        environment = ["--environment", f".tox/{names[0]}"]
        collect("tests/contract", "tests/browsers", *environment, *told_to_pytest(runs[0]))


def told_to_pytest(run: Sequence[str]) -> Sequence[str]:
    return run[run.index("--") + 1 :]


def test_pytest_finds_the_examples() -> None:
    command = ".venv/bin/python -m pytest tests/examples --environment .tox/otree3.4.0"
    collect(*command.partition(" -m pytest ")[2].split())


def serves(name: str) -> bool:
    """Return whether a variant serves the release that a tox environment is named for."""
    return variants.find(releases.find(name.removeprefix("otree"))) is not None


def serves_a_release(name: str) -> bool:
    return name.startswith("otree") and serves(name)


def collect(*arguments: str) -> None:
    """Let pytest find the tests that these arguments choose. There must be some."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
