"""The commands for maintainers. They work on the repository, so they need a clone of it."""

import functools
import signal
from collections.abc import Callable
from typing import ParamSpec

import click

from channelsmin import console
from channelsmin.errors import UserError
from channelsmin.paths import IN_CHECKOUT

Parameters = ParamSpec("Parameters")

COMMANDS: dict[str, click.Command] = {}
"""The commands by name, in the order in which help lists them."""


def command(run: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Register a command; it refuses to run outside a clone, since the wheel lacks its data."""
    name = run.__name__.replace("_", "-")

    @functools.wraps(run)
    def run_in_clone(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        if not IN_CHECKOUT:
            raise UserError(
                f"`{name}` needs a clone of the whole repository: "
                f"clone it, and run `{console.typed(*console.python(), 'run.py', name)}` there"
            )
        run(*arguments, **options)

    COMMANDS[name] = click.command(name)(run_in_clone)
    return run


def _heed_ctrl_c() -> None:
    """Let SIGINT end this command and the test runs, which inherit what it does.

    A shell starts background jobs with SIGINT ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


releases_argument = click.argument("releases", nargs=-1)


def check_option(meaning: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--check`, which changes nothing."""
    return click.option("--check", is_flag=True, help=meaning)


@command
@releases_argument
def test(releases: tuple[str, ...]) -> None:
    """Test releases, each in an environment of its own.

    RELEASES are releases such as 2.2.4, or `all` for env_list in tox.ini (default: the tool's own
    tests, and the newest release of each variant that this machine can run).
    """
    from channelsmin.testing import suite

    _heed_ctrl_c()
    suite.run(releases)


@command
@releases_argument
@click.option("--count", default=200, show_default=True, help="Trials per release.")
@click.option(
    "--browser", type=click.Choice(["chromium", "firefox"]), default="chromium", show_default=True
)
def trials(releases: tuple[str, ...], count: int, browser: str) -> None:
    """Inject faults into releases and record each trial.

    RELEASES are releases such as 2.2.4 (default: the newest of each variant).
    """
    from channelsmin.report import documents
    from channelsmin.testing import suite

    suite.run_trials(releases, count, browser)
    documents.update()


@command
@releases_argument
@click.option("--only", default="", metavar="TEXT", help="Only mutants with this in their names.")
@click.option("--jobs", default=2, show_default=True, help="Mutants tried at once.")
def mutants(releases: tuple[str, ...], only: str, jobs: int) -> None:
    """Plant faults in the variants, and report which test finds each.

    RELEASES are releases such as 2.2.4 (default: the newest of each variant).
    """
    from channelsmin.report import documents
    from channelsmin.testing import mutants

    _heed_ctrl_c()
    try:
        mutants.run(releases, only, jobs)
    finally:
        documents.update()


@command
@releases_argument
@click.option("--minutes", default=30.0, show_default=True, help="Minutes per release.")
def soak(releases: tuple[str, ...], minutes: float) -> None:
    """Run a soak test of a hundred sessions on releases.

    RELEASES are releases such as 2.2.4 (default: the newest of each variant).
    """
    from channelsmin.report import documents
    from channelsmin.testing import suite

    suite.run_soak(releases, minutes)
    documents.update()


@command
@releases_argument
@click.option("--members", default="", metavar="3,100", help="Group sizes.  [default: all]")
@click.option("--clicks", type=int, help="Maximum number of clicks per group size.")
@click.option(
    "--part",
    type=click.Choice(["felt", "latency"]),
    help="Measure only what members feel, or only the sockets.",
)
def bench(releases: tuple[str, ...], members: str, clicks: int | None, part: str | None) -> None:
    """Measure how long a click takes and what it costs.

    RELEASES are releases such as 2.2.4 (default: the newest of each variant).
    """
    from channelsmin.report import documents, performance
    from channelsmin.testing import benchmark

    benchmark.run(releases, [size for size in members.split(",") if size], clicks, part)
    performance.plot()
    documents.update()


@command
def plot() -> None:
    """Plot the results of `bench`."""
    from channelsmin.report import documents, performance

    performance.plot()
    documents.update()


@command
@click.argument("releases", default="", metavar="[SPECIFIER]")
@click.option("--shard", default="", metavar="3/20", help="Test only the third of twenty parts.")
@click.option("--jobs", default=2, show_default=True, help="Releases tested at once.")
@click.option("--again", is_flag=True, help="Also re-run releases whose last result is not a pass.")
@check_option("Only report results that no note explains.")
def sweep(releases: str, shard: str, jobs: int, again: bool, check: bool) -> None:
    """Test many releases for the matrix.

    SPECIFIER is a specifier such as '>=2.0,<2.3', or a release (default: all releases).
    """
    from channelsmin.matrix import results
    from channelsmin.report import documents
    from channelsmin.testing import sweep

    if check:
        results.check()
        return
    _heed_ctrl_c()
    try:
        sweep.run(releases, shard, jobs, again)
    finally:
        documents.update()


@command
def boundaries() -> None:
    """Run each variant on releases outside its range."""
    from channelsmin.report import documents
    from channelsmin.testing import boundaries

    boundaries.run()
    documents.update()


@command
@check_option("Only report what is stale.")
def generate(check: bool) -> None:
    """Write everything that is generated: tables in documents, the page, copied apps."""
    from channelsmin.report import documents
    from channelsmin.upkeep import shared_app

    if check:
        shared_app.check()
        documents.check()
    else:
        shared_app.update()
        documents.update()


@command
@check_option("Only report new releases.")
def releases(check: bool) -> None:
    """Add new releases from the package index."""
    from channelsmin.upkeep import update_releases

    if check:
        update_releases.check()
    else:
        update_releases.update()


@command
@check_option("Only report missing or stale lock files (offline).")
def lock(check: bool) -> None:
    """Resolve missing or stale lock files."""
    from channelsmin.matrix import locks
    from channelsmin.upkeep import resolve_locks

    if check:
        locks.check()
    else:
        resolve_locks.update()


@command
@click.argument("first")
@click.option("--last", help="The last release that it serves.  [default: every later release]")
@click.option("--like", required=True, metavar="VARIANT", help="The variant to copy.")
def scaffold(first: str, last: str | None, like: str) -> None:
    """Start a new variant, as a copy of another one.

    FIRST is the first release that it serves, such as 1.4.0b1.
    """
    from channelsmin.upkeep import scaffold

    scaffold.run(like, first, last)
