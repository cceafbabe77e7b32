"""The commands that look at what is in the database."""

from __future__ import annotations

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


@click.command()
@options.study_name
@click.option("--lanes", "wants_lanes", is_flag=True, help="Show what each lane does, too.")
@options.storage
@options.as_json
def show(name: str, wants_lanes: bool, storage: str | None, as_json: bool) -> int:
    """Show a study: its state, best trials, and failures with their reasons."""
    study = service.load(name, storage)
    facts = study_facts(study)
    lanes = [dict(lane) for lane in study.lanes()] if wants_lanes else []
    if as_json:
        say_json(facts | ({"lanes": plain(lanes)} if wants_lanes else {}))
        return 0
    say_facts(facts)
    if lanes:
        say()
        names = list(dict.fromkeys(key for lane in lanes for key in lane))
        say_rows(names, [[lane.get(key) for key in names] for lane in lanes], as_json=False)
    elif wants_lanes:
        say("no lane is known")
    return 0
