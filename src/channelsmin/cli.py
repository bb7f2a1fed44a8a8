"""The command line: `channelsmin COMMAND`.

The commands for researchers are here, those for maintainers in `maintainer_cli.py`. Each imports
what it needs when it runs, so that the command line starts at once.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from channelsmin import console, errors, maintainer_cli
from channelsmin.errors import UserError
from channelsmin.paths import IN_CHECKOUT
from channelsmin.runtime import signals

LONGEST_RELEASE = 40
"""Characters of a release; the longest one of oTree has 9. Python converts no more than 4300 digits
to a number."""


class _Folder(click.Path):
    """A folder that need not exist."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Return the path; an empty one would mean the current folder."""
        if not str(value) or "\0" in str(value):
            self.fail("a path cannot be empty or contain NUL", param, ctx)
        return super().convert(value, param, ctx)


class _Release(click.types.StringParamType):
    """A release, or the name of a variant; whether there is such a one is found out later."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the text."""
        text = str(super().convert(value, param, ctx))
        if len(text) > LONGEST_RELEASE:
            self.fail(f"{text[:LONGEST_RELEASE]}... is too long for a release", param, ctx)
        return text


Folder = _Folder()
Release = _Release()
Port = click.IntRange(1, 65535)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command, and end the program.

    The one boundary for errors: whatever happens becomes one line on standard error and an exit
    status. It is 1 for a UserError and for an error of the system, 2 for a wrong argument, 130 for
    Ctrl-C, 128 and the signal's number for a signal. Where the reader of a pipe has gone, it is 1
    without a line. An error of this program itself has status 70, and its traceback is kept in a
    file; with CHANNELSMIN_TRACEBACK in the environment, it is printed.
    """
    console.open_streams()
    try:
        with signals.raised():
            status = cli.main(arguments, prog_name="channelsmin", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "channelsmin"
        message = " ".join(error.format_message().split()).rstrip(".")
        click.echo(errors.one_line(f"{command}: {message}; see `{command} --help`"), err=True)
        sys.exit(2)
    except UserError as error:
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        console.discard_output()
        sys.exit(1)
    except Exception as error:
        if os.environ.get("CHANNELSMIN_TRACEBACK"):
            raise
        line = errors.in_one_line(error)
        _fail(line or _kept(error), 1 if line else 70)
    sys.exit(status)


def _fail(text: str, status: int = 1) -> None:
    """Print a text as one line on standard error, and end the program."""
    click.echo(errors.one_line(f"channelsmin: {text}"), err=True)
    console.discard_output()
    sys.exit(status)


def _kept(error: Exception) -> str:
    """Write the traceback of an error into a file; return the line that names it."""
    what = f"internal error: {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="channelsmin-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return f"{what}; please report it"
    return f"{what}; please report it, with the file {file.name}"


class TwoGroups(click.Group):
    """A group of commands whose help lists those for researchers first."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two lists of commands."""
        maintainers = set(maintainer_cli.COMMANDS)
        groups = {"For your project": [name for name in self.commands if name not in maintainers]}
        if IN_CHECKOUT:
            groups["For maintainers (in a clone of the repository)"] = list(maintainer_cli.COMMANDS)
        for title, names in groups.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(80)) for name in names]
                )


def _quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.with_resource(console.quiet())


quiet_option = click.option(
    "--quiet",
    "-q",
    is_flag=True,
    expose_value=False,
    callback=_quiet,
    help="Print results only, no progress.",
)
otree_option = click.option(
    "--otree",
    type=Release,
    metavar="RELEASE",
    help="The project's oTree release.  [default: detected]",
)
deploy_option = click.option(
    "--deploy",
    type=click.Choice(["heroku", "docker"]),
    multiple=True,
    help="Also write the files to put it online there. Can be given twice.",
)
project_argument = click.argument("folder", type=Folder, default=".", metavar="[PROJECT]")


@click.group(cls=TwoGroups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="channelsmin", prog_name="channelsmin")
def cli() -> None:
    """One button moves the whole group: the same real-time app for every oTree release."""


@cli.command()
@click.argument("release", type=Release, required=False)
@click.option("--port", type=Port, help="The port to listen on.  [default: 8000, or a free one]")
@click.option("--yes", is_flag=True, help="Install a missing Python without asking.")
@quiet_option
def demo(release: str | None, port: int | None, yes: bool) -> None:
    """Run the app of an oTree release in your browser.

    RELEASE is a release such as 2.2.4 (default: the newest that this machine can run).
    """
    from channelsmin.runtime import demo

    demo.run(release, port, yes)


class _Pick(click.Command):
    """`pick`, whose help also lists the keys of its JSON object."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from channelsmin.project.pick import KEYS

        with formatter.section("Keys of the JSON object"):
            formatter.write_dl(list(KEYS.items()))


@cli.command(cls=_Pick)
@click.option(
    "--project",
    type=Folder,
    metavar="FOLDER",
    help="The project folder.  [default: the current one]",
)
@otree_option
@click.option("--explain", is_flag=True, help="Also list every statement that was read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def pick(project: Path | None, otree: str | None, explain: bool, as_json: bool) -> None:
    """Tell which variant your project needs, from its files and its environment."""
    from channelsmin.project import pick

    picked = pick.pick(project, otree)
    if as_json:
        console.say(json.dumps(picked.as_json(), indent=1))
        return
    console.say("\n".join(picked.lines()))
    if explain:
        console.say("\n".join(("", *picked.explanation())))


@cli.command()
@click.argument("what", type=Release)
@click.argument("folder", type=Folder)
@deploy_option
def export(what: str, folder: Path, deploy: tuple[str, ...]) -> None:
    """Write an oTree project with the app into a new folder.

    WHAT is a release such as 2.2.4, or a variant such as otree-2.0.
    """
    from channelsmin.runtime import deploy_files, export

    chosen = export.named(what)
    targets = [deploy_files.Target(name) for name in deploy]
    export.write(chosen, folder, targets)
    console.say(f"{folder}: a project for {chosen.requirement}, from {chosen.variant.name}")
    if chosen.release and targets:
        console.say("\n".join(deploy_files.next_steps(chosen.release, targets)))


@cli.command()
@project_argument
@click.option("--app", default="channelsmin", show_default=True, help="The new app's name.")
@otree_option
@deploy_option
@click.option("--yes", is_flag=True, help="Write without asking.")
def add(folder: Path, app: str, otree: str | None, deploy: tuple[str, ...], yes: bool) -> None:
    """Add the app to your project.

    PROJECT is the project folder (default: the current one). Shows what would change, and asks
    before it writes.
    """
    from channelsmin.project import add
    from channelsmin.runtime.deploy_files import Target

    add.run(folder, app, otree, yes, [Target(name) for name in deploy])


@cli.command()
@project_argument
@otree_option
@click.option("--live", is_flag=True, help="Also run a copy of the project and play it.")
@click.option(
    "--environment",
    type=Folder,
    metavar="FOLDER",
    help="The virtual environment for --live.  [default: the project's, or a new one]",
)
@quiet_option
def doctor(folder: Path, otree: str | None, live: bool, environment: Path | None) -> None:
    """Find faults in the real-time apps of your project.

    PROJECT is the project folder (default: the current one), or the text of an error message in
    quotation marks, to look up its cause.
    """
    from channelsmin.project.doctor import run_checks

    if run_checks.is_message(str(folder)):
        run_checks.explain(str(folder))
        return
    if live:
        healthy = run_checks.run_live(folder, otree, environment)
    else:
        healthy = run_checks.run(folder, otree)
    if not healthy:
        sys.exit(1)


@cli.command()
@click.argument("release", type=Release)
@click.argument("folder", type=Folder)
@click.option(
    "--python", metavar="3.7", help="Its Python version.  [default: the best one on this machine]"
)
@quiet_option
def rebuild(release: str, folder: Path, python: str | None) -> None:
    """Create the environment in which a release was tested, in a new folder."""
    from channelsmin.matrix import releases
    from channelsmin.runtime import environment

    found = releases.find(release)
    made = environment.rebuild(found, folder, python)
    console.say(f"{made.otree}: oTree {found}, as it is tested")


for _name, _command in maintainer_cli.COMMANDS.items():
    cli.add_command(_command, _name)
