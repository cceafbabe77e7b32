"""Ready spaces for generative adversarial networks."""

from __future__ import annotations

from search_spaces.checks import Choice
from search_spaces.parameters import Categorical, Constant, Float, Int
from search_spaces.space import Space

CHOICES: dict[str, tuple[Choice, ...]] = {
    "activation": ("relu", "leaky_relu", "tanh"),
    "loss": ("minimax", "non_saturating"),
}
"""Axis of words -> all its legal values."""

VECTOR_GAN = Space(
    learning_rate=Float(1e-5, 1e-2, log=True),
    discriminator_ratio=Float(0.25, 4.0, log=True),
    beta1=Float(0.0, 0.9),
    beta2=Constant(0.999),
    units=Int(16, 128, log=True),
    layers=Int(1, 3),
    latent=Int(2, 64, log=True),
    batch_size=Categorical((64, 128, 256)),
    activation=Categorical(("relu", "leaky_relu", "tanh")),
    loss=Categorical(("minimax", "non_saturating")),
    discriminator_steps=Int(1, 3),
    label_smoothing=Float(0.0, 0.3),
)
"""Perceptrons on vectors and points.

`learning_rate` is the generator's and `discriminator_ratio` the discriminator's rate over it;
`discriminator_steps` are taken per generator step; `label_smoothing` is one-sided: real samples
are labelled 1 - label_smoothing.
"""
