"""The convolutional network as a trainer: its axes and defaults, its tensors, its stacked form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from search_spaces import Categorical, Float, Int, Space
from search_spaces.images import CNN as SPACE
from trials.data import DataError
from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.convolution import VECTOR
from trials.stacked.convolutional import ConvolutionalNetwork, Plan, Rows
from trials.stacked.layout import Part, width_bucket
from trials.stacked.network import Network, Site, Stack
from trials.stacked.normalization import NORMALIZATIONS
from trials.stacked.pooling import POOLINGS
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings
from trials.stacked.signs import HiddenUnits
from trials.stacked.sparsity import sparsity
from trials.stacked.supervised import Inputs
from trials.stacked.supervised_trainer import SupervisedTrainer


@dataclass(frozen=True)
class Settings(SupervisedSettings):
    """The axes of a convolutional network; those a trial does not name have these values.

    `layers` counts blocks of convolution, activation and pooling; the first makes `channels`
    channels, each further one twice as many. `units` is the width of the layer that follows.
    `normalization` is behind every convolution and behind that layer, `sparsity` is of the units
    of that layer; as in the trainer mlp.
    """

    learning_rate: float = 0.001
    batch_size: int = 64
    layers: int = 2
    channels: int = 8
    kernel_size: int = 3
    pooling: str = "max"
    units: int = 64
    activation: str = "relu"
    normalization: str = "none"
    sparsity: float = 0.05
    sparsity_weight: float = 0.0


DOMAIN = Space(
    **SUPERVISED_AXES,
    layers=Int(1, 10),
    channels=Int(1, 1024),
    kernel_size=Categorical((1, 3, 5, 7)),
    pooling=Categorical(tuple(POOLINGS)),
    units=Int(1, 16384),
    activation=Categorical(tuple(ACTIVATIONS)),
    normalization=Categorical(NORMALIZATIONS),
    sparsity=Float(1e-6, 0.999999),
    sparsity_weight=Float(0.0, 1e6),
)
"""What may be asked for, far beyond what is worth trying."""


class CNN(SupervisedTrainer[Settings]):
    """Convolutional network for images: classification and regression.

    Weights have the names of Sequential(Conv2d, activation, MaxPool2d or AvgPool2d, ..., Flatten,
    Linear, activation, Dropout, Linear), with BatchNorm2d or GroupNorm of one group, or
    BatchNorm1d or LayerNorm, before each activation of a network with normalization. A
    convolution keeps the size, pooling halves it; where a side is one pixel long already,
    Identity stands for the pooling.
    """

    name: ClassVar[str] = "cnn"
    default_data: ClassVar[str] = "digits"
    kind = Settings
    space = SPACE
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("layers", "kernel_size", "pooling", "normalization")

    def inputs(self, shape: tuple[int, ...]) -> Inputs:
        """A point is an image, without padding."""
        if len(shape) != 3:
            raise DataError(
                f"data: must be images for the trainer cnn, got points of shape {shape}; "
                "choose digits, a folder of IDX files or arrays (N, height, width), or trainer mlp"
            )
        return Inputs(shape, shape)

    def padded(self, settings: Settings) -> dict[str, int]:
        """Channels and units in buckets.

        Every block's images of a row are a whole number of vectors, see `VECTOR`; images of sides
        that can be halved by every block have that with any bucket.
        """
        channels = width_bucket(settings.channels)
        while any(
            block.n_out * math.prod(block.size) % VECTOR
            for block in self._plan(settings, channels).blocks
        ):
            channels *= 2
        return {"channels": channels, "units": width_bucket(settings.units)}

    def _plan(self, settings: Settings, channels: int, n_outputs: int = 1) -> Plan:
        """The shape of a network of that many channels."""
        n_channels, height, width = self.task.inputs.shape
        return Plan(
            (n_channels, height, width),
            settings.layers,
            channels,
            settings.kernel_size,
            settings.units,
            n_outputs,
            settings.normalization,
        )

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """Convolutions and two linear layers; padded outputs can never be chosen."""
        plan = self._plan(settings, settings.channels, n_outputs)
        return tuple(plan.parts(self.task.loss.padding))

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units of the layer after the blocks are dropped."""
        return (Site(settings.dropout, (settings.units,)),)

    def hidden_units(self, settings: Settings) -> HiddenUnits:
        """Those of the layer after the blocks."""
        return HiddenUnits(settings.activation, settings.units)

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Rows of one activation are neighbours."""
        return (settings.activation, settings.sparsity_weight > 0)

    def counts_points(self, settings: Settings) -> bool:
        """Batch statistics and mean activations are of real points."""
        return settings.normalization == "batch" or settings.sparsity_weight > 0

    def numbers(self, settings: Settings) -> int:
        """Numbers that the largest layer of a row holds for one point."""
        blocks = self._plan(settings, settings.channels).blocks
        images = [block.n_out * math.prod(block.size) for block in blocks]
        return max(super().numbers(settings), *images)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""
        names = [s.activation for s in stack.settings]
        rows = Rows(
            stack.layout,
            stack.parameters,
            stack.gradient,
            spans(names),
            [s.channels for s in stack.settings],
            [s.units for s in stack.settings],
            stack.n_points,
            sparsity(stack),
        )
        padded = stack.padded
        plan = self._plan(padded, padded.channels, self.task.n_outputs_padded)
        return ConvolutionalNetwork(plan, rows, n_batch, padded.pooling, stack.workspace)
