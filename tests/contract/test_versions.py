"""V. Versions: the installed release, and a variant on a release outside its range."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

from packaging.version import Version

from channelsmin.matrix import releases, variants
from channelsmin.matrix.variants import Variant
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
    """Two of the others, on each release different ones: all of them within five releases."""

    def start(other: Variant) -> CompletedProcess[str]:
        write(Export(other, None), tmp_path / other.name)
        return run_otree(environment, tmp_path / other.name, "devserver", str(free_port()))

    others = [variant for variant in variants.load_all() if variant != export.variant]
    first = releases.known().index(release) % len(others)
    chosen = (others[first], others[first - 1])
    with ThreadPoolExecutor() as executor:
        outcomes = list(executor.map(start, chosen))
    for other, ended in zip(chosen, outcomes, strict=True):
        assert ended.stdout.count("channelsmin:") == 1, ended.stdout
        message = MESSAGE.search(ended.stdout)
        assert message, ended.stdout
        # Parsed, since 5.12.0b4 calls itself "5.12.0b4 ", with a space.
        assert Version(message["found"]) == release
        assert message["range"] == other.range
        assert message["variant"] == export.variant.name
        assert "Traceback" not in ended.stdout, ended.stdout
