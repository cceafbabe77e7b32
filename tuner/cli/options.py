"""The options that commands share; one per key of a spec, declared here so that help is quick.

Every value is taken as text: what it must be is said once, by `tuner.spec`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

SPEC_OPTIONS: dict[str, tuple[str, str]] = {
    "study": ("NAME", "Name of the study [<trainer>-<data>-<n>]."),
    "trainer": ("NAME", "What is trained; see `tuner trainers`."),
    "objective": ("MODULE:FUNCTION", "Your own function instead of a trainer."),
    "data": ("NAME|FILE|idx:DIR", "What it is trained on; see `tuner datasets`."),
    "target": ("COLUMN", "Column of a table that is to be predicted."),
    "task": ("TASK", "auto, classification or regression [auto]."),
    "epochs": ("N", "Most epochs one trial may use [the trainer's own]."),
    "trials": ("N", "Trials in all, failed ones included [100]."),
    "time_limit_s": ("S", "Seconds after which the study ends."),
    "target_value": ("X", "Best value at which the study ends."),
    "patience_trials": ("N", "Trials without a better one after which the study ends."),
    "space": ("YAML", "Axes of the space; a plain value fixes an axis."),
    "objectives": ("NAMES", "Figures to optimise, with commas between [the trainer's first]."),
    "preference": ("N", "Candidates that a person sees and judges in the dashboard."),
    "value": ("WHICH", "Epoch whose value counts: last or best [the trainer's own]."),
    "seed": ("N", "What everything random derives from [0]."),
    "sampler": ("NAME", "Who proposes parameters; see `tuner samplers` [tpe]."),
    "pruner": ("NAME", "Who stops trials early; see `tuner pruners` [asha or median]."),
    "lanes": ("N", "Worker processes [auto]."),
    "slots": ("N", "Trials that one lane trains at once [auto]."),
    "gpus_per_lane": ("X", "Share of a GPU, or whole GPUs, for each lane [auto]."),
    "cpus_per_lane": ("X", "CPU cores for each lane [1]."),
    "ray_address": ("ADDRESS", "A running Ray cluster [a local Ray]."),
    "max_retries": ("N", "Further attempts at a trial whose lane was lost [2]."),
    "trial_timeout_s": ("S", "Seconds after which one trial fails."),
    "stop_hopeless": ("BOOL", "Whether a trial found to be hopeless ends at once [true]."),
    "checkpoint_every_s": ("S", "Seconds between two checkpoints of a trial [30]."),
    "lease_s": ("S", "Seconds of silence after which a lane counts as lost [30]."),
    "samples": ("BOOL", "Whether samples of a generative study's trials are kept [true]."),
    "artifacts": ("DIR", "Where weights and checkpoints are kept [beside the database]."),
    "tensorboard": ("DIR", "Write event files of TensorBoard there, one run a trial."),
    "mlflow": ("URI", "Log to this MLflow server or database, one run a trial."),
    "storage": ("URL", "Database [$TUNER_STORAGE, else sqlite:///tuner.db]."),
}
"""Key of a spec -> its placeholder and its help. A test holds it against `tuner.spec.Spec`."""

storage = click.option("--storage", metavar="URL", help=SPEC_OPTIONS["storage"][1])
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
out_file = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the report is written [report.html in the study's folder].",
)
study_name = click.argument("name", metavar="STUDY")
own_code = click.option(
    "--objective",
    metavar="MODULE:NAME",
    help="The study's own code again: importing is executing, so it is not taken from a database.",
)


def flag(key: str) -> str:
    """The option of a spec's key: `time_limit_s` is `--time-limit-s`."""
    return "--" + key.replace("_", "-")


def spec_options(command: Command) -> Command:
    """Gives `command` a spec file, an option for each key of a spec, and `--set`."""
    command = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="PATH=VALUE",
        help="Set anything nested, such as space.units.high=256; may be repeated.",
    )(command)
    for key, (placeholder, text) in reversed(SPEC_OPTIONS.items()):
        command = click.option(flag(key), key, metavar=placeholder, help=text)(command)
    return click.argument(
        "spec_file", required=False, metavar="[SPEC.yaml]", type=click.Path(path_type=Path)
    )(command)


def run_options(command: Command) -> Command:
    """Gives `command` the options of whatever starts training."""
    for decorate in (
        as_json,
        out_file,
        click.option(
            "--report/--no-report", "wants_report", default=True, help="Write a report at the end."
        ),
        click.option("--force", is_flag=True, help="Go on although the data has changed."),
        click.option("--inline", is_flag=True, help="Train in this process, without Ray."),
    ):
        command = decorate(command)
    return command
