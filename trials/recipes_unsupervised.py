"""Recipes of networks that learn without answers, or first without: see `trials.recipes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch

from trials.data.ratings import N_LEVELS
from trials.networks.mlp import Settings as MLPSettings
from trials.networks.pretrained import Settings as PretrainedSettings
from trials.recipe_code import BEGINNING, LOADING, Recipe, filling, predicting, sequential_code
from trials.stacked.pretraining.few_labels import few_labels
from trials.stacked.settings import settings_of
from trials.stacked.supervised import Task
from trials.stacked.unsupervised.coding_settings import CodingSettings
from trials.stacked.unsupervised.machine_training import MachineSettings
from trials.stacked.unsupervised.points import Source, View

if TYPE_CHECKING:
    from torch import Tensor

    from trials.data import Dataset


def coding(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    """Encoder and decoder of an autoencoder."""
    settings = settings_of(CodingSettings, params)
    codes = {
        name: sequential_code(
            weights,
            f"{name}.",
            settings.activation,
            settings.dropout,
            8,
            settings.normalization,
        )
        for name in ("encoder", "decoder")
    }
    entries = "\n".join(f'        "{name}": {code},' for name, code in codes.items())
    mean = ".view(len(x), -1, 2)[..., 0]" if settings.is_drawn else ""
    result = ".sigmoid()" if settings.likelihood == "bernoulli" else ""
    lines, scaling = _scaled(data, settings.view)
    code = f'''{BEGINNING}model = torch.nn.ModuleDict(
    {{
{entries}
    }}
)
{LOADING}

def encode(x):
    """The code of points as they are in the data, (N, ...); shape (N, {settings.code})."""
{lines}    with torch.inference_mode():
        return model["encoder"](x.float()){mean}


def decode(z):
    """Points for codes, in units of the data, one after the other in each row."""
    with torch.inference_mode():
        restored = model["decoder"](z){result}
        return restored * scaling["scale"] + scaling["shift"]
'''
    return Recipe(code, scaling)


def machine(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    """Features of a restricted Boltzmann machine, restored points, and classes if there are.

    On ratings, expected stars.
    """
    if data.kind == "ratings":
        return _stars(weights)
    settings = settings_of(MachineSettings, params)
    n_hidden, n_visible = weights["machine.hidden.weight"].shape
    lines, scaling = _scaled(data, settings.view)
    result = ".sigmoid()" if settings.visible == "binary" else ""
    classifier, classify = _classifying(weights)
    code = f'''{BEGINNING}machine = torch.nn.ModuleDict(
    {{
        "hidden": torch.nn.Linear({n_visible}, {n_hidden}),
        "visible": torch.nn.ParameterDict({{"bias": torch.zeros({n_visible})}}),
    }}
)
model = torch.nn.ModuleDict(
    {{
        "machine": machine,
{classifier}    }}
)
{LOADING}

def features(x):
    """Probability of each hidden unit, (N, {n_hidden}), for points as they are in the data."""
{lines}    with torch.inference_mode():
        return machine["hidden"](x.float()).sigmoid()


def restore(h):
    """Expected points for hidden units, in units of the data."""
    with torch.inference_mode():
        sums = h @ machine["hidden"].weight + machine["visible"]["bias"]
        return sums{result} * scaling["scale"] + scaling["shift"]
{classify}'''
    return Recipe(code, scaling)


def _stars(weights: Mapping[str, Tensor]) -> Recipe:
    """What a machine whose units stand for stars expects of the films that have none."""
    n_hidden, n_visible = weights["machine.hidden.weight"].shape
    n_films = n_visible // N_LEVELS
    code = f'''{BEGINNING}machine = torch.nn.ModuleDict(
    {{
        "hidden": torch.nn.Linear({n_visible}, {n_hidden}),
        "visible": torch.nn.ParameterDict({{"bias": torch.zeros({n_visible})}}),
    }}
)
model = torch.nn.ModuleDict({{"machine": machine}})
{LOADING}

def stars(given):
    """Expected stars of each film, for stars that are given, 0 for none; both (N, {n_films})."""
    on = torch.nn.functional.one_hot(given.long(), {N_LEVELS + 1})[..., 1:].flatten(1).float()
    with torch.inference_mode():
        hidden = machine["hidden"](on).sigmoid()
        sums = hidden @ machine["hidden"].weight + machine["visible"]["bias"]
        shares = sums.view(-1, {n_films}, {N_LEVELS}).softmax(-1)
        return shares @ torch.arange(1.0, {N_LEVELS + 1})
'''
    return Recipe(code, {"levels": torch.arange(1.0, N_LEVELS + 1)})


def _classifying(weights: Mapping[str, Tensor]) -> tuple[str, str]:
    """The line that makes the classifier on the features, and its function; empty without one."""
    if "classifier.weight" not in weights:
        return "", ""
    n_classes, n_hidden = weights["classifier.weight"].shape
    line = f'        "classifier": torch.nn.Linear({n_hidden}, {n_classes}),\n'
    function = f'''

def predict(x):
    """Probability of each class, shape (N, {n_classes}), for points as they are in the data."""
    with torch.inference_mode():
        return model["classifier"](features(x)).softmax(1)
'''
    return line, function


def pretrained(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    """The perceptron; of its pretraining nothing is left but the weights."""
    settings = settings_of(PretrainedSettings, params)
    own = {field.name: getattr(settings, field.name) for field in fields(MLPSettings)}
    network = sequential_code(weights, "", settings.activation, settings.dropout)
    n_inputs = next(iter(weights.values())).shape[1]
    found = predicting(data, MLPSettings(**own), network, str(n_inputs))
    if "target_shift" in found.scaling and 0 < settings.n_labels < len(data.train):
        task = few_labels(Task(data, torch.device("cpu"), torch.float32), settings.n_labels)
        found.scaling["target_shift"] = torch.tensor(task.shift, dtype=torch.float64)
        found.scaling["target_scale"] = torch.tensor(task.scale, dtype=torch.float64)
    return found


def _scaled(data: Dataset, view: View) -> tuple[str, dict[str, Tensor]]:
    """Lines that bring `x` to how the network sees points, and what they read."""
    source = Source(data, torch.device("cpu"), torch.float32)
    shift, scale = source.affine(view)
    lines, tensors = filling(data, "x")
    lines += '    x = (x.double().flatten(1) - scaling["shift"]) / scaling["scale"]\n'
    if view.is_unit or view.binarize != "none":
        lines += "    x = x.clamp(0.0, 1.0)\n"
    if view.binarize == "threshold":
        lines += "    x = (x >= 0.5).double()\n"
    elif view.binarize == "sampled":
        lines += "    x = torch.bernoulli(x)\n"
    return lines, tensors | {"shift": shift, "scale": scale}
