"""The commands that look at what is in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from tuner.cli import options, service
from tuner.cli.facts import say_facts, study_facts
from tuner.cli.terminal import plain, say, say_json, say_rows

SUMMARY = (
    "name",
    "state",
    "objectives",
    "n_trials",
    "budget",
    "n_complete",
    "n_pruned",
    "n_failed",
    "n_running",
    "n_interrupted",
    "n_foreign",
    "best_value",
    "created",
)


@click.command()
@options.storage
@options.as_json
def studies(storage: str | None, as_json: bool) -> int:
    """List the studies of the database."""
    found = service.list_studies(storage)
    if not found and not as_json:
        say("no study yet; `tuner launch` starts one")
        return 0
    rows = [[getattr(summary, field) for field in SUMMARY] for summary in found]
    say_rows([field.removeprefix("n_") for field in SUMMARY], rows, as_json)
    return 0


WHOSE = ("lane", "node", "device", "attempts")
SHARES = ("occupancy", "late", "training", "waiting", "deciding", "sampling", "storing")
MOST_STACKS = 12


@click.command()
@options.study_name
@click.option("--lanes", "wants_lanes", is_flag=True, help="Show what each lane did, too.")
@options.storage
@options.as_json
def show(name: str, wants_lanes: bool, storage: str | None, as_json: bool) -> int:
    """Show a study: its state, best trials, and failures with their reasons."""
    study = service.load(name, storage)
    facts = study_facts(study)
    lanes = [dict(lane) for lane in study.lanes()] if wants_lanes else []
    stacks = [dict(stack) for stack in study.stacks()] if wants_lanes else []
    if as_json:
        say_json(facts | ({"lanes": plain(lanes), "stacks": stacks} if wants_lanes else {}))
        return 0
    say_facts(facts)
    if lanes:
        _say_lanes(lanes)
        _say_stacks(stacks)
    elif wants_lanes:
        say("no lane is known")
    return 0


def _say_lanes(lanes: Sequence[Mapping[str, Any]]) -> None:
    """Where lanes ran and how their attempts ended, then how they spent their time."""
    known = {*WHOSE, *SHARES, "rows_per_s", "mean_stack"}
    outcomes = list(dict.fromkeys(key for lane in lanes for key in lane if key not in known))
    say()
    names = [*WHOSE, *outcomes]
    say_rows(names, [[lane.get(key) for key in names] for lane in lanes], as_json=False)
    timed = [lane for lane in lanes if "training" in lane]
    if timed:
        say()
        names = ["lane", "rows_per_s", "mean_stack", *SHARES]
        say_rows(names, [[_shown(lane, key) for key in names] for lane in timed], as_json=False)


def _say_stacks(stacks: Sequence[Mapping[str, Any]]) -> None:
    """Rows that trained together, those with most epochs first."""
    if stacks:
        say()
        names = ["stack", "share", "mean_rows"]
        rows = [[_shown(stack, key) for key in names] for stack in stacks[:MOST_STACKS]]
        say_rows(names, rows, as_json=False)
    if len(stacks) > MOST_STACKS:
        say(f"and {len(stacks) - MOST_STACKS} more kinds of stack; --json lists all")


def _shown(facts: Mapping[str, Any], key: str) -> object:
    """A share as whole percent, another figure with three digits."""
    value = facts[key]
    if isinstance(value, float):
        return f"{value:.0%}" if key in (*SHARES, "share") else f"{value:.3g}"
    return value
