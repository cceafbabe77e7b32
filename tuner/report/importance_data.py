"""Hides how the importance of parameters is worked out, and how far it can be trusted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuner.report import facts, scales
from tuner.report.data import StudyRecord, TrialRecord, frozen_trials, reading_study
from tuner.report.facts import UndrawableError

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator
    from optuna.trial import FrozenTrial

Evaluator = Literal["ped_anova", "fanova"]

MIN_TRIALS = 10
MIN_BEST = 5  # Optuna's advice: at least 5 trials above the quantile that PED-ANOVA looks at
N_PED_ANOVA = 1000
N_RESAMPLED = 250
N_RESAMPLES = 20
N_FANOVA = 200  # 1.5 s on one core, where 1,000 trials take 21 s


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters.

    Attributes:
        shares: Parameter and share, summing to 1, most important first.
        basis: What the shares say and what they were worked out from, in a sentence or two.
        ranges: Parameter -> the 10th and 90th percentile of its share over resampled trials;
            empty where it was not resampled.
    """

    shares: tuple[tuple[str, float], ...]
    basis: str
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def importance(
    study: StudyRecord,
    evaluator: Evaluator = "ped_anova",
    n_resamples: int = 0,
    objective: int | None = None,
) -> Importance:
    """Importance of the parameters that vary, by an evaluator of Optuna.

    A single objective is judged by the rank of complete and pruned trials (`facts.ranked`), so
    that a study in which few trials complete still tells something and one diverged loss does not
    outweigh the rest. Several objectives are judged by the values of complete trials: all together,
    or one of them by its rank.

    Args:
        study: At least 10 of its trials must have a value.
        evaluator: `ped_anova` asks what the best trials have in common and is the default; it
            takes conditional parameters and several objectives. `fanova` asks what explains the
            rank as a whole; it sees at most 200 trials and the parameters that all of them have.
        n_resamples: How often trials are drawn anew, with replacement, to tell how uncertain the
            shares of `ped_anova` are; 0 for shares alone.
        objective: Which of several; None for all together.

    Raises:
        UndrawableError: Too few trials, too few parameters, or equal values.
    """
    if objective is not None:
        study = facts.judged_by(study, objective)
    trials = facts.ranked(study)
    if study.is_multi_objective:
        trials = [(trial, value) for trial, value in trials if _is_complete(study, trial)]
    if len(trials) < MIN_TRIALS:
        raise UndrawableError(
            f"Importance needs {MIN_TRIALS} trials with a value; there "
            f"{'is' if len(trials) == 1 else 'are'} {len(trials)}."
        )
    if len({trial.values or value for trial, value in trials}) == 1:
        raise UndrawableError("All trials have the same value, so no parameter matters.")
    names = [axis.name for axis in scales.parameter_axes(study) if axis.name in study.distributions]
    names = [name for name in names if len({repr(t.params.get(name)) for t, _ in trials}) > 1]
    if len(names) < 2:
        raise UndrawableError("Importance compares parameters, and fewer than two of them varied.")
    ranked = [trial for trial, _ in trials]
    if evaluator == "fanova":
        return _fanova(study, names, ranked)
    found = _ped_anova(study, names, ranked)
    return _with_ranges(study, found, ranked, n_resamples) if n_resamples else found


def _is_complete(study: StudyRecord, trial: TrialRecord) -> bool:
    return all(facts.final_value(trial, k) is not None for k in range(len(study.objectives)))


def _ped_anova(study: StudyRecord, names: list[str], ranked: list[TrialRecord]) -> Importance:
    sample = scales.even(ranked, N_PED_ANOVA)  # by rank, so the best share stays the best share
    share = _best_share(len(sample))
    has_pruned = any(trial.state == "PRUNED" for trial in sample)
    how = ", pruned ones ranked by how far they came" if has_pruned else ""
    return Importance(
        _ped_anova_shares(study, names, _judged(study, sample)),
        f"How much each parameter decides whether a trial is among the best "
        f"{math.ceil(share * len(sample)):,} of {_of_all(sample, ranked)}{how} (PED-ANOVA).",
    )


def _best_share(n_trials: int) -> float:
    return min(0.5, max(0.1, MIN_BEST / n_trials))


def _judged(study: StudyRecord, ranked: Sequence[TrialRecord]) -> list[FrozenTrial]:
    """The ranked trials in order of rank, each COMPLETE with its rank as value to minimize.

    Those of several objectives keep their values.
    """
    judged = [
        replace(
            trial,
            number=rank,
            state="COMPLETE",
            values=trial.values if study.is_multi_objective else (float(rank),),
            intermediate={},
        )
        for rank, trial in enumerate(ranked)
    ]
    return frozen_trials(replace(study, trials=tuple(judged)))


def _ped_anova_shares(
    study: StudyRecord, names: list[str], judged: Sequence[FrozenTrial]
) -> tuple[tuple[str, float], ...]:
    from optuna.importance import PedAnovaImportanceEvaluator

    evaluator = PedAnovaImportanceEvaluator(target_quantile=_best_share(len(judged)))
    return _shares(study, judged, names, evaluator)


def _with_ranges(
    study: StudyRecord, found: Importance, ranked: list[TrialRecord], n_resamples: int
) -> Importance:
    """`found` with the range of each share over trials drawn anew with replacement.

    Source: Efron, Annals of Statistics 7 (1979).
    """
    sample = _judged(study, scales.even(ranked, N_RESAMPLED))
    names = [name for name, _ in found.shares]
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(n_resamples):
        places = np.sort(rng.integers(len(sample), size=len(sample))).tolist()
        again = [_drawn(study, sample[place], rank) for rank, place in enumerate(places)]
        present = [name for name in names if len({repr(t.params.get(name)) for t in again}) > 1]
        shares = dict(_ped_anova_shares(study, present, again)) if present else {}
        for name in names:
            drawn[name].append(shares.get(name, 0.0))
    ranges = {name: _middle_range(sorted(shares)) for name, shares in drawn.items()}
    of = f" of {len(sample)}" if len(sample) < len(ranked) else ""
    basis = (
        f"{found.basis} Lines reach from the 10th to the 90th percentile over "
        f"{n_resamples} resamplings{of}: bars whose lines overlap may change places."
    )
    return replace(found, basis=basis, ranges=ranges)


def _drawn(study: StudyRecord, trial: FrozenTrial, rank: int) -> FrozenTrial:
    """The trial once more, as one of its own with another rank."""
    from optuna.trial import FrozenTrial

    return FrozenTrial(
        number=rank,
        trial_id=rank,
        state=trial.state,
        value=None,
        values=trial.values if study.is_multi_objective else [float(rank)],
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _middle_range(ordered: Sequence[float]) -> tuple[float, float]:
    last = len(ordered) - 1
    return ordered[round(0.1 * last)], ordered[round(0.9 * last)]


def _fanova(study: StudyRecord, names: list[str], ranked: list[TrialRecord]) -> Importance:
    from optuna.importance import FanovaImportanceEvaluator

    if study.is_multi_objective:
        raise UndrawableError("fANOVA takes one objective; use ped_anova for several.")
    common = [name for name in names if all(name in trial.params for trial in ranked)]
    if len(common) < 2:
        raise UndrawableError("fANOVA needs two parameters that every trial has.")
    sample = scales.even(ranked, N_FANOVA)
    evaluator = FanovaImportanceEvaluator(seed=0)
    shares = _shares(study, _judged(study, sample), common, evaluator)
    return Importance(
        shares,
        f"Share of the variation of the rank that each parameter explains, from "
        f"{_of_all(sample, ranked)} trials (fANOVA).",
    )


def _of_all(sample: Sequence[TrialRecord], ranked: Sequence[TrialRecord]) -> str:
    if len(sample) == len(ranked):
        return f"{len(sample):,}"
    return f"{len(sample):,} (a spread over all ranks of {len(ranked):,})"


def _shares(
    study: StudyRecord,
    judged: Sequence[FrozenTrial],
    names: list[str],
    evaluator: BaseImportanceEvaluator,
) -> tuple[tuple[str, float], ...]:
    """Parameters and their shares of the whole, largest first, ties by name."""
    from optuna.importance import get_param_importances

    directions = [direction for _, direction, _ in study.objectives]
    if not study.is_multi_objective:
        directions = ["minimize"]  # ranks
    readable = reading_study(directions, judged)
    with warnings.catch_warnings():  # about a condition that only one trial meets
        warnings.simplefilter("ignore", category=UserWarning)
        found = get_param_importances(readable, evaluator=evaluator, params=names)
    return tuple(sorted(((n, float(s)) for n, s in found.items()), key=lambda i: (-i[1], i[0])))
