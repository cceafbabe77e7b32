"""The quick TPE: what Optuna's proposes, from the history and the seed alone."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search_spaces import Categorical, Constant, Float, Int, Ordinal, Space
from trials.contract import Objective
from tuner.algorithms import make_sampler, reseed
from tuner.algorithms.numpy_tpe import TpeOptions, groups
from tuner.seeds import derive
from tuner.spec import SamplerSpec

SPACES = {
    "floats": Space(a=Float(-1, 1), b=Float(0, 3), c=Float(5, 5.5)),
    "mixed": Space(rate=Float(1e-4, 1, log=True), act=Categorical(["a", "b", "c"]), x=Float(0, 1)),
    "grids": Space(units=Int(1, 200, log=True), depth=Int(0, 9, step=3), x=Float(-1, 1, step=0.1)),
    "ordinal": Space(size=Ordinal([1, 2, 4, 8, 16]), x=Float(0, 1), one=Constant(3)),
    "condition": Space(
        opt=Categorical(["sgd", "adam"]),
        momentum=Float(0, 0.99, when={"opt": "sgd"}),
        decay=Float(1e-5, 1, log=True, when={"opt": "sgd"}),
        x=Float(-1, 1),
    ),
}


class Run:
    """A study of a smooth function, `in_flight` trials at a time; some are pruned or fail."""

    def __init__(self, space: Space, in_flight: int, *, maximize: bool = False, **options: Any):
        self.space, self.in_flight = space, in_flight
        self.sign = -1 if maximize else 1
        direction = "maximize" if maximize else "minimize"
        self.make = lambda: make_sampler(
            SamplerSpec(name="tpe", options=options),
            space,
            (Objective("loss", direction),),
            7,
            in_flight,
        )
        self.study = optuna.create_study(direction=direction, sampler=self.make())
        self.open: list[tuple[optuna.Trial, dict[str, Any]]] = []

    def ask(self, n: int) -> list[dict[str, Any]]:
        """The parameters of `n` more trials; the second oldest in flight ends for the next."""
        asked = []
        for _ in range(n):
            reseed(self.study.sampler, derive(7, "ask", len(self.study.trials)))
            trial = self.study.ask()
            asked.append(self.space.suggest(trial))
            self.open.append((trial, asked[-1]))
            if len(self.open) == self.in_flight:
                self.end(*self.open.pop(min(1, len(self.open) - 1)))
        return asked

    def end(self, trial: optuna.Trial, params: dict[str, Any]) -> None:
        """Tells the trial's value."""
        value = self.sign * sum(
            (item - 0.3) ** 2 if isinstance(item, float) else len(str(item))
            for item in params.values()
        )
        if trial.number % 5 == 4:
            trial.report(value, trial.number % 3)
            self.study.tell(trial, state=TrialState.PRUNED)
        elif trial.number % 11 == 10:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)


def is_near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two points are equal to rounding."""
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=1e-7, abs_tol=1e-9)
        if isinstance(one[name], float)
        else one[name] == other[name]
        for name in one
    )


@pytest.mark.parametrize("in_flight", [1, 8])
@pytest.mark.parametrize("space", SPACES)
def test_it_proposes_what_optuna_does(space: str, in_flight: int) -> None:
    """The same 45 trials, to rounding, with pruned and failed ones among them."""
    maximize = space == "mixed"
    quick, own = (
        Run(SPACES[space], in_flight, maximize=maximize, engine=engine).ask(45)
        for engine in ("numpy", "optuna")
    )
    assert [is_near(*pair) for pair in zip(quick, own, strict=True)] == [True] * 45


def test_axes_by_themselves_are_optunas_too() -> None:
    """Without `multivariate` every axis is sampled alone, as Optuna does it."""
    quick, own = (
        Run(SPACES["floats"], 1, engine=engine, multivariate=False).ask(30)
        for engine in ("numpy", "optuna")
    )
    assert [is_near(*pair) for pair in zip(quick, own, strict=True)] == [True] * 30


@pytest.mark.parametrize("space", SPACES)
def test_a_study_read_anew_goes_on_bit_for_bit(space: str) -> None:
    """With 8 trials in flight, a sampler that has just read the history proposes the same."""
    whole = Run(SPACES[space], 8).ask(60)
    broken = Run(SPACES[space], 8)
    asked = broken.ask(41)
    broken.study.sampler = broken.make()
    assert asked + broken.ask(19) == whole


def test_a_long_study_read_anew_goes_on_bit_for_bit() -> None:
    """Where estimators grow from ask to ask, one made for all trials proposes the same."""
    whole = Run(SPACES["grids"], 8).ask(135)
    broken = Run(SPACES["grids"], 8)
    asked = broken.ask(125)
    broken.study.sampler = broken.make()
    assert asked + broken.ask(10) == whole


def test_a_long_study_goes_on_as_with_optuna() -> None:
    """Where estimators grow, and many trials have the very same numbers."""
    whole = Run(SPACES["grids"], 8).ask(150)
    handed = Run(SPACES["grids"], 8)
    handed.ask(140)
    handed.study.sampler = Run(SPACES["grids"], 8, engine="optuna").make()
    pairs = zip(handed.ask(10), whole[140:], strict=True)
    assert [is_near(*pair) for pair in pairs] == [True] * 10


def test_it_is_the_engine_where_it_can_be() -> None:
    """`auto` leaves several objectives and spaces found on the way to Optuna's own."""
    one, two = (Objective("loss", "minimize"),), (Objective("a", "minimize"),) * 2
    kinds = [
        type(make_sampler(SamplerSpec(name="tpe"), space, objectives, 0)).__name__
        for space, objectives in ((SPACES["mixed"], one), (SPACES["mixed"], two), (None, one))
    ]
    assert kinds == ["NumpyTpe", "TPESampler", "TPESampler"]
    spec = SamplerSpec(name="tpe", options={"engine": "numpy"})
    with pytest.raises(ValueError, match=r"sampler\.engine: must be auto or optuna with several"):
        make_sampler(spec, SPACES["mixed"], two, 0)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_conditional_axes_are_grouped_where_one_trial_trains(in_flight: int) -> None:
    """By default, that is; with several in flight each is sampled by itself."""
    space, is_alone = SPACES["condition"], in_flight > 1
    asked = Run(space, in_flight).ask(45)
    assert asked == Run(space, in_flight, group=not is_alone).ask(45)
    assert asked != Run(space, in_flight, group=is_alone).ask(45)


def test_a_branch_given_by_hand_is_sampled_too() -> None:
    """An enqueued trial whose condition was not the proposed one gets the axes it needs."""
    run = Run(SPACES["condition"], 1)
    run.ask(20)
    for opt in ("sgd", "adam") * 3:
        run.study.enqueue_trial({"opt": opt})
        (params,) = run.ask(1)
        assert params["opt"] == opt
        assert not SPACES["condition"].validate(params)


def test_another_study_is_read_from_its_start() -> None:
    """A sampler that has seen one study proposes for another as a fresh one does."""
    run = Run(SPACES["mixed"], 1)
    sampler = run.study.sampler
    run.ask(30)
    found = []
    for each in (sampler, run.make()):
        other = Run(SPACES["mixed"], 1, maximize=True)
        other.study.sampler = each
        found.append(other.ask(20))
    assert found[0] == found[1]


def test_axes_of_one_condition_form_a_group() -> None:
    """A condition that always holds is none; without `group` conditional axes stand alone."""
    space = Space(
        kind=Constant("a"),
        opt=Categorical(["sgd", "adam"]),
        momentum=Float(0, 1, when={"opt": "sgd"}),
        always=Float(0, 1, when={"kind": "a"}),
        decay=Float(0, 1, when={"opt": "sgd"}),
    )
    together = [("opt", "always"), ("momentum", "decay")]
    assert groups(space, TpeOptions(group=True)) == together
    assert groups(space, TpeOptions()) == [together[0], ("momentum",), ("decay",)]
    assert groups(space, TpeOptions(multivariate=False)) == [
        ("opt",),
        ("momentum",),
        ("always",),
        ("decay",),
    ]
