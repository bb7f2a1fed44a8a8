"""Change a release's source distribution, for a release that does not build or run as it is."""

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import releases
from channelsmin.matrix.help import Edit
from channelsmin.runtime import index


def write(release: Version, edits: Iterable[Edit], folder: Path, python: str) -> Path:
    """Download the source distribution, change it, and write it into a folder; return its path.

    `python` is an interpreter that has a pip: it knows the package index. Raises UserError if the
    index does not have the file that the matrix knows.
    """
    row = releases.rows()[release]
    listed = (entry for entry in index.ask(row.package, python) if entry.release == release)
    entry = next(listed, None)
    if entry is None:
        raise UserError(f"the package index does not have oTree {release}")
    content = index.fetch_known(entry, row.sha256, "was tested")
    path = folder / f"{row.package}-{release}.tar.gz"
    path.write_bytes(changed(content, edits))
    return path


def changed(content: bytes, edits: Iterable[Edit]) -> bytes:
    """Return a source distribution with these changes; the same bytes whenever it is made.

    Raises UserError if a text to be replaced is not there.
    """
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
        files = {m.name: archive.extractfile(m) if m.isfile() else None for m in members}
        texts = {name: file.read() for name, file in files.items() if file}
    folder = members[0].name.partition("/")[0]
    for edit in edits:
        name = f"{folder}/{edit.file}"
        try:
            text = edit.applied(texts[name].decode()) if edit.old else edit.new
        except (KeyError, ValueError) as error:
            raise UserError(f"the source distribution cannot be changed: {error}") from error
        if name not in texts:
            members.append(_like(members, name))
        texts[name] = text.encode()
    return _packed(members, texts)


def _like(members: Iterable[tarfile.TarInfo], name: str) -> tarfile.TarInfo:
    """Return the entry of a new file, as old as the archive's first file."""
    made = tarfile.TarInfo(name)
    made.mtime = next(member.mtime for member in members if member.isfile())
    return made


def _packed(members: Iterable[tarfile.TarInfo], texts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for member in members:
            text = texts.get(member.name)
            if text is None:
                archive.addfile(member)
            else:
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
    return packed.getvalue()
