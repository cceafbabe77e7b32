"""InfoGAN: a generator that is told a code, and a discriminator that reads it off the points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Float, Int, Space
from search_spaces.gans import INFO_GAN as SPACE
from trials.contract import Objective, Row
from trials.gans.adversarial import EVALUATION, Extent
from trials.gans.settings import Shape
from trials.gans.telling import Telling
from trials.gans.training import GameFamily, GameTraining
from trials.gans.vectors import AXES, Settings, VectorFamily, VectorGAN
from trials.stacked.layout import LANES
from trials.stacked.noise import generator
from trials.stacked.per_row import per_row
from trials.stacked.sending import sent
from trials.stacked.settings import settings_of

MOST_CODES = LANES - 1
"""Outputs of the discriminator beside the one for real or generated, within a line of cache."""


@dataclass(frozen=True)
class InfoSettings(Settings):
    """The axes of an InfoGAN.

    Attributes:
        codes: Values that the code can take, all alike likely.
        information: Weight of the code's cross-entropy in the losses of both players.
    """

    codes: int = 8
    information: float = 1.0


class InfoGAN(VectorGAN):
    """InfoGAN on vectors: one categorical code is told to the generator and recovered.

    The discriminator shares all but the outputs with the network that recovers the code, and both
    players minimise the cross-entropy of the code of generated points, which bounds the mutual
    information of code and point from below. Weights have the names of `VectorGAN`; the
    generator's inputs are the latent ones and the code's, one after another, and the
    discriminator's outputs are the logit and the code's.

    Source: Chen et al., NeurIPS (2016).
    """

    name: ClassVar[str] = "infogan"
    space = SPACE
    kind: ClassVar[type[Settings]] = InfoSettings
    # a pack of points has no code of its own
    domain = Space(
        **{name: axis for name, axis in AXES.items() if name != "packing"},
        codes=Int(2, MOST_CODES),
        information=Float(0.0, 1e6),
    )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Those of every GAN, and how well the code is recovered."""
        recovery = (
            Objective("code_accuracy", "maximize"),
            Objective("mutual_information", "maximize", "nats"),
        )
        return (*super().objectives, *recovery)

    def n_told(self, settings: Settings) -> int:
        """Inputs of the generator after the latent ones."""
        assert isinstance(settings, InfoSettings)
        return settings.codes

    def family(self, shape: Shape) -> GameFamily:
        """Perceptrons of that shape on the data."""
        return _Family(self.real, shape)


class Codes(Telling):
    """One-hot codes from each row's own generator.

    Args:
        rows: Whose seeds count.
        n_codes: Of each row.
        like: Says where and in which precision codes are wanted.
    """

    def __init__(self, rows: Sequence[Row], n_codes: Sequence[int], like: Tensor) -> None:
        self._rows, self._n_codes, self._like = rows, n_codes, like
        self._rngs: dict[tuple[int, str], torch.Generator] = {}
        self._epochs: Sequence[int] = ()

    def begin(self, epochs: Sequence[int]) -> None:
        """An epoch begins; `epochs` counts from 0, one per row."""
        self._rngs, self._epochs = {}, epochs

    def n_told(self, k: int) -> int:
        """How many inputs row k has."""
        return self._n_codes[k]

    def told(self, player: str, n_steps: int, points: Tensor) -> Tensor:
        """Codes of generated points, shape (steps, K, B, 15)."""
        drawn = []
        for k, (row, epoch) in enumerate(zip(self._rows, self._epochs, strict=True)):
            purpose = f"{player} code"
            rng = self._rngs.setdefault((k, purpose), generator(row.seed, purpose, epoch))
            size = (n_steps, points.shape[2])
            drawn.append(torch.randint(self._n_codes[k], size, generator=rng))
        return self._one_hot(torch.stack(drawn, 1))

    def evaluated(self, n_samples: int) -> Tensor:
        """All codes in turn, shape (K, n_samples, 15)."""
        return self._one_hot(self.asked(n_samples))

    def asked(self, n_samples: int) -> Tensor:
        """The codes of the samples that are measured, int64, shape (K, n_samples)."""
        return torch.stack([torch.arange(n_samples) % n for n in self._n_codes])

    def codes(self, told: Tensor) -> Tensor:
        """The codes behind the column of the first output."""
        return functional.pad(told, (1, 0))

    def _one_hot(self, drawn: Tensor) -> Tensor:
        codes = functional.one_hot(drawn, MOST_CODES)
        return sent(codes, self._like.device).to(self._like)


class CodeLesson:
    """The cross-entropy of codes; an `adversarial.Lesson`.

    Args:
        n_codes: Of each row.
        information: Its weight in each row.
        like: Says where and in which precision.
    """

    def __init__(self, n_codes: Sequence[int], information: Sequence[float], like: Tensor) -> None:
        columns = torch.arange(LANES)
        counts = torch.tensor(n_codes).view(-1, 1, 1)
        self._is_other = ((columns == 0) | (columns > counts)).to(like.device)
        self._information = per_row(information, like)

    def shares(self, logits: Tensor) -> Tensor:
        """Probabilities of the codes, shape (K, B, 16), zero in all other columns."""
        return logits.masked_fill(self._is_other, -math.inf).softmax(2)

    def teach(self, logits: Tensor, slope: Tensor, codes: Tensor, weight: Tensor) -> None:
        """Adds the gradient of information * cross-entropy to `slope`; see `Lesson`."""
        slope += (self.shares(logits) - codes) * (self._information * weight)


class _Family(VectorFamily):
    """Perceptrons that make and read codes."""

    kind: ClassVar[type[Settings]] = InfoSettings

    def n_told(self, settings: Settings) -> int:
        """Inputs of the generator after the latent ones."""
        assert isinstance(settings, InfoSettings)
        return settings.codes

    def n_logits(self, settings: Settings) -> int:
        """Outputs of the discriminator."""
        return 1 + self.n_told(settings)

    def telling(self, rows: Sequence[Row]) -> Codes:
        """The codes."""
        return Codes(rows, [self.n_told(self.own(row)) for row in rows], self.real.points)

    def lesson(self, rows: Sequence[Row]) -> CodeLesson:
        """Their cross-entropy."""
        settings = [settings_of(InfoSettings, row.params) for row in rows]
        weights = [s.information for s in settings]
        return CodeLesson([s.codes for s in settings], weights, self.real.points)

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """How well codes are read off generated points.

        Returns:
            `code_accuracy`, the share of points whose likeliest code is their own, and
            `mutual_information`, the entropy of the codes less their cross-entropy, in nats: at
            most log(codes), and at most the true one.
        """
        n_samples = made.shape[1]
        extent = Extent(1, n_samples, n_samples)
        logits = made.new_empty(len(made), n_samples, LANES)
        network = training.game.discriminator.network(extent, EVALUATION)
        logits = network.forward(training.scales.as_seen(made), None, logits)
        shares = self.lesson(training.rows).shares(logits)
        telling = training.telling
        assert isinstance(telling, Codes)
        asked = telling.asked(n_samples).to(made.device)
        own = shares.gather(2, 1 + asked.unsqueeze(2)).squeeze(2).double()
        n_codes = [float(telling.n_told(k)) for k in range(len(made))]
        entropy = torch.tensor(n_codes, dtype=torch.float64, device=made.device).log()
        return {
            "code_accuracy": (shares.argmax(2) == 1 + asked).double().mean(1),
            "mutual_information": entropy + own.log().mean(1),
        }
