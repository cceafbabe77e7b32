"""The convolutional network in one dimension as a trainer: axes, tensors, stacked form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.sequences import CNN_1D as SPACE
from search_spaces.sequences import CNN_1D_SERIES
from trials.stacked.activated import Activated
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.affine import affine
from trials.stacked.autograd import AutogradNetwork
from trials.stacked.layout import (
    Part,
    after,
    convolution_name,
    linear,
    linear_names,
    norm,
    width_bucket,
)
from trials.stacked.network import Network, Site, Stack
from trials.stacked.normalization import NORMALIZATIONS
from trials.stacked.normed import Normed
from trials.stacked.recurrent import convolved
from trials.stacked.sequences import SequenceSettings, SequenceTrainer
from trials.stacked.settings import SUPERVISED_AXES

STEPS_POOLED = 2
"""Neighbouring steps of which pooling makes one."""


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """The axes of the network; those a trial does not name have these values.

    `layers` counts blocks of convolution, activation and pooling, each of `channels` channels;
    `units` is the width of the layer that follows, of the same activation. `normalization` is
    behind every convolution and behind that layer, as in the trainer mlp.
    """

    batch_size: int = 16
    layers: int = 1
    channels: int = 16
    kernel_size: int = 3
    pooling: str = "max"
    units: int = 32
    activation: str = "relu"
    normalization: str = "none"

    @property
    def linear_names(self) -> tuple[str, str]:
        """Names of the two linear modules: after flattening, and after activation and dropout."""
        return linear_names(self.layers, self.normalization)


DOMAIN = Space(
    **SUPERVISED_AXES,
    layers=Int(1, 10),
    channels=Int(1, 1024),
    kernel_size=Categorical((1, 3, 5, 7)),
    pooling=Categorical(("max", "average", "none")),
    units=Int(1, 16384),
    activation=Categorical(tuple(ACTIVATIONS)),
    normalization=Categorical(NORMALIZATIONS),
)
"""What may be asked for, far beyond what is worth trying."""


class CNN1D(SequenceTrainer[Settings]):
    """Convolutional network over the steps of series and sequences: classes and numbers.

    Weights have the names of Sequential(Conv1d, activation, MaxPool1d or AvgPool1d, ...,
    Flatten, Linear, activation, Dropout, Linear), with BatchNorm1d, or GroupNorm of one group and
    LayerNorm, before each activation of a network with normalization. A convolution keeps the
    number of steps, pooling halves it; Identity stands for pooling that is left out, or where one
    step is left.
    """

    name: ClassVar[str] = "cnn_1d"
    default_data: ClassVar[str] = "airline"
    default_epochs: ClassVar[int] = 60
    kind = Settings
    space = SPACE
    series_space: ClassVar[Space] = CNN_1D_SERIES
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("layers", "kernel_size", "pooling", "normalization")
    needs_autograd: ClassVar[bool] = True

    def padded(self, settings: Settings) -> dict[str, int]:
        """Channels and units in buckets."""
        return {
            "channels": width_bucket(settings.channels),
            "units": width_bucket(settings.units),
        }

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """Convolutions and two linear layers; padded outputs can never be chosen."""
        return tuple(self._parts(settings, inputs, n_outputs))

    def _parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Iterator[Part]:
        (n_steps, n_in), kind = inputs, settings.normalization
        for block in range(settings.layers):
            name, shape = convolution_name(block, kind), (settings.channels, n_in)
            weight = (*shape, settings.kernel_size)
            yield Part(f"{name}.weight", weight, order=(1, 2, 0))
            yield Part(f"{name}.bias", (settings.channels,), start=0.0)
            yield from norm(kind, after(name), settings.channels)
            n_in, n_steps = settings.channels, _pooled(settings, n_steps)
        hidden, last = settings.linear_names
        wide = (settings.units, n_in, n_steps)
        yield Part(f"{hidden}.weight", wide, order=(1, 2, 0), joined=(1, 2))
        yield Part(f"{hidden}.bias", (settings.units,), start=0.0)
        yield from norm(kind, after(hidden), settings.units)
        yield from linear(last, settings.units, n_outputs, self.task.loss.padding)

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units of the layer after the blocks are dropped."""
        return (Site(settings.dropout, (settings.units,)),)

    def counts_points(self, settings: Settings) -> bool:
        """Batch statistics are of real points."""
        return settings.normalization == "batch"

    def numbers(self, settings: Settings) -> int:
        """Numbers that the first block sees and makes for one point."""
        n_steps, width = self.task.inputs.padded
        widest = n_steps * max(width, settings.channels) * settings.kernel_size
        return max(super().numbers(settings), widest)

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Rows of one activation are neighbours."""
        return (settings.activation,)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""
        settings, layers = stack.padded, self._layers(stack)
        hidden, last = settings.linear_names
        idle = [f"{layer.name}.bias" for layer in layers if settings.normalization == "batch"]

        def compute(
            tensors: Mapping[str, Tensor],
            x: Tensor,
            masks: Sequence[Tensor] | None,
            is_training: bool,
        ) -> Tensor:
            tensors = {**tensors, **{name: tensors[name].detach() for name in idle}}
            steps = x.transpose(1, 2).contiguous()
            for layer in layers[:-1]:
                steps = layer(tensors, convolved(tensors, f"{layer.name}.", steps), is_training)
                if _pooled(settings, steps.shape[1]) < steps.shape[1]:
                    steps = _halved(steps, settings.pooling)
            features = steps.permute(0, 2, 3, 1).flatten(2)
            sums = affine(tensors, f"{hidden}.", features).unsqueeze(1)
            units = layers[-1](tensors, sums, is_training).squeeze(1)
            if masks is not None:
                units = units * masks[0]
            return affine(tensors, f"{last}.", units)

        return AutogradNetwork(stack, compute)

    def _layers(self, stack: Stack[Settings]) -> list[_Layer]:
        """What is behind each convolution, and behind the first linear map."""
        padded, rows = stack.padded, stack.settings
        names = [s.activation for s in rows]
        channels, units = [s.channels for s in rows], [s.units for s in rows]
        convolved = Activated(names, channels, padded.channels, stack.parameters)
        last = Activated(names, units, padded.units, stack.parameters)

        def layer(name: str, counts: list[int], width: int, activated: Activated) -> _Layer:
            normed = Normed(padded.normalization, stack, after(name), counts, width)
            return _Layer(name, normed, activated)

        blocks = [convolution_name(i, padded.normalization) for i in range(padded.layers)]
        return [
            *(layer(name, channels, padded.channels, convolved) for name in blocks),
            layer(padded.linear_names[0], units, padded.units, last),
        ]


@dataclass(frozen=True)
class _Layer:
    """What follows a convolution or a linear map of that name."""

    name: str
    normed: Normed
    activated: Activated

    def __call__(self, tensors: Mapping[str, Tensor], sums: Tensor, is_training: bool) -> Tensor:
        """The channels or units for sums of shape (K, T, B, C)."""
        return self.activated(self.normed(tensors, sums, is_training))


def _pooled(settings: Settings, n_steps: int) -> int:
    """Steps after the pooling of a block."""
    if settings.pooling == "none" or n_steps < STEPS_POOLED:
        return n_steps
    return n_steps // STEPS_POOLED


def _halved(steps: Tensor, pooling: str) -> Tensor:
    """One step of each two, shape (K, T // 2, B, C); a last one without a partner is left out.

    Args:
        steps: Shape (K, T, B, C).
        pooling: `max` or `average`.
    """
    n_rows, n_steps, *rest = steps.shape
    pairs = steps[:, : n_steps // STEPS_POOLED * STEPS_POOLED]
    first, second = pairs.reshape(n_rows, -1, STEPS_POOLED, *rest).unbind(2)
    return torch.maximum(first, second) if pooling == "max" else (first + second) * 0.5
