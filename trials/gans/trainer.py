"""The trainer of a GAN: all of it but the players, which a subclass adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from search_spaces import Space
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.gans.failures import WATCH
from trials.gans.real import Real
from trials.gans.settings import Shape
from trials.gans.training import PLAYERS, GameFamily
from trials.gans.wanted import Wanted, check_enough, offered, with_shares
from trials.stacked.cohort import StackedCohort, alone


class GANTrainer(ABC):
    """Generative adversarial networks; a `contract.Trainer`.

    Attributes:
        space: The ready space.
        domain: Every axis with all its values.
        reads: What the players imitate; it refuses data that the trainer cannot take.
    """

    name: ClassVar[str]
    default_epochs: ClassVar[int] = 50
    default_value: ClassVar[Literal["last", "best"]] = "best"
    default_data: ClassVar[str]
    space: Space
    domain: Space
    reads: ClassVar[type[Real]] = Real
    _wanted: tuple[str, ...] = ()

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.real = self.reads(data, torch.device(device), dtype)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        distance = Objective("sample_distance", "minimize", "data units")
        further = offered(self.real.data)
        if self.real.modes is None:
            return (distance, *further)
        modes = (Objective("high_quality", "maximize"), Objective("modes", "maximize"))
        return (distance, *modes, *further)

    def measure(self, names: Collection[str]) -> None:
        """Cohorts that are made from now on report the objectives of these names too.

        Raises:
            DataError: There are too few points to compare samples with.
        """
        self._wanted = tuple(o.name for o in offered(self.real.data) if o.name in names)
        check_enough(self.real.data, self._wanted)

    @abstractmethod
    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials whose structures are equal can share a cohort."""

    @abstractmethod
    def family(self, shape: Shape) -> GameFamily:
        """The rows of that shape on the data."""

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure."""
        assert isinstance(structure, Shape)
        family = self.family(structure)
        if self._wanted:
            family.real.measure(self._wanted)
        return StackedCohort(family, WATCH)

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights of both players by the names of the equivalent torch.nn models."""
        family = self.family(self.structure(params))
        row = Row(0, params, 0, 1)
        return {
            f"{player}.{name}": tensor
            for player in PLAYERS
            for name, tensor in family.weights(row, state, player).items()
        }

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives of samples from a fixed latent batch against the test part.

        Where the divergence of classes is asked for, the share of each class is there too.
        """
        real = self.real
        with torch.inference_mode():
            made = self._made(state, params)
            figures = real.quality(real.data.test).figures(made)
            if names := with_shares(real.data, self._wanted):
                dear = Wanted(real.data, names, real.device, real.dtype, real.data.test)
                figures |= dear.figures(made)
        return {name: float(value) for name, value in figures.items()}

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """What the generator makes of one fixed latent batch, in the unit of the data."""
        with torch.inference_mode():
            made = self._made(state, params)[0]
        return made.cpu().view(len(made), *self.real.data.shape)

    def _made(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """Samples of the row as if it were alone, shape (1, N, D)."""
        row = Row(0, params, 0, 1)
        family = self.family(self.structure(params))
        return family.training([row], alone(family, row, state)).samples()
