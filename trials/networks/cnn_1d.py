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
from trials.stacked.layout import Part, linear, width_bucket
from trials.stacked.network import Network, Site, Stack
from trials.stacked.recurrent import convolved
from trials.stacked.sequences import SequenceSettings, SequenceTrainer
from trials.stacked.settings import SUPERVISED_AXES

STEPS_POOLED = 2
"""Neighbouring steps of which pooling makes one."""

MODULES_PER_BLOCK = 3
"""Convolution, activation and pooling in the equivalent `torch.nn.Sequential`."""


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """The axes of the network; those a trial does not name have these values.

    `layers` counts blocks of convolution, activation and pooling, each of `channels` channels;
    `units` is the width of the layer that follows, of the same activation.
    """

    batch_size: int = 16
    layers: int = 1
    channels: int = 16
    kernel_size: int = 3
    pooling: str = "max"
    units: int = 32
    activation: str = "relu"


DOMAIN = Space(
    **SUPERVISED_AXES,
    layers=Int(1, 10),
    channels=Int(1, 1024),
    kernel_size=Categorical((1, 3, 5, 7)),
    pooling=Categorical(("max", "average", "none")),
    units=Int(1, 16384),
    activation=Categorical(tuple(ACTIVATIONS)),
)
"""What may be asked for, far beyond what is worth trying."""


class CNN1D(SequenceTrainer[Settings]):
    """Convolutional network over the steps of series and sequences: classes and numbers.

    Weights have the names of Sequential(Conv1d, activation, MaxPool1d or AvgPool1d, ...,
    Flatten, Linear, activation, Dropout, Linear). A convolution keeps the number of steps, pooling
    halves it; Identity stands for pooling that is left out, or where one step is left.
    """

    name: ClassVar[str] = "cnn_1d"
    default_data: ClassVar[str] = "airline"
    default_epochs: ClassVar[int] = 60
    kind = Settings
    space = SPACE
    series_space: ClassVar[Space] = CNN_1D_SERIES
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("layers", "kernel_size", "pooling")
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
        n_steps, n_in = inputs
        for block in range(settings.layers):
            name, shape = MODULES_PER_BLOCK * block, (settings.channels, n_in)
            weight = (*shape, settings.kernel_size)
            yield Part(f"{name}.weight", weight, order=(1, 2, 0))
            yield Part(f"{name}.bias", (settings.channels,), start=0.0)
            n_in, n_steps = settings.channels, _pooled(settings, n_steps)
        flatten = MODULES_PER_BLOCK * settings.layers
        wide = (settings.units, n_in, n_steps)
        yield Part(f"{flatten + 1}.weight", wide, order=(1, 2, 0), joined=(1, 2))
        yield Part(f"{flatten + 1}.bias", (settings.units,), start=0.0)
        yield from linear(f"{flatten + 4}", settings.units, n_outputs, self.task.loss.padding)

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units of the layer after the blocks are dropped."""
        return (Site(settings.dropout, (settings.units,)),)

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
        settings, rows, like = stack.padded, stack.settings, stack.parameters
        names = [s.activation for s in rows]
        channels = Activated(names, [s.channels for s in rows], settings.channels, like)
        units = Activated(names, [s.units for s in rows], settings.units, like)
        flatten = MODULES_PER_BLOCK * settings.layers

        def compute(
            tensors: Mapping[str, Tensor],
            x: Tensor,
            masks: Sequence[Tensor] | None,
            _is_training: bool,
        ) -> Tensor:
            steps = x.transpose(1, 2).contiguous()
            for block in range(settings.layers):
                steps = channels(convolved(tensors, f"{MODULES_PER_BLOCK * block}.", steps))
                if _pooled(settings, steps.shape[1]) < steps.shape[1]:
                    steps = _halved(steps, settings.pooling)
            features = steps.permute(0, 2, 3, 1).flatten(2)
            hidden = units(affine(tensors, f"{flatten + 1}.", features))
            if masks is not None:
                hidden = hidden * masks[0]
            return affine(tensors, f"{flatten + 4}.", hidden)

        return AutogradNetwork(stack, compute)


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
