"""Every network tells what it costs where a study asks: parameters, training time, latency."""

from __future__ import annotations

import pytest
from axis_changes import CASES, case_trainer

from trials.contract import Row

COSTS = ["n_parameters", "training_time", "inference_latency"]
FURTHER = [("rbm", "ratings"), ("rnn", "addition"), ("mlp", "diabetes")]


@pytest.mark.parametrize(
    ("name", "data"), [*CASES, *FURTHER], ids=[" on ".join(case) for case in [*CASES, *FURTHER]]
)
def test_costs_are_those_of_the_network(name: str, data: str) -> None:
    """Parameters are the numbers of its weights; both times are positive, training's per epoch."""
    trainer = case_trainer(name, data)
    assert set(COSTS) <= {objective.name for objective in trainer.objectives}
    trainer.measure(COSTS)
    params = {"batch_size": 32}
    params |= {"visible": "softmax"} if data == "ratings" else {}
    params |= {"normalization": "batch"} if name in ("mlp", "cnn", "autoencoder") else {}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 2)])
    first, second = (cohort.advance()[0].metrics for _ in range(2))
    weights = trainer.weights(cohort.save(0), params)
    learnt = [tensor for name, tensor in weights.items() if "running_" not in name]
    assert first["n_parameters"] == sum(tensor.numel() for tensor in learnt)
    assert second["training_time"] == 2 * first["training_time"] > 0
    assert first["inference_latency"] == second["inference_latency"] > 0
    trainer.measure(())
