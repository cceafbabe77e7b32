"""The commands that say what there is: trainers, samplers, pruners and data, a line each."""

from __future__ import annotations

import click

from tuner.cli import options, service
from tuner.cli.terminal import say_rows


@click.command()
@options.as_json
def trainers(as_json: bool) -> int:
    """List the trainers with their default data and epochs."""
    say_rows(("name", "default_data", "default_epochs", "about"), service.trainer_rows(), as_json)
    return 0


@click.command()
@options.as_json
def samplers(as_json: bool) -> int:
    """List the samplers."""
    say_rows(("name", "about"), service.sampler_rows(), as_json)
    return 0


@click.command()
@options.as_json
def pruners(as_json: bool) -> int:
    """List the pruners."""
    say_rows(("name", "about"), service.pruner_rows(), as_json)
    return 0


@click.command()
@options.as_json
def datasets(as_json: bool) -> int:
    """List the data that needs no file."""
    say_rows(("name", "about"), service.dataset_rows(), as_json)
    return 0
