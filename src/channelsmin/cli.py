"""The command line: `channelsmin COMMAND`.

The commands for researchers are here, those for maintainers in `maintainer_cli.py`. Each imports
what it needs when it runs, so that the command line starts at once.
"""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click

from channelsmin import console, maintainer_cli
from channelsmin.errors import UserError
from channelsmin.paths import IN_CHECKOUT

Folder = click.Path(path_type=Path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    A UserError becomes one line on standard error and exit status 1, a wrong argument one line and
    status 2, Ctrl-C status 130.
    """
    try:
        status = cli.main(arguments, prog_name="channelsmin", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "channelsmin"
        message = error.format_message().rstrip(".")
        click.echo(f"{command}: {message}; see `{command} --help`", err=True)
        sys.exit(2)
    except UserError as error:
        sys.exit(f"channelsmin: {error}")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(status)


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
    "--otree", metavar="RELEASE", help="The project's oTree release.  [default: detected]"
)
project_argument = click.argument("folder", type=Folder, default=".", metavar="[PROJECT]")


@click.group(cls=TwoGroups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("channelsmin"), prog_name="channelsmin")
def cli() -> None:
    """One button moves the whole group: the same real-time app for every oTree release."""


@cli.command()
@click.argument("release", required=False)
@click.option("--port", type=int, help="The port to listen on.  [default: 8000, or a free one]")
@quiet_option
def demo(release: str | None, port: int | None) -> None:
    """Run the app of an oTree release in your browser.

    RELEASE is a release such as 2.2.4 (default: the newest that this machine can run).
    """
    from channelsmin.runtime import demo

    demo.run(release, port)


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
    default=".",
    metavar="FOLDER",
    help="The project folder.  [default: the current one]",
)
@otree_option
@click.option("--explain", is_flag=True, help="Also list every statement that was read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def pick(project: Path, otree: str | None, explain: bool, as_json: bool) -> None:
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
@click.argument("what")
@click.argument("folder", type=Folder)
def export(what: str, folder: Path) -> None:
    """Write an oTree project with the app into a new folder.

    WHAT is a release such as 2.2.4, or a variant such as otree-2.0.
    """
    from channelsmin.runtime import export

    chosen = export.named(what)
    export.write(chosen, folder)
    console.say(f"{folder}: a project for {chosen.requirement}, from {chosen.variant.name}")


@cli.command()
@project_argument
@click.option("--app", default="channelsmin", show_default=True, help="The new app's name.")
@otree_option
@click.option("--yes", is_flag=True, help="Write without asking.")
def add(folder: Path, app: str, otree: str | None, yes: bool) -> None:
    """Add the app to your project.

    PROJECT is the project folder (default: the current one). Shows what would change, and asks
    before it writes.
    """
    from channelsmin.project import add

    add.run(folder, app, otree, yes)


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
@click.argument("release")
@click.argument("folder", type=Folder)
@quiet_option
def rebuild(release: str, folder: Path) -> None:
    """Create the environment in which a release was tested, in a new folder."""
    from channelsmin.matrix import releases
    from channelsmin.runtime import environment

    found = releases.find(release)
    if folder.exists():
        raise UserError(f"{folder} exists already: name a new folder")
    made = environment.create(found, folder)
    console.say(f"{made.otree}: oTree {found}, as it is tested")


for _name, _command in maintainer_cli.COMMANDS.items():
    cli.add_command(_command, _name)
