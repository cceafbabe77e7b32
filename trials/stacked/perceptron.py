"""The forward and backward pass of K perceptrons as batched products, without autograd.

Written by hand because autograd's bookkeeping costs as much as the arithmetic of a small step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.activations import Activation
from trials.stacked.layout import Layout
from trials.stacked.workspace import Workspace


class Views:
    """Layers of a flat (K, P) tensor, made once because a view costs as much as a small product.

    Attributes:
        weights: (K, inputs, outputs) per layer.
        transposed: (K, outputs, inputs) per layer.
        blocks: (K, inputs * outputs) per layer.
        biases: (K, 1, outputs) per layer.
    """

    def __init__(self, layout: Layout, flat: Tensor) -> None:
        self.weights = layout.weights(flat)
        self.transposed = [weight.transpose(1, 2) for weight in self.weights]
        self.blocks = [weight.flatten(1) for weight in self.weights]
        self.biases = layout.biases(flat)


class Perceptron:
    """K perceptrons of one padded shape over batches of one size.

    Row k of every result depends only on row k of the arguments.

    Args:
        layout: The padded shape.
        n_rows: K.
        n_batch: B.
        spans: Contiguous rows of one activation, in order.
        workspace: Where buffers come from.
        name: Prefix of the buffers; perceptrons that share it must not be in use together.
    """

    def __init__(
        self,
        layout: Layout,
        n_rows: int,
        n_batch: int,
        spans: Sequence[tuple[slice, Activation]],
        workspace: Workspace,
        name: str,
    ) -> None:
        def buffers(kind: str, widths: Sequence[int]) -> list[Tensor]:
            return [
                workspace.take(f"{name}.{kind}.{layer}", n_rows, n_batch, width)
                for layer, width in enumerate(widths)
            ]

        widths = layout.widths
        self._hidden = buffers("hidden", widths[1:-1])
        self._masked = buffers("masked", widths[1:-1])
        self._gradients = buffers("gradient", widths[:-1])
        self._products = [
            workspace.take(f"{name}.product.{layer}", n_rows, n_in, n_out)
            for layer, (n_in, n_out) in enumerate(itertools.pairwise(widths))
        ]
        self._apply = [[(span.apply_, h[k]) for k, span in spans] for h in self._hidden]
        self._backward = [
            [(span.backward_, gradient[k], h[k]) for k, span in spans]
            for gradient, h in zip(self._gradients[1:], self._hidden, strict=True)
        ]
        self._inputs: list[Tensor] = []

    def forward(
        self, x: Tensor, views: Views, masks: Sequence[Tensor] | None, out: Tensor
    ) -> Tensor:
        """Outputs for `x`, shape (K, B, D), written into `out`, shape (K, B, C).

        Args:
            x: Inputs; read again by `backward`.
            views: The parameters.
            masks: Factors of each hidden layer's units, broadcast to (K, B, H): dropout, and
                zero for padded units. None means all ones.
            out: Contiguous memory for the result.
        """
        self._inputs = [x]
        for layer, hidden in enumerate(self._hidden):
            torch.baddbmm(views.biases[layer], x, views.weights[layer], out=hidden)
            for apply_, rows in self._apply[layer]:
                apply_(rows)
            x = hidden
            if masks is not None:
                x = torch.mul(hidden, masks[layer], out=self._masked[layer])
            self._inputs.append(x)
        return torch.baddbmm(views.biases[-1], x, views.weights[-1], out=out)

    def backward(
        self,
        gradient: Tensor,
        views: Views,
        masks: Sequence[Tensor] | None,
        into: Views | None,
        decay: Tensor | None = None,
        to_input: bool = False,
    ) -> Tensor:
        """Gradients of what the last `forward` computed.

        Args:
            gradient: Gradient at the outputs, shape (K, B, C).
            views: The parameters.
            masks: Those of `forward`.
            into: Receives the gradients of the parameters, unless None.
            decay: L2 coefficient per row, shape (K, 1); decay * weight joins the gradient of the
                weights while they are copied, at no cost of its own.
            to_input: The gradient at the inputs is wanted.

        Returns:
            The gradient at the inputs, shape (K, B, D), if `to_input`; else at the first hidden
            layer's sums (or at the outputs where there is no hidden layer).
        """
        for layer in reversed(range(len(self._inputs))):
            if into is not None:
                product = self._products[layer]
                torch.bmm(self._inputs[layer].transpose(1, 2), gradient, out=product)
                if decay is None:
                    into.weights[layer].copy_(product)
                else:
                    block = views.blocks[layer]
                    torch.addcmul(product.flatten(1), block, decay, out=into.blocks[layer])
                torch.sum(gradient, 1, keepdim=True, out=into.biases[layer])
            if layer == 0 and not to_input:
                break
            below = self._gradients[layer]
            torch.bmm(gradient, views.transposed[layer], out=below)
            gradient = below
            if layer > 0:
                if masks is not None:
                    gradient.mul_(masks[layer - 1])
                for backward_, rows, outputs in self._backward[layer - 1]:
                    backward_(rows, outputs)
        return gradient
