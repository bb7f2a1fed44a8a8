"""Demonstrate a release: export, environment, development server, and the link to open."""

import socket
import tempfile
from pathlib import Path

from packaging.version import Version

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.runtime import environment, export, interpreters, processes
from channelsmin.runtime.server import Server

REFUSED_PORTS = frozenset(
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95}
    | {101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179}
    | {389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601}
    | {636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566}
    | {6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)
"""The ports that browsers open no page of: https://fetch.spec.whatwg.org/#port-blocking"""


def newest_runnable(consent: bool = False) -> Version:
    """Return the newest final release that an interpreter of this machine can run.

    With `consent`, an interpreter that uv can install counts, too.
    """
    for release in reversed(releases.known()):
        is_offered = not release.is_prerelease and not releases.rows()[release].yanked
        if not is_offered or not variants.find(release):
            continue
        pythons = variants.pythons(release)
        if interpreters.best(release) or (consent and interpreters.can_obtain(pythons)):
            return release
    raise UserError(
        "this machine has no Python that can run any release of oTree: "
        f"{interpreters.how_to_install(['3.12'])}"
    )


def run(wanted: str | None, port: int | None, consent: bool = False) -> None:
    """Run the demo of a release until Ctrl-C is pressed.

    `wanted` is a release (default: the newest that this machine can run), `port` the port to
    listen on (default: 8000, or any free one). With `consent`, a missing Python is installed.
    Raises UserError if the server ends by itself.
    """
    release = releases.find(wanted) if wanted else newest_runnable(consent)
    chosen = export.of(release)
    port = _port(port)
    console.note(f"oTree {release}, with the variant {chosen.variant.name}")
    installed = environment.cached(release, consent)
    # On Windows, the database of a server that was ended a moment ago may still be open.
    with tempfile.TemporaryDirectory(prefix="channelsmin-", ignore_cleanup_errors=True) as folder:
        project, log = Path(folder, "project"), Path(folder, "server.log")
        export.write(chosen, project)
        command = chosen.variant.development_server(release)
        server = Server(installed, project, command, port, log)
        try:
            with console.step("Starting the server"):
                server.prepare()
                server.start()
            console.say(f"\n    {server.url}/demo/channelsmin/\n")
            console.note("Open this link, then each of the three links in a window of its own,")
            console.note("and click Done in one of them. Press Ctrl-C to end the demo.")
            status, printed = server.wait(), server.last_output()
        finally:
            server.stop()
    raise UserError(f"the server ended with status {status}; its last output: {printed}")


def _port(wanted: int | None) -> int:
    if wanted is None:
        return 8000 if processes.is_free(8000) else processes.free_port()
    if wanted in REFUSED_PORTS:
        raise UserError(f"browsers refuse to open port {wanted}: pass another --port, such as 8001")
    if not processes.is_free(wanted):
        raise UserError(f"port {wanted} is busy: end what listens there, or pass another --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind(("127.0.0.1", wanted))
        except PermissionError as error:
            raise UserError(
                f"port {wanted} is reserved for the system: pass a --port from 1024 to 65535"
            ) from error
    return wanted
