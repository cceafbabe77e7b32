"""The conditional GAN: both players are told what a point should be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Categorical, Space
from search_spaces.gans import CONDITIONAL_GAN as SPACE
from trials.contract import Objective, Row
from trials.data import DataError, Dataset
from trials.gans.real import Real
from trials.gans.settings import Shape
from trials.gans.telling import Shown, in_turn
from trials.gans.training import GameFamily, GameTraining
from trials.gans.vectors import AXES, Settings, VectorFamily, VectorGAN
from trials.stacked.batches import table
from trials.stacked.layout import whole_lanes, width_bucket
from trials.stacked.settings import settings_of

CONDITIONS = ("one_hot", "dense")
N_DENSE = 16
"""Length of a dense condition."""


@dataclass(frozen=True)
class ConditionalSettings(Settings):
    """The axes of a conditional GAN.

    Attributes:
        condition: How a class is told: by a one among zeros, or by the dense vector of its words.
    """

    condition: str = "one_hot"


@dataclass(frozen=True)
class ConditionalShape(Shape):
    """The structure of a conditional GAN: conditions of another kind are of another length."""

    condition: str = "one_hot"


def embedded(words: str) -> Tensor:
    """A dense vector of unit length for some words, float64, shape (16,).

    Each run of three letters adds a direction of its own, so that words that share letters are
    near each other: a stand-in for the embedding of a text.
    """
    letters = f"^{words.lower()}$"
    total = torch.zeros(N_DENSE, dtype=torch.float64)
    for start in range(max(1, len(letters) - 2)):
        digest = hashlib.blake2b(letters[start : start + 3].encode(), digest_size=4).digest()
        rng = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        total += torch.randn(N_DENSE, generator=rng, dtype=torch.float64)
    return functional.normalize(total, dim=0)


class ConditionalReal(Real):
    """Real points, each followed by what it is.

    Attributes:
        classes: Of the validation points, int64, shape (N,).
        conditions: Of each class, shape (C, E).
        evaluated: Validation points as the players see them, shape (N, width).
    """

    def __init__(
        self, data: Dataset, device: torch.device, dtype: torch.dtype, condition: str
    ) -> None:
        if data.task != "classification" or data.train.y is None or data.validation.y is None:
            raise DataError(
                f"data '{data.name}': must have classes for the trainer conditional_gan, "
                f"got the task {data.task}; choose digits, iris, wine or trainer gan"
            )
        super().__init__(data, device, dtype)
        conditions = torch.eye(data.n_classes, dtype=torch.float64)
        if condition == "dense":
            conditions = torch.stack([embedded(word) for word in data.classes])
        self.conditions = conditions.to(device=device, dtype=dtype)
        self.n_conditions = conditions.shape[1]
        self.width = whole_lanes(self.n_features + self.n_conditions)
        own = self.points[: self.n_points, : self.n_features]
        told = self.conditions[torch.as_tensor(data.train.y).to(device)]
        self.points = table(torch.cat([own, told], 1), self.width)
        self.classes = torch.as_tensor(data.validation.y).to(device)
        points = torch.as_tensor(data.validation.x).flatten(1).to(device=device, dtype=dtype)
        self.evaluated = (points - self.shift) / self.scale


class ConditionalGAN(VectorGAN):
    """GAN on vectors whose players are told the class of a point, or a dense vector for it.

    Weights have the names of `VectorGAN`; the condition follows the generator's latent inputs and
    the discriminator's point. Figures beside those of every GAN: `condition_accuracy`, the share
    of samples whose nearest validation point is of the class that was asked for.

    Source: Mirza and Osindero (2014).
    """

    name: ClassVar[str] = "conditional_gan"
    default_data: ClassVar[str] = "digits"
    space = SPACE
    kind: ClassVar[type[Settings]] = ConditionalSettings
    domain = Space(**AXES, condition=Categorical(CONDITIONS))

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._where = torch.device(device), dtype
        self._data = data
        self._known: dict[str, ConditionalReal] = {}
        self.real = self._reals("one_hot")

    def _reals(self, condition: str) -> ConditionalReal:
        """The points with conditions of that kind."""
        if condition not in self._known:
            self._known[condition] = ConditionalReal(self._data, *self._where, condition)
        return self._known[condition]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Those of every GAN, and how well the condition is met."""
        return (*super().objectives, Objective("condition_accuracy", "maximize"))

    def structure(self, params: Mapping[str, Any]) -> ConditionalShape:
        """As for every GAN of perceptrons; the kind of condition separates too."""
        settings = settings_of(ConditionalSettings, params)
        n_inputs = settings.latent + self._reals(settings.condition).n_conditions
        shape = settings.shape(width_bucket(settings.units), width_bucket(n_inputs, 4))
        own = {field.name: getattr(shape, field.name) for field in fields(shape)}
        return ConditionalShape(**own, condition=settings.condition)

    def family(self, shape: Shape) -> GameFamily:
        """Perceptrons of that shape on the data."""
        assert isinstance(shape, ConditionalShape)
        return _Family(self._reals(shape.condition), shape)


class _Family(VectorFamily):
    """Perceptrons that are told conditions."""

    kind: ClassVar[type[Settings]] = ConditionalSettings
    real: ConditionalReal

    def n_told(self, settings: Settings) -> int:
        """Inputs of the generator after the latent ones."""
        return self.real.n_conditions

    def telling(self, rows: Sequence[Row]) -> Shown:
        """The conditions of real points, told for generated ones."""
        real = self.real
        columns = slice(real.n_features, real.n_features + real.n_conditions)
        return Shown(columns, real.conditions[real.classes], len(rows))

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """The share of samples whose nearest validation point is of the class asked for."""
        real = self.real
        # one row at a time: the distances of all would depend on how many there are
        nearest = [torch.cdist(own[:, : real.n_features], real.evaluated).argmin(1) for own in made]
        met = real.classes[torch.stack(nearest)] == in_turn(real.classes, made.shape[1])
        return {"condition_accuracy": met.double().mean(1)}
