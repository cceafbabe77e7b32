"""The command that takes a trial out of its study: parameters, weights and a model card."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli import options, service
from tuner.cli.terminal import figure, note, plain, say, say_json

if TYPE_CHECKING:
    from tuner.model_folder import SavedTrial


@click.command()
@options.study_name
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder that is not there yet.",
)
@click.option(
    "--trial", type=click.IntRange(min=0), metavar="N", help="Another trial than the best one."
)
@click.option("--force", is_flag=True, help="Replace what an earlier call left in the folder.")
@options.own_code
@options.storage
@options.as_json
def best(
    name: str,
    out: Path,
    trial: int | None,
    force: bool,
    objective: str | None,
    storage: str | None,
    as_json: bool,
) -> int:
    """Write parameters, weights and a model card of the best trial.

    Of a study with several objectives every trial on the Pareto front gets a folder in DIR.
    """
    study = service.load(name, storage)
    with redirect_stdout(sys.stderr):
        saved = study.save_best(out, trial=trial, objective=objective, force=force)
    for one in saved:
        if one.was_retrained:
            note(f"trial {one.trial}: its weights were not kept (or damaged); trained again")
    if as_json:
        say_json({"study": study.name, "trials": [_facts(one) for one in saved]})
        return 0
    for one in saved:
        say(f"trial {one.trial}: {figure(list(one.values))} in {one.folder}")
        if one.test:
            say(f"  test: {figure(one.test)}")
    return 0


def _facts(saved: SavedTrial) -> dict[str, Any]:
    return {
        "trial": saved.trial,
        "folder": str(saved.folder),
        "values": plain(saved.values),
        "params": plain(saved.params),
        "test": plain(saved.test),
        "was_retrained": saved.was_retrained,
    }
