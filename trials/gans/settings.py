"""The axes of every GAN, and which of them say what may be stacked."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces import Categorical, Float, Int
from search_spaces.parameters import Axis
from trials.data.scaling import ScalingKind
from trials.gans.losses import LOSSES
from trials.stacked.activations import ACTIVATIONS, LEAK
from trials.stacked.optimizers import Rule
from trials.stacked.schedules import SCHEDULES

LATENTS = ("normal", "uniform")
"""Standard normal, or uniform in [-1, 1]."""

STILL_ACTIVATIONS = Categorical(
    tuple(name for name, activation in ACTIVATIONS.items() if not activation.moves_zero)
)
"""The axis of players that have no room for masks: padded units stay 0 by themselves."""

FROZEN = ("none", "generator", "discriminator")

INPUT_SCALINGS: tuple[ScalingKind, ...] = ("none", "standardize", "minmax")
"""What may be done to points before players see them, and undone to samples."""

GENERATOR_NORMS = ("none", "batch", "virtual")
DISCRIMINATOR_NORMS = ("none", "batch", "virtual", "spectral")
PACKINGS = (1, 2, 4, 8)
"""Points that a discriminator looks at together; padded batches are multiples of each of them."""


@dataclass(frozen=True)
class Shape:
    """The structure of a GAN.

    Attributes:
        layers: Inner layers of each player.
        width: Of the layers, with padding.
        latent: Inputs of the generator with padding.
        batch_size: Real points per step of the discriminator.
        discriminator_steps: Its steps for one of the generator.
        packing: Points that the discriminator judges together.
        generator_norm: What normalises the generator's inner layers.
        discriminator_norm: The same of the discriminator.
        is_penalised: The discriminator's gradient at points is part of its loss.
    """

    layers: int
    width: int
    latent: int
    batch_size: int
    discriminator_steps: int
    packing: int = 1
    generator_norm: str = "none"
    discriminator_norm: str = "none"
    is_penalised: bool = False

    def needs_autograd(self, player: str) -> bool:
        """Autograd finds the player's gradients: it is normalised, or its slopes are penalised."""
        is_penalised = self.is_penalised and player == "discriminator"
        return is_penalised or self.norm(player) != "none"

    def norm(self, player: str) -> str:
        """What normalises the player's inner layers."""
        return self.generator_norm if player == "generator" else self.discriminator_norm

    def is_normed(self, player: str) -> bool:
        """Whether the player has norms that are layers of their own."""
        return self.norm(player) in ("batch", "virtual")

    @property
    def remembering(self) -> list[str]:
        """Players that remember something besides what they learn."""
        remembers = {
            "generator": self.generator_norm == "batch",
            "discriminator": self.discriminator_norm == "spectral",
        }
        return [player for player, is_so in remembers.items() if is_so]

    @property
    def label(self) -> str:
        """What separates its rows from others besides the width, for people."""
        words = [f"latent<={self.latent}", f"discriminator_steps={self.discriminator_steps}"]
        words += [f"packing={self.packing}"] * (self.packing > 1)
        words += [f"generator_norm={self.generator_norm}"] * (self.generator_norm != "none")
        norm = self.discriminator_norm
        words += [f"discriminator_norm={norm}"] * (norm != "none")
        words += ["gradient_penalty>0"] * self.is_penalised
        return " ".join(words)


@dataclass(frozen=True)
class GameSettings:
    """The axes of every GAN; those a trial does not name have these values.

    Attributes:
        learning_rate: The generator's.
        discriminator_ratio: The discriminator's learning rate over the generator's.
        schedule: A key of `SCHEDULES`: the course of both players' learning rates.
        beta1: Of Adam, for both players.
        beta2: Of Adam.
        layers: Inner layers of each player.
        latent: Z.
        latent_distribution: One of `LATENTS`.
        batch_size: Real points per step of the discriminator.
        activation: Of the inner layers.
        leak: Slope of `leaky_relu` below zero.
        loss: A key of `LOSSES`.
        discriminator_steps: Its steps for one of the generator.
        label_smoothing: One-sided: real points count as 1 - label_smoothing.
        label_flips: Probability that a point is shown to the discriminator under the other label.
        clip: Parameters of the discriminator stay within [-clip, clip]; 0 for no bound.
        gradient_penalty: Weight of the discriminator's penalty for slopes other than 1.
        instance_noise: Deviation of the noise on all that the discriminator sees, as it sees it
            (in deviations of standardised data), in the first epoch; it falls evenly to 0.
        instance_noise_end: Share of the trial's epochs at which it is 0.
        average_half_life: Generated samples after which an older generator counts half in the
            average that is evaluated and kept; 0 for the generator as it is.
        frozen_player: Who does not move for `frozen_epochs` epochs from `frozen_from` on.
        frozen_epochs: So many.
        frozen_from: Epochs before, 0 for from the start.
        packing: Points that the discriminator judges together, one of `PACKINGS`.
        generator_norm: One of `GENERATOR_NORMS`.
        discriminator_norm: One of `DISCRIMINATOR_NORMS`.
        input_scaling: How players see points, one of `INPUT_SCALINGS`.

    Sources: packing: Lin et al., PacGAN, NeurIPS (2018); smoothing, flips and virtual batch
    normalisation: Salimans et al., NeurIPS (2016); instance noise: Sønderby et al., ICLR (2017);
    penalty: Gulrajani et al., NeurIPS (2017); two rates: Heusel et al., NeurIPS (2017); spectral
    normalisation: Miyato et al., ICLR (2018); average: Yazıcı et al., ICLR (2019).
    """

    learning_rate: float = 1e-3
    discriminator_ratio: float = 1.0
    schedule: str = "constant"
    beta1: float = 0.5
    beta2: float = 0.999
    layers: int = 2
    latent: int = 8
    latent_distribution: str = "normal"
    batch_size: int = 64
    activation: str = "leaky_relu"
    leak: float = LEAK
    loss: str = "non_saturating"
    discriminator_steps: int = 1
    label_smoothing: float = 0.0
    label_flips: float = 0.0
    clip: float = 0.0
    gradient_penalty: float = 0.0
    instance_noise: float = 0.0
    instance_noise_end: float = 1.0
    average_half_life: float = 0.0
    frozen_player: str = "none"
    frozen_epochs: int = 0
    frozen_from: int = 0
    packing: int = 1
    generator_norm: str = "none"
    discriminator_norm: str = "none"
    input_scaling: ScalingKind = "standardize"

    def rule(self, player: str) -> Rule:
        """The optimizer of a player."""
        ratio = self.discriminator_ratio if player == "discriminator" else 1.0
        return Rule("adam", self.learning_rate * ratio, beta1=self.beta1, beta2=self.beta2)

    def shape(self, width: int, latent: int) -> Shape:
        """The structure, for a padded width and padded inputs of the generator."""
        return Shape(
            self.layers,
            width,
            latent,
            self.batch_size,
            self.discriminator_steps,
            self.packing,
            self.generator_norm,
            self.discriminator_norm,
            self.gradient_penalty > 0,
        )

    def frozen(self, player: str, epoch: int) -> int:
        """How many of the first `epoch` epochs the player stood still."""
        if player != self.frozen_player:
            return 0
        return min(max(epoch - self.frozen_from, 0), self.frozen_epochs)

    def moved(self, player: str, epoch: int) -> int:
        """In how many of the first `epoch` epochs the player's optimizer has moved it."""
        return epoch - self.frozen(player, epoch)

    def is_frozen(self, player: str, epoch: int) -> bool:
        """Whether the player stands still in `epoch`, counted from 0."""
        return self.frozen(player, epoch + 1) > self.frozen(player, epoch)

    def factor(self, epoch: int, epochs: int) -> float:
        """Of the learning rates in `epoch`, from 0, of a trial of `epochs`."""
        return SCHEDULES[self.schedule](epoch, epochs)

    def noise(self, epoch: int, epochs: int) -> float:
        """Deviation of the instance noise in `epoch`, from 0, of a trial of `epochs`."""
        return self.instance_noise * max(0.0, 1.0 - epoch / (self.instance_noise_end * epochs))


GAME_AXES: dict[str, Axis] = {
    "learning_rate": Float(1e-12, 1e3),
    "discriminator_ratio": Float(1e-6, 1e6),
    "schedule": Categorical(tuple(SCHEDULES)),
    "beta1": Float(0.0, 0.999999),
    "beta2": Float(0.0, 0.999999),
    "latent": Int(1, 4096),
    "latent_distribution": Categorical(LATENTS),
    "batch_size": Int(1, 2**20),
    "leak": Float(0.0, 1.0),
    "loss": Categorical(tuple(LOSSES)),
    "discriminator_steps": Int(1, 100),
    "label_smoothing": Float(0.0, 0.999),
    "label_flips": Float(0.0, 0.5),
    "clip": Float(0.0, 1e3),
    "instance_noise": Float(0.0, 1e3),
    "instance_noise_end": Float(1e-6, 1.0),
    "average_half_life": Float(0.0, 1e12),
    "frozen_player": Categorical(FROZEN),
    "frozen_epochs": Int(0, 2**20),
    "frozen_from": Int(0, 2**20),
}
"""What may be asked of every GAN, far beyond what is worth trying."""

NORM_AXES: dict[str, Axis] = {
    "gradient_penalty": Float(0.0, 1e6),
    "packing": Categorical(PACKINGS),
    "generator_norm": Categorical(GENERATOR_NORMS),
    "discriminator_norm": Categorical(DISCRIMINATOR_NORMS),
    "input_scaling": Categorical(INPUT_SCALINGS),
}
"""What may be asked besides of GANs whose players see nothing but the points of a step."""
