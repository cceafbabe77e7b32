"""Studies of a user's own torch modules, in this process and on lanes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

import tuner
from search_spaces import Categorical, Float, Int, Space
from tuner.errors import InputError

SPACE = Space(
    learning_rate=Float(1e-3, 1e-1, log=True),
    units=Categorical((8, 16)),
    dropout=Float(0.0, 0.5),
    batch_size=Categorical((16, 32)),
)


def build(params: dict[str, Any], data: Any) -> nn.Module:
    """A perceptron of the data's size."""
    return nn.Sequential(
        nn.Linear(data.n_inputs, params["units"]),
        nn.LayerNorm(params["units"]),
        nn.ReLU(),
        nn.Dropout(params["dropout"]),
        nn.Linear(params["units"], data.n_outputs),
    )


def launch(url: str, **keys: Any) -> tuner.Study:
    """A study of the perceptron on iris."""
    trainer = tuner.fused(build, functional.cross_entropy, SPACE)
    given: dict[str, Any] = {
        "trials": 12,
        "epochs": 4,
        "slots": 6,
        "storage": url,
        "inline": True,
    } | keys
    return tuner.launch(trainer, data="iris", **given)


def test_a_fused_study_trains_and_keeps_its_best(url: str, tmp_path: Path) -> None:
    """Every trial ends, the best one has test figures, and its weights fit the user's module."""
    study = launch(url)
    assert study.name == "fused-iris-1"
    assert study.counts["COMPLETE"] + study.counts["PRUNED"] == 12
    assert set(study.test) == {"test_loss", "test_accuracy"}
    assert any(fact["mean_rows"] > 1 for fact in study.stacks())
    study.save_best(tmp_path / "best")
    (file,) = (tmp_path / "best").glob("*.safetensors")
    best = study.best_trial.params
    module = nn.Sequential(
        nn.Linear(4, best["units"]),
        nn.LayerNorm(best["units"]),
        nn.ReLU(),
        nn.Dropout(best["dropout"]),
        nn.Linear(best["units"], 3),
    )
    module.load_state_dict(load_file(file))


def test_its_code_must_be_given_again(url: str) -> None:
    """A study that is loaded goes on with the trainer that is given, and not without."""
    launch(url, study="s")
    loaded = tuner.load("s", storage=url)
    with pytest.raises(InputError, match="again"):
        loaded.resume(trials=14, inline=True)
    trainer = tuner.fused(build, functional.cross_entropy, SPACE)
    again = loaded.resume(trials=14, objective=trainer, inline=True)
    assert sum(again.counts.values()) == 14
    assert loaded.replay(0, objective=trainer).verdict == "identical"


def test_its_mistakes_are_told_with_those_of_the_spec(url: str) -> None:
    """A model that cannot be trained is bad input, and nothing is written."""
    trainer = tuner.fused(lambda _params: 3, lambda outputs, _: outputs, SPACE)  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError) as caught:
        tuner.launch(trainer, data="iris", storage=url, inline=True, sampler={"name": "best"})
    assert any("must return a torch.nn.Module, got 3" in line for line in caught.value.problems)
    assert any("unknown sampler 'best'" in line for line in caught.value.problems)
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_model_that_fails_for_some_parameters_fails_those_trials(url: str) -> None:
    """The others train; what was raised is stored."""

    def sometimes(params: dict[str, Any], data: Any) -> nn.Module:
        if params["units"] > 8:
            raise TypeError("too wide")
        return build(params | {"dropout": 0.0}, data)

    space = Space(units=Int(4, 12), learning_rate=Float(1e-3, 1e-1, log=True))
    trainer = tuner.fused(sometimes, functional.cross_entropy, space)
    study = tuner.launch(
        trainer, data="iris", trials=10, epochs=2, storage=url, inline=True, slots=4
    )
    failed = {trial.number for trial in study.trials if trial.params["units"] > 8}
    assert failed
    assert {number for number, _, _ in study.failures()} == failed
    assert all("too wide" in line for _, _, line in study.failures())


class Recurrent(nn.Module):
    """Cannot be stacked."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, units, batch_first=True)
        self.out = nn.Linear(units, 3)

    def forward(self, x: Tensor) -> Tensor:
        """One output per class."""
        out: Tensor = self.out(self.lstm(x.unsqueeze(-1))[0][:, -1])
        return out


def test_a_study_says_why_trials_are_not_stacked(url: str) -> None:
    """The reason is among the notes, and the stacks say that they are none."""
    trainer = tuner.fused(lambda p: Recurrent(p["units"]), functional.cross_entropy, SPACE)
    study = tuner.launch(
        trainer, data="iris", trials=2, epochs=1, storage=url, inline=True, pruner={"name": "none"}
    )
    assert "LSTM has no rule for stacking" in study.notes[-1]
    assert all("one at a time" in fact["stack"] for fact in study.stacks())


def test_functions_of_a_script_travel_to_lanes(url: str) -> None:
    """A model that another process cannot import trains there as here, bit by bit."""
    home = os.getpid()

    def told(params: dict[str, Any], data: Any) -> nn.Module:
        module = build(params, data)
        module.register_buffer("away", torch.tensor(float(os.getpid() != home)))
        return module

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets)

    trainer = tuner.fused(told, loss, SPACE)
    keys: dict[str, Any] = {"data": "iris", "trials": 6, "epochs": 2, "slots": 3, "storage": url}
    on_ray = tuner.launch(trainer, study="ray", lanes=1, **keys)
    inline = tuner.launch(trainer, study="inline", inline=True, **keys)
    assert on_ray.lanes()[0]["attempts"] == 6
    found, expected = (
        [(t.params, t.values, t.intermediate_values) for t in study.trials]
        for study in (on_ray, inline)
    )
    assert found == expected
    (file, *_) = (on_ray.artifacts / "weights").glob("*.safetensors")
    assert load_file(file)["buffers.away"] == 1.0
