"""The recurrent network as a trainer: its axes and defaults, its tensors, its stacked form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.sequences import RNN as SPACE
from search_spaces.sequences import RNN_SERIES
from trials.stacked.affine import affine
from trials.stacked.autograd import AutogradNetwork
from trials.stacked.cells import CELLS
from trials.stacked.layout import Part, linear, norm, width_bucket
from trials.stacked.network import Network, Site, Stack
from trials.stacked.normed import Normed
from trials.stacked.recurrent import convolved, recurrent
from trials.stacked.sequences import SequenceSettings, SequenceTrainer
from trials.stacked.settings import SUPERVISED_AXES

KERNEL = 3
"""Steps that a unit of the convolution in front sees."""


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """The axes of a recurrent network; those a trial does not name have these values.

    `units` is the width of every layer, and of the convolution where `front` is conv.
    `normalization` is of the states that are read, each by itself.
    """

    batch_size: int = 16
    initializer: str = "xavier_uniform"
    cell: str = "lstm"
    layers: int = 1
    units: int = 32
    front: str = "none"
    normalization: str = "none"


DOMAIN = Space(
    **SUPERVISED_AXES,
    cell=Categorical(tuple(CELLS)),
    layers=Int(1, 16),
    units=Int(1, 4096),
    front=Categorical(("none", "conv")),
    normalization=Categorical(("none", "layer")),
)
"""What may be asked for, far beyond what is worth trying."""


class RNN(SequenceTrainer[Settings]):
    """Recurrent network (LSTM, GRU, plain) for series and sequences: classes and numbers.

    Many to one, and many to many where data have an answer for each step. Weights have the names
    of a module with `recurrent`, a torch.nn.LSTM, GRU or RNN, `head`, a Linear that reads the last
    state, or each, and perhaps `front`, a Conv1d before a ReLU, and `norm`, a LayerNorm before the
    head.
    """

    name: ClassVar[str] = "rnn"
    default_data: ClassVar[str] = "airline"
    default_epochs: ClassVar[int] = 60
    kind = Settings
    space = SPACE
    series_space: ClassVar[Space] = RNN_SERIES
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("cell", "layers", "front", "normalization")
    needs_autograd: ClassVar[bool] = True
    may_answer_steps: ClassVar[bool] = True

    def padded(self, settings: Settings) -> dict[str, int]:
        """Units in buckets."""
        return {"units": width_bucket(settings.units)}

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """Perhaps a convolution, recurrent layers, a linear layer; padded outputs never win."""
        return tuple(self._parts(settings, inputs[-1], n_outputs))

    def _parts(self, settings: Settings, n_in: int, n_outputs: int) -> Iterator[Part]:
        units, n_gates = settings.units, CELLS[settings.cell].n_gates
        if settings.front == "conv":
            yield Part("front.weight", (units, n_in, KERNEL), order=(1, 2, 0))
            yield Part("front.bias", (units,), start=0.0)
            n_in = units
        for layer in range(settings.layers):
            for kind, width in (("ih", n_in), ("hh", units)):
                shape = (n_gates, units, width)
                name = f"recurrent.weight_{kind}_l{layer}"
                yield Part(name, shape, order=(2, 0, 1), joined=(2, 1))
            for kind in ("ih", "hh"):
                name = f"recurrent.bias_{kind}_l{layer}"
                yield Part(name, (n_gates, units), joined=(2,), start=0.0)
            n_in = units
        yield from norm(settings.normalization, "norm", units)
        yield from linear("head", units, n_outputs, self.task.loss.padding)

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units are dropped between layers, and from the states that are read."""
        n_steps = self.task.inputs.shape[0]
        between = Site(settings.dropout, (n_steps, settings.units))
        last = between if self._reads_steps else Site(settings.dropout, (settings.units,))
        return (between,) * (settings.layers - 1) + (last,)

    @property
    def _reads_steps(self) -> bool:
        """Whether every state is read."""
        return self.task.n_answers > 1

    def numbers(self, settings: Settings) -> int:
        """Numbers that the gates of one layer hold for one point."""
        n_gates = CELLS[settings.cell].n_gates
        return max(super().numbers(settings), self.task.inputs.shape[0] * n_gates * settings.units)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""
        settings, reads_steps = stack.padded, self._reads_steps
        cell, units = CELLS[settings.cell], [s.units for s in stack.settings]
        normed = Normed(settings.normalization, stack, "norm", units, settings.units)

        def compute(
            tensors: Mapping[str, Tensor],
            x: Tensor,
            masks: Sequence[Tensor] | None,
            is_training: bool,
        ) -> Tensor:
            steps = x.transpose(1, 2).contiguous()
            if settings.front == "conv":
                steps = convolved(tensors, "front.", steps).relu()
            states = recurrent(cell, settings.layers, tensors, steps, masks)
            read = states.transpose(1, 2) if reads_steps else states[:, -1:].transpose(1, 2)
            alone = read.flatten(1, 2).unsqueeze(1)
            read = normed(tensors, alone, is_training).view(read.shape)
            if masks is not None:
                read = read * masks[-1].view(read.shape)
            return affine(tensors, "head.", read.flatten(1, 2))

        return AutogradNetwork(stack, compute)
