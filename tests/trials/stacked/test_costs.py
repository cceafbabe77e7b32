"""What a row costs: measured alone by a clock that the test holds."""

import itertools

import pytest

from trials.contract import Row
from trials.data import load
from trials.networks.mlp import MLP
from trials.stacked.costs import COSTS, CostedCohort, Costing

PARAMS = {"units": 20, "layers": 2, "batch_size": 16}
NAMES = [cost.name for cost in COSTS]


def ticking():
    """A clock that is one second further at every look."""
    ticks = itertools.count()
    return lambda: float(next(ticks))


def costing(data, names=NAMES):
    """What measures rows of a perceptron."""
    return Costing(MLP(data).family(), data, MLP, names, ticking())


def test_parameters_are_those_without_padding(classes_data):
    """Twenty units on five features and three classes, in two layers."""
    found = costing(classes_data).cost(Row(0, PARAMS, 1, 3))
    assert found.n_parameters == (5 * 20 + 20) + (20 * 20 + 20) + (20 * 3 + 3)


def test_running_statistics_are_no_parameters(classes_data):
    """A batch norm has two learnt numbers a unit, and two that follow the data."""
    params = PARAMS | {"normalization": "batch"}
    found = costing(classes_data).cost(Row(0, params, 1, 3))
    plain = costing(classes_data).cost(Row(0, PARAMS, 1, 3))
    assert found.n_parameters == plain.n_parameters + 2 * 2 * 20


def test_time_is_that_of_all_steps_of_the_epochs(classes_data):
    """Few points are timed whole; of many, the epoch has the time of its steps in proportion."""
    row = Row(0, PARAMS, 1, 3)
    assert costing(classes_data).cost(row).figures(2)["training_time"] == 2.0
    n_points = len(load("breast_cancer", seed=0).train)
    n_steps, n_timed = -(-n_points // 16), 8
    found = costing(load("breast_cancer", seed=0)).cost(row)
    assert found.figures(3)["training_time"] == pytest.approx(3 * n_steps / n_timed)


def test_a_prediction_has_its_share_of_the_calls(classes_data):
    """The time of one prediction is that of many through their number."""
    found = costing(classes_data).cost(Row(0, PARAMS, 1, 3))
    assert found.latency_s == pytest.approx(1 / 20)


def test_what_is_not_asked_for_is_not_measured(classes_data):
    """A clock is looked at only for times that are wanted."""
    found = costing(classes_data, ["n_parameters"])
    assert found.wanted == ["n_parameters"]
    assert found.cost(Row(0, PARAMS, 1, 3)).epoch_s == 0.0
    trainer = MLP(classes_data)
    trainer.measure(["validation_loss"])
    assert not isinstance(trainer.cohort(trainer.structure(PARAMS)), CostedCohort)


def test_a_cohort_tells_the_costs_of_its_rows(classes_data):
    """Costs join each row's figures, which stay bitwise the same; a row that left leaves none."""
    rows = [Row(key, PARAMS | {"units": 8 * (key + 1)}, key, 3) for key in range(3)]
    trainer = MLP(classes_data)
    plain = trainer.cohort(trainer.structure(PARAMS))
    plain.admit(rows)
    cohort = CostedCohort(trainer.cohort(trainer.structure(PARAMS)), costing(classes_data))
    cohort.admit(rows)
    for epoch in (1, 2):
        expected = {p.key: p.metrics for p in plain.advance()}
        for progress in cohort.advance():
            costs = {name: progress.metrics[name] for name in NAMES}
            assert {**expected[progress.key], **costs} == progress.metrics
            assert costs["training_time"] == epoch
    cohort.evict([1])
    state = cohort.save(2)
    cohort.evict([2])
    cohort.admit([rows[2]], {2: state})
    assert set(cohort.keys) == {0, 2}
    found = {p.key: p.metrics["training_time"] for p in cohort.advance()}
    assert found == {0: 3.0, 2: 3.0}
    with pytest.raises(KeyError, match="7"):
        cohort.evict([0, 7])
    assert sum(cohort.blocks.values()) == 2
