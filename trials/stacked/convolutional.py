"""K convolutional networks for images, forward and backward, without autograd.

Blocks of convolution, activation and pooling, then a layer of units and the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.stacked.activations import Spans
from trials.stacked.convolution import GroupedConvolution, PatchConvolution, Patches, Window
from trials.stacked.dropout import real_units
from trials.stacked.layout import (
    Layout,
    Part,
    after,
    convolution_name,
    linear,
    linear_names,
    norm,
)
from trials.stacked.network import Gradients
from trials.stacked.normalization import normalization
from trials.stacked.pooling import POOLINGS, SIDE, Pooling
from trials.stacked.sparsity import Sparsity
from trials.stacked.workspace import Workspace


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
        normalization: Behind every convolution, and behind the layer of units.
    """

    image: tuple[int, int, int]
    n_blocks: int
    channels: int
    kernel: int
    units: int
    n_outputs: int
    normalization: str = "none"

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
        return linear_names(self.n_blocks, self.normalization)

    def parts(self, padding: float) -> Iterator[Part]:
        """The tensors, by the names of the equivalent `torch.nn.Sequential`.

        Args:
            padding: Bias of padded outputs.
        """
        for i, block in enumerate(self.blocks):
            name, side = convolution_name(i, self.normalization), block.kernel
            yield Part(f"{name}.weight", (block.n_out, block.n_in, side, side))
            yield Part(f"{name}.bias", (block.n_out,), start=0.0)
            yield from norm(self.normalization, after(name), block.n_out)
        hidden, last = self.linear_names
        top = self.blocks[-1]
        shape = (self.units, top.n_out, *top.size_out)
        yield Part(f"{hidden}.weight", shape, order=(1, 2, 3, 0), joined=(1, 3))
        yield Part(f"{hidden}.bias", (self.units,), start=0.0)
        yield from norm(self.normalization, after(hidden), self.units)
        yield from linear(last, self.units, self.n_outputs, padding)


@dataclass(frozen=True)
class Rows:
    """K rows whose parameters are stacked.

    Attributes:
        layout: The padded shape.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        spans: Contiguous rows of one activation, in order.
        channels: True channels of the first block per row.
        units: True units per row.
        n_points: Points of a batch in training that are not padding; None for all.
        sparsity: What pulls at the activations of the layer of units; None for nothing.
    """

    layout: Layout
    parameters: Tensor
    gradient: Tensor
    spans: Spans
    channels: Sequence[int]
    units: Sequence[int]
    n_points: int | None = None
    sparsity: Sparsity | None = None

    def mask(self, counts: Sequence[int], width: int) -> Tensor | None:
        """One for real and zero for padded places; None where padding stays zero by itself."""
        is_moved = any(activation.moves_zero for _, activation in self.spans)
        if not is_moved or all(n == width for n in counts):
            return None
        return real_units(counts, width, self.parameters)


def _convolution(
    block: Block, n_rows: int, n_batch: int | None, workspace: Workspace, name: str
) -> PatchConvolution | GroupedConvolution:
    """The convolutions of a block; by patches of inputs that are batches of one size, if given."""
    if n_batch is None:
        return GroupedConvolution(n_rows, block.n_in, block.n_out, block.window, workspace, name)
    patches = Patches(block.n_in, block.size, block.window)
    return PatchConvolution(n_rows, block.n_out, n_batch, patches, workspace, name)


class _StackedBlock:
    """One block of K networks for batches of one size."""

    def __init__(
        self,
        plan: Plan,
        rows: Rows,
        gradients: Gradients,
        index: int,
        n_batch: int,
        pooling: str,
        workspace: Workspace,
    ) -> None:
        n_rows, name, block = len(rows.parameters), f"block.{index}", plan.blocks[index]
        is_first = index == 0
        self.convolution = _convolution(
            block, n_rows, n_batch if is_first else None, workspace, name
        )
        self._pooling: Pooling | None = None
        if block.is_pooled:
            self._pooling = POOLINGS[pooling](workspace, name)
        self._spans = [
            (slice(span.start * block.n_out, span.stop * block.n_out), activation)
            for span, activation in rows.spans
        ]
        channels = [n * 2**index for n in rows.channels]
        real = rows.mask(channels, block.n_out)
        self._real = None if real is None else real.view(1, -1, 1, 1)
        module = convolution_name(index, plan.normalization)
        self._names = [f"{module}.{part}" for part in ("weight", "bias")]
        self._weight, self._bias = (gradients.values[name] for name in self._names)
        self._rows, self._norm = n_rows, None
        if plan.normalization != "none":
            self._norm = normalization(
                plan.normalization,
                gradients,
                after(module),
                real_units(channels, block.n_out, rows.parameters),
                rows.n_points,
            )
        if is_first:
            self._weight = self._weight.flatten(2)
        self._y = torch.empty(0)

    def _by_row(self, y: Tensor) -> Tensor:
        """A view of images (B, K * O, height, width) as (K, B, O, places)."""
        return y.view(len(y), self._rows, -1, y.shape[2] * y.shape[3]).transpose(0, 1)

    def forward(self, x: Tensor, *, is_training: bool) -> Tensor:
        """Images, shape (B, K * O, height, width); `x` as the convolution wants it."""
        y = self._y = self.convolution.forward(x, self._weight, self._bias)
        if self._norm is not None:
            self._norm.forward(self._by_row(y), is_training=is_training)
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
        if self._norm is not None:
            self._norm.backward(self._by_row(slope))
        slopes = self.convolution.backward(slope)
        if self._norm is not None and self._norm.is_blind_to_shifts:
            slopes.bias.zero_()
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
        self._gradients = gradients = Gradients(rows.layout, rows.parameters, rows.gradient)
        self._blocks = [
            _StackedBlock(plan, rows, gradients, i, n_batch, pooling, workspace)
            for i in range(plan.n_blocks)
        ]
        values, top = gradients.values, plan.blocks[-1]
        self._names = plan.linear_names
        self._weights = [values[f"{name}.weight"].flatten(1, -2) for name in self._names]
        self._biases = [values[f"{name}.bias"].unsqueeze(1) for name in self._names]
        self._features = take("features", n_batch, top.n_out, *top.size_out)
        self._inputs = self._features.flatten(2)
        self._hidden, self._masked = (take(use, n_batch, plan.units) for use in ("hidden", "kept"))
        self._below = [take("below", *self._inputs.shape[1:]), take("slope", n_batch, plan.units)]
        self._products = [take(f"product.{i}", *w.shape[1:]) for i, w in enumerate(self._weights)]
        self._spans = rows.spans
        mask = rows.mask(rows.units, plan.units)
        self._real = None if mask is None else mask.unsqueeze(1)
        self._sparsity, self._norm = rows.sparsity, None
        if plan.normalization != "none":
            real = real_units(rows.units, plan.units, rows.parameters)
            kind, module = plan.normalization, after(self._names[0])
            self._norm = normalization(kind, gradients, module, real, rows.n_points)
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
            is_training: Makes a difference to normalization.
        """
        images = x.transpose(0, 1)
        for block in self._blocks:
            images = block.forward(images, is_training=is_training)
        self._features.copy_(images.view(self._features.transpose(0, 1).shape).transpose(0, 1))
        hidden = torch.baddbmm(self._biases[0], self._inputs, self._weights[0], out=self._hidden)
        if self._norm is not None:
            self._norm.forward(hidden.unsqueeze(3), is_training=is_training)
        for span, activation in self._spans:
            activation.apply_(hidden[span])
        self._mask = self._real if masks is None else masks[0]
        if self._mask is not None:
            hidden = torch.mul(hidden, self._mask, out=self._masked)
        self._kept = hidden
        return torch.baddbmm(self._biases[1], hidden, self._weights[1], out=out)

    def activations(self) -> Iterator[Tensor]:
        """Units of the layer behind the blocks after `forward`; see `signs.Observable`."""
        return iter((self._hidden,))

    def slopes(self) -> None:
        """The gradients at the sums into units are not kept."""

    def backward(self, slope: Tensor, decay: Tensor | None) -> None:
        """Fills the gradient for what the last `forward` computed.

        Args:
            slope: Gradient at the outputs, shape (K, B, C).
            decay: L2 coefficient per row, shape (K, 1), or None.
        """
        slope = self._linear(1, self._kept, slope, decay)
        if self._mask is not None:
            slope.mul_(self._mask)
        if self._sparsity is not None:
            self._sparsity.add(slope, self._hidden)
        for span, activation in self._spans:
            activation.backward_(slope[span], self._hidden[span])
        if self._norm is not None:
            self._norm.backward(slope.unsqueeze(3))
        slope = self._linear(0, self._inputs, slope, decay).view_as(self._features)
        if self._norm is not None and self._norm.is_blind_to_shifts:
            self._gradients.slots[f"{self._names[0]}.bias"].zero_()
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
