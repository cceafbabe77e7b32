"""Players of images that are normalised, or whose slopes are penalised: K at once, by autograd.

Without either, `trials.gans.image_players` does the same in less time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.contract import Row
from trials.gans.adversarial import Build, Extent
from trials.gans.autograd_network import AutogradNetwork, Use
from trials.gans.image_players import ImageDiscriminator, Plan, image_judges
from trials.gans.leaks import leaky_spans
from trials.gans.maps import Size, as_maps, as_points, convolved, cut, grown, mended
from trials.gans.normalisation import Pass, direction_parts, running_parts
from trials.gans.norming import form_of
from trials.gans.perceptrons import Form
from trials.gans.training import GameFamily
from trials.stacked.cohort import Vectors
from trials.stacked.layout import Layout


class ImageNetwork(AutogradNetwork[Form]):
    """What networks of images have in common: layers that their norm has a hand in."""

    def begun(self, *, remembers: bool) -> Pass:
        """A pass of the norm."""
        use = self.use
        return self.form.norm.over(use.extent, is_training=use.by_batch, remembers=remembers)

    def weight(self, norm: Pass, name: str) -> Tensor:
        """The weight that the convolution of that name works with, (K, O, C, 4, 4)."""
        weight = self.leaves[f"{name}.weight"]
        # contiguous: products of a row that is alone would read other strides otherwise
        matrix = weight.flatten(2).transpose(1, 2).contiguous()
        own = norm.weight(name, matrix)
        return own.transpose(1, 2).reshape(weight.shape) if own is not matrix else weight

    def activated(self, norm: Pass, name: str, maps: Tensor, n_pixels: int) -> Tensor:
        """Units of the sums `maps`, (K, C, B * pixels), by the norm of that name, '' for none."""
        if name:
            scale, shift = (self.leaves[f"{name}.{kind}"] for kind in ("weight", "bias"))
            maps = norm.normalised(name, maps.transpose(1, 2), n_pixels).transpose(1, 2)
            maps = maps * scale.unsqueeze(2) + shift.unsqueeze(2)
        return self.form.activate(maps)

    def bias(self, name: str) -> Tensor:
        """The bias of a layer, shape (K, C, 1)."""
        return self.leaves[f"{name}.bias"].unsqueeze(2)


class NormedJudge(ImageNetwork):
    """K discriminators of images; the layers of `Plan.discriminator`.

    Args:
        plan: The padded shape.
        form: What they are.
        parameters: (K, P).
        gradient: (K, P).
        use: What they are for.
    """

    def __init__(
        self, plan: Plan, form: Form, parameters: Tensor, gradient: Tensor, use: Use
    ) -> None:
        super().__init__(form, parameters, gradient, use)
        self._sizes = [Size(*stage) for stage in plan.stages]
        self._names = plan.judging(form.norm.is_layer)

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Logits for images `x`, shape (K, B, pixels)."""
        norm, sizes = self.begun(remembers=remembers), self._sizes
        *convolutions, (last, _) = self._names
        images = norm.beginning(x)
        maps = images
        for i, (name, own) in enumerate(convolutions):
            weight = self.weight(norm, name)
            if i:
                sums = convolved(maps, weight, sizes[i]) + self.bias(name)
            else:
                windows = cut(images, sizes[0])
                sums = torch.baddbmm(self.bias(name), weight.flatten(2), windows)
            maps = self.activated(norm, own, sums, sizes[i + 1].n_pixels)
        # (C, height, width, logits) in memory
        whole = self.leaves[f"{last}.weight"].flatten(1, 3)
        bias = self.leaves[f"{last}.bias"].unsqueeze(1)
        units = as_points(maps, sizes[-1])
        return norm.ending(torch.baddbmm(bias, units, norm.weight(last, whole)))


class NormedMaker(ImageNetwork):
    """K generators of images; the layers of `Plan.generator`, arguments as for `NormedJudge`."""

    def __init__(
        self, plan: Plan, form: Form, parameters: Tensor, gradient: Tensor, use: Use
    ) -> None:
        super().__init__(form, parameters, gradient, use)
        self._sizes = [Size(*stage) for stage in plan.stages[::-1]]
        self._names = plan.making(form.norm.is_layer)

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Images for latent points `x`, shape (K, B, Z)."""
        norm, sizes, leaves = self.begun(remembers=remembers), self._sizes, self.leaves
        (first, own), *convolutions = self._names
        latent = norm.beginning(x)
        weight, bias = leaves[f"{first}.weight"].flatten(2), leaves[f"{first}.bias"]
        sums = as_maps(torch.baddbmm(bias.flatten(1).unsqueeze(1), latent, weight), sizes[0])
        maps = self.activated(norm, own, sums, sizes[0].n_pixels)
        for i, (name, own) in enumerate(convolutions[:-1]):
            sums = grown(maps, leaves[f"{name}.weight"], sizes[i]) + self.bias(name)
            maps = self.activated(norm, own, sums, sizes[i + 1].n_pixels)
        name, _ = convolutions[-1]
        patches = torch.bmm(leaves[f"{name}.weight"].flatten(2).transpose(1, 2), maps)
        images = mended(patches, latent.shape[1], sizes[-1]) + self.bias(name)
        return norm.ending(as_points(images, sizes[-1]))


def image_discriminators(
    family: GameFamily, plan: Plan, rows: Sequence[Row], stack: Vectors
) -> Build[ImageDiscriminator] | Build[NormedJudge]:
    """What makes the stacked discriminators of `rows`, of the padded shape `plan`."""
    if not family.shape.needs_autograd("discriminator"):
        spans = leaky_spans([family.settings(row) for row in rows])
        return image_judges(plan, family.layouts["discriminator"], spans, family.workspace)
    form = form_of(family, "discriminator", rows, stack, None)

    def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> NormedJudge:
        kind = Use.of("discriminator", extent, use)
        return NormedJudge(plan, form, parameters, gradient, kind)

    return build


def normed_makers(
    family: GameFamily, plan: Plan, rows: Sequence[Row], stack: Vectors
) -> Build[NormedMaker]:
    """What makes the stacked generators of `rows`."""
    form = form_of(family, "generator", rows, stack, None)

    def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> NormedMaker:
        return NormedMaker(plan, form, parameters, gradient, Use.of("generator", extent, use))

    return build


def remembered(player: str, plan: Plan) -> Layout:
    """What a player of `Shape.remembering` remembers."""
    widths = [stage[0] for stage in plan.stages]
    if player == "generator":
        names = [norm for _, norm in plan.making(is_normed=True)[:-1]]
        return running_parts(dict(zip(names, widths[:0:-1], strict=True)))
    names = [name for name, _ in plan.judging()]
    return direction_parts(dict(zip(names, [*widths[1:], plan.n_logits], strict=True)))
