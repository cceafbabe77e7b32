"""Players of two perceptrons side by side: translators there and back, and their two judges.

By autograd, since translators learn through each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.gans.adversarial import Extent
from trials.gans.perceptrons import FUNCTIONS
from trials.stacked.layout import Layout, Part, linear

TRANSLATORS = ("to_a", "to_b")
JUDGES = ("of_a", "of_b")


def twin_layout(names: Sequence[str], widths: Sequence[int]) -> Layout:
    """The layout of two Sequential(Linear, activation, ..., Linear)."""
    parts: list[Part] = []
    for name in names:
        for layer in range(len(widths) - 1):
            parts += linear(f"{name}.{2 * layer}", widths[layer], widths[layer + 1])
    return Layout(tuple(parts))


@dataclass(frozen=True)
class TwinForm:
    """What two perceptrons are.

    Attributes:
        layout: From `twin_layout`.
        n_layers: Linear layers of each.
        spans: Neighbouring rows of one activation, its name first.
        leak: Slope of leaky_relu below zero, (K, 1, 1).
        n_pixels: Of one image; a point is one image of each style.
    """

    layout: Layout
    n_layers: int
    spans: Sequence[tuple[str, slice]]
    leak: Tensor
    n_pixels: int

    def computed(self, leaves: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
        """Outputs of one of the two for `x`, (K, B, inputs)."""
        for layer in range(self.n_layers):
            weight, bias = (leaves[f"{name}.{2 * layer}.{kind}"] for kind in ("weight", "bias"))
            x = torch.baddbmm(bias.unsqueeze(1), x, weight)
            if layer < self.n_layers - 1:
                x = torch.cat([self._activated(kind, x[rows], rows) for kind, rows in self.spans])
        return x

    def _activated(self, name: str, sums: Tensor, rows: slice) -> Tensor:
        if name == "leaky_relu":
            return torch.where(sums > 0, sums, sums * self.leak[rows])
        return FUNCTIONS[name](sums)

    def sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The images of either style in points (K, B, 2 * pixels)."""
        return x[:, :, : self.n_pixels], x[:, :, self.n_pixels : 2 * self.n_pixels]


class _Twins:
    """Two perceptrons and their gradients.

    Args:
        form: What they are.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        extent: Of the batches.
        learns: `backward` may follow; otherwise at most the gradient at the inputs is wanted.
        is_asked: Neither follows.
    """

    def __init__(
        self,
        form: TwinForm,
        parameters: Tensor,
        gradient: Tensor,
        extent: Extent,
        *,
        learns: bool,
        is_asked: bool,
    ) -> None:
        self._form, self._extent = form, extent
        self._learns, self._is_asked = learns, is_asked
        views = form.layout.views(parameters)
        self._leaves = {n: view.detach().requires_grad_(learns) for n, view in views.items()}
        self._slots = form.layout.views(gradient)
        self._x = self._outputs = torch.empty(0)

    def _fill(self, outputs: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> None:
        """The gradient holds the derivative of the outputs, weighted by the slopes."""
        leaves = list(self._leaves.values())
        gradients = torch.autograd.grad(outputs, leaves, slopes, materialize_grads=True)
        for name, gradient in zip(self._leaves, gradients, strict=True):
            self._slots[name].copy_(gradient)


class Translators(_Twins):
    """K pairs of translators; an `adversarial.PlayerNetwork`.

    Args:
        form: What they are.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        extent: Of the batches.
        cycle: Weight of the mean absolute difference after there and back, (K, 1, 1).
        is_asked: `backward` does not follow.
    """

    def __init__(
        self,
        form: TwinForm,
        parameters: Tensor,
        gradient: Tensor,
        extent: Extent,
        cycle: Tensor,
        *,
        is_asked: bool,
    ) -> None:
        tensors = parameters, gradient
        super().__init__(form, *tensors, extent, learns=not is_asked, is_asked=is_asked)
        weight = cycle.new_zeros(extent.n_batch, 1)
        weight[: extent.n_points] = 1.0 / (extent.n_points * form.n_pixels)
        self._weight = cycle * weight

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """For images of styles a and b in `x`, those of b as a and those of a as b."""
        with torch.set_grad_enabled(not self._is_asked):
            a, b = self._form.sides(x)
            made = [self._translated("to_a", b), self._translated("to_b", a)]
            self._x, self._outputs = x, torch.cat(made, 2)
        return out.copy_(self._outputs.detach())

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient of what `slope` says, and of the way back."""
        with torch.enable_grad():
            made_a, made_b = self._form.sides(self._outputs)
            ways = [self._translated("to_a", made_b), self._translated("to_b", made_a)]
            back = torch.cat(ways, 2)
            lost = ((back - self._x[:, :, : back.shape[2]]).abs() * self._weight).sum()
        self._fill([self._outputs, lost], [slope, None])
        self._outputs = torch.empty(0)

    def _translated(self, name: str, images: Tensor) -> Tensor:
        """The images and what the translator changes in them."""
        return images + self._form.computed(self._leaves, name, images)


class TwinJudges(_Twins):
    """K pairs of discriminators, one for each style; an `adversarial.JudgeNetwork`."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """A logit for each image of points `x`, in the first two columns of `out`."""
        with torch.set_grad_enabled(not self._is_asked):
            self._x = x.detach().requires_grad_(not self._learns and not self._is_asked)
            logits = [
                self._form.computed(self._leaves, name, side)[:, :, :1]
                for name, side in zip(JUDGES, self._form.sides(self._x), strict=True)
            ]
            self._outputs = torch.cat(logits, 2)
        assert x.shape[1] == self._extent.n_rows
        out.zero_()
        out[:, :, :2] = self._outputs.detach()
        return out

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""
        self._fill([self._outputs], [slope[:, :, :2]])
        self._outputs = torch.empty(0)

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""
        (below,) = torch.autograd.grad(self._outputs, [self._x], slope[:, :, :2])
        self._outputs = torch.empty(0)
        return below
