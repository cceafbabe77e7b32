"""Recipes of networks over sequences, series and trees: see `trials.recipes`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trials.data.series import Cut, windows
from trials.networks.cnn_1d import Settings as ConvolutionalSettings
from trials.networks.recursive import Settings as TreeSettings
from trials.networks.rnn import KERNEL
from trials.networks.rnn import Settings as RecurrentSettings
from trials.networks.transformer import Settings as EncoderSettings
from trials.recipe_code import MODULES, Recipe, filling, module_code, normalization_code, predicting
from trials.stacked.sequences import SequenceSettings, sequence_inputs
from trials.stacked.settings import settings_of

if TYPE_CHECKING:
    from torch import Tensor

    from trials.data import Dataset

_MODULES = {"lstm": "LSTM", "gru": "GRU", "plain": "RNN"}

Weights = Mapping[str, "Tensor"]


def recurrent(data: Dataset, params: Mapping[str, Any], weights: Weights) -> Recipe:
    """A recurrent network, which says something of the last step or of each."""
    settings = settings_of(RecurrentSettings, params)
    n_steps, n_features = _shape(data, settings)
    n_outputs, units = weights["head.weight"].shape
    made, seen, n_in = "", "", n_features
    if settings.front == "conv":
        n_in, pad = units, KERNEL // 2
        made = f"self.front = torch.nn.Conv1d({n_features}, {units}, {KERNEL}, padding={pad})\n"
        seen = "steps = self.front(steps.mT).relu().mT\n"
    cell, layers = _MODULES[settings.cell], settings.layers
    made += f"self.recurrent = torch.nn.{cell}({n_in}, {units}, {layers}, batch_first=True)\n"
    made += f"self.head = torch.nn.Linear({units}, {n_outputs})\n"
    read = "states" if _answers_steps(data) else "states[:, -1]"
    if settings.normalization == "layer":
        made += f"self.norm = torch.nn.LayerNorm({units})\n"
        read = f"self.norm({read})"
    seen += f"states = self.recurrent(steps)[0]\nreturn self.head({read})\n"
    return _recipe(data, settings, _network(made, (n_steps, n_features), seen))


def encoder(data: Dataset, params: Mapping[str, Any], weights: Weights) -> Recipe:
    """A transformer encoder."""
    settings = settings_of(EncoderSettings, params)
    n_steps, n_features = _shape(data, settings)
    n_outputs, width = weights["head.weight"].shape
    made = f"self.embed = torch.nn.Linear({n_features}, {width})\n"
    seen = "states = self.embed(steps)\n"
    if settings.position == "learnt":
        made += f"self.position = torch.nn.Parameter(torch.zeros({n_steps}, {width}))\n"
        seen += "states = states + self.position\n"
    elif settings.position == "sine":
        seen += (
            f"places = torch.arange({width}).double()\n"
            f"rates = 10000.0 ** (-2.0 * (places // 2) / {width})\n"
            f"angles = torch.arange({n_steps}).unsqueeze(1) * rates\n"
            "waves = torch.where(places % 2 == 0, angles.sin(), angles.cos())\n"
            "states = states + waves.to(states)\n"
        )
    shape = f"{width}, {settings.heads}, {settings.feed_forward * width}"
    made += f"layer = torch.nn.TransformerEncoderLayer({shape}, batch_first=True)\n"
    made += (
        "self.encoder = torch.nn.TransformerEncoder(\n"
        f"    layer, {settings.layers}, enable_nested_tensor=False\n"
        ")\n"
    )
    made += f"self.head = torch.nn.Linear({width}, {n_outputs})\n"
    read = "[:, -1]" if settings.summary == "last" else ".mean(1)"
    seen += f"return self.head(self.encoder(states){read})\n"
    return _recipe(data, settings, _network(made, (n_steps, n_features), seen))


def convolutional(data: Dataset, params: Mapping[str, Any], weights: Weights) -> Recipe:
    """Convolutions over the steps."""
    settings = settings_of(ConvolutionalSettings, params)
    n_steps, n_features = left, n_in = _shape(data, settings)
    activation, kernel, lines = MODULES[settings.activation], settings.kernel_size, list[str]()
    kind = settings.normalization
    pooling = {"max": "MaxPool1d(2)", "average": "AvgPool1d(2)"}.get(settings.pooling)
    for _ in range(settings.layers):
        is_pooled = pooling is not None and left > 1
        lines.append(f"Conv1d({n_in}, {settings.channels}, {kernel}, padding={kernel // 2})")
        lines += normalization_code(kind, settings.channels, n_dims=1)
        lines += [activation, pooling if is_pooled and pooling else "Identity()"]
        n_in, left = settings.channels, left // 2 if is_pooled else left
    hidden, last = [tensor.shape for tensor in weights.values() if tensor.ndim == 2]
    lines += ["Flatten()", f"Linear({hidden[1]}, {hidden[0]})"]
    lines += [*normalization_code(kind, hidden[0]), activation]
    lines += [f"Dropout({settings.dropout!r})", f"Linear({last[1]}, {last[0]})"]
    define = f"""\
class Network(torch.nn.Sequential):
    def forward(self, x):
        return super().forward(x.reshape(len(x), {n_steps}, {n_features}).mT)


"""
    code = module_code(lines).replace("torch.nn.Sequential(", "Network(", 1)
    return _recipe(data, settings, define, code)


def tree(data: Dataset, params: Mapping[str, Any], weights: Weights) -> Recipe:
    """A recursive network, from the leaves of a tree to its root."""
    settings = settings_of(TreeSettings, params)
    (n_symbols, units), n_outputs = weights["symbols.weight"].shape, len(weights["output.bias"])
    n_places, is_normed = data.shape[0], settings.normalization == "layer"
    norm = f"LayerNorm({units})" if is_normed else "Identity()"
    define = f"""\
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.symbols = torch.nn.Embedding({n_symbols}, {units})
        self.pair = torch.nn.Linear({2 * units}, {units}, bias=False)
        self.norm = torch.nn.{norm}
        self.output = torch.nn.Linear({units}, {n_outputs})
        self.activation = torch.nn.{MODULES[settings.activation]}

    def forward(self, x):
        kinds, nodes = x.long(), None
        for level in reversed(range({(n_places + 1).bit_length() - 1})):
            own = kinds[:, 2**level - 1 : 2 ** (level + 1) - 1]
            sums = self.symbols(own)
            if nodes is not None:
                sums = sums + self.pair(nodes.view(len(x), -1, {2 * units}))
            nodes = self.activation(self.norm(sums)) * (own > 0).unsqueeze(2)
        return self.output(nodes[:, 0])


"""
    return predicting(data, settings, "Network()", str(n_places), define)


def _shape(data: Dataset, settings: SequenceSettings) -> tuple[int, ...]:
    """Steps and features of what the network reads."""
    if data.kind == "series":
        return settings.window, data.shape[0]
    return sequence_inputs("", data.shape).shape


def _answers_steps(data: Dataset) -> bool:
    """Whether each step of a point has an answer."""
    return data.train.y is not None and data.train.y.ndim > 1


def _network(made: str, shape: tuple[int, ...], seen: str) -> str:
    """Code of a class that makes its modules, reads points as steps and says something of them."""
    n_steps, n_features = shape
    spaces = " " * 8
    return f"""\
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
{textwrap.indent(made, spaces)}
    def forward(self, x):
        steps = x.reshape(len(x), {n_steps}, {n_features})
{textwrap.indent(seen, spaces)}

"""


def _recipe(
    data: Dataset, settings: SequenceSettings, define: str, network: str = "Network()"
) -> Recipe:
    """How to predict; of a series, also from its rows as they are."""
    if data.kind != "series":
        point = ", ".join(str(length) for length in data.shape)
        return predicting(data, settings, network, point, define)
    found = windows(data, settings.cut)
    point = f"{settings.window}, {data.shape[0]}"
    made = predicting(found.data, settings, network, point, define)
    shift, scale = (torch.as_tensor(numbers) for numbers in found.columns)
    line, tensors = filling(data, "rows")
    scaling = made.scaling | tensors | {"column_shift": shift, "column_scale": scale}
    return Recipe(made.code + _forecasting(settings.cut, data.shape[0], line), scaling)


def _forecasting(cut: Cut, n_features: int, fill: str) -> str:
    """Code of the function that tells a coming number of a series from rows as they are.

    Args:
        cut: How windows were cut.
        n_features: Of a row.
        fill: The line that fills missing numbers of `rows`.
    """
    level = "rows[:, 0].log()" if cut.log else "rows[:, 0]"
    season = f"level - level.roll({cut.lag})" if cut.lag else "level"
    steps = "season - season.roll(1)" if cut.difference else "season"
    base = f" + level[{cut.horizon - cut.lag - 1}]" if cut.lag else ""
    base += " + season[-1]" if cut.difference else ""
    end, n_rows = ".exp()" if cut.log else "", cut.n_before - cut.horizon + 1
    return f'''

def forecast(rows):
    """The target {cut.horizon} rows after the last of these, as they are in the data.

    At least {n_rows} rows, (N, {n_features}), of which the first column is the target.
    """
    rows = rows.double()
{fill}    level = {level}
    season = {season}
    steps = {steps}
    shown = torch.cat([steps.unsqueeze(1), rows[:, 1:]], 1)[-{cut.window}:]
    shown = (shown - scaling["column_shift"]) / scaling["column_scale"]
    return (predict(shown.float().unsqueeze(0))[0]{base}){end}
'''
