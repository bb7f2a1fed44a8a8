"""What the package index says of oTree's releases: one page, as JSON.

The page is that of the simple repository API, of which the fields `upload-time` and `yanked`
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
from typing import Any
from urllib.request import Request, urlopen

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import Version

from channelsmin.errors import UserError

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
"""The media type to ask for; an index may answer with HTML nevertheless."""

SECONDS = 60
"""How long to wait for the answer."""


@dataclass(frozen=True)
class Listed:
    """A release as the index lists it, by its source distribution; oTree publishes no wheels.

    `uploaded` is the index's own time in UTC, None where it serves none; `yanked` the reason
    for which the file was withdrawn, "" where it was not.
    """

    release: Version
    uploaded: datetime | None
    yanked: str
    requires_python: str
    sha256: str


def ask(project: str) -> list[Listed]:
    """Ask the index that pip is configured for; return what it lists, the oldest first.

    Raises UserError where it does not answer, or not in JSON.
    """
    request = Request(f"{_address()}/{project}/", headers={"Accept": JSON_PAGE})
    try:
        with urlopen(request, timeout=SECONDS) as answer:
            page = json.load(answer)
    except (OSError, ValueError) as error:
        raise UserError(
            f"the package index could not be asked for {project}'s releases: {error}"
        ) from error
    return sorted(read(page), key=lambda listed: listed.release)


def read(page: Mapping[str, Any]) -> Iterator[Listed]:
    """Yield the source distributions that a page lists."""
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
        )


def _address() -> str:
    """Return the address of the index, as pip's help tells it: configured, or pip's default."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--help"]
    variables = {**os.environ, "COLUMNS": "1000"}
    told = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    found = re.search(r"--index-url <url>.*?\(default\s+(\S+?)/?\)", told.stdout, re.DOTALL)
    if not found:
        raise UserError("pip does not say which package index it uses: is it installed here?")
    return found[1]
