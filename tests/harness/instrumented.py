"""A copy of the exported project in which a test can look behind the scenes.

Three rounds; two more apps made from the first, its twin and one in which the whole session is
one group; session configs for browser bots and for a timeout on MyPage; a server whose database
outlives a crash; and taps, places where the server can be held up. What is tested is still what
the export wrote; what this changes in the copy is listed in `build`.
"""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export, write
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server

TAPS = Path(__file__).parent / "taps"

NEWS = r"moved\W+(true|True)"
"""The arguments of the call that tells a group, or one of its sockets, that it has moved on."""

RECORD = r"'moved_by': |UPDATE .*moved_by"
"""The arguments of the call that writes the click into the database."""

CROWDS = range(3, 31)
"""How many members the groups in trials have; session config `crowd_7` is a group of 7.

There is one more of these than of sizes, since a trial may need a place for a rude member.
"""

CONFIGS = f"""
for name, app, size, more in [
    ('twin', 'twin', 3, {{}}),
    ('bots', 'channelsmin', 3, {{'use_browser_bots': True}}),
    ('timeout', 'channelsmin', 3, {{'seconds_on_my_page': 1}}),
    *[('crowd_%d' % size, 'crowd', size, {{}}) for size in {[*CROWDS, CROWDS.stop]}],
]:
    SESSION_CONFIGS.append(
        dict(more, name=name, display_name=name, num_demo_participants=size, app_sequence=[app])
    )
if 'EXTENSION_APPS' in globals():
    EXTENSION_APPS += ['twin', 'crowd']
"""

TIMEOUT = (
    r"((?: +@staticmethod\n)?)    def is_displayed\((\w+)\):",
    r"""\1    def get_timeout_seconds(\2):
        return \2.session.config.get('seconds_on_my_page')

\g<0>""",
)
"""How MyPage comes by a timeout, in the style in which the variant writes its methods."""


@dataclass(frozen=True)
class Laboratory:
    """The copy, its server and the folder in which its taps are opened and closed."""

    server: Server
    taps: Path

    @contextmanager
    def hold(self, label: str, arguments: str = "", after: int = 0) -> Iterator[None]:
        """While the block runs, hold up the next call of the tapped function `label`.

        With `arguments`, the next one whose arguments match this regular expression; with
        `after`, the one that comes after so many of these.
        """
        hold, held = self._files(label)
        _order(hold, f"{after} {arguments}")
        try:
            yield
        finally:
            hold.unlink(missing_ok=True)
            held.unlink(missing_ok=True)

    def wait_until_held(self, label: str, seconds: float = 10) -> None:
        """Wait until the server has come to the tapped function `label`, and stands there."""
        deadline = time.monotonic() + seconds
        while not self._files(label)[1].exists():
            assert time.monotonic() < deadline, f"the server never came to {label!r}"
            time.sleep(0.02)

    @contextmanager
    def lose(self, label: str, arguments: str, share: float, seed: int) -> Iterator[None]:
        """While the block runs, do nothing in this share of the calls of `label` that match."""
        order = self.taps / f"{label}.lose"
        _order(order, f"{share} {seed} {arguments}")
        try:
            yield
        finally:
            order.unlink()

    def _files(self, label: str) -> tuple[Path, Path]:
        return self.taps / f"{label}.hold", self.taps / f"{label}.held"

    def printed(self) -> str:
        """Return what the project's own code has printed since the server was first started."""
        notes = self.taps / "printed"
        return notes.read_text() if notes.exists() else ""


def _order(file: Path, text: str) -> None:
    # In one step, so that the server never reads half of it.
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def build(export: Export, environment: Environment, folder: Path) -> Laboratory:
    """Write the copy and prepare its server, which is not started yet."""
    project, taps = folder / "project", folder / "taps"
    taps.mkdir(parents=True)
    write(export, project)
    edit([project / "settings.py"], "(?=\nLANGUAGE_CODE)", CONFIGS)
    app = list((project / "channelsmin").glob("*.py"))
    edit(app, "num_rounds = 1", "num_rounds = 3")
    edit(app, *TIMEOUT)
    copy_renamed(project / "channelsmin", project / "twin")
    copy_renamed(project / "channelsmin", project / "crowd")
    crowd = (project / "crowd").glob("*.py")
    edit(list(crowd), "players_per_group = 3", "players_per_group = None")

    assert export.release is not None
    command = export.variant.durable_server(export.release)
    extra = {
        "PYTHONPATH": str(TAPS),
        "CHANNELSMIN_TAPS": json.dumps(dict(export.variant.taps)),
        "CHANNELSMIN_TAP_FOLDER": str(taps),
        # Far from UTC, so that a local time would be seen for what it is.
        "TZ": "Pacific/Auckland",
    }
    server = Server(environment, project, command, free_port(), folder / "server.log", extra)
    server.prepare()
    return Laboratory(server, taps)


def edit(files: Sequence[Path], old: str, new: str) -> None:
    """Replace what matches the regular expression `old`, in the one of the files that has it."""
    found = [file for file in files if re.search(old, file.read_text())]
    assert len(found) == 1, f"{old!r} is in {found}"
    found[0].write_text(re.sub(old, new, found[0].read_text()))


def copy_renamed(app: Path, copy: Path) -> None:
    """Copy an app under another name, as a researcher does who starts from it."""
    for source in app.rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            relative = str(source.relative_to(app)).replace(app.name, copy.name)
            target = copy / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text().replace(app.name, copy.name))
