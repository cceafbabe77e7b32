"""Which normalisation the players of some rows have, and the fixed batches it refers to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.contract import Row
from trials.gans.normalisation import N_REFERENCE, Batch, Norm, Plain, Spectral, Virtual
from trials.gans.perceptrons import Form
from trials.gans.tapes import latent_tape
from trials.gans.training import GameFamily
from trials.gans.views import view_of
from trials.stacked.cohort import Vectors
from trials.stacked.noise import generator
from trials.stacked.per_row import per_row
from trials.stacked.runs import runs


def form_of(
    family: GameFamily, player: str, rows: Sequence[Row], stack: Vectors, masks: Tensor | None
) -> Form:
    """What the rows' networks of that player are, for autograd.

    Args:
        family: Of the rows.
        player: "generator" or "discriminator".
        rows: In order.
        stack: Their tensors.
        masks: One for real and zero for padded units, (K, 1, H), or None.
    """
    settings = [family.settings(row) for row in rows]
    leak = per_row([s.leak for s in settings], family.real.points)
    names = runs(s.activation for s in settings)
    norm = _normalisation(family, player, rows, stack)
    return Form(family.layouts[player], norm, names, leak, masks)


def _normalisation(family: GameFamily, player: str, rows: Sequence[Row], stack: Vectors) -> Norm:
    """What normalises the rows' players."""
    norm = family.shape.norm(player)
    if norm == "virtual":
        return Virtual(_reference(family, player, rows))
    buffers = {}
    if player in family.buffers:
        buffers = family.buffers[player].views(stack[f"{player}.buffers"])
    if norm == "batch":
        return Batch(buffers)
    return Spectral(buffers) if norm == "spectral" else Plain()


def _reference(family: GameFamily, player: str, rows: Sequence[Row]) -> Tensor:
    """The batch that stays the same: inputs of each row's player, (K, R, D)."""
    real, shape = family.real, family.shape
    if player == "discriminator":
        n_points = N_REFERENCE * shape.packing
        rngs = [generator(row.seed, "reference points") for row in rows]
        chosen = [torch.randint(real.n_points, (n_points,), generator=rng) for rng in rngs]
        scaled = [real.scaled(family.settings(row).input_scaling).points for row in rows]
        points = torch.stack(
            [own[places.to(real.device)] for own, places in zip(scaled, chosen, strict=True)]
        )
        n_features = real.n_features + real.n_conditions
        packed = view_of(n_features, shape.packing, real.width, family.workspace)
        return packed.see(points, "reference").clone()
    latent = torch.zeros(len(rows), N_REFERENCE, shape.latent)
    sizes = [family.settings(row).latent for row in rows]
    for k, row in enumerate(rows):
        rng, size = generator(row.seed, "reference latent"), (N_REFERENCE, sizes[k])
        distribution = family.settings(row).latent_distribution
        latent[k, :, : sizes[k]] = latent_tape(rng, distribution, 1, size)[0]
    return family.telling(rows).join(latent.to(real.points), sizes)
