"""What a supervised network says of itself: its tensors, and which rows of it may be stacked."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from trials.stacked.layout import Layout, Part
from trials.stacked.network import Network, Site, Stack
from trials.stacked.settings import SupervisedSettings
from trials.stacked.signs import HiddenUnits
from trials.stacked.supervised import Inputs, Task, flat_inputs

S = TypeVar("S", bound=SupervisedSettings)


class Architecture(ABC, Generic[S]):
    """A kind of network, of many sizes.

    Attributes:
        kind: The dataclass of the settings; its fields are the axes, with their defaults.
        separating: Axes whose values must be equal for rows to share a cohort.
        needs_autograd: The network calls autograd, which inference mode refuses.
        may_answer_steps: The networks can have an answer for each step of a point: outputs are
            then (K, B * T, C), those of a point one after the other.
        task: What is learnt.
    """

    kind: type[S]
    separating: ClassVar[tuple[str, ...]] = ()
    needs_autograd: ClassVar[bool] = False
    may_answer_steps: ClassVar[bool] = False
    task: Task

    def inputs(self, shape: tuple[int, ...]) -> Inputs:
        """How the network wants a point of the data's `shape`: as a vector in whole lanes."""
        return flat_inputs(shape)

    @abstractmethod
    def padded(self, settings: S) -> dict[str, int]:
        """Axes that are rounded up for stacking -> the rounded values.

        They depend on `settings` alone. Rows of equal batch size and rounded values are stacked.
        """

    @abstractmethod
    def parts(self, settings: S, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """The tensors of one network, in the order of the equivalent torch.nn model.

        Called with a row's own settings for the true shapes, and for the padded ones with
        rounded settings, the padded shape of a point and the padded number of outputs; only the
        separating and the rounded axes may be read.
        """

    @abstractmethod
    def network(self, stack: Stack[S], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""

    def sites(self, settings: S) -> Sequence[Site]:
        """Where units are dropped, in order; true shapes or, for rounded settings, padded ones."""
        return ()

    def counts_points(self, settings: S) -> bool:
        """Whether what the network does to a point depends on the others of its batch."""
        return False

    def hidden_units(self, settings: S) -> HiddenUnits | None:
        """What is watched for signs of failure; None where the networks do not show it."""
        return None

    def rank(self, settings: S) -> tuple[Any, ...]:
        """Rows of one optimizer are ordered by it, so that like rows are neighbours."""
        return ()

    def numbers(self, settings: S) -> int:
        """About how many numbers the largest layer of a row holds for one point."""
        sizes = [math.prod(site.shape) for site in self.sites(settings)]
        n_said = self.task.n_outputs_padded * self.task.n_answers
        return max(math.prod(self.task.inputs.padded), n_said, *sizes)

    def rounded(self, settings: S) -> S:
        """Defaults but for the batch size, the separating and the rounded axes of `settings`."""
        axes = ("batch_size", *self.separating)
        kept = {axis: getattr(settings, axis) for axis in axes}
        return self.kind(**(kept | self.padded(settings)))

    def true_layout(self, settings: S) -> Layout:
        """The tensors of a row as they are without padding."""
        return self._layout(settings, self.task.inputs.shape, self.task.n_outputs)

    def padded_layout(self, rounded: S) -> Layout:
        """The tensors of a row as they are stacked."""
        return self._layout(rounded, self.task.inputs.padded, self.task.n_outputs_padded)

    def columns(self, settings: S) -> slice:
        """Where the row's numbers lie in the room that its stack has for a row."""
        return self.padded_layout(self.rounded(settings)).columns(self.true_layout(settings))

    def _layout(self, settings: S, inputs: tuple[int, ...], n_outputs: int) -> Layout:
        axes = (*self.separating, *self.padded(settings))
        key = (inputs, n_outputs, *(getattr(settings, axis) for axis in axes))
        if key not in self._layouts:
            self._layouts[key] = Layout(tuple(self.parts(settings, inputs, n_outputs)))
        return self._layouts[key]

    @cached_property
    def _layouts(self) -> dict[tuple[Any, ...], Layout]:
        """Layouts that were asked for; few, and each is dearer than a step of a small network."""
        return {}
