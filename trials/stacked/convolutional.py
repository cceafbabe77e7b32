"""K convolutional networks for images, forward and backward, without autograd.

Blocks of convolution, activation and pooling, then a layer of units and the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.stacked.activations import Activation
from trials.stacked.convolution import GroupedConvolution, PatchConvolution, Patches, Window
from trials.stacked.layout import Layout, Part, linear
from trials.stacked.network import Gradients
from trials.stacked.pooling import POOLINGS, SIDE, Pooling
from trials.stacked.workspace import Workspace

Spans = Sequence[tuple[slice, Activation]]

MODULES_PER_BLOCK = 3
"""Convolution, activation and pooling in the equivalent `torch.nn.Sequential`."""


@dataclass(frozen=True)
class Block:
    """A convolution that keeps the size, an activation, and pooling.

    Attributes:
        n_in: Channels of its images.
        n_out: Channels that it makes.
        size: Height and width of its images.
        kernel: Side of the convolution's window, odd.
    """

    n_in: int
    n_out: int
    size: tuple[int, int]
    kernel: int

    @property
    def is_pooled(self) -> bool:
        """Whether there are two pixels along each side; else pooling does nothing."""
        return min(self.size) >= SIDE

    @property
    def size_out(self) -> tuple[int, int]:
        """Height and width of what it makes."""
        height, width = self.size
        return (height // SIDE, width // SIDE) if self.is_pooled else self.size

    @property
    def window(self) -> Window:
        """What a unit of the convolution sees."""
        return Window(self.kernel, 1, self.kernel // 2)


@dataclass(frozen=True)
class Plan:
    """The shape of a convolutional network.

    Attributes:
        image: Channels, height and width.
        n_blocks: At least 1.
        channels: That the first block makes; each further block makes twice as many.
        kernel: Side of the convolutions' windows, odd.
        units: Of the layer between the blocks and the outputs.
        n_outputs: C.
    """

    image: tuple[int, int, int]
    n_blocks: int
    channels: int
    kernel: int
    units: int
    n_outputs: int

    @property
    def blocks(self) -> list[Block]:
        """The blocks in order."""
        n_in, size = self.image[0], self.image[1:]
        found = []
        for i in range(self.n_blocks):
            found.append(Block(n_in, self.channels * 2**i, size, self.kernel))
            n_in, size = found[-1].n_out, found[-1].size_out
        return found

    @property
    def linear_names(self) -> tuple[str, str]:
        """Names of the two linear modules: after flattening, and after activation and dropout."""
        flatten = self.n_blocks * MODULES_PER_BLOCK
        return str(flatten + 1), str(flatten + 4)

    def parts(self, padding: float) -> Iterator[Part]:
        """The tensors, by the names of the equivalent `torch.nn.Sequential`.

        Args:
            padding: Bias of padded outputs.
        """
        for i, block in enumerate(self.blocks):
            name, side = MODULES_PER_BLOCK * i, block.kernel
            yield Part(f"{name}.weight", (block.n_out, block.n_in, side, side))
            yield Part(f"{name}.bias", (block.n_out,), start=0.0)
        hidden, last = self.linear_names
        top = self.blocks[-1]
        shape = (self.units, top.n_out, *top.size_out)
        yield Part(f"{hidden}.weight", shape, order=(1, 2, 3, 0), joined=(1, 3))
        yield Part(f"{hidden}.bias", (self.units,), start=0.0)
        yield from linear(last, self.units, self.n_outputs, padding)


@dataclass(frozen=True)
class Rows:
    """K rows whose parameters are stacked.

    Attributes:
        layout: The padded shape.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        spans: Contiguous rows of one activation, in order.
        channels: True channels of the first block per row, where an activation moves zero.
        units: True units per row, where an activation moves zero.
    """

    layout: Layout
    parameters: Tensor
    gradient: Tensor
    spans: Spans
    channels: Sequence[int] | None
    units: Sequence[int] | None

    def real(self, counts: Sequence[int] | None, width: int) -> Tensor | None:
        """One for real and zero for padded places, shape (K, width); None where padding is zero."""
        if counts is None or all(n == width for n in counts):
            return None
        return (torch.arange(width) < torch.tensor(counts).unsqueeze(1)).to(self.parameters)


class _StackedBlock:
    """One block of K networks for batches of one size."""

    def __init__(
        self, block: Block, rows: Rows, index: int, n_batch: int, pooling: str, workspace: Workspace
    ) -> None:
        n_rows, name = len(rows.parameters), f"block.{index}"
        self.convolution: PatchConvolution | GroupedConvolution
        if index == 0:
            patches = Patches(block.n_in, block.size, block.window)
            self.convolution = PatchConvolution(
                n_rows, block.n_out, n_batch, patches, workspace, name
            )
        else:
            self.convolution = GroupedConvolution(
                n_rows, block.n_in, block.n_out, block.window, workspace, name
            )
        self._pooling: Pooling | None = None
        if block.is_pooled:
            self._pooling = POOLINGS[pooling](workspace, name)
        self._spans = [
            (slice(span.start * block.n_out, span.stop * block.n_out), activation)
            for span, activation in rows.spans
        ]
        channels = None if rows.channels is None else [n * 2**index for n in rows.channels]
        real = rows.real(channels, block.n_out)
        self._real = None if real is None else real.view(1, -1, 1, 1)
        values = rows.layout.views(rows.parameters)
        self._names = [f"{index * MODULES_PER_BLOCK}.{part}" for part in ("weight", "bias")]
        self._weight, self._bias = (values[name] for name in self._names)
        if index == 0:
            self._weight = self._weight.flatten(2)
        self._y = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """Images, shape (B, K * O, height, width); `x` as the convolution wants it."""
        y = self._y = self.convolution.forward(x, self._weight, self._bias)
        for columns, activation in self._spans:
            activation.apply_(y[:, columns])
        if self._real is not None:
            y.mul_(self._real)
        return y if self._pooling is None else self._pooling.forward(y)

    def backward(
        self, slope: Tensor, into: Gradients, decay: Tensor | None, to_input: bool
    ) -> Tensor | None:
        """The gradient at the inputs if wanted; those of the parameters go `into` their slots."""
        if self._pooling is not None:
            slope = self._pooling.backward(slope)
        if self._real is not None:
            slope.mul_(self._real)
        for columns, activation in self._spans:
            activation.backward_(slope[:, columns], self._y[:, columns])
        slopes = self.convolution.backward(slope)
        weight, bias = self._names
        into.put(weight, slopes.weight.view_as(into.slots[weight]), decay)
        into.put(bias, slopes.bias, None)
        return self.convolution.through(slope) if to_input else None


class ConvolutionalNetwork:
    """K convolutional networks of one padded shape over batches of one size; a `Network`.

    Args:
        plan: The padded shape.
        rows: What is stacked.
        n_batch: B.
        pooling: Name of the pooling.
        workspace: Where buffers come from.
    """

    def __init__(
        self, plan: Plan, rows: Rows, n_batch: int, pooling: str, workspace: Workspace
    ) -> None:
        def take(use: str, *shape: int) -> Tensor:
            return workspace.take(f"head.{use}", n_rows, *shape)

        n_rows = len(rows.parameters)
        self._blocks = [
            _StackedBlock(block, rows, i, n_batch, pooling, workspace)
            for i, block in enumerate(plan.blocks)
        ]
        self._gradients = Gradients(rows.layout, rows.parameters, rows.gradient)
        values, top = rows.layout.views(rows.parameters), plan.blocks[-1]
        self._names = plan.linear_names
        self._weights = [values[f"{name}.weight"].flatten(1, -2) for name in self._names]
        self._biases = [values[f"{name}.bias"].unsqueeze(1) for name in self._names]
        self._features = take("features", n_batch, top.n_out, *top.size_out)
        self._inputs = self._features.flatten(2)
        self._hidden, self._masked = (take(use, n_batch, plan.units) for use in ("hidden", "kept"))
        self._below = [take("below", *self._inputs.shape[1:]), take("slope", n_batch, plan.units)]
        self._products = [take(f"product.{i}", *w.shape[1:]) for i, w in enumerate(self._weights)]
        self._spans = rows.spans
        real = rows.real(rows.units, plan.units)
        self._real = None if real is None else real.unsqueeze(1)
        self._mask: Tensor | None = None
        self._kept = self._hidden

    def forward(
        self, x: Tensor, masks: Sequence[Tensor] | None, out: Tensor, *, is_training: bool = True
    ) -> Tensor:
        """Outputs for `x`, shape (K, B, channels, height, width), in `out`, shape (K, B, C).

        Args:
            x: Images.
            masks: Factors of the units under dropout, one tensor (K, B, H), zero for padded
                units; None for no dropout.
            out: Contiguous memory for the result.
            is_training: Makes no difference here.
        """
        images = x.transpose(0, 1)
        for block in self._blocks:
            images = block.forward(images)
        self._features.copy_(images.view(self._features.transpose(0, 1).shape).transpose(0, 1))
        hidden = torch.baddbmm(self._biases[0], self._inputs, self._weights[0], out=self._hidden)
        for span, activation in self._spans:
            activation.apply_(hidden[span])
        self._mask = self._real if masks is None else masks[0]
        if self._mask is not None:
            hidden = torch.mul(hidden, self._mask, out=self._masked)
        self._kept = hidden
        return torch.baddbmm(self._biases[1], hidden, self._weights[1], out=out)

    def backward(self, slope: Tensor, decay: Tensor | None) -> None:
        """Fills the gradient for what the last `forward` computed.

        Args:
            slope: Gradient at the outputs, shape (K, B, C).
            decay: L2 coefficient per row, shape (K, 1), or None.
        """
        slope = self._linear(1, self._kept, slope, decay)
        if self._mask is not None:
            slope.mul_(self._mask)
        for span, activation in self._spans:
            activation.backward_(slope[span], self._hidden[span])
        slope = self._linear(0, self._inputs, slope, decay).view_as(self._features)
        below: Tensor | None = slope.transpose(0, 1).flatten(1, 2)
        for i, block in reversed(list(enumerate(self._blocks))):
            assert below is not None
            below = block.backward(below, self._gradients, decay, to_input=i > 0)

    def _linear(self, layer: int, x: Tensor, slope: Tensor, decay: Tensor | None) -> Tensor:
        """The gradient at the inputs `x` of a linear layer; those of its parameters are put."""
        name, product = self._names[layer], self._products[layer]
        torch.bmm(x.transpose(1, 2), slope, out=product)
        weight = f"{name}.weight"
        self._gradients.put(weight, product.view_as(self._gradients.slots[weight]), decay)
        self._gradients.put(f"{name}.bias", slope.sum(1), None)
        return torch.bmm(slope, self._weights[layer].transpose(1, 2), out=self._below[layer])
