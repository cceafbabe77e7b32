"""Records as Optuna's trials, counts, clock, scales and text."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
import report_samples
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.report import facts, scales, text
from tuner.report.data import StudyRecord, TrialRecord, frozen_trials, optuna_study

START = datetime(2026, 1, 1, 12)
LOSS = (("loss", "minimize", ""),)
finite = st.floats(allow_nan=False, allow_infinity=False)


def trial(number: int, start_s: float, end_s: float, **more: object) -> TrialRecord:
    """A complete trial that ran from one second to another."""
    record = TrialRecord(
        number,
        "COMPLETE",
        (float(number),),
        started=START + timedelta(seconds=start_s),
        ended=START + timedelta(seconds=end_s),
    )
    return replace(record, **more)  # type: ignore[arg-type]


def test_optuna_sees_the_same_trials(mlp: StudyRecord) -> None:
    """States, values, parameters and the best trial survive the way into an Optuna study."""
    copy = optuna_study(mlp)
    assert [t.state.name for t in copy.trials] == [t.state for t in mlp.trials]
    assert copy.best_trial.number == mlp.best
    assert copy.trials[3].params == mlp.trials[3].params
    assert copy.trials[3].intermediate_values == dict(mlp.trials[3].intermediate)


def test_optunas_own_plots_take_the_copy(mlp: StudyRecord) -> None:
    """A Plotly function of Optuna draws the copied study without a warning."""
    figure = optuna.visualization.plot_optimization_history(optuna_study(mlp))
    assert len(figure.data) > 0


def test_what_optuna_cannot_hold_is_left_out() -> None:
    """A value outside its distribution, an unknown parameter and a NaN result break nothing."""
    study = StudyRecord(
        "s",
        LOSS,
        (
            TrialRecord(0, "COMPLETE", (math.nan,), {"x": 0.5}),
            TrialRecord(1, "COMPLETE", (1.0,), {"x": 7.0, "c": "z", "other": 1, "y": 0.25}),
            TrialRecord(2, "FAIL", (math.inf,)),
            TrialRecord(3, "RUNNING"),
            TrialRecord(4, "WAITING"),
            TrialRecord(5, "COMPLETE", (2.0,), {"y": 0.5, "other": 1}),
        ),
        {
            "x": FloatDistribution(0, 1),
            "y": FloatDistribution(0, 1),
            "c": CategoricalDistribution(["a", "b"]),
        },
    )
    frozen = frozen_trials(study)
    assert [t.state.name for t in frozen] == [
        "FAIL",
        "COMPLETE",
        "FAIL",
        "RUNNING",
        "WAITING",
        "COMPLETE",
    ]
    assert frozen[1].params == {"y": 0.25}
    assert frozen[5].params == {"y": 0.5}
    assert optuna_study(study).best_value == 1.0


def test_copying_a_study_says_nothing(mlp: StudyRecord, capsys: pytest.CaptureFixture[str]) -> None:
    """Optuna's line about a new study does not reach the user, and its verbosity is restored."""
    before = optuna.logging.get_verbosity()
    optuna_study(replace(mlp, trials=mlp.trials[:2]))
    assert capsys.readouterr().err == ""
    assert optuna.logging.get_verbosity() == before


def test_failures_are_counted_up_to_the_colon() -> None:
    """Reasons that differ only after the colon are one."""
    reasons = ["oom", "non-finite: at 3", "non-finite: at 9", None]
    trials = tuple(TrialRecord(i, "FAIL", reason=reason) for i, reason in enumerate(reasons))
    counted = facts.failure_counts(StudyRecord("s", LOSS, trials))
    assert counted == [("non-finite", 2), ("no reason recorded", 1), ("oom", 1)]


def test_the_subject_names_trainer_and_data() -> None:
    """Data may be a name or a mapping; what is not recorded is left out."""
    specs: list[tuple[dict[str, object], str]] = [
        ({"trainer": "mlp", "data": "digits"}, "mlp on digits"),
        ({"trainer": "mlp", "data": {"name": "iris"}}, "mlp on iris"),
        ({"trainer": "mlp", "data": {"file": "t.csv", "target": "y"}}, "mlp on t.csv"),
        ({"objective": "module:f"}, "module:f"),
        ({}, ""),
    ]
    for spec, subject in specs:
        assert facts.subject(StudyRecord("s", LOSS, spec=spec)) == subject


def test_pruned_trials_are_counted_by_their_last_step() -> None:
    """Where trials were stopped is read from their values, whatever the reason says."""
    trials = (
        TrialRecord(0, "PRUNED", intermediate={1: 0.5}),
        TrialRecord(1, "PRUNED", intermediate={1: 0.4, 4: 0.3}),
        TrialRecord(2, "PRUNED", intermediate={1: 0.6}),
        TrialRecord(3, "PRUNED"),
    )
    assert facts.stop_counts(StudyRecord("s", LOSS, trials)) == [(0, 1), (1, 2), (4, 1)]


def test_trials_rank_as_the_tpe_sampler_learns_from_them() -> None:
    """Complete ones by value, then pruned ones by how far they came, then by value."""
    trials = (
        TrialRecord(0, "PRUNED", intermediate={1: 0.1}),
        TrialRecord(1, "COMPLETE", (0.9,)),
        TrialRecord(2, "PRUNED", intermediate={4: 0.8}),
        TrialRecord(3, "PRUNED", intermediate={4: 0.7}),
        TrialRecord(4, "COMPLETE", (0.3,)),
        TrialRecord(5, "FAIL"),
        TrialRecord(6, "COMPLETE", (math.nan,)),
    )
    ranked = facts.ranked(StudyRecord("s", LOSS, trials))
    assert [t.number for t, _ in ranked] == [4, 1, 3, 2, 0]
    assert [value for _, value in ranked] == [0.3, 0.9, 0.7, 0.8, 0.1]
    turned = facts.ranked(StudyRecord("s", (("score", "maximize", ""),), trials))
    assert [t.number for t, _ in turned] == [1, 4, 2, 3, 0]


def test_pauses_are_not_worked_time() -> None:
    """A night between two runs does not count, neither in the total nor at a later moment."""
    clock = facts.clock_of([trial(0, 0, 10), trial(1, 5, 20), trial(2, 36_000, 36_030)])
    assert clock is not None
    assert clock.lengths == (35_980.0,)
    assert clock.total_s == 50.0
    assert clock.at(START + timedelta(seconds=15)) == 15.0
    assert clock.at(START + timedelta(seconds=1000)) == 20.0
    assert clock.at(START + timedelta(seconds=36_010)) == 30.0


def test_time_between_attempts_is_not_worked_time() -> None:
    """A trial that waited a night for its next attempt lasts as long as its attempts."""
    night = (START + timedelta(seconds=20), START + timedelta(seconds=36_020))
    requeued = replace(trial(1, 5, 36_030), breaks=(night,))
    assert facts.duration_s(requeued) == 25.0
    clock = facts.clock_of([trial(0, 0, 10), requeued])
    assert clock is not None
    assert (clock.lengths, clock.total_s) == ((36_000.0,), 30.0)
    assert facts.spans_s(requeued, clock) == [(5.0, 20.0), (20.0, 30.0)]


def test_a_trial_that_waits_for_an_attempt_is_not_worked_on() -> None:
    """What still runs lasts until the last moment known, what was requeued until it stopped."""
    running = replace(trial(0, 0, 0), state="RUNNING", values=None, ended=None)
    waits = replace(running, number=1, breaks=((START + timedelta(seconds=3), None),))
    clock = facts.clock_of([running, waits, trial(2, 4, 9)])
    assert clock is not None
    assert facts.spans_s(running, clock) == [(0.0, 9.0)]
    assert facts.spans_s(waits, clock) == [(0.0, 3.0)]
    assert facts.duration_s(waits) is None


def test_nothing_runs_in_a_study_that_was_interrupted() -> None:
    """Its unfinished trials are called so; in a running study they run."""
    study = StudyRecord("s", LOSS, state="interrupted")
    assert facts.state_word(study, "RUNNING") == "interrupted"
    assert facts.state_word(study, "PRUNED") == "pruned"
    assert facts.state_word(replace(study, state="running"), "RUNNING") == "running"


def test_a_clock_that_jumps_back_gives_no_negative_time() -> None:
    """A trial that ends an hour before it began lasts no time, and zones do not matter."""
    odd = trial(0, 0, -3600)
    assert facts.duration_s(odd) == 0.0
    clock = facts.clock_of([odd, trial(1, 0, 5)])
    assert clock is not None
    assert facts.spans_s(odd, clock) == [(0.0, 0.0)]
    moment = START.astimezone(UTC)
    assert facts.local(moment) == START


def test_improvements_by_hand() -> None:
    """The best so far steps where a value is strictly better and reaches to the last place."""
    points = [(0.0, 3.0), (1.0, 4.0), (2.0, 2.0), (3.0, 2.0), (5.0, 9.0)]
    assert facts.improvements(points, "minimize") == [(0.0, 3.0), (2.0, 2.0), (5.0, 2.0)]
    assert facts.improvements(points, "maximize") == [(0.0, 3.0), (1.0, 4.0), (5.0, 9.0)]


@given(st.lists(finite, min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_flipping_direction_and_sign_changes_nothing(values: list[float]) -> None:
    """Maximising the negative improves at the same places."""
    points = [(float(i), value) for i, value in enumerate(values)]
    turned = [(place, -value) for place, value in points]
    one = facts.improvements(points, "minimize")
    other = facts.improvements(turned, "maximize")
    assert one == [(place, -value) for place, value in other]


@given(st.lists(st.floats(), min_size=1, max_size=40), st.sampled_from(["minimize", "maximize"]))
@settings(max_examples=50, deadline=None)
def test_a_value_axis_is_always_finite_and_shows_the_best(
    values: list[float], direction: str
) -> None:
    """Whatever floats come, the bounds are finite, in order, and hold the best value."""
    shown = [value for value in values if math.isfinite(value)]
    if not shown:
        return
    axis = scales.value_axis(values, direction)
    assert math.isfinite(axis.low)
    assert math.isfinite(axis.high)
    assert axis.low < axis.high
    best = max(shown) if direction == "maximize" else min(shown)
    best = min(max(best, -1e300), 1e300)
    assert axis.low <= (math.log10(best) if axis.is_log else best) <= axis.high


def test_wide_positive_losses_get_a_log_axis() -> None:
    """A factor of 100 between positive values makes the axis logarithmic; a zero does not."""
    assert scales.value_axis([0.01, 1.0], "minimize").is_log
    assert not scales.value_axis([0.02, 1.0], "minimize").is_log
    assert not scales.value_axis([0.0, 1000.0], "minimize").is_log


def test_only_the_worse_end_is_cut() -> None:
    """One diverged value is put beyond the axis, one that is far better is not."""
    plain = [-1.0 + i / 10 for i in range(21)]
    worse = scales.value_axis([*plain, 1e6], "minimize")
    assert worse.n_beyond == 1
    assert worse.high < 10
    better = scales.value_axis([*plain, 1e6], "maximize")
    assert better.n_beyond == 0
    assert better.high > 1e6


def test_axes_of_parameters() -> None:
    """Log, whole and categorical parameters get their axis; a single choice gets none."""
    study = StudyRecord(
        "s",
        LOSS,
        (TrialRecord(0, "COMPLETE", (1.0,), {"undeclared": 3}),),
        {
            "rate": FloatDistribution(1e-4, 1, log=True),
            "units": IntDistribution(1, 3),
            "kind": CategoricalDistribution(["1", 1, True, None]),
            "fixed": CategoricalDistribution([2]),
        },
    )
    rate, units, kind = scales.parameter_axes(study)
    assert (rate.kind, rate.low, rate.high) == ("log", -4.0, 0.0)
    assert [label for _, label in rate.ticks()] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert [label for _, label in units.ticks()] == ["1", "2", "3"]
    assert kind.labels == ("'1'", "1", "True", "None")
    assert [kind.position(value) for value in ("1", 1, True, None, 2)] == [0, 1, 2, 3, None]
    assert rate.position(0) is None


def test_log_axes_are_marked_at_powers_of_ten() -> None:
    """Five decades are marked at every other one, half a decade more hides no mark."""
    axis = scales.ParameterAxis("l2", "log", -7.0, -2.0)
    assert [mark for _, mark in axis.ticks()] == ["1e-7", "1e-5", "0.001"]
    assert [mark for _, mark in axis.ticks(2)] == ["1e-7", "0.01"]
    assert [place for place, _ in replace(axis, low=-4.5).ticks()] == [-4.0, -3.0, -2.0]


def test_thinning_keeps_what_must_stay() -> None:
    """Places to keep stay, both ends of the others stay, order stays, the limit holds."""
    assert scales.thinned(range(10), 4, [5, 6]) == [0, 5, 6, 9]
    assert scales.thinned(range(3), 4) == [0, 1, 2]
    assert scales.thinned(range(10), 2, [7, 8, 9]) == [7, 8]
    assert scales.even(range(100), 3) == [0, 50, 99]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.123456, "0.1235"),
        (1234.5678, "1,235"),
        (12.3456, "12.35"),
        (0.00001234, "1.234e-5"),
        (1e9, "1e9"),
        (1_000_000, "1,000,000"),
        (math.nan, "nan"),
        (-2.5, "-2.5"),
        (10**400, "inf"),
        (0.0001, "0.0001"),
    ],
)
def test_numbers_have_four_significant_digits(value: float, shown: str) -> None:
    """Floats are shortened, whole numbers stay whole, nothing raises."""
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0123, "12 ms"),
        (1.0, "1 s"),
        (59.94, "59.9 s"),
        (102, "1 min 42 s"),
        (11_100, "3 h 05 min"),
        (200_000, "2 d 07 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    """The two units that matter."""
    assert text.duration(seconds) == shown


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_labels_and_html_are_inert(foreign: str) -> None:
    """No text can open a tag, leave an attribute, or turn the direction of reading."""
    for shown in (text.label(foreign, 1000), text.escaped(foreign)):
        assert not set("<>\x00\u202e") & set(shown)
    assert '"' not in text.escaped(foreign)


def test_samples_are_hostile() -> None:
    """The hostile study really carries what the tests look for."""
    assert any("<script>" in word for word in report_samples.HOSTILE)
