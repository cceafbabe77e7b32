"""Who proposes trials and who stops them: two tables of names, and what is made of them.

To add one, write its factory and add its line here. The factory's keyword-only parameters are
the options of a spec, each annotated with the check of its value; the first line of its docstring
is what `tuner samplers` and `tuner pruners` show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.algorithms.options import build, defaults
from tuner.algorithms.pruning import ByFirst, Decision, Pruner, PruningTask, StudyPruner
from tuner.algorithms.sampling import SamplingTask
from tuner.spec import PrunerSpec, SamplerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.samplers import BaseSampler

    from search_spaces import Space
    from trials.contract import Objective

__all__ = [
    "PRUNERS",
    "SAMPLERS",
    "Decision",
    "Pruner",
    "StudyPruner",
    "is_exhausted",
    "make_pruner",
    "make_sampler",
    "make_study_pruner",
    "reseed",
]

SAMPLERS: dict[str, str] = {
    "tpe": "tuner.algorithms.samplers:tpe",
    "random": "tuner.algorithms.samplers:random",
    "qmc": "tuner.algorithms.samplers:qmc",
    "gp": "tuner.algorithms.samplers:gp",
    "grid": "tuner.algorithms.samplers:grid",
    "nsga2": "tuner.algorithms.samplers:nsga2",
    "preference": "tuner.algorithms.samplers:preference",
}
"""Name in the CLI, the spec and the code -> "module:factory", imported when it is used."""

PRUNERS: dict[str, str] = {
    "none": "tuner.algorithms.no_pruning:no_pruning",
    "median": "tuner.algorithms.median:median",
    "asha": "tuner.algorithms.asha:asha",
    "hyperband": "tuner.algorithms.hyperband:hyperband",
}
"""Name in the CLI, the spec and the code -> "module:factory", imported when it is used."""


SAMPLERS_OF_CHOICES = ("preference", "qmc", "random")
"""Samplers that learn from a person's choices, or from nothing."""

PRUNERS_OF_SEVERAL = ("none", "asha")
"""Pruners that know what to do with several objectives."""


def make_sampler(
    spec: SamplerSpec,
    space: Space | None,
    objectives: Sequence[Objective],
    seed: int,
    in_flight: int = 1,
) -> BaseSampler:
    """The Optuna sampler that `spec` asks for.

    Args:
        spec: Name and options, checked by `tuner.resolve`.
        space: What is sampled; None for a define-by-run objective.
        objectives: What is optimised.
        seed: Fixes the sequence, together with `reseed` before every ask.
        in_flight: Trials that train at the same time.
    """
    task = SamplingTask(space, tuple(objectives), seed, in_flight)
    sampler: BaseSampler = build(SAMPLERS[spec.name], task, spec.options)
    return sampler


def make_pruner(
    spec: PrunerSpec, objectives: Sequence[Objective], max_resource: int, seed: int
) -> Pruner:
    """The pruner that `spec` asks for, without any history.

    Args:
        spec: Name and options, checked by `tuner.resolve`.
        objectives: The first says in which direction values are good.
        max_resource: Most epochs (or steps) of a trial.
        seed: Fixes what a pruner draws.
    """
    task = PruningTask(objectives[0].direction, max_resource, seed)
    pruner: Pruner = build(PRUNERS[spec.name], task, spec.options)
    return pruner


def make_study_pruner(
    spec: PrunerSpec, objectives: Sequence[Objective], max_resource: int, pruner: Pruner
) -> StudyPruner:
    """What stops trials by all their objectives.

    Args:
        spec: Name and options; with several objectives one of `PRUNERS_OF_SEVERAL`.
        objectives: What is optimised.
        max_resource: Most epochs of a trial.
        pruner: What `make_pruner` made of the same; it decides where there is one objective.
    """
    if len(objectives) == 1 or spec.name == "none":
        return ByFirst(pruner)
    from tuner.algorithms.fronts import FrontHalving

    options = defaults(PRUNERS[spec.name]) | dict(spec.options)
    directions = [objective.direction for objective in objectives]
    return FrontHalving(
        directions, options["min_resource"], max_resource, options["reduction_factor"]
    )


def reseed(sampler: BaseSampler, seed: int) -> None:
    """The next ask is a function of the study's history and `seed`, in any process."""
    from tuner.algorithms.reseeding import reseed as reseed_now

    reseed_now(sampler, seed)


def is_exhausted(sampler: BaseSampler, study: optuna.Study) -> bool:
    """Whether the sampler has nothing new to propose, as only a grid comes to."""
    from tuner.algorithms.grid import GridSampler

    return isinstance(sampler, GridSampler) and sampler.is_exhausted(study)
