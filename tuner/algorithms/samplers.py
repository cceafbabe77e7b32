"""How each sampler of Optuna is set up for a study; Optuna is imported when one is made."""

import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from tuner.algorithms.sampling import SamplingTask
from tuner.checks import choice, flag, probability, whole
from tuner.seeds import derive

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from tuner.algorithms.numpy_tpe import TpeOptions


def tpe(
    task: SamplingTask,
    *,
    n_startup_trials: Annotated[int, whole(0)] = 10,
    n_ei_candidates: Annotated[int, whole(1)] = 24,
    multivariate: Annotated[bool | None, flag] = None,
    group: Annotated[bool | None, flag] = None,
    constant_liar: Annotated[bool | None, flag] = None,
    engine: Annotated[str, choice("auto", "numpy", "optuna")] = "auto",
) -> "BaseSampler":
    """Tree-structured Parzen estimator, Optuna's default; learns from pruned trials too.

    Trials in flight are taken for poor ones, so that the next trial keeps away from them. Where
    only one trains at a time, axes of the same condition are sampled jointly; with many in
    flight that found no better trials, so conditional axes stand alone, as Optuna has them.
    Choices of an ordinal axis that lie near each other share what is learnt of them.

    The engine `numpy` proposes what `optuna` does, in a tenth of the time; `auto` takes it
    wherever the space is known beforehand and there is one objective.

    Raises:
        ValueError: The engine is `numpy` where it cannot be.
    """
    from tuner.algorithms.numpy_tpe import NumpyTpe, TpeOptions

    is_conditional = task.space is not None and task.space.is_conditional
    may_group = is_conditional and multivariate is not False and task.in_flight == 1
    in_groups = may_group if group is None else group
    options = TpeOptions(
        n_startup_trials=n_startup_trials,
        n_ei_candidates=n_ei_candidates,
        multivariate=True if in_groups else multivariate,
        group=in_groups,
        constant_liar=task.in_flight > 1 if constant_liar is None else constant_liar,
    )
    is_plain = task.space is not None and len(task.objectives) == 1
    if engine == "numpy" and not is_plain:
        must = "sampler.engine: must be auto or optuna with several objectives or without a space"
        raise ValueError(f"{must}, got 'numpy'")
    if task.space is None or not is_plain or engine == "optuna":
        return _optuna_tpe(task, options)
    return NumpyTpe(task.space, options, _seed(task))


def _optuna_tpe(task: SamplingTask, options: "TpeOptions") -> "BaseSampler":
    """Optuna's own sampler, with the quicker logarithm and the distances of ordinal axes."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    from tuner.algorithms import truncated_normal
    from tuner.algorithms.ordinal import share_between_near_choices

    truncated_normal.vectorise()
    with warnings.catch_warnings():
        # Grouping has been "experimental" since Optuna 2.8; our tests pin what we need of it.
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = TPESampler(**asdict(options), seed=_seed(task))
    if task.space is not None:
        share_between_near_choices(sampler, task.space.ordinal_distances())
    return sampler


def random(task: SamplingTask) -> "BaseSampler":
    """Independent uniform draws (in the logarithm for log axes)."""
    from optuna.samplers import RandomSampler

    from tuner.algorithms.random_search import RandomSearch

    if task.space is None:
        return RandomSampler(seed=_seed(task))
    return RandomSearch(task.space, _seed(task))


def qmc(
    task: SamplingTask,
    *,
    qmc_type: Annotated[str, choice("sobol", "halton")] = "sobol",
    scramble: Annotated[bool, flag] = True,
) -> "BaseSampler":
    """A low-discrepancy sequence, which fills the space more evenly than random draws."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import QMCSampler

    with warnings.catch_warnings():
        # The whole class has been "experimental" since Optuna 3.0; our tests pin its sequence.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return QMCSampler(
            qmc_type=qmc_type, scramble=scramble, seed=_seed(task), warn_independent_sampling=False
        )


def gp(
    task: SamplingTask,
    *,
    n_startup_trials: Annotated[int, whole(0)] = 10,
    deterministic_objective: Annotated[bool, flag] = False,
) -> "BaseSampler":
    """Gaussian process with expected improvement; best for few trials of few parameters."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import GPSampler

    with warnings.catch_warnings():
        # Only the option deterministic_objective is "experimental", since Optuna 3.6.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(
            n_startup_trials=n_startup_trials,
            deterministic_objective=deterministic_objective,
            seed=_seed(task),
            warn_independent_sampling=False,
        )


def grid(task: SamplingTask) -> "BaseSampler":
    """Every combination of a finite space once, in an order drawn from the seed."""
    from tuner.algorithms.grid import GridSampler

    assert task.space is not None
    return GridSampler(list(task.space.grid()), _seed(task))


def nsga2(
    task: SamplingTask,
    *,
    population_size: Annotated[int, whole(2)] = 50,
    mutation_prob: Annotated[float | None, probability] = None,
    crossover_prob: Annotated[float, probability] = 0.9,
    swapping_prob: Annotated[float, probability] = 0.5,
) -> "BaseSampler":
    """Genetic algorithm for several objectives: non-dominated sorting with crowding distance."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(
        population_size=population_size,
        mutation_prob=mutation_prob,
        crossover_prob=crossover_prob,
        swapping_prob=swapping_prob,
        seed=_seed(task),
    )


def preference(task: SamplingTask) -> "BaseSampler":
    """Gaussian process over what a person chose between; the default where a person judges."""
    from tuner.algorithms.preferring import Preferring

    assert task.space is not None
    return Preferring(task.space, _seed(task))


def _seed(task: SamplingTask) -> int:
    """NumPy's legacy generators take 32 bits."""
    return derive(task.seed, "construction", bits=32)
