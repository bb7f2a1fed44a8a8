"""`neighbours.toml`: of each kind of fault and of false alarm, several projects that differ."""

import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from channelsmin.paths import read_toml
from channelsmin.project.doctor import run_checks, template_source

READ = read_toml(Path(__file__).parent / "neighbours.toml")
BASES, PARTS = READ["base"], READ["parts"]
KINDS: dict[str, list[dict[str, Any]]] = {
    kind: found for kind, found in READ.items() if kind not in {"base", "parts"}
}


def write(folder: Path, entry: Mapping[str, Any]) -> None:
    """Write the project of an entry: its base, with the entry's parts and files."""
    parts = {**PARTS[entry["base"]], **entry}
    for name, text in {**BASES[entry["base"]], **entry.get("files", {})}.items():
        for _ in range(2):  # a part can have a place for another one
            for part, value in parts.items():
                text = text.replace(f"«{part}»", value) if isinstance(value, str) else text
        while "«" in text:
            before, _, after = text.partition("«")
            text = before + after.partition("»")[2]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, found in KINDS.items() for n in range(len(found))]
)
def test_a_neighbour_gets_the_right_answer(kind: str, number: int, tmp_path: Path) -> None:
    entry = KINDS[kind][number]
    write(tmp_path, entry)
    report = run_checks.examine(tmp_path)
    newer = ["newer"] if sys.version_info < (3, 12) else []
    for found, words in (
        (report.findings, ["says"]),
        (report.remarks, ["remark", "second", *newer]),
    ):
        expected = [entry[word] for word in words if word in entry]
        assert len(found) == len(expected), [(one.where, one.what) for one in found]
        assert all(what in one.what for what, one in zip(expected, found, strict=True))


def test_each_kind_has_at_least_five_neighbours() -> None:
    assert all(len(found) >= 5 for found in KINDS.values())


def test_the_sockets_of_each_page_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = ["quiz", *(f"quiz{number}" for number in range(6))]
    write(tmp_path, {"base": "two", "extensions": "".join(f", '{app}'" for app in apps[1:])})
    for app in apps[1:]:
        for path in [*(tmp_path / "quiz").rglob("*.py"), *(tmp_path / "quiz").rglob("*.html")]:
            copied = Path(str(path).replace("quiz", app))
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(path.read_text().replace("quiz", app))
    settings = tmp_path / "settings.py"
    settings.write_text(settings.read_text().replace("['quiz'])]", f"{apps})]"))
    looked: list[object] = []
    addresses = template_source.addresses

    def counted(*arguments: Any) -> Any:
        looked.append(arguments)
        return addresses(*arguments)

    monkeypatch.setattr(template_source, "addresses", counted)
    report = run_checks.examine(tmp_path)
    assert (report.findings, report.apps) == ((), tuple(sorted(apps)))
    assert len(looked) == len(apps)


def test_many_classes_in_two_modules_are_walked_once(
    tmp_path: Path, walked: list[ast.Module]
) -> None:
    write(tmp_path, {"base": "self", "release": "5.11.4"})
    rows = "".join(f"\n\nclass Row{n}(ExtraModel):\n    pass\n" for n in range(300))
    with (tmp_path / "quiz/models.py").open("a") as models:
        models.write(rows)
    method = "    def vars_for_template(self):\n        return dict(row=1)\n"
    pages = "".join(f"\n\nclass P{n}(Page):\n{method}" for n in range(300))
    names = "".join(f", P{n}" for n in range(300))
    with (tmp_path / "quiz/pages.py").open("a") as file:
        file.write(f"{pages}\n\npage_sequence = [Ask, Results{names}]\n")
    for number in range(300):
        (tmp_path / f"quiz/templates/quiz/P{number}.html").write_text("{{ formfields }}")
    assert run_checks.examine(tmp_path).findings == ()
    assert len(walked) == len(set(walked))


def test_a_long_chain_of_classes_is_followed(tmp_path: Path) -> None:
    chain = "".join(f"class P{n}({f'P{n - 1}' if n else 'Page'}):\n    pass\n" for n in range(480))
    write(tmp_path, {"base": "lite", "after": f"{chain}page_sequence = [Ask, Results, P479]\n"})
    (tmp_path / "quiz/P479.html").write_text("{{ block content }}{{ endblock }}")
    assert run_checks.examine(tmp_path).findings == ()
