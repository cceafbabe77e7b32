"""Machines that tell missing ratings from given ones: collaborative filtering."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trials.data import Dataset, Part
from trials.data.ratings import N_LEVELS
from trials.stacked.unsupervised.machine_training import MachineTraining
from trials.stacked.unsupervised.points import Points, Source, View
from trials.stacked.unsupervised.visible import by_group


class RatingSource(Source):
    """People as one unit for each film and number of stars; none is on where stars are missing."""

    def count(self, data: Dataset) -> int:
        """Units for all films."""
        return data.shape[1] * N_LEVELS

    def seen(self, part: Part, view: View) -> Tensor:
        """The stars that are given, float32, shape (N, films * levels)."""
        stars = torch.as_tensor(part.x[:, 0]).long()
        return functional.one_hot(stars, N_LEVELS + 1)[..., 1:].flatten(1).float()

    def affine(self, view: View) -> tuple[Tensor, Tensor]:
        """Units are as they are."""
        return torch.zeros(self.n_features), torch.ones(self.n_features)

    def asked(self, points: Points) -> Tensor:
        """Stars that are to be told, 0 for none, shape (n_padded, films)."""
        wanted = torch.as_tensor(np.ascontiguousarray(points.part.x[:, 1]))
        wanted = functional.pad(wanted, (0, 0, 0, points.n_padded - len(wanted)))
        return wanted.to(device=self.device, dtype=self.dtype)


class RatingTraining(MachineTraining):
    """Rows of machines whose visible units are stars; their chains keep what is missing missing.

    Source: Salakhutdinov, Mnih and Hinton, ICML (2007).
    """

    def is_known(self, x: Tensor) -> Tensor:
        """One for all units of a film that has stars, else zero."""
        known = by_group(x).sum(-1).repeat_interleave(N_LEVELS, -1)
        return functional.pad(known, (0, x.shape[-1] - known.shape[-1]))

    def samples(self) -> Tensor:
        """Stars expected where one hidden unit alone is on, twice, shape (K, N, 2 * films)."""
        told = self._told(super().samples())
        return torch.cat([told, told], -1)

    def _told(self, shares: Tensor) -> Tensor:
        """Expected stars of each film."""
        levels = torch.arange(1.0, N_LEVELS + 1).to(shares)
        return (by_group(shares) * levels).sum(-1)

    def evaluate(self, points: Points) -> dict[str, Tensor]:
        """The objectives of every row on `points`, each of shape (K,)."""
        source = self.source
        assert isinstance(source, RatingSource)
        asked, errors, energies = source.asked(points), [], []
        for part in self.parts(points):
            x = self.seen(points, part)
            shares = self.machines.restored(self.machines.features(x))[..., : source.n_features]
            told = self._told(shares)
            is_asked = (asked[part] > 0).to(told)
            errors.append(((told - asked[part]).square_() * is_asked).sum(-1))
            energies.append(self.machines.free_energy(x))
        n = points.n_points
        total = torch.cat(errors, 1)[:, :n].double().sum(1)
        loss = total / (asked > 0).sum().clamp_min(1).double()
        energy = torch.cat(energies, 1)[:, :n].double().mean(1)
        return {
            "validation_loss": loss,
            "validation_rmse": loss.sqrt(),
            "validation_energy_gap": energy - self.energy_of_training(n),
        }
