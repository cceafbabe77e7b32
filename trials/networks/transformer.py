"""The transformer as a trainer: its axes and defaults, its tensors, its stacked form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.sequences import TRANSFORMER as SPACE
from search_spaces.sequences import TRANSFORMER_SERIES
from trials.stacked.affine import affine
from trials.stacked.attention import Encoders, Shape, sines
from trials.stacked.autograd import AutogradNetwork
from trials.stacked.layout import LANES, Part
from trials.stacked.network import Network, Site, Stack
from trials.stacked.sequences import SequenceSettings, SequenceTrainer
from trials.stacked.settings import SUPERVISED_AXES

POSITIONS = ("none", "sine", "learnt")
SUMMARIES = ("mean", "last")


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """The axes of a transformer; those a trial does not name have these values.

    `units` is the width of one head; the model is `heads` times as wide, and the inner map of a
    layer `feed_forward` times that.
    """

    learning_rate: float = 0.003
    batch_size: int = 16
    initializer: str = "xavier_uniform"
    heads: int = 2
    units: int = 8
    layers: int = 1
    feed_forward: int = 2
    position: str = "sine"
    summary: str = "mean"


DOMAIN = Space(
    **SUPERVISED_AXES,
    heads=Int(1, 64),
    units=Int(1, 1024),
    layers=Int(1, 16),
    feed_forward=Int(1, 16),
    position=Categorical(POSITIONS),
    summary=Categorical(SUMMARIES),
)
"""What may be asked for, far beyond what is worth trying."""


class Transformer(SequenceTrainer[Settings]):
    """Small transformer encoder for series and sequences: classes and numbers.

    Weights have the names of a module with `embed`, a Linear, perhaps `position`, a parameter
    (T, E), `encoder`, a torch.nn.TransformerEncoder whose layers normalise behind each sum, and
    `head`, a Linear that reads the mean of all steps or the last.
    """

    name: ClassVar[str] = "transformer"
    default_data: ClassVar[str] = "digits"
    kind = Settings
    space = SPACE
    series_space: ClassVar[Space] = TRANSFORMER_SERIES
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = (
        *("heads", "layers", "feed_forward", "position", "summary"),
    )
    needs_autograd: ClassVar[bool] = True

    def padded(self, settings: Settings) -> dict[str, int]:
        """Units of a head in buckets of which all heads together fill whole lanes."""
        units = LANES // settings.heads if LANES % settings.heads == 0 else LANES
        while units < settings.units:
            units *= 2
        return {"units": units}

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """An embedding, perhaps positions, layers, a linear map; padded outputs never win."""
        return tuple(self._parts(settings, inputs, n_outputs))

    def _parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Iterator[Part]:
        shape = self._shape(settings)
        if settings.position == "learnt":
            yield Part("position", (inputs[0], shape.heads, shape.units), joined=(1, 2))
        yield from shape.into("embed", inputs[-1])
        for layer in range(shape.layers):
            yield from shape.layer(f"encoder.layers.{layer}")
        yield from shape.out("head", n_outputs, self.task.loss.padding)

    def _shape(self, settings: Settings) -> Shape:
        return Shape(settings.heads, settings.units, settings.layers, settings.feed_forward)

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units are dropped from what attention and inner map of each layer add."""
        shape = (self.task.inputs.shape[0], settings.heads, settings.units)
        return (Site(settings.dropout, shape),) * (2 * settings.layers)

    def numbers(self, settings: Settings) -> int:
        """Numbers that the widest layer holds for one point."""
        n_steps, width = self.task.inputs.shape[0], settings.heads * settings.units
        widest = n_steps * max(3, settings.feed_forward) * width
        return max(super().numbers(settings), widest, settings.heads * n_steps**2)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""
        settings, n_steps = stack.padded, self.task.inputs.shape[0]
        shape, units = self._shape(settings), [s.units for s in stack.settings]
        encoders = Encoders(shape, units, stack.parameters)
        waves: Tensor | None = None
        if settings.position == "sine":
            waves = sines(n_steps, shape.heads, units, shape.units, stack.parameters)

        def compute(
            tensors: Mapping[str, Tensor],
            x: Tensor,
            masks: Sequence[Tensor] | None,
            _is_training: bool,
        ) -> Tensor:
            steps = affine(tensors, "embed.", x)
            if waves is not None:
                steps = steps + waves
            elif settings.position == "learnt":
                steps = steps + tensors["position"].unsqueeze(1)
            if masks is not None:
                masks = [mask.flatten(3) for mask in masks]
            states = encoders.forward(tensors, steps, masks)
            last = settings.summary == "last"
            summary = states[:, :, -1] if last else states.sum(2) * (1.0 / n_steps)
            return affine(tensors, "head.", summary)

        return AutogradNetwork(stack, compute)
