"""Data of every figure against values worked out by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
import report_samples
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tuner.report import (
    Plots,
    comparison,
    figures,
    front_data,
    importance_data,
    parameter_data,
    parameter_figures,
    progress_data,
)
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.facts import UndrawableError
from tuner.report.plots import figure_names

START = datetime(2026, 1, 1)
LOSS = (("loss", "minimize", ""),)


def at(seconds: float) -> datetime:
    """A moment after the start."""
    return START + timedelta(seconds=seconds)


def small() -> StudyRecord:
    """Five trials whose figures can be worked out by hand; the last is still running."""
    trials = (
        TrialRecord(0, "COMPLETE", (0.5,), {"x": 0.1}, {1: 0.9, 2: 0.5}, at(0), at(4), lane=0),
        TrialRecord(1, "PRUNED", None, {"x": 0.9}, {1: 0.8, 2: math.nan}, at(1), at(2), lane=0),
        TrialRecord(2, "FAIL", None, {"x": 0.5}, {}, at(2), at(3), "oom", "boom", lane=1),
        TrialRecord(3, "COMPLETE", (0.3,), {"x": 0.2}, {1: 0.7, 2: 0.3}, at(2), at(5), lane=0),
        TrialRecord(4, "RUNNING", None, {"x": 0.3}, {1: math.inf}, at(4), None, lane=1),
    )
    space = {"x": FloatDistribution(0, 1)}
    return StudyRecord("small", LOSS, trials, space, budget=9, best=3)


def test_history_by_hand() -> None:
    """Final values, last finite values of pruned trials, failures, and the best so far."""
    data = progress_data.history(small())
    assert (data.complete.numbers, data.complete.values) == ((0, 3), (0.5, 0.3))
    assert (data.pruned.numbers, data.pruned.values) == ((1,), (0.8,))
    assert data.failed == (2,)
    assert data.best == ((0, 0.5), (3, 0.3), (4.0, 0.3))
    assert data.notes == ()


def test_history_says_what_it_leaves_out(large: StudyRecord) -> None:
    """Beyond 600 marks of a state the figure is thinned, says so, and keeps the improvements."""
    data = progress_data.history(large)
    assert len(data.pruned.numbers) == progress_data.N_POINTS
    assert any("of 10,000 trials are drawn" in note for note in data.notes)
    steps = {place for place, _ in data.best[:-1]}
    assert steps <= set(data.complete.numbers)
    assert data.best[-1][1] == min(t.values[0] for t in large.trials if t.state == "COMPLETE")


def test_curves_by_hand() -> None:
    """Non-finite values are gaps, trials without any finite value are left out."""
    data = progress_data.curves(small())
    assert [curve.number for curve in data.curves] == [0, 1]
    assert data.best is not None
    assert data.best.values == (0.7, 0.3)
    assert data.curves[1].steps == (1, 2)
    assert math.isnan(data.curves[1].values[1])


def test_curves_are_thinned_to_a_stated_number(large: StudyRecord) -> None:
    """200 curves are drawn, the best among them, and the caption says so."""
    data = progress_data.curves(large)
    assert len(data.curves) + 1 == progress_data.N_CURVES
    assert data.best is not None
    assert data.best.number == large.best
    assert "200 of " in figures.curves(large).caption


def test_curves_of_several_objectives_come_from_metrics(gan: StudyRecord) -> None:
    """Values per epoch of a multi-objective study are read by the objective's name."""
    data = progress_data.curves(gan, objective=1)
    assert data.curves[0].values == tuple(gan.trials[0].metrics["coverage"].values())


def test_timeline_stacks_trials_of_a_lane() -> None:
    """Two trials of a lane at the same time get two rows; a freed row is used again."""
    data = progress_data.timeline(small())
    rows = {bar.number: (bar.start_s, bar.end_s, bar.row) for bar in data.bars}
    assert rows == {0: (0, 4, 0), 1: (1, 2, 1), 3: (2, 5, 1), 2: (2, 3, 2), 4: (4, 5, 2)}
    assert data.lanes == (("lane 0", 0, 2), ("lane 1", 2, 1))


def test_timeline_has_a_bar_for_each_attempt() -> None:
    """A trial that waited leaves its row free meanwhile, and the caption tells of its bars."""
    study = small()
    tried_again = replace(study.trials[0], breaks=((at(1), at(3)),))
    data = progress_data.timeline(replace(study, trials=(tried_again, *study.trials[1:])))
    bars = [(bar.start_s, bar.end_s, bar.row) for bar in data.bars if bar.number == 0]
    assert bars == [(0, 1, 0), (3, 4, 1)]
    assert [bar.row for bar in data.bars if bar.number == 1] == [0]
    assert data.notes == ("A trial that was tried again has a bar for each attempt.",)


def test_attempts_after_a_pause_take_the_rows_that_it_left() -> None:
    """What is tried again at the end of a pause begins where the interrupted attempts ended."""
    breaks = ((at(20.3), at(3600.7)),)
    trials = [TrialRecord(n, "COMPLETE", (1.0,), {}, {}, at(n), at(3700)) for n in range(3)]
    study = replace(small(), trials=tuple(replace(trial, breaks=breaks) for trial in trials))
    bars = progress_data.timeline(study).bars
    assert sorted(bar.row for bar in bars) == [0, 0, 1, 1, 2, 2]


def test_timeline_rows_never_overlap(mlp: StudyRecord) -> None:
    """No two trials share a row at the same time."""
    bars = sorted(progress_data.timeline(mlp).bars, key=lambda bar: (bar.row, bar.start_s))
    for first, second in pairwise(bars):
        assert first.row != second.row or first.end_s <= second.start_s


def test_pareto_by_hand() -> None:
    """The front holds what nothing beats in both, in order of the first objective."""
    values = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (0.5, 0.1), (2.0, 3.0)]
    trials = tuple(TrialRecord(i, "COMPLETE", pair) for i, pair in enumerate(values))
    study = StudyRecord("s", (("a", "minimize", ""), ("b", "maximize", "")), trials)
    data = front_data.pareto(study)
    assert [number for number, _, _ in data.front] == [3, 0, 1, 4]
    assert [number for number, _, _ in data.others] == [2]


def test_pareto_needs_two_objectives() -> None:
    """One objective has no front, and the reason is one sentence."""
    with pytest.raises(UndrawableError, match=r"for two objectives; this study has 1\."):
        front_data.pareto(small())


def test_importance_finds_the_parameter_that_matters() -> None:
    """The parameter that decides the value comes first; a single choice has no importance."""
    rng = np.random.default_rng(0)
    space = {
        "matters": FloatDistribution(0, 1),
        "idle": FloatDistribution(0, 1),
        "fixed": CategoricalDistribution([1]),
    }
    trials = []
    for number in range(60):
        params = {"matters": float(rng.random()), "idle": float(rng.random()), "fixed": 1}
        trials.append(TrialRecord(number, "COMPLETE", (params["matters"] ** 2,), params))
    study = StudyRecord("s", LOSS, tuple(trials), space)
    for evaluator in ("ped_anova", "fanova"):
        data = importance_data.importance(study, evaluator)
        assert [name for name, _ in data.shares] == ["matters", "idle"]
        assert sum(share for _, share in data.shares) == pytest.approx(1)
    assert "best 6 of 60" in importance_data.importance(study).basis
    turned = replace(
        study,
        objectives=(("loss", "maximize", ""),),
        trials=tuple(replace(t, values=(-t.values[0],)) for t in trials if t.values),
    )
    assert importance_data.importance(turned) == importance_data.importance(study)


def test_importance_learns_from_pruned_trials(mlp: StudyRecord) -> None:
    """With only seven complete trials the 185 pruned ones are ranked too, and it is said."""
    data = importance_data.importance(mlp)
    assert "of 192, pruned ones ranked by how far they came" in data.basis
    assert "momentum" in dict(data.shares)
    assert "layers" not in dict(data.shares)


def test_importance_states_the_cap(large: StudyRecord) -> None:
    """Only so many trials are looked at, and the caption says how many of how many."""
    assert "1,000 (a spread over all ranks of 9," in importance_data.importance(large).basis


def test_fanova_sees_at_most_200_trials(mlp: StudyRecord) -> None:
    """The slow evaluator gets a spread of the trials and says so."""
    space = dict(mlp.distributions)
    many = replace(report_samples.mlp_study(260), distributions=space)
    assert "200 (a spread over all ranks of " in importance_data.importance(many, "fanova").basis


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trials": ()}, "there are 0."),
        ({"distributions": {}}, "fewer than two"),
    ],
)
def test_importance_says_why_not(
    mlp: StudyRecord, change: dict[str, object], sentence: str
) -> None:
    """Too few trials or parameters are a sentence."""
    with pytest.raises(UndrawableError, match=sentence):
        importance_data.importance(replace(mlp, **change))  # type: ignore[arg-type]


def test_parallel_by_hand() -> None:
    """Lines run over the axes between 0 and 1, worst first; inactive parameters have no place."""
    space = {"x": FloatDistribution(0, 2), "k": CategoricalDistribution(["a", "b", "c"])}
    trials = (
        TrialRecord(0, "COMPLETE", (0.5,), {"x": 1.0, "k": "b"}),
        TrialRecord(1, "COMPLETE", (0.1,), {"x": 2.0}),
        TrialRecord(2, "FAIL", None, {"x": 0.0, "k": "a"}),
    )
    data = parameter_data.parallel(StudyRecord("s", LOSS, trials, space, best=1))
    assert [(line.number, line.places, line.goodness) for line in data.lines] == [
        (0, (0.5, 0.5), 0.0),
        (1, (1.0, None), 1.0),
    ]


def test_slices_by_hand() -> None:
    """Log parameters stand at their power of ten, choices at their index."""
    space = {"lr": FloatDistribution(1e-3, 1, log=True), "k": CategoricalDistribution(["a", "b"])}
    trials = (
        TrialRecord(0, "COMPLETE", (0.5,), {"lr": 0.01, "k": "b"}),
        TrialRecord(1, "PRUNED", (0.9,), {"lr": 0.1}),
    )
    lr, kind = parameter_data.slices(StudyRecord("s", LOSS, trials, space)).slices
    assert lr.places == pytest.approx((-2.0, -1.0))
    assert (lr.values, lr.pruned) == ((0.5, 0.9), (False, True))
    assert (kind.numbers, kind.places) == ((0,), (1.0,))


def test_slices_are_drawn_on_their_scale(mlp: StudyRecord) -> None:
    """A log distribution gives a log axis, choices give ticks with their names."""
    drawn, _ = parameter_figures.slice_drawings(mlp)
    axes = {drawing.title: drawing.figure.layout.xaxis for drawing in drawn}
    assert axes["learning_rate"].type == "log"
    assert axes["dropout"].type == "linear"
    assert axes["optimizer"].ticktext == ("sgd", "adam")
    assert "layers" not in axes


def test_comparison_by_hand() -> None:
    """Best so far by number of trials and by seconds of work; other objectives are left out."""
    first = small()
    second = replace(small(), name="other", trials=small().trials[:3])
    gan = report_samples.two_objectives(5)
    data = comparison.compare([first, second, gan])
    assert [series.name for series in data.series] == ["small", "other"]
    assert data.series[0].by_trial == ((1.0, 0.5), (4.0, 0.3), (5.0, 0.3))
    assert data.series[0].by_time == ((4.0, 0.5), (5.0, 0.3))
    assert data.series[1].by_trial == ((1.0, 0.5), (3.0, 0.5))
    assert data.series[1].by_time == ((4.0, 0.5),)
    assert data.notes == ("Left out for other objectives: 1 of 3.",)
    with pytest.raises(UndrawableError, match="two studies"):
        comparison.compare([first, gan])


def test_compared_studies_hold_their_best_until_they_end() -> None:
    """A study that found nothing better is drawn for as long as it went on trying."""
    late = TrialRecord(5, "FAIL", started=at(5), ended=at(60))
    longer = replace(small(), trials=(*small().trials, late))
    data = comparison.compare([longer, small()])
    assert data.series[0].by_time == ((4.0, 0.5), (5.0, 0.3), (60.0, 0.3))
    assert data.series[0].by_trial == ((1.0, 0.5), (4.0, 0.3), (6.0, 0.3))


def test_a_non_finite_failure_breaks_no_figure() -> None:
    """Values of NaN and infinity in a failed trial reach neither axes nor marks."""
    bad = TrialRecord(5, "FAIL", (math.nan,), {"x": math.inf}, {1: math.nan}, at(1), at(2))
    worse = TrialRecord(6, "FAIL", (math.inf,), {"x": math.nan}, {1: 1e308, 2: -1e308})
    study = replace(small(), trials=(*small().trials, bad, worse))
    plots = Plots(lambda: study)
    for draw in (plots.history, plots.curves, plots.parallel, plots.slices, plots.timeline):
        assert len(draw().data) > 0


@pytest.mark.parametrize("word", ["mlp", "gan", "hostile"])
def test_every_figure_draws_for_notebooks(word: str, request: pytest.FixtureRequest) -> None:
    """Every method returns a figure with a title, for every kind of study."""
    study = request.getfixturevalue(word)
    plots = Plots(lambda: study)
    methods = figure_names()
    assert len(methods) >= 15
    for method in methods:
        figure = getattr(plots, method)()
        assert figure.to_json()
        reason = "for two|No lane has trained"
        assert figure.layout.title.text or re.search(reason, figure.layout.annotations[0].text)


def test_plots_read_the_study_at_each_call() -> None:
    """A running study is drawn as it is when asked."""
    states = [small(), replace(small(), trials=())]
    plots = Plots(lambda: states.pop(0))
    assert len(plots.history().data) > 0
    assert plots.history().layout.annotations[0].text == "The study has no trials yet."
