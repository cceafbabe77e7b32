"""The axes of autoencoders."""

from __future__ import annotations

from dataclasses import dataclass

from trials.stacked.unsupervised.noise import Corruption
from trials.stacked.unsupervised.points import View
from trials.stacked.unsupervised.settings import DescentSettings


@dataclass(frozen=True)
class CodingSettings(DescentSettings):
    """The axes of an autoencoder; those a trial does not name have these values.

    `layers` counts the hidden layers of the encoder, and as many of the decoder; all have `units`
    units. `noise` and `noise_level` matter to the kind `denoising`, `kl_weight` to `vae`.
    `normalization` is of the sums into hidden units, before their activation.
    """

    kind: str = "plain"
    noise: str = "masking"
    noise_level: float = 0.3
    likelihood: str = "gaussian"
    kl_weight: float = 1.0
    binarize: str = "none"
    code: int = 16
    units: int = 64
    layers: int = 1
    activation: str = "relu"
    normalization: str = "none"
    dropout: float = 0.0
    dropconnect: float = 0.0
    sparsity_weight: float = 0.0

    @property
    def modules(self) -> int:
        """Distance of two linear layers in the equivalent `torch.nn.Sequential`."""
        return 3 if self.normalization == "none" else 4

    @property
    def is_drawn(self) -> bool:
        """Whether the code is drawn from a law that the encoder gives."""
        return self.kind == "vae"

    @property
    def view(self) -> View:
        """How the row sees the points: from 0 to 1 where they are probabilities or bits."""
        is_probable = self.likelihood != "gaussian" or self.binarize != "none"
        return View.of(self.input_scaling, self.binarize, is_probable=is_probable)

    @property
    def corruption(self) -> Corruption:
        """What is done to the inputs in training."""
        level = self.noise_level if self.kind == "denoising" else 0.0
        return Corruption(self.noise, level)
