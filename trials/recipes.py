"""How the weights of a trial are used with plain torch: code that stands on its own.

A trainer's recipe is one function here and one line in `RECIPES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from trials.data import Dataset

WEIGHTS_FILE = "weights.safetensors"
SCALING_FILE = "scaling.safetensors"

MODULES: dict[str, str] = {
    "linear": "Identity()",
    "sigmoid": "Sigmoid()",
    "tanh": "Tanh()",
    "hard_tanh": "Hardtanh()",
    "relu": "ReLU()",
    "leaky_relu": "LeakyReLU(0.01)",
    "elu": "ELU()",
    "selu": "SELU()",
    "softplus": "Softplus()",
}
"""Activation in a space -> the module of torch.nn that computes it."""

_BEGINNING = """\
from pathlib import Path

import torch
from safetensors.torch import load_file

folder = Path(".")  # where this file is
"""

_LOADING = f"""\
model.load_state_dict(load_file(folder / "{WEIGHTS_FILE}"))
model.eval()
scaling = load_file(folder / "{SCALING_FILE}")
"""


@dataclass(frozen=True)
class Recipe:
    """Code for a trial's weights.

    Attributes:
        code: Python that needs torch and safetensors alone; it defines `model` and a function
            that takes or gives data in their own units.
        scaling: Tensors that the code reads from `SCALING_FILE`.
    """

    code: str
    scaling: dict[str, Tensor]


def recipe(
    trainer: str, data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Recipe | None:
    """How to use `weights`, or None for a trainer without a recipe.

    Args:
        trainer: Its name.
        data: What it trained on.
        params: Of the trial.
        weights: As `Trainer.weights` names them.
    """
    make = RECIPES.get(trainer)
    return None if make is None else make(data, params, weights)


def _perceptron(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    import torch

    from trials.data.scaling import fit_scaling
    from trials.networks.mlp import Settings
    from trials.stacked.settings import settings_of
    from trials.stacked.supervised import Task

    settings = settings_of(Settings, params)
    shift_scale = fit_scaling(settings.input_scaling, data.train.x)
    scaling = {
        "input_shift": torch.as_tensor(shift_scale.shift).flatten().contiguous(),
        "input_scale": torch.as_tensor(shift_scale.scale).flatten().contiguous(),
    }
    network = _sequential(weights, "", settings.activation, settings.dropout)
    n_inputs = next(iter(weights.values())).shape[1]
    if data.task == "classification":
        says = f"Probability of each class, shape (N, {data.n_classes})"
        result = "outputs.softmax(1)"
    else:
        task = Task(data, torch.device("cpu"), torch.float32)
        scaling["target_shift"] = torch.tensor(task.shift, dtype=torch.float64)
        scaling["target_scale"] = torch.tensor(task.scale, dtype=torch.float64)
        says = "The predicted number of each input, shape (N,)"
        result = 'outputs[:, 0].double() * scaling["target_scale"] + scaling["target_shift"]'
    code = f'''{_BEGINNING}model = {network}
{_LOADING}

def predict(x):
    """{says}, for inputs as they are in the data, (N, {n_inputs})."""
    scaled = (x.double() - scaling["input_shift"]) / scaling["input_scale"]
    with torch.inference_mode():
        outputs = model(scaled.float())
        return {result}
'''
    return Recipe(code, scaling)


def _vector_gan(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    import torch

    from trials.data.scaling import fit_scaling
    from trials.gans.vectors import Settings
    from trials.stacked.settings import settings_of

    settings = settings_of(Settings, params)
    shift_scale = fit_scaling("standardize", data.train.x)
    scaling = {
        "shift": torch.as_tensor(shift_scale.shift).flatten().contiguous(),
        "scale": torch.as_tensor(shift_scale.scale).flatten().contiguous(),
    }
    players = {
        player: _sequential(weights, f"{player}.", settings.activation, 0.0, indent=8)
        for player in ("generator", "discriminator")
    }
    entries = "\n".join(f'        "{player}": {code},' for player, code in players.items())
    code = f'''{_BEGINNING}model = torch.nn.ModuleDict(
    {{
{entries}
    }}
)
{_LOADING}

def generate(z):
    """Points in units of the data for standard normal draws, shape (N, {settings.latent})."""
    with torch.inference_mode():
        return model["generator"](z) * scaling["scale"] + scaling["shift"]
'''
    return Recipe(code, scaling)


def _sequential(
    weights: Mapping[str, Tensor], prefix: str, activation: str, dropout: float, indent: int = 0
) -> str:
    """Code of the Sequential whose linear layers have the weights that begin with `prefix`."""
    layers = dict(_linear_layers(weights, prefix))
    last = max(layers)
    lines = []
    for place in range(last + 1):
        if place in layers:
            n_in, n_out = layers[place]
            lines.append(f"Linear({n_in}, {n_out})")
        elif place - 1 in layers:
            lines.append(MODULES[activation])
        else:
            lines.append(f"Dropout({dropout!r})")
    spaces = " " * indent
    inner = "\n".join(f"{spaces}    torch.nn.{line}," for line in lines)
    return f"torch.nn.Sequential(\n{inner}\n{spaces})"


def _linear_layers(
    weights: Mapping[str, Tensor], prefix: str
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Place in the Sequential, inputs and outputs of each linear layer."""
    for name, tensor in weights.items():
        place, _, kind = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and kind == "weight":
            n_out, n_in = tensor.shape
            yield int(place), (n_in, n_out)


RECIPES: dict[str, Callable[[Dataset, Mapping[str, Any], Mapping[str, Tensor]], Recipe]] = {
    "mlp": _perceptron,
    "gan": _vector_gan,
}
"""Name of a trainer -> the function (data, params, weights) -> Recipe."""
