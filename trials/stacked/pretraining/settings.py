"""The axes of a perceptron that is pretrained, and which epoch is for what."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces import Categorical, Float, Int
from search_spaces.parameters import Axis
from trials.data.scaling import ScalingKind
from trials.stacked.settings import SupervisedSettings
from trials.stacked.unsupervised.noise import Corruption
from trials.stacked.unsupervised.settings import DescentSettings
from trials.stacked.unsupervised.visible import VISIBLE

_OPTIMIZERS = {"rbm": "sgd", "autoencoder": "adam"}


@dataclass(frozen=True)
class PretrainingSettings(SupervisedSettings):
    """What pretraining reads of a perceptron's axes, with the values of those not named.

    Each hidden layer learns for `pretraining_epochs`, the lowest first, fewer if the trial has not
    so many; at least the last epoch is for the answers. Layers are machines trained by `k` steps
    of contrastive divergence with `pretraining_momentum`, or denoising autoencoders with tied
    weights trained by adam that see each number with probability 1 - `pretraining_noise`.
    `visible` says what the inputs are; `n_labels` how many training points have their answer, 0
    for all.
    """

    units: int = 64
    layers: int = 2
    activation: str = "sigmoid"
    input_scaling: ScalingKind = "minmax"
    initializer: str = "xavier_uniform"
    pretraining: str = "rbm"
    pretraining_epochs: int = 5
    pretraining_rate: float = 0.05
    pretraining_momentum: float = 0.5
    pretraining_noise: float = 0.2
    k: int = 1
    visible: str = "binary"
    n_labels: int = 0

    def epochs_per_layer(self, epochs: int) -> int:
        """Epochs of each layer's pretraining, of a trial that has so many in all."""
        if self.pretraining == "none" or self.layers == 0:
            return 0
        return min(self.pretraining_epochs, (epochs - 1) // self.layers)

    def phase(self, epoch: int, epochs: int) -> int:
        """The layer that learns in `epoch`, counted from 0; the number of layers for all."""
        each = self.epochs_per_layer(epochs)
        return epoch // each if epoch < each * self.layers else self.layers

    @property
    def descent(self) -> DescentSettings:
        """How a layer follows its gradient."""
        optimizer = _OPTIMIZERS.get(self.pretraining, "sgd")
        momentum = self.pretraining_momentum if optimizer == "sgd" else 0.0
        return DescentSettings(self.pretraining_rate, optimizer, momentum, l2=self.l2)

    @property
    def corruption(self) -> Corruption:
        """What a layer's inputs suffer."""
        is_coding = self.pretraining == "autoencoder"
        return Corruption("masking", self.pretraining_noise if is_coding else 0.0)


PRETRAINING_AXES: dict[str, Axis] = {
    "pretraining": Categorical(("none", "rbm", "autoencoder")),
    "pretraining_epochs": Int(0, 2**20),
    "pretraining_rate": Float(1e-12, 1e3),
    "pretraining_momentum": Float(0.0, 0.999999),
    "pretraining_noise": Float(0.0, 0.99),
    "k": Int(1, 100),
    "visible": Categorical(tuple(VISIBLE)),
    "n_labels": Int(0, 2**31 - 1),
}
"""What may be asked of a pretrained perceptron beside the axes of `mlp`."""
