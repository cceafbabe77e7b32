"""The epoch in which one hidden layer of stacked perceptrons learns to restore its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from trials.contract import Row
from trials.stacked.activations import Spans, spans
from trials.stacked.batches import Order, pieces
from trials.stacked.cohort import Vectors
from trials.stacked.dropout import real_units
from trials.stacked.layout import Layout
from trials.stacked.network import Gradients
from trials.stacked.pretraining.settings import PretrainingSettings
from trials.stacked.sending import sent
from trials.stacked.supervised import Examples
from trials.stacked.unsupervised.contrast import (
    HIDDEN,
    VISIBLE_BIAS,
    WEIGHT,
    Machines,
    Tapes,
    Weights,
    machine_parts,
)
from trials.stacked.unsupervised.descent import Descent
from trials.stacked.unsupervised.noise import Spoiling
from trials.stacked.unsupervised.visible import VISIBLE
from trials.stacked.workspace import Workspace

Mean: TypeAlias = "Callable[[Tensor], Tensor]"

MODULES = 3
"""Linear, activation and dropout in the equivalent `torch.nn.Sequential`."""


def layer_name(layer: int) -> str:
    """Prefix of the vectors of a layer's pretraining."""
    return f"layer{layer}"


def is_of_layer(name: str) -> bool:
    """Whether a vector belongs to a layer's pretraining."""
    return name.startswith("layer")


def layer_layout(settings: PretrainingSettings, layer: int, inputs: int) -> Layout:
    """The tensors of one layer: its weights, biases, and those of its restored inputs.

    Args:
        settings: Of the row, or rounded ones.
        layer: Counted from the inputs.
        inputs: Of the network, true or padded.
    """
    n_visible = inputs if layer == 0 else settings.units
    units = VISIBLE[kind_of(settings, layer)]
    if settings.pretraining == "autoencoder":
        return Layout(tuple(machine_parts(n_visible, settings.units, units, 0.0)))
    return Layout(tuple(machine_parts(n_visible, settings.units, units)))


def kind_of(settings: PretrainingSettings, layer: int) -> str:
    """What a layer's inputs are: probabilities above the first layer of machines."""
    if layer == 0:
        return settings.visible
    return "binary" if settings.pretraining == "rbm" else "gaussian"


def start_layer_(layer_views: Vectors, network: Vectors, layer: int) -> None:
    """The layer has the weights that the perceptron starts with; its biases stay.

    Args:
        layer_views: The layer's padded tensors by name, (K, ...).
        network: The perceptron's.
        layer: Counted from the inputs.
    """
    layer_views[WEIGHT].copy_(network[f"{MODULES * layer}.weight"])


class LayerTraining:
    """One layer of K perceptrons, learning by itself.

    Args:
        pool: All training points.
        n_inputs: True numbers of a point.
        rows: Sorted by the rank of their rules, then by activation.
        settings: Of the rows.
        rounded: Settings of the padded shapes.
        layer: Counted from the inputs.
        layouts: Of the padded perceptron and of the padded layer.
        vectors: "parameters" of the perceptrons and those of the layer, changed in place.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        pool: Examples,
        n_inputs: int,
        rows: Sequence[Row],
        settings: Sequence[PretrainingSettings],
        rounded: PretrainingSettings,
        layer: int,
        layouts: tuple[Layout, Layout],
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        self._pool, self._rows, self._settings = pool, rows, settings
        self._rounded, self._layer = rounded, layer
        parameters = vectors["parameters"]
        self._network = layouts[0].views(parameters)
        descents = [s.descent for s in settings]
        name = layer_name(layer)
        self._descent = Descent(name, layouts[1], descents, vectors, workspace)
        hidden = [s.units for s in settings]
        self._real = real_units(hidden, rounded.units, parameters).unsqueeze(1)
        is_machine = rounded.pretraining == "rbm"
        self._spans = spans(["sigmoid" if is_machine else s.activation for s in settings])
        seeds = [row.seed for row in rows]
        true = [n_inputs if layer == 0 else n for n in hidden]
        n_padded = pool.x.shape[-1] if layer == 0 else rounded.units
        self._spoiling = Spoiling([s.corruption for s in settings], seeds, true)
        kind = VISIBLE[kind_of(rounded, layer)]
        gradients, l2 = self._descent.gradients, self._descent.l2
        self._learner: Machines | TiedCoders
        self._tapes: Tapes | None = None
        if is_machine:
            self._learner = Machines(gradients, kind, l2)
            padded = (rounded.units, n_padded)
            purpose = f"{name} chains"
            self._tapes = Tapes(kind, rounded.k, hidden, true, padded, seeds, parameters, purpose)
        else:
            self._learner = TiedCoders(gradients, kind.mean, self._spans, self._real, l2)

    def epoch(self, epochs: Sequence[int]) -> None:
        """The layer learns for one epoch, and the perceptrons have its weights.

        Args:
            epochs: That each row has completed, of any kind.
        """
        train, n_rows = self._pool, len(self._rows)
        batch_size = min(self._rounded.batch_size, train.n_points)
        n_steps = -(-train.n_points // batch_size)
        kinds = train.kinds([s.input_scaling for s in self._settings])
        order = Order([row.seed for row in self._rows], epochs, train.n_points)
        self._spoiling.begin(epochs)
        n_draws = 0
        if self._tapes is not None:
            self._tapes.begin(epochs)
            n_draws = self._tapes.n_numbers
        self._descent.begin([1.0] * n_rows, self._own(epochs), n_steps)
        numbers = n_rows * (2 * train.x.shape[-1] + self._rounded.units + n_draws)
        for piece in pieces(train.n_points, batch_size, numbers):
            x, _ = train.chosen(sent(order.take(piece), self._real.device), kinds)
            points = x if self._layer == 0 else torch.stack([self._below(batch) for batch in x])
            seen = self._spoiling.spoilt(points, piece)
            weight = piece.weight(1, 1, self._real)
            tapes = None if self._tapes is None else self._tapes.take(piece)
            for step in range(piece.n_steps):
                if isinstance(self._learner, Machines):
                    assert tapes is not None
                    both = Weights(weight, weight)
                    self._learner.contrast(points[step], points[step], tapes[step], both)
                else:
                    self._learner.learn(seen[step], points[step], weight)
                self._descent.step(piece.first + step)
        self._hand_over()

    def _own(self, epochs: Sequence[int]) -> list[int]:
        """Epochs of this layer's own that each row has completed."""
        return [
            epoch - self._layer * s.epochs_per_layer(row.epochs)
            for epoch, s, row in zip(epochs, self._settings, self._rows, strict=True)
        ]

    def _below(self, x: Tensor) -> Tensor:
        """What the layers below make of inputs (K, B, D), shape (K, B, H)."""
        for layer in range(self._layer):
            weight, bias = (self._network[f"{MODULES * layer}.{n}"] for n in ("weight", "bias"))
            x = torch.baddbmm(bias.unsqueeze(1), x, weight)
            for span, activation in self._spans:
                activation.apply_(x[span])
            x = x.mul_(self._real)
        return x

    def _hand_over(self) -> None:
        """The perceptrons' layer has the weights and biases that were learnt."""
        values, name = self._descent.gradients.values, f"{MODULES * self._layer}"
        self._network[f"{name}.weight"].copy_(values[WEIGHT])
        bias, real = self._network[f"{name}.bias"], self._real.squeeze(1)
        bias.copy_(torch.where(real > 0, values[HIDDEN], bias))


class TiedCoders:
    """K denoising autoencoders of one layer whose decoder has the encoder's weights transposed.

    They minimise the negative log likelihood of the inputs: cross-entropy of probabilities, half
    the squared error of other numbers.

    Args:
        gradients: Their tensors and where the gradient goes.
        mean: Sums -> restored inputs.
        units: Contiguous rows of one activation.
        real: One for real and zero for padded hidden units, shape (K, 1, H).
        l2: Coefficient of the penalty, shape (K, 1), or None.

    Source: Vincent et al., JMLR 11 (2010).
    """

    def __init__(
        self,
        gradients: Gradients,
        mean: Mean,
        units: Spans,
        real: Tensor,
        l2: Tensor | None,
    ) -> None:
        self._gradients, self._mean, self._spans, self._real = gradients, mean, units, real
        self._l2 = l2
        self._weight = gradients.values[WEIGHT]
        self._hidden = gradients.values[HIDDEN].unsqueeze(1)
        self._visible = gradients.values[VISIBLE_BIAS].unsqueeze(1)

    def learn(self, seen: Tensor, x: Tensor, weight: Tensor) -> None:
        """Fills the gradient for restoring `x` from `seen`, both of shape (K, B, D).

        Args:
            seen: Inputs as they were spoilt.
            x: Inputs as they are.
            weight: 1 / points for real points, else 0; shape (B, 1).
        """
        code = torch.baddbmm(self._hidden, seen, self._weight)
        for span, activation in self._spans:
            activation.apply_(code[span])
        kept = code * self._real
        restored = self._mean(torch.baddbmm(self._visible, kept, self._weight.transpose(1, 2)))
        error = (restored - x).mul_(weight)
        back = torch.bmm(error, self._weight).mul_(self._real)
        for span, activation in self._spans:
            activation.backward_(back[span], code[span])
        slope = torch.bmm(seen.transpose(1, 2), back)
        slope.baddbmm_(error.transpose(1, 2), kept)
        put = self._gradients.put
        put(WEIGHT, slope, self._l2)
        put(HIDDEN, back.sum(1), None)
        put(VISIBLE_BIAS, error.sum(1), None)
