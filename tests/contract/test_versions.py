"""V. Versions: the installed release, and a variant on a release outside its range."""

import re
from pathlib import Path

from packaging.version import Version

from channelsmin.matrix import releases, variants
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export, write
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import run_otree

MESSAGE = re.compile(
    r"^channelsmin: found oTree (?P<found>.+), but this variant serves oTree (?P<range>.+)\. "
    r"Take variants/(?P<variant>.+) instead\.$",
    re.MULTILINE,
)


def test_the_release_is_the_one_the_environment_is_named_for(
    environment: Environment, release: Version
) -> None:
    assert environment.release() == release


def test_v1_another_variant_stops_and_names_the_right_one(
    environment: Environment, export: Export, release: Version, tmp_path: Path
) -> None:
    """One of the others, on each release another one: all of them within five releases."""
    others = [variant for variant in variants.load_all() if variant != export.variant]
    other = others[releases.known().index(release) % len(others)]
    write(Export(other, None), tmp_path / "project")
    ended = run_otree(environment, tmp_path / "project", "devserver", str(free_port()))
    assert ended.stdout.count("channelsmin:") == 1, ended.stdout
    message = MESSAGE.search(ended.stdout)
    assert message, ended.stdout
    # Parsed, since 5.12.0b4 calls itself "5.12.0b4 ", with a space.
    assert Version(message["found"]) == release
    assert message["range"] == other.range
    assert message["variant"] == export.variant.name
    assert "Traceback" not in ended.stdout, ended.stdout
