"""Changed source distributions: what they contain, and that nothing else is taken for one."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.matrix.help import Edit
from channelsmin.runtime import changed_sdist, index
from channelsmin.runtime.index import Listed

ROW = releases.rows()[releases.find("2.0.19")]
FILES = {"otree-2.0.19/setup.py": "import django\n", "otree-2.0.19/otree/a.py": "a = 1\r\n"}
EDITS = (
    Edit("setup.py", "import django\n", ""),
    Edit("otree/a.py", "a = 1\n", "a = 2\n"),
    Edit("added.txt", "", "new\n"),
)


def packed(files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        folder = tarfile.TarInfo("otree-2.0.19")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(text), 1_500_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def unpacked(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
        return {name: file.read().decode() for name, file in files.items() if file}


@pytest.fixture
def on_the_index(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The only file on the index; its hash is the one that the matrix knows."""
    content = packed(FILES)
    row = replace(ROW, sha256=sha256(content).hexdigest())
    listed = Listed(ROW.release, None, "", "", row.sha256, "https://index.example/o.tar.gz")
    monkeypatch.setattr(index, "ask", lambda project, python: [listed])
    monkeypatch.setattr(index, "fetch", lambda entry: content)
    monkeypatch.setattr(releases, "rows", lambda: {ROW.release: row})
    return content


def test_files_are_changed_and_added(on_the_index: bytes, tmp_path: Path) -> None:
    path = changed_sdist.write(ROW.release, EDITS, tmp_path, "python")
    assert path.name == "otree-2.0.19.tar.gz"
    assert unpacked(path.read_bytes()) == {
        "otree-2.0.19/setup.py": "",
        "otree-2.0.19/otree/a.py": "a = 2\r\n",
        "otree-2.0.19/added.txt": "new\n",
    }


def test_the_same_changes_give_the_same_bytes() -> None:
    content = packed(FILES)
    assert changed_sdist.changed(content, EDITS) == changed_sdist.changed(content, EDITS)


@pytest.mark.parametrize("edit", [Edit("setup.py", "flask", ""), Edit("missing.py", "a", "b")])
def test_a_change_that_does_not_fit_is_told(edit: Edit) -> None:
    with pytest.raises(UserError, match="the source distribution cannot be changed"):
        changed_sdist.changed(packed(FILES), [edit])


def test_another_file_than_the_tested_one_is_refused(
    on_the_index: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "fetch", lambda entry: on_the_index + b"more")
    with pytest.raises(UserError, match="is not the file that was tested"):
        changed_sdist.write(ROW.release, EDITS, tmp_path, "python")
    assert list(tmp_path.iterdir()) == []


def test_an_index_without_the_release_is_told(
    on_the_index: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ask", lambda project, python: [])
    with pytest.raises(UserError, match=r"the package index does not have oTree 2\.0\.19"):
        changed_sdist.write(ROW.release, EDITS, tmp_path, "python")
