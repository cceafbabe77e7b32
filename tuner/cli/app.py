"""The commands put together, and the edge where errors become one line and an exit code."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import click

from tuner.cli import best, dashboard, files, replay, running, studies, tables
from tuner.cli.terminal import complain
from tuner.errors import InputError, TunerError

INTERRUPTED = 130


def _print_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"tuner {version('tuner-hpo')}")
        context.exit()


class InOrder(click.Group):
    """A group that lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page."""
        return list(self.commands)


@click.group(cls=InOrder)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and leave.",
)
def commands() -> None:
    """Tune hyperparameters of deep networks and GANs; the study lives in an SQL database.

    Results go to standard output, progress and messages to standard error.

    Exit codes: 0 done, 1 every trial failed, 2 bad input, 3 storage unavailable, 129 SIGHUP, 130
    Ctrl-C, 143 SIGTERM.
    """


for _command in (
    running.launch,
    running.check,
    running.resume,
    running.stop,
    studies.studies,
    studies.show,
    files.report,
    files.export,
    best.best,
    replay.replay,
    dashboard.dashboard,
    tables.trainers,
    tables.samplers,
    tables.pruners,
    tables.datasets,
):
    commands.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; None takes the arguments of the process."""
    try:
        code = commands.main(arguments, prog_name="tuner", standalone_mode=False)
    except TunerError as error:
        complain(error.problems)
        return error.exit_code
    except click.ClickException as error:
        complain([_one_line(error)])
        return InputError.exit_code
    except click.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def run() -> int:
    """`main` of a process that ends with it.

    The objects of all that was imported are not looked at once more, which would take a second.
    """
    code = main()
    gc.freeze()
    return code


def _one_line(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "tuner"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{command}: {message[:1].lower()}{message[1:]}; see {command} --help"
