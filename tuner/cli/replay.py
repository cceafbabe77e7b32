"""The command that trains a stored trial again and says whether it came out the same."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tuner.cli import options, service
from tuner.cli.terminal import plain, say, say_json

if TYPE_CHECKING:
    from tuner.replaying import Difference, Replay

EXIT_DIFFERENT = 1


@click.command()
@options.study_name
@click.argument("trial", metavar="TRIAL", type=click.IntRange(min=0))
@options.own_code
@options.storage
@options.as_json
def replay(name: str, trial: int, objective: str | None, storage: str | None, as_json: bool) -> int:
    """Train one trial again, alone, and compare it with what is stored.

    TRIAL is its number. Exit code 0: every figure is the same, or the same but for rounding;
    1: it came out otherwise, and what may have caused it is said.
    """
    study = service.load(name, storage)
    with redirect_stdout(sys.stderr):
        found = study.replay(trial, objective=objective)
    if as_json:
        say_json({"study": study.name, **plain(asdict(found))})
    else:
        _say(found)
    return EXIT_DIFFERENT if found.verdict == "different" else 0


def _say(found: Replay) -> None:
    compared = f"{found.n_figures} figures of {found.n_steps} steps"
    how = {
        "identical": "identical",
        "rounding": "the same but for rounding",
        "different": "came out otherwise",
    }
    say(f"trial {found.trial}: {how[found.verdict]} ({compared})")
    if found.largest is not None:
        say(f"  {_difference(found.largest)}")
    if found.error is not None:
        say(f"  it raised: {found.error.strip().splitlines()[-1]}")
    for reason in found.reasons:
        say(f"  perhaps because: {reason}")


def _difference(largest: Difference) -> str:
    where = "as returned" if largest.step is None else f"at step {largest.step}"
    return (
        f"largest difference: {largest.name} {where}: {largest.stored!r}, now {largest.now!r} "
        f"(relative {largest.relative:.2g})"
    )
