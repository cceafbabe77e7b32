"""Players of two perceptrons side by side: translators there and back, and their two judges.

By autograd, since translators learn through each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.autograd_network import AutogradNetwork, Use
from trials.gans.perceptrons import activated
from trials.stacked.layout import LANES, Layout, Part, linear

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
                x = activated(x, self.spans, self.leak)
        return x

    def sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The images of either style in points (K, B, 2 * pixels)."""
        return x[:, :, : self.n_pixels], x[:, :, self.n_pixels : 2 * self.n_pixels]


class Translators(AutogradNetwork[TwinForm]):
    """K pairs of translators.

    Args:
        form: What they are.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        use: What they are for.
        cycle: Weight of the mean absolute difference after there and back, (K, 1, 1).
    """

    def __init__(
        self, form: TwinForm, parameters: Tensor, gradient: Tensor, use: Use, cycle: Tensor
    ) -> None:
        super().__init__(form, parameters, gradient, use)
        extent = use.extent
        weight = cycle.new_zeros(extent.n_batch, 1)
        weight[: extent.n_points] = 1.0 / (extent.n_points * form.n_pixels)
        self._weight = cycle * weight

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """For images of styles a and b in `x`, those of b as a and those of a as b."""
        a, b = self.form.sides(x)
        return torch.cat([self._translated("to_a", b), self._translated("to_b", a)], 2)

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient of what `slope` says, and of the way back."""
        with torch.enable_grad():
            made_a, made_b = self.form.sides(self.outputs)
            ways = [self._translated("to_a", made_b), self._translated("to_b", made_a)]
            back = torch.cat(ways, 2)
            lost = ((back - self.x[:, :, : back.shape[2]]).abs() * self._weight).sum()
        self.fill([self.outputs, lost], [slope, None])
        self.outputs = torch.empty(0)

    def _translated(self, name: str, images: Tensor) -> Tensor:
        """The images and what the translator changes in them."""
        return images + self.form.computed(self.leaves, name, images)


class TwinJudges(AutogradNetwork[TwinForm]):
    """K pairs of discriminators, one for each style."""

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """A logit for each image of points `x`, in the first two of 16 columns."""
        sides = zip(JUDGES, self.form.sides(x), strict=True)
        logits = [self.form.computed(self.leaves, name, side)[:, :, :1] for name, side in sides]
        return functional.pad(torch.cat(logits, 2), (0, LANES - len(JUDGES)))
