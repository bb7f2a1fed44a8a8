"""Show a release at work: export, environment, development server, and the link to open."""

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.runtime import environment, export
from channelsmin.runtime.export import Export
from channelsmin.runtime.server import Server, free_port, is_free

Say = Callable[[str], None]


def cache() -> Path:
    """Return the folder that the demo's environments are kept in, from one run to the next."""
    return Path("~/.cache/channelsmin").expanduser()


def newest_runnable() -> Version:
    """Return the newest final release that an interpreter of this machine runs."""
    for release in reversed(releases.known()):
        variant = variants.find(release)
        offered = not release.is_prerelease and not releases.rows()[release].yanked
        if variant and offered and environment.interpreter(variant, release):
            return release
    raise UserError(
        "this machine has no Python that runs any release of oTree: install Python 3.12, "
        "for example with `uv python install 3.12`"
    )


def run(wanted: str | None, port: int | None, say: Say) -> None:
    """Run the demo of a release until the server ends or Ctrl-C is pressed.

    `wanted` is a release, or None for the newest that this machine runs; `port` is where to
    answer, or None for 8000 or else any that is free.
    """
    release = releases.find(wanted) if wanted else newest_runnable()
    variant = variants.serving(release)
    port = _port(port)
    say(f"oTree {release}, served by variants/{variant.name}")
    installed = environment.create(variant, release, cache() / f"otree{release}")
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="channelsmin-") as folder:
        project, log = Path(folder, "project"), Path(folder, "server.log")
        export.write(Export(variant, release), project)
        command = variant.rule("development_server", release)["command"]
        server = Server(installed, project, command, port, log)
        server.prepare()
        with server:
            say("")
            say(f"    {server.url}/demo/channelsmin/")
            say("")
            say("Open this link, then each of the three single-use links in a window of its own,")
            say("and click Done in one of them. Ctrl-C ends the demo.")
            status = server.wait()
            raise UserError(f"the server ended, status {status}: {server.last_words()}")


def _port(wanted: int | None) -> int:
    if wanted is None:
        return 8000 if is_free(8000) else free_port()
    if not is_free(wanted):
        raise UserError(f"port {wanted} is busy: end what listens there, or name another --port")
    return wanted


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
