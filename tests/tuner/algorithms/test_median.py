"""The median stopping rule against Optuna's own, decision by decision."""

import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contract import Objective
from tuner.algorithms import make_pruner
from tuner.spec import PrunerSpec

curves = st.lists(
    st.dictionaries(
        st.integers(0, 7), st.integers(-9, 9).map(float) | st.just(math.nan), max_size=6
    ),
    min_size=1,
    max_size=12,
)
options = st.fixed_dictionaries(
    {
        "n_startup_trials": st.integers(0, 3),
        "n_warmup_steps": st.integers(0, 3),
        "interval_steps": st.integers(1, 3),
        "n_min_trials": st.integers(1, 3),
    }
)


def median(direction="minimize", **chosen):
    """The pruner of the table with these options."""
    spec = PrunerSpec(name="median", options=chosen)
    return make_pruner(spec, [Objective("value", direction)], 100, 0)


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # NumPy's, inside Optuna
@settings(max_examples=50, deadline=None)
@given(curves, options, st.sampled_from(["minimize", "maximize"]))
def test_every_decision_equals_optunas(curves, options, direction):
    """Optuna's `MedianPruner` on the same reports prunes at the same steps."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=direction, pruner=optuna.pruners.MedianPruner(**options))
    pruner = median(direction, **options)
    for curve in curves:
        trial, state = study.ask(), optuna.trial.TrialState.COMPLETE
        for step, value in sorted(curve.items()):
            trial.report(value, step)
            pruner.observe(trial.number, step, value)
            expected = trial.should_prune()
            assert pruner.decide(trial.number, step, value).prune == expected
            if expected:
                state = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, 0.0 if state.name == "COMPLETE" else None, state=state)
        pruner.finish(trial.number, state.name)


def test_a_decision_says_why():
    """The reason names both values in the objective's own sign."""
    pruner = median("maximize", n_startup_trials=1)
    pruner.observe(0, 3, 0.8)
    pruner.finish(0, "COMPLETE")
    pruner.observe(1, 3, 0.5)
    decision = pruner.decide(1, 3, 0.5)
    assert decision.prune
    assert decision.reason == "best 0.5 up to step 3, median of 1 complete trials 0.8"


@pytest.mark.parametrize("state", ["PRUNED", "FAIL"])
def test_only_complete_trials_are_compared_with(state):
    """Values of pruned and failed trials stand in no column."""
    pruner = median(n_startup_trials=0)
    pruner.observe(0, 1, 0.0)
    pruner.finish(0, state)
    pruner.observe(1, 1, 5.0)
    assert not pruner.decide(1, 1, 5.0).prune


def test_a_lost_attempt_takes_its_values_along():
    """After a rewind the best value so far is that of the steps which remain."""
    pruner = median(n_startup_trials=1)
    for step in (1, 2):
        pruner.observe(0, step, 1.0)
    pruner.finish(0, "COMPLETE")
    pruner.observe(1, 1, 0.5)
    pruner.rewind(1, 0)
    pruner.observe(1, 2, 3.0)
    assert pruner.decide(1, 2, 3.0).prune
