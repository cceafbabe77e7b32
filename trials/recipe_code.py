"""What recipes are written with: the parts of code that stand on their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from trials.data import Dataset
    from trials.data.scaling import ScalingKind
    from trials.stacked.settings import SupervisedSettings

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

BEGINNING = """\
from pathlib import Path

import torch
from safetensors.torch import load_file

folder = Path(".")  # where this file is
"""

LOADING = f"""\
model.load_state_dict(load_file(folder / "{WEIGHTS_FILE}"))
model.eval()
scaling = load_file(folder / "{SCALING_FILE}")
"""

_SCALING = """\
    scaled = (x.double().flatten(1) - scaling["input_shift"]) / scaling["input_scale"]
"""

_WHITENING = """\
    scaled = scaled @ scaling["input_matrix"].double()
"""

_NORMING = """\
    norms = scaled.norm(dim=1, keepdim=True)
    scaled = scaled / norms.where(norms > 0, 1.0)
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


def predicting(
    data: Dataset, settings: SupervisedSettings, network: str, point: str, define: str = ""
) -> Recipe:
    """The recipe of a network that predicts the target.

    Args:
        data: What it trained on.
        settings: Of the trial.
        network: The code that makes it.
        point: The shape of an input, as text.
        define: Code that comes before.
    """
    import torch

    from trials.stacked.supervised import Task

    y = data.train.y
    steps = "" if y is None or y.ndim == 1 else f", {y.shape[1]}"
    lines, scaling = _scaled(data, settings.input_scaling)
    if data.task == "classification":
        says = f"Probability of each class, shape (N{steps}, {data.n_classes})"
        result = "outputs.softmax(-1)"
    else:
        task = Task(data, torch.device("cpu"), torch.float32, may_answer_steps=True)
        scaling["target_shift"] = torch.tensor(task.shift, dtype=torch.float64)
        scaling["target_scale"] = torch.tensor(task.scale, dtype=torch.float64)
        says = f"The predicted number of each input, shape (N{steps or ','})"
        result = 'outputs[..., 0].double() * scaling["target_scale"] + scaling["target_shift"]'
    spaced = f"\n\n{define}" if define else ""
    code = f'''{BEGINNING}{spaced}model = {network}
{LOADING}

def predict(x):
    """{says}, for inputs as they are in the data, (N, {point})."""
{lines}    with torch.inference_mode():
        outputs = model(scaled.float().view(x.shape))
        return {result}
'''
    return Recipe(code, scaling)


def _scaled(data: Dataset, kind: ScalingKind) -> tuple[str, dict[str, Tensor]]:
    """Lines that bring `x` to the scale of training, and the tensors that they read."""
    import torch

    from trials.data.scaling import fit_scaling

    found = fit_scaling(kind, data.train.x)
    lines, scaling = filling(data, "x")
    lines += _SCALING
    scaling["input_shift"] = torch.as_tensor(found.shift).flatten().contiguous()
    scaling["input_scale"] = torch.as_tensor(found.scale).flatten().contiguous()
    if found.matrix is not None:
        scaling["input_matrix"] = torch.as_tensor(found.matrix)
        lines += _WHITENING
    elif found.is_unit:
        lines += _NORMING
    return lines, scaling


def filling(data: Dataset, rows: str) -> tuple[str, dict[str, Tensor]]:
    """A line that fills missing numbers of the variable `rows` as in training, and what it reads.

    Nothing where no number of the data is missing.
    """
    import torch

    if data.fill is None:
        return "", {}
    line = f'    {rows} = {rows}.where(~{rows}.isnan(), scaling["input_fill"])\n'
    return line, {"input_fill": torch.as_tensor(data.fill)}


def normalization_code(kind: str, n: int, *, n_dims: int = 0) -> list[str]:
    """The module that normalises `n` units, or channels of so many dimensions; or none."""
    if kind == "batch":
        return [f"BatchNorm{max(1, n_dims)}d({n})"]
    if kind == "layer":
        return [f"GroupNorm(1, {n})" if n_dims else f"LayerNorm({n})"]
    return []


def sequential_code(
    weights: Mapping[str, Tensor],
    prefix: str,
    activation: str,
    dropout: float,
    indent: int = 0,
    normalization: str = "none",
) -> str:
    """Code of the Sequential whose linear layers have the weights that begin with `prefix`."""
    layers = dict(_linear_layers(weights, prefix))
    last = max(layers)
    lines = []
    for place in range(last + 1):
        if place in layers:
            n_in, n_out = layers[place]
            lines.append(f"Linear({n_in}, {n_out})")
            if place < last:
                lines += [*normalization_code(normalization, n_out), MODULES[activation]]
        elif place == len(lines):
            lines.append(f"Dropout({dropout!r})")
    return module_code(lines, indent)


def module_code(lines: Sequence[str], indent: int = 0) -> str:
    """Code of the Sequential of these modules."""
    spaces = " " * indent
    inner = "\n".join(f"{spaces}    torch.nn.{line}," for line in lines)
    return f"torch.nn.Sequential(\n{inner}\n{spaces})"


def _linear_layers(
    weights: Mapping[str, Tensor], prefix: str
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Place in the Sequential, inputs and outputs of each linear layer."""
    for name, tensor in weights.items():
        place, _, kind = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and kind == "weight" and tensor.ndim > 1:
            n_out, n_in = tensor.shape
            yield int(place), (n_in, n_out)
