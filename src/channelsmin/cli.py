"""The command line: `channelsmin COMMAND`."""

import argparse
import functools
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from channelsmin.errors import UserError
from channelsmin.matrix import locks, releases, results, variants
from channelsmin.paths import IN_CHECKOUT
from channelsmin.project import add, pick
from channelsmin.project.doctor import run_checks
from channelsmin.report import documents, performance
from channelsmin.runtime import demo, environment, export
from channelsmin.testing import benchmark, boundaries, suite
from channelsmin.upkeep import resolve_locks, scaffold

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a UserError becomes one line on standard error and status 1."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as problem:
        sys.exit(f"channelsmin: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


def parser() -> argparse.ArgumentParser:
    """Return the parser, which is also the help."""
    top = argparse.ArgumentParser(
        prog="channelsmin",
        description="One button moves the whole group: the same app for every oTree release.",
    )
    commands = top.add_subparsers(required=True, dest="command", metavar="COMMAND")

    command = commands.add_parser("demo", help="show a release at work in your browser")
    command.add_argument(
        "release", nargs="?", help="such as 2.2.4; the newest that this machine runs"
    )
    command.add_argument("--port", type=int, help="where to answer; 8000, or one that is free")
    command.set_defaults(run=_demo)

    command = commands.add_parser(
        "pick",
        help="say which variant a project needs",
        description="Say which variant a project needs, from its files and its environment.",
        epilog="Keys of --json: "
        + "; ".join(f"{key}, {meaning}" for key, meaning in pick.KEYS.items())
        + ".",
    )
    command.add_argument(
        "--project", type=Path, default=Path(), metavar="DIR", help="where it is; here"
    )
    command.add_argument(
        "--otree", metavar="RELEASE", help="its release, such as 2.2.4; what the project says"
    )
    command.add_argument("--json", action="store_true", help="print it for a script")
    command.set_defaults(run=_pick)

    command = commands.add_parser("export", help="write an oTree project for a release")
    command.add_argument("what", help="a release such as 2.2.4, or a variant such as otree-2.0")
    command.add_argument("folder", type=Path, help="where to: a new or an empty folder")
    command.set_defaults(run=_export)

    command = commands.add_parser("add", help="put the app into a project of your own")
    command.add_argument("folder", type=Path, nargs="?", default=Path(), help="the project; here")
    command.add_argument("--app", default=add.APP, help=f"what to call the app; {add.APP}")
    command.add_argument("--otree", metavar="RELEASE", help="the project's; found out otherwise")
    command.add_argument("--yes", action="store_true", help="write without asking")
    command.set_defaults(run=_add)

    command = commands.add_parser("doctor", help="say what is wrong with a project of your own")
    command.add_argument("folder", type=Path, nargs="?", default=Path(), help="the project; here")
    command.add_argument("--otree", metavar="RELEASE", help="the project's; found out otherwise")
    command.add_argument("--live", action="store_true", help="also try its sockets, in a copy")
    command.add_argument(
        "--environment", type=Path, metavar="DIR", help="run it in this one (with --live)"
    )
    command.set_defaults(run=_doctor)

    command = commands.add_parser("test", help="test releases, each in an environment of its own")
    command.add_argument("release", nargs="*", help="such as 2.2.4; the eras set")
    command.set_defaults(run=_test)

    command = commands.add_parser("trials", help="try releases under fire, and keep a record")
    command.add_argument("release", nargs="*", help="such as 2.2.4; the newest of each era")
    command.add_argument("--count", type=int, default=200, help="how many trials of each; 200")
    command.set_defaults(run=_trials)

    command = commands.add_parser("soak", help="run a hundred sessions on releases")
    command.add_argument("release", nargs="*", help="such as 2.2.4; the newest of each era")
    command.add_argument("--minutes", type=float, default=30, help="how long for each; 30")
    command.set_defaults(run=_soak)

    command = commands.add_parser("bench", help="measure how long a click takes, and what it costs")
    command.add_argument("release", nargs="*", help="such as 2.2.4; the newest of each era")
    command.add_argument("--members", type=int, nargs="+", help="how large the groups are")
    command.add_argument("--clicks", type=int, help="how many clicks of each group at most")
    command.set_defaults(run=_bench)

    command = commands.add_parser("plot", help="draw what the bench has measured")
    command.set_defaults(run=_plot)

    command = commands.add_parser("boundaries", help="run each variant beyond its range")
    command.set_defaults(run=_boundaries)

    command = commands.add_parser("table", help="write the generated tables into the documents")
    command.add_argument("--check", action="store_true", help="only say whether it is stale")
    command.set_defaults(run=_table)

    command = commands.add_parser("sweep", help="measure release after release for the matrix")
    command.add_argument("releases", nargs="?", default="", help="such as '>=2.0,<2.3'; all")
    command.add_argument("--shard", default="", metavar="3/20", help="the third of twenty parts")
    command.add_argument("--jobs", type=int, default=2, help="how many releases at once; 2")
    command.add_argument("--again", action="store_true", help="also what has not passed")
    command.add_argument(
        "--check", action="store_true", help="only say which results no note explains"
    )
    command.set_defaults(run=_sweep)

    command = commands.add_parser("releases", help="add new releases from the package index")
    command.add_argument("--check", action="store_true", help="only say whether there are any")
    command.set_defaults(run=_releases)

    command = commands.add_parser("lock", help="lock the environments that are not, or not rightly")
    command.add_argument("--check", action="store_true", help="only say which, without the index")
    command.set_defaults(run=_lock)

    command = commands.add_parser("scaffold", help="begin a new variant, as a copy of another one")
    command.add_argument("first", help="the first release that it is to serve, such as 1.4.0b1")
    command.add_argument("--last", help="the last one; else it serves whatever comes")
    command.add_argument("--like", required=True, metavar="VARIANT", help="such as otree-2.0")
    command.set_defaults(run=_scaffold)

    command = commands.add_parser("rebuild", help="make the environment a release is tested in")
    command.add_argument("release", help="such as 2.1.35")
    command.add_argument("folder", type=Path, help="where to: a new folder")
    command.set_defaults(run=_rebuild)
    return top


def _in_checkout(run: Command) -> Command:
    """Mark a command that works on the repository itself: what is installed has not all of it."""

    @functools.wraps(run)
    def run_or_refuse(options: argparse.Namespace) -> None:
        if not IN_CHECKOUT:
            raise UserError(
                f"`{options.command}` works on the whole repository, which is not installed: "
                f"clone it, and type `python3 run.py {options.command}` there"
            )
        run(options)

    return run_or_refuse


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  what the commands are for


def _demo(options: argparse.Namespace) -> None:
    demo.run(options.release, options.port, _say)


def _pick(options: argparse.Namespace) -> None:
    picked = pick.pick(options.project, options.otree)
    _say(json.dumps(picked.as_json(), indent=1) if options.json else "\n".join(picked.lines()))


def _export(options: argparse.Namespace) -> None:
    chosen = export.named(options.what)
    export.write(chosen, options.folder)
    _say(f"{options.folder}: a project for {chosen.requirement}, from {chosen.variant.name}")


def _add(options: argparse.Namespace) -> None:
    add.run(options.folder, options.app, options.otree, options.yes, _say)


def _doctor(options: argparse.Namespace) -> None:
    if options.live:
        healthy = run_checks.run_live(options.folder, options.otree, options.environment, _say)
    else:
        healthy = run_checks.run(options.folder, options.otree, _say)
    if not healthy:
        sys.exit(1)


@_in_checkout
def _test(options: argparse.Namespace) -> None:
    suite.run(options.release, _say)


@_in_checkout
def _trials(options: argparse.Namespace) -> None:
    suite.run_trials(options.release, options.count)
    documents.update()


@_in_checkout
def _soak(options: argparse.Namespace) -> None:
    suite.run_soak(options.release, options.minutes)
    documents.update()


@_in_checkout
def _bench(options: argparse.Namespace) -> None:
    benchmark.run(options.release, options.members or (), options.clicks)
    _plot(options)


@_in_checkout
def _plot(options: argparse.Namespace) -> None:
    performance.plot()
    documents.update()


@_in_checkout
def _table(options: argparse.Namespace) -> None:
    if options.check:
        documents.check()
    else:
        documents.update()


@_in_checkout
def _sweep(options: argparse.Namespace) -> None:
    from channelsmin.testing import sweep  # not at the top: it needs what only the tests need

    if options.check:
        results.check()
        return
    # A script's job in the background ignores Ctrl-C's signal, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sweep.run(options.releases, options.shard, options.jobs, options.again, _say)
    finally:
        documents.update()


@_in_checkout
def _boundaries(options: argparse.Namespace) -> None:
    boundaries.run(_say)
    documents.update()


@_in_checkout
def _releases(options: argparse.Namespace) -> None:
    if options.check:
        releases.check()
    else:
        releases.update(_say)


@_in_checkout
def _lock(options: argparse.Namespace) -> None:
    if options.check:
        locks.check()
    else:
        resolve_locks.update(_say)


@_in_checkout
def _scaffold(options: argparse.Namespace) -> None:
    scaffold.run(options.like, options.first, options.last, _say)


def _rebuild(options: argparse.Namespace) -> None:
    release = releases.find(options.release)
    folder: Path = options.folder
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder")
    made = environment.create(variants.serving(release), release, folder)
    _say(f"{made.otree}: oTree {release}, as it is tested")
