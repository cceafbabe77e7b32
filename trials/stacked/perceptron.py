"""The forward and backward pass of K perceptrons as batched products, without autograd.

Written by hand because autograd's bookkeeping costs as much as the arithmetic of a small step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trials.stacked.activations import Activation, Spans
from trials.stacked.layout import Layout
from trials.stacked.network import Gradients, Slot
from trials.stacked.normalization import Normalization
from trials.stacked.sparsity import Sparsity
from trials.stacked.workspace import Workspace


class _Link(NamedTuple):
    """One weight of neighbouring rows, from what is below a layer to the layer's sums.

    Attributes:
        rows: The rows that have it; None for all that are below.
        is_first: The inputs are below.
        weight: (R, inputs, outputs).
        transposed: (R, outputs, inputs).
        bias: (R, 1, outputs).
        product: (R, inputs, outputs), memory for the gradient.
        slot: Where the gradient goes.
    """

    rows: slice | None
    is_first: bool
    weight: Tensor
    transposed: Tensor
    bias: Tensor
    product: Tensor
    slot: Slot


class _Layer(NamedTuple):
    """Units at one distance from the outputs, of the rows that are so deep: the first R.

    Attributes:
        site: Its number among the hidden layers of the deepest row there is room for.
        links: What leads to its sums, each with its rows' part of `units` and of `slope`.
        units: (R, B, H), sums that become activations.
        masked: (R, B, H), the activations under masks.
        slope: (R, B, H), the gradient at the activations that becomes that at the sums.
        bias: (R, 1, H), where the gradient of the biases goes.
        apply: The activations with their rows of `units`.
        back: The same backwards, with their rows of `slope` and `units`.
        norm: What normalises the sums; None for nothing.
    """

    site: int
    links: list[tuple[_Link, Tensor, Tensor]]
    units: Tensor
    masked: Tensor
    slope: Tensor
    bias: Tensor
    apply: list[tuple[Activation, Tensor]]
    back: list[tuple[Activation, Tensor, Tensor]]
    norm: Normalization | None


class Perceptron:
    """K perceptrons over batches of one size, of one padded width but not of one depth.

    Row k of every result depends only on row k of the arguments. Layers are counted from the
    outputs, so that rows of all depths share the last layers; a shallow row's inputs enter where
    the deeper rows have units already.

    Args:
        layout: The padded shape of the deepest row there is room for, from `layout.chain`.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        n_batch: B.
        spans: Contiguous rows of one activation, in order.
        padding: Factors of hidden units while there is no dropout, broadcast to (K, B, H) per
            hidden layer: zero for padded units that the activation moves. None for all ones.
        workspace: Where buffers come from.
        name: Prefix of the buffers; perceptrons that share it must not be in use together.
        depths: Hidden layers of each row, none larger than the one before; all that `layout` has
            when left out.
        gradients: The views, where they were made already.
        norm: (number of a hidden layer, its rows) -> what normalises its sums; None for nothing.
        sparsity: What pulls at the activations of hidden units; None for nothing.
    """

    def __init__(
        self,
        layout: Layout,
        parameters: Tensor,
        gradient: Tensor,
        n_batch: int,
        spans: Spans,
        padding: Sequence[Tensor] | None,
        workspace: Workspace,
        name: str,
        depths: Sequence[int] | None = None,
        gradients: Gradients | None = None,
        norm: Callable[[int, int], Normalization] | None = None,
        sparsity: Sparsity | None = None,
    ) -> None:
        self._n_batch, self._spans, self._name = n_batch, spans, name
        self._take = workspace.take
        self._gradients = gradients or Gradients(layout, parameters, gradient)
        self._values = self._gradients.values
        self._weights = [part.name for part in layout.parts if part.is_weight]
        self._biases = [f"{name.removesuffix('weight')}bias" for name in self._weights]
        self._norm, self._sparsity = norm, sparsity
        n_hidden, n_rows = len(self._weights) - 1, len(parameters)
        depths = depths or [n_hidden] * n_rows
        reach = [sum(depth >= n for depth in depths) for n in range(n_hidden, 0, -1)]
        self._layers = [self._layer(site, reach) for site in range(n_hidden) if reach[site]]
        self._last = self._link(n_hidden, n_hidden, slice(0, n_rows))
        self._last_bias = self._gradients.slots[self._biases[-1]].unsqueeze(1)
        self._padding: list[Tensor] | None = None
        if padding is not None:
            self._padding = [mask[:n] for mask, n in zip(padding, reach, strict=True)]
        self._masks: Sequence[Tensor] | None = None
        self._sources: list[Tensor] = []

    def _layer(self, site: int, reach: Sequence[int]) -> _Layer:
        """The layer of rows that reach as deep as `site`."""
        width = self._values[self._biases[site]].shape[1]
        n_rows, n_before = reach[site], reach[site - 1] if site else 0
        units, masked, slope = (
            self._take(f"{self._name}.{kind}.{site}", n_rows, self._n_batch, width)
            for kind in ("units", "masked", "slope")
        )
        here = [(slice(k.start, min(k.stop, n_rows)), span) for k, span in self._spans]
        here = [(k, span) for k, span in here if k.start < k.stop]
        # rows that were there at the layer before go on, the others enter
        ways = [(site, slice(0, n_before)), (0, slice(n_before, n_rows))]
        return _Layer(
            site,
            [
                (self._link(weight, site, rows), units[rows], slope[rows])
                for weight, rows in ways
                if rows.start < rows.stop
            ],
            units,
            masked,
            slope,
            self._gradients.slots[self._biases[site]][:n_rows].unsqueeze(1),
            [(span, units[k]) for k, span in here],
            [(span, slope[k], units[k]) for k, span in here],
            None if self._norm is None else self._norm(site, n_rows),
        )

    def _link(self, weight: int, site: int, rows: slice) -> _Link:
        """The weight of that number in the layout, for the sums at `site`."""
        name = self._weights[weight]
        value = self._values[name]
        part = value[rows]
        is_first = weight == 0
        product = self._take(f"{self._name}.product.{site}.{is_first}", *part.shape)
        is_whole = not is_first or rows == slice(0, len(value))
        return _Link(
            None if is_whole else rows,
            is_first,
            part,
            part.transpose(1, 2),
            self._values[self._biases[site]][rows].unsqueeze(1),
            product,
            self._gradients.slot(name, rows),
        )

    def forward(
        self, x: Tensor, masks: Sequence[Tensor] | None, out: Tensor, *, is_training: bool = True
    ) -> Tensor:
        """Outputs for `x`, shape (K, B, D), written into `out`, shape (K, B, C).

        Args:
            x: Inputs; read again by `backward`.
            masks: Factors of each hidden layer's units under dropout, shape (R, B, H), zero for
                padded units; None for no dropout.
            out: Contiguous memory for the result.
            is_training: Makes a difference to normalization.
        """
        self._masks = masks = self._padding if masks is None else masks
        self._sources = []
        below = x
        for layer in self._layers:
            for link, sums, _ in layer.links:
                self._sum(link, x if link.is_first else below, sums)
            if layer.norm is not None:
                layer.norm.forward(layer.units.unsqueeze(3), is_training=is_training)
            for activation, rows in layer.apply:
                activation.apply_(rows)
            below = layer.units
            if masks is not None:
                below = torch.mul(below, masks[layer.site], out=layer.masked)
        return self._sum(self._last, below, out)

    def _sum(self, link: _Link, source: Tensor, sums: Tensor) -> Tensor:
        if link.rows is not None:
            source = source[link.rows]
        self._sources.append(source)
        return torch.baddbmm(link.bias, source, link.weight, out=sums)

    def backward(self, slope: Tensor, decay: Tensor | None = None) -> None:
        """Fills the gradient for what the last `forward` computed.

        Args:
            slope: Gradient at the outputs, shape (K, B, C).
            decay: L2 coefficient per row, shape (K, 1); decay * weight joins the gradient of the
                weights while they are copied, at no cost of its own.
        """
        self._fill(self._last, slope, decay)
        torch.sum(slope, 1, keepdim=True, out=self._last_bias)
        above = (self._last, slope)
        for layer in reversed(self._layers):
            self._descend(layer, *above)
            for link, _, part in reversed(layer.links):
                self._fill(link, part, decay)
                above = (link, part)
            torch.sum(layer.slope, 1, keepdim=True, out=layer.bias)
            if layer.norm is not None and layer.norm.is_blind_to_shifts:
                layer.bias.zero_()

    def _fill(self, link: _Link, slope: Tensor, decay: Tensor | None) -> None:
        """The gradient of a link's weight is in its slot."""
        torch.bmm(self._sources.pop().transpose(1, 2), slope, out=link.product)
        link.slot.put(link.product, decay)

    def _descend(self, layer: _Layer, link: _Link, slope: Tensor) -> None:
        """The layer has the gradient at its sums, from that at the other end of `link`."""
        torch.bmm(slope, link.transposed, out=layer.slope)
        if self._masks is not None:
            layer.slope.mul_(self._masks[layer.site])
        if self._sparsity is not None:
            self._sparsity.add(layer.slope, layer.units)
        for activation, rows, outputs in layer.back:
            activation.backward_(rows, outputs)
        if layer.norm is not None:
            layer.norm.backward(layer.slope.unsqueeze(3))

    def activations(self) -> Iterator[Tensor]:
        """Units of each hidden layer after `forward`; see `signs.Observable`."""
        return (layer.units for layer in self._layers)

    def slopes(self) -> tuple[Sequence[Tensor], Tensor] | None:
        """Gradients at the first and the last hidden layers after `backward`; see there."""
        first = [part for n in self._layers for link, _, part in n.links if link.is_first]
        return (first, self._layers[-1].slope) if first else None

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the inputs, shape (K, B, D), for that at the outputs, (K, B, C)."""
        n_inputs = self._values[self._weights[0]].shape[1]
        found = self._take(f"{self._name}.inputs", len(slope), self._n_batch, n_inputs)
        above = (self._last, slope)
        for layer in reversed(self._layers):
            self._descend(layer, *above)
            for link, _, part in reversed(layer.links):
                above = (link, part)
                if link.is_first:
                    rows = slice(0, len(found)) if link.rows is None else link.rows
                    torch.bmm(part, link.transposed, out=found[rows])
        if not self._layers:
            torch.bmm(slope, self._last.transposed, out=found)
        return found
