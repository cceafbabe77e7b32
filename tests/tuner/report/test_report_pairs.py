"""Data of contours, ranks, distributions, rungs, volumes and resampled importance."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
import report_samples
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tuner.report import (
    front_data,
    importance_data,
    pair_data,
    progress_data,
    spread_data,
)
from tuner.report.data import StudyRecord, TrialRecord, optuna_study
from tuner.report.facts import UndrawableError

LOSS = (("loss", "minimize", ""),)


def bowl(n_trials: int = 80, n_parameters: int = 4) -> StudyRecord:
    """A study whose value is least where `a` and `b` are both 0.5; the others do nothing."""
    rng = np.random.default_rng(3)
    names = "abcdefgh"[:n_parameters]
    trials = []
    for number in range(n_trials):
        params = {name: float(rng.random()) for name in names}
        value = (params["a"] - 0.5) ** 2 + (params["b"] - 0.5) ** 2
        trials.append(TrialRecord(number, "COMPLETE", (value,), params))
    space = {name: FloatDistribution(0, 1) for name in names}
    return StudyRecord("bowl", LOSS, tuple(trials), space)


def test_the_two_parameters_that_matter_are_paired_first() -> None:
    """Three of six pairs are shown; the first is that of the bowl."""
    data = pair_data.pairs(bowl())
    assert len(data.pairs) == 3
    first = data.pairs[0]
    assert {first.x.name, first.y.name} == {"a", "b"}
    assert data.notes == ("The 3 most important of 6 pairs are shown.",)


def test_goodness_is_the_share_of_the_rank() -> None:
    """The worst trial has 0, the best 1 and is drawn last; places are the parameters' values."""
    study = bowl(20)
    pair = pair_data.pairs(study).pairs[0]
    order = sorted(study.trials, key=lambda trial: -(trial.values or (0,))[0])
    assert pair.numbers == tuple(trial.number for trial in order)
    assert pair.goodness == pytest.approx([rank / 19 for rank in range(20)])
    names = (pair.x.name, pair.y.name)
    assert pair.places[0] == tuple(order[0].params[name] for name in names)


def test_the_surface_is_best_where_the_best_trials_are() -> None:
    """The bowl's bottom is the top of the smoothed rank, and nothing leaves the span of ranks."""
    pair = pair_data.pairs(bowl(200)).pairs[0]
    surface = np.asarray(pair.surface)
    row, column = np.unravel_index(np.nanargmax(surface), surface.shape)
    assert pair.grid[0][column] == pytest.approx(0.5, abs=0.15)
    assert pair.grid[1][row] == pytest.approx(0.5, abs=0.15)
    assert np.nanmin(surface) >= 0
    assert np.nanmax(surface) <= 1


def test_smoothing_by_hand() -> None:
    """A place between two trials has the mean of theirs; a place far from all has nothing."""
    study = bowl(20)
    x, y = pair_data.pairs(study).pairs[0].x, pair_data.pairs(study).pairs[0].y
    places = ((0.1, 0.1), (0.2, 0.1))
    ((middle, far),) = pair_data.smoothed(x, y, places, (0.0, 1.0), ((0.15, 0.9), (0.1,)))
    assert middle == pytest.approx(0.5)
    assert math.isnan(far)
    ((near,),) = pair_data.smoothed(x, y, places, (0.0, 1.0), ((0.1,), (0.1,)))
    assert near == pytest.approx(math.exp(-0.5) / (1 + math.exp(-0.5)))


def test_choices_are_not_near_to_each_other() -> None:
    """The surface of a choice is made of its own trials alone."""
    rng = np.random.default_rng(0)
    trials = tuple(
        TrialRecord(n, "COMPLETE", (float(n % 2),), {"k": "ab"[n % 2], "x": float(rng.random())})
        for n in range(40)
    )
    space = {"k": CategoricalDistribution(["a", "b"]), "x": FloatDistribution(0, 1)}
    (pair,) = pair_data.pairs(StudyRecord("s", LOSS, trials, space)).pairs
    surface = np.asarray(pair.surface)
    by_choice = surface if pair.y.name == "k" else surface.T
    assert np.nanmin(by_choice[0]) > 0.5 > np.nanmax(by_choice[1])


def test_pairs_of_many_trials_are_thinned_and_say_so(large: StudyRecord) -> None:
    """300 of 10,000 trials are looked at, the 75 best among them."""
    data = pair_data.pairs(large)
    assert max(len(pair.numbers) for pair in data.pairs) <= pair_data.N_POINTS
    assert any("the 75 best and others" in note for note in data.notes)


def test_pairs_say_why_not() -> None:
    """One parameter or few trials are a sentence."""
    with pytest.raises(UndrawableError, match="two parameters"):
        pair_data.pairs(StudyRecord("s", LOSS, (), {"x": FloatDistribution(0, 1)}))
    with pytest.raises(UndrawableError, match=r"10 trials with a value; there are 4\."):
        pair_data.pairs(bowl(4))


def test_importance_carries_its_uncertainty() -> None:
    """What matters clearly stays ahead over resamplings; every range lies in [0, 1], in order."""
    data = importance_data.importance(bowl(150, 3), n_resamples=20)
    assert {name for name, _ in data.shares[:2]} == {"a", "b"}
    assert set(data.ranges) == {"a", "b", "c"}
    for low, high in data.ranges.values():
        assert 0 <= low <= high <= 1
    assert data.ranges["c"][1] < min(data.ranges["a"][0], data.ranges["b"][0])
    assert "10th to the 90th percentile over 20 resamplings" in data.basis
    assert data == importance_data.importance(bowl(150, 3), n_resamples=20)


def test_importance_is_optunas(mlp: StudyRecord) -> None:
    """Of complete trials alone the shares are what Optuna works out from its own study."""
    study = bowl(60)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.1)
    theirs = optuna.importance.get_param_importances(optuna_study(study), evaluator=evaluator)
    assert dict(importance_data.importance(study).shares) == pytest.approx(theirs)


def test_distribution_by_hand() -> None:
    """Each value once, with the share of complete trials at or below it."""
    values = (0.5, 0.2, 0.5, 0.9)
    trials = tuple(TrialRecord(i, "COMPLETE", (v,)) for i, v in enumerate(values))
    study = StudyRecord("s", LOSS, (*trials, TrialRecord(4, "PRUNED", (0.1,))))
    (part,) = spread_data.distributions([study]).parts
    assert (part.values, part.shares, part.n_trials) == ((0.2, 0.5, 0.9), (0.25, 0.75, 1.0), 4)
    with pytest.raises(UndrawableError, match="No trial is complete"):
        spread_data.distributions([StudyRecord("s", LOSS)])


def test_rungs_by_hand() -> None:
    """A rung counts what came and what stopped there; steps without a stop are none."""
    trials = (
        TrialRecord(0, "PRUNED", None, {}, {1: 0.5}),
        TrialRecord(1, "PRUNED", None, {}, {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.3}),
        TrialRecord(2, "COMPLETE", (0.1,), {}, {1: 0.5, 4: 0.2, 8: 0.1}),
        TrialRecord(3, "PRUNED", None, {}, {1: 0.9}),
        TrialRecord(4, "FAIL", None, {}, {1: 0.5, 2: math.nan}),
    )
    found = progress_data.rungs(StudyRecord("s", LOSS, trials))
    assert [(r.step, r.n_came, r.n_stopped) for r in found] == [(1, 5, 2), (4, 2, 1)]


def test_stops_at_many_steps_are_no_rungs() -> None:
    """A pruner that stops trials anywhere has no rungs to draw."""
    trials = tuple(
        TrialRecord(n, "PRUNED", None, {}, dict.fromkeys(range(1, n + 2), 1.0))
        for n in range(progress_data.N_RUNGS + 1)
    )
    assert progress_data.rungs(StudyRecord("s", LOSS, trials)) == ()


def test_volume_by_hand() -> None:
    """The area under the staircase grows by each trial's own piece."""
    values = [(1.0, 3.0), (3.0, 1.0), (4.0, 4.0), (2.0, 2.0), (1.0, 1.0)]
    trials = tuple(TrialRecord(i, "COMPLETE", pair) for i, pair in enumerate(values))
    study = StudyRecord("s", (("a", "minimize", ""), ("b", "minimize", "")), trials)
    data = front_data.volumes(study)
    assert data.reference == (4.0, 4.0)
    assert data.points == ((0, 3.0), (1, 5.0), (2, 5.0), (3, 6.0), (4, 9.0))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("second", ["minimize", "maximize"])
def test_volume_is_optunas(second: str) -> None:
    """The staircase's area is what Optuna's own figure shows, whatever the directions."""
    rng = np.random.default_rng(5)
    trials = tuple(
        TrialRecord(n, "COMPLETE", (round(float(a), 1), round(float(b), 1)))
        for n, (a, b) in enumerate(rng.random((60, 2)))
    )
    study = StudyRecord("s", (("a", "minimize", ""), ("b", second, "")), trials)
    data = front_data.volumes(study)
    theirs = optuna.visualization.plot_hypervolume_history(optuna_study(study), data.reference)
    assert [area for _, area in data.points] == pytest.approx(list(theirs.data[0].y))


def test_volume_of_three_objectives(gan: StudyRecord) -> None:
    """Three objectives are worked out by Optuna; one objective has no volume."""
    names = (("a", "minimize", ""), ("b", "minimize", ""), ("c", "maximize", ""))
    points = ((1.0, 1.0, 1.0), (2.0, 2.0, 0.0))
    trials = tuple(TrialRecord(n, "COMPLETE", point) for n, point in enumerate(points))
    data = front_data.volumes(StudyRecord("s", names, trials))
    assert data.points == ((0, 1.0), (1, 1.0))
    with pytest.raises(UndrawableError, match="for two to 4 objectives; this study has 1"):
        front_data.volumes(report_samples.mlp_study(3))
