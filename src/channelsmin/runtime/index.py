"""Read oTree's releases from the package index: one page per package, as JSON.

The page is that of the simple repository API; of its optional fields, `upload-time` and `yanked`
are read: https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import Version

from channelsmin.errors import UserError

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
"""The media type to ask for; an index may answer with HTML nevertheless."""

SECONDS = 60
"""How long to wait for an answer."""


@dataclass(frozen=True)
class Listed:
    """A source distribution as the index lists it; oTree publishes no wheels.

    `uploaded` is the upload time in UTC, None if the index has none. `yanked` is the reason for
    which the file was yanked, "" if it was not. `url` is the file's address.
    """

    release: Version
    uploaded: datetime | None
    yanked: str
    requires_python: str
    sha256: str
    url: str


def ask(project: str, python: str = sys.executable) -> list[Listed]:
    """Ask the index for which pip is configured; return what it lists, the oldest release first.

    `python` is an interpreter that has a pip. Raises UserError if the index does not answer, or not
    in JSON.
    """
    request = Request(f"{_address(python)}/{project}/", headers={"Accept": JSON_PAGE})
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            page = json.load(answer)
            listed = read(page, answer.url)
            return sorted(listed, key=lambda entry: entry.release)
    except (OSError, ValueError) as error:
        raise UserError(
            f"the package index could not be asked for the releases of {project}: {error}"
        ) from error


def fetch(listed: Listed) -> bytes:
    """Download a source distribution; raises UserError if the index does not send it."""
    try:
        with urlopen(listed.url, timeout=SECONDS) as answer:
            content: bytes = answer.read()
    except OSError as error:
        raise UserError(f"{listed.url} could not be downloaded: {error}") from error
    return content


def fetch_known(listed: Listed, digest: str, known: str) -> bytes:
    """Download a source distribution of which the SHA-256 is known: from where, `known` tells.

    Raises UserError if the index does not send it, or sends another file.
    """
    content = fetch(listed)
    if sha256(content).hexdigest() != digest:
        raise UserError(f"{listed.url} is not the file that {known} (its SHA-256 differs)")
    return content


def read(page: Mapping[str, Any], address: str) -> Iterator[Listed]:
    """Yield the source distributions on a page; their addresses may be relative to the page's."""
    for file in page["files"]:
        try:
            _, release = parse_sdist_filename(file["filename"])
        except InvalidSdistFilename:
            continue
        yanked = file.get("yanked", False)
        uploaded = file.get("upload-time")
        yield Listed(
            release,
            datetime.fromisoformat(uploaded.replace("Z", "+00:00")) if uploaded else None,
            (yanked if isinstance(yanked, str) else "no reason given") if yanked else "",
            file.get("requires-python") or "",
            file["hashes"]["sha256"],
            urljoin(address, file["url"]),
        )


def _address(python: str) -> str:
    """Return the index's address from pip's help: the configured one, or pip's default."""
    command = [python, "-m", "pip", "download", "--help"]
    variables = {**os.environ, "COLUMNS": "1000"}
    shown = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    found = re.search(r"--index-url <url>.*?\(default\s+(\S+?)/?\)", shown.stdout, re.DOTALL)
    if not found:
        raise UserError("pip does not name its package index; is pip installed here?")
    return found[1]
