"""Read the packaging files of a project: what each says about its oTree and about its Python."""

import ast
import configparser
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from channelsmin.errors import UserError
from channelsmin.paths import read_toml
from channelsmin.project import build_files, requirements
from channelsmin.project.requirements import text_of
from channelsmin.project.source import (
    NAMES,
    PythonHint,
    Source,
    Weight,
    from_git,
    from_text,
    poetry_specifier,
    python_from,
)


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be read, and why."""

    why: str


Statement = Source | PythonHint


def statements(folder: Path) -> Iterator[Statement | Unreadable]:
    """Yield what the packaging files of a folder say, in the order of `READERS`."""
    for pattern, read in READERS.items():
        for file in sorted(filter(Path.is_file, folder.glob(pattern))):
            place = file.relative_to(folder).as_posix()
            text = text_of(file)
            try:
                yield from (_placed(statement, place, text) for statement in read(file))
            except UserError as error:
                yield Unreadable(str(error))


def _placed(statement: Statement, place: str, text: str) -> Statement:
    """Add the path in the project, and the line that has the words of the statement."""
    if statement.line:
        return replace(statement, place=statement.place or place)
    needles = (
        (str(statement.requirement.specifier).lstrip("=<>~!"), statement.requirement.name)
        if isinstance(statement, Source)
        else (statement.python.lstrip("=<>~!"), "ython")
    )
    numbered = list(enumerate(text.splitlines(), 1))
    found = (n for n, line in numbered if all(needle in line.lower() for needle in needles))
    named = (n for n, line in numbered if needles[1] in line.lower())
    return replace(statement, place=place, line=next(chain(found, named), None))


def _toml(file: Path) -> dict[str, Any]:
    try:
        return read_toml(file)
    except ValueError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: object) -> UserError:
    return UserError(
        f"{file.name} cannot be read ({error}): fix it, or name the release with --otree"
    )


def _wanted(name: str, wanted: object, weight: Weight = Weight.DECLARED) -> Iterator[Source]:
    """Yield what an entry of a table says: `otree = "^5.4"`, `otree = {git = …, tag = …}`."""
    if name.lower().replace("_", "-") not in NAMES:
        return
    if isinstance(wanted, list):
        wanted = None if len(wanted) != 1 else wanted[0]
    if isinstance(wanted, Mapping) and "git" in wanted:
        tag = next(
            (str(wanted[key]) for key in ("tag", "ref", "rev", "branch") if key in wanted), ""
        )
        owner, _, repository = str(wanted["git"]).removesuffix(".git").rpartition("/")
        yield from_git("", owner, repository, tag, None, weight)
        return
    text = wanted.get("version") if isinstance(wanted, Mapping) else wanted
    specifier = poetry_specifier(text) if isinstance(text, str) else ""
    if source := from_text("", f"{name}{specifier}", weight=weight):
        yield source


def _table(table: object, *names: str) -> Mapping[str, Any]:
    """Return the table of these names inside a table, an empty one if it is not a table."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table if isinstance(table, Mapping) else {}


def _list(found: object) -> list[Any]:
    """Return a list as it is, an empty one for anything else."""
    return found if isinstance(found, list) else []


def _pyproject(file: Path) -> Iterator[Statement]:
    table = _toml(file)
    project, poetry = _table(table, "project"), _table(table, "tool", "poetry")
    lists = [
        project.get("dependencies"),
        *_table(project, "optional-dependencies").values(),
        *_table(table, "dependency-groups").values(),
        *_table(table, "tool", "pdm", "dev-dependencies").values(),
        *(_table(table, "tool", "uv").get(name) for name in UV_LISTS),
        *(
            _table(one).get("dependencies")
            for one in _table(table, "tool", "hatch", "envs").values()
        ),
    ]
    git = _table(table, "tool", "uv", "sources")
    for text in chain.from_iterable(map(_list, lists)):
        source = from_text("", text) if isinstance(text, str) else None
        if source and "git" in _table(git, source.requirement.name):
            yield from _wanted(source.requirement.name, git[source.requirement.name])
        elif source:
            yield source
    groups = (_table(group, "dependencies") for group in _table(poetry, "group").values())
    main = _table(poetry, "dependencies")
    for entries in (main, _table(poetry, "dev-dependencies"), *groups):
        for name, wanted in entries.items():
            yield from _wanted(name, wanted)
    yield from _pixi(_table(table, "tool", "pixi"))
    for wanted in (project.get("requires-python"), main.get("python")):
        if isinstance(wanted, str) and (hint := python_from("", _as_range(wanted))):
            yield hint


UV_LISTS = ("dev-dependencies", "constraint-dependencies", "override-dependencies")


def _as_range(text: str) -> str:
    return f"=={text}" if re.fullmatch(r"\d+\.\d+\.\*", text) else text


def _pixi_toml(file: Path) -> Iterator[Statement]:
    yield from _pixi(_toml(file))


def _pixi(table: Mapping[str, Any]) -> Iterator[Statement]:
    for part in (table, *_table(table, "feature").values()):
        for name, wanted in _table(part, "pypi-dependencies").items():
            yield from _wanted(name, wanted)
        python = _table(part, "dependencies").get("python")
        if isinstance(python, str) and (hint := python_from("", _as_range(python))):
            yield hint


def _lock(file: Path) -> Iterator[Statement]:
    yield from _locked(_toml(file))


def _yaml_lock(file: Path) -> Iterator[Statement]:
    table = _yaml(file)
    yield from _locked(table if isinstance(table, Mapping) else {})


def _locked(table: Mapping[str, Any]) -> Iterator[Statement]:
    for package in (*_list(table.get("package")), *_list(table.get("packages"))):
        if not isinstance(package, Mapping):
            continue
        version = package.get("version")
        text = f"{package.get('name')}=={version}" if version else str(package.get("name"))
        if source := from_text("", text, weight=Weight.LOCKED):
            yield source
    wanted = table.get("requires-python") or _table(table, "metadata").get("python-versions")
    if isinstance(wanted, str) and (hint := python_from("", _as_range(wanted))):
        yield hint


def _pipfile(file: Path) -> Iterator[Statement]:
    table = _toml(file)
    for section in ("packages", "dev-packages"):
        for name, wanted in _table(table, section).items():
            yield from _wanted(name, wanted)
    yield from _required_python(table)


def _required_python(table: object) -> Iterator[PythonHint]:
    requires = _table(table, "requires")
    for key in ("python_version", "python_full_version"):
        if hint := python_from("", str(requires.get(key, ""))):
            yield hint
            return


def _pipfile_lock(file: Path) -> Iterator[Statement]:
    try:
        table = json.loads(text_of(file))
    except ValueError as error:
        raise _unreadable(file, error) from error
    for name, entry in {**_table(table, "develop"), **_table(table, "default")}.items():
        yield from _wanted(name, entry, Weight.LOCKED)
    yield from _required_python(_table(table, "_meta"))


def _setup_py(file: Path) -> Iterator[Statement]:
    """Read the strings of setup.py: it is not run, and a computed requirement is not seen."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "python_requires":
            if isinstance(node.value, ast.Constant) and (
                hint := python_from("", str(node.value.value), node.value.lineno)
            ):
                yield hint
        elif isinstance(node, ast.keyword) and node.arg == "install_requires":
            written = node.value.value if isinstance(node.value, ast.Constant) else ""
            for line in filter(_is_about_otree, str(written).splitlines()):
                yield from filter(None, (from_text("", line, node.value.lineno),))
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            texts = (item for item in node.elts if isinstance(item, ast.Constant))
            for text in texts:
                if isinstance(text.value, str) and _is_about_otree(text.value):
                    source = from_text("", text.value, text.lineno)
                    yield from filter(None, (source,))


def _is_about_otree(text: str) -> bool:
    return bool(re.match(r"otree(-core)?\s*(\[|==|[<>~!]|@)", text.strip(), re.IGNORECASE))


def _setup_cfg(file: Path) -> Iterator[Statement]:
    parsed = _ini(file)
    options = parsed["options"] if parsed.has_section("options") else {}
    extras = (
        parsed["options.extras_require"] if parsed.has_section("options.extras_require") else {}
    )
    for line in "\n".join([options.get("install_requires", ""), *extras.values()]).splitlines():
        if line.strip() and (source := from_text("", line)):
            yield source
    if hint := python_from("", options.get("python_requires", "")):
        yield hint


def _tox(file: Path) -> Iterator[Statement]:
    """Read what tox installs; a line for some of its environments only says nothing."""
    for section in _ini(file).values():
        for line in filter(build_files.names_otree, section.get("deps", "").splitlines()):
            yield from filter(None, (from_text("", line, weight=Weight.BUILD),))


def _ini(file: Path) -> configparser.ConfigParser:
    """Return what an INI file contains, as far as it can be read."""
    parsed = configparser.ConfigParser(interpolation=None)
    with suppress(configparser.Error):
        parsed.read_string(text_of(file))
    return parsed


def _conda(file: Path) -> Iterator[Statement]:
    table = _yaml(file)
    listed = table.get("dependencies") if isinstance(table, Mapping) else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping):
            for text in map(str, entry.get("pip") or ()):
                if included := requirements.INCLUDES.fullmatch(text):
                    yield from requirements.of_file(file.parent, file.parent / included[1])
                else:
                    yield from filter(None, (from_text("", text),))
        elif match := re.fullmatch(r"([\w.-]+)\s*([=<>~!].*)?", str(entry).split("::")[-1]):
            # conda also writes a build after a second `=`: python=3.7.4=h359304d_1
            wanted = re.sub(r"^(=\d[\w.]*)=\S+$", r"\1", match[2] or "")
            if match[1] == "python":
                yield from filter(None, (python_from("", poetry_specifier(wanted)),))
            else:
                yield from _wanted(match[1], wanted)


def _yaml(file: Path) -> object:
    try:
        return yaml.safe_load(text_of(file))
    except yaml.YAMLError as error:
        raise _unreadable(file, str(error).splitlines()[0]) from error


def _python_only(file: Path) -> Iterator[Statement]:
    for number, line in enumerate(text_of(file).splitlines(), 1):
        if hint := python_from("", line, number):
            yield hint
            return


def _tool_versions(file: Path) -> Iterator[Statement]:
    for number, line in enumerate(text_of(file).splitlines(), 1):
        if match := re.match(r"python\s+(\d+\.\d+)", line):
            yield PythonHint("", match[1], number)
            return


def _readme(file: Path) -> Iterator[Statement]:
    """Read the release that a README names, if it names only one, and not as the first of many."""
    text = text_of(file)
    named = {one[1]: one.start() for one in NAMED.finditer(text) if not one[2]}
    if len(named) == 1:
        ((release, start),) = named.items()
        package = "otree-core" if release.startswith(("0.", "1.")) else "otree"
        line = text.count("\n", 0, start) + 1
        yield from filter(None, (from_text("", f"{package}=={release}", line, Weight.TOLD),))


NAMED = re.compile(
    r"\botree(?:[ -]core)?\b[^\w\n.<>~!]{0,4}(?:v(?:er(?:sion|\.)?|\.)?|release)?[ =]{0,2}"
    r"(\d+\.\d+\.\d+)(?!\.?\d)[`*'\")]*(\+|\s+(?:or|and)\s+(?:later|newer|higher|above|up)\b)?",
    re.IGNORECASE,
)
"""Where a text names a release of oTree, with the words that let later ones in."""


READERS: Mapping[str, Callable[[Path], Iterable[Statement]]] = {
    "pyproject.toml": _pyproject,
    "uv.lock": _lock,
    "poetry.lock": _lock,
    "pdm.lock": _lock,
    "pylock*.toml": _lock,
    "pixi.lock": _yaml_lock,
    "conda-lock.y*ml": _yaml_lock,
    "pixi.toml": _pixi_toml,
    "Pipfile": _pipfile,
    "Pipfile.lock": _pipfile_lock,
    "setup.py": _setup_py,
    "setup.cfg": _setup_cfg,
    "env*.y*ml": _conda,
    "conda*.y*ml": _conda,
    "runtime.txt": _python_only,
    ".python-version": _python_only,
    ".tool-versions": _tool_versions,
    "Dockerfile*": build_files.commands,
    "*/Dockerfile*": build_files.commands,
    "*.Dockerfile": build_files.commands,
    build_files.COMPOSE: build_files.commands,
    ".devcontainer/devcontainer.json": build_files.commands,
    ".github/workflows/*.y*ml": build_files.commands,
    ".gitlab-ci.yml": build_files.commands,
    ".travis.yml": build_files.commands,
    ".circleci/config.yml": build_files.commands,
    "azure-pipelines.yml": build_files.commands,
    **dict.fromkeys(("render.yaml", "nixpacks.toml", "railway.*"), build_files.commands),
    "tox.ini": _tox,
    "[Rr][Ee][Aa][Dd][Mm][Ee]*": _readme,
    **dict.fromkeys(("Makefile", "Vagrantfile", "*.sh", "*.bat", "*.ps1"), build_files.commands),
}
"""Who reads which file."""
