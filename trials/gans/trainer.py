"""The trainer of a GAN: all of it but the players, which a subclass adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from search_spaces import Space
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.gans.real import Real
from trials.gans.training import PLAYERS, GameFamily, Shape
from trials.stacked.cohort import StackedCohort


class GANTrainer(ABC):
    """Generative adversarial networks; a `contract.Trainer`.

    Attributes:
        space: The ready space.
        domain: Every axis with all its values.
    """

    name: ClassVar[str]
    default_epochs: ClassVar[int] = 50
    default_value: ClassVar[Literal["last", "best"]] = "best"
    default_data: ClassVar[str]
    space: Space
    domain: Space

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.real = Real(data, torch.device(device), dtype)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        distance = Objective("sample_distance", "minimize", "data units")
        if self.real.modes is None:
            return (distance,)
        return (distance, Objective("high_quality", "maximize"), Objective("modes", "maximize"))

    @abstractmethod
    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials whose structures are equal can share a cohort."""

    @abstractmethod
    def family(self, shape: Shape) -> GameFamily:
        """The rows of that shape on the data."""

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure."""
        assert isinstance(structure, Shape)
        return StackedCohort(self.family(structure))

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights of both players by the names of the equivalent torch.nn models."""
        family = self.family(self.structure(params))
        row = Row(0, params, 0, 1)
        return {
            f"{player}.{name}": tensor
            for player in PLAYERS
            for name, tensor in family.tensors(row, state, player, "parameters").items()
        }

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives of samples from a fixed latent batch against the test part."""
        row = Row(0, params, 0, 1)
        family = self.family(self.structure(params))
        with torch.inference_mode():
            stack = {k: v.unsqueeze(0) for k, v in family.restore(row, state).items()}
            samples = family.training([row], stack).samples()
            figures = self.real.quality(self.real.data.test).figures(samples)
        return {name: float(value) for name, value in figures.items()}
