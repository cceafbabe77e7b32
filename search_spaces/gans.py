"""Ready spaces for generative adversarial networks."""

from __future__ import annotations

from search_spaces.parameters import Categorical, Constant, Float, Int
from search_spaces.space import Space

VECTOR_GAN = Space(
    learning_rate=Float(5e-4, 5e-3, log=True),
    discriminator_ratio=Float(0.7, 2.0, log=True),
    schedule=Constant("cosine"),
    beta1=Float(0.0, 0.6),
    beta2=Constant(0.999),
    units=Int(32, 128, log=True),
    layers=Int(2, 3),
    latent=Int(2, 32, log=True),
    latent_distribution=Categorical(("uniform", "normal")),
    batch_size=Categorical((32, 64, 128)),
    activation=Categorical(("relu", "leaky_relu", "tanh")),
    loss=Categorical(("minimax", "non_saturating")),
    discriminator_steps=Constant(1),
    label_smoothing=Float(0.0, 0.2),
    average_half_life=Float(2e3, 3e4, log=True),
)
"""Perceptrons on vectors and points.

`learning_rate` is the generator's and `discriminator_ratio` the discriminator's rate over it; both
follow `schedule`, and the generator that counts is an average over `average_half_life` samples:
a game circles around its goal, and both bring it to rest. `discriminator_steps` are taken per
generator step; `label_smoothing` is one-sided: real samples are labelled 1 - label_smoothing.
"""

_TOLD = Space(
    learning_rate=Float(1e-4, 1e-2, log=True),
    discriminator_ratio=Float(0.25, 4.0, log=True),
    beta1=Constant(0.5),
    beta2=Constant(0.999),
    units=Int(16, 64, log=True),
    layers=Int(1, 2),
    latent=Int(2, 32, log=True),
    batch_size=Categorical((64, 128)),
    activation=Categorical(("relu", "leaky_relu", "tanh")),
    loss=Categorical(("non_saturating", "least_squares", "hinge")),
    label_smoothing=Float(0.0, 0.3),
    instance_noise=Float(0.0, 0.3),
    average_half_life=Float(500.0, 20000.0, log=True),
)

INFO_GAN = Space(**dict(_TOLD), codes=Constant(8), information=Float(0.1, 3.0, log=True))
"""The ready space of the `infogan` trainer; axes as in `VECTOR_GAN`.

`codes` values of the code weigh `information` in the losses.
"""

CONDITIONAL_GAN = Space(**dict(_TOLD), condition=Constant("one_hot"))
"""The ready space of the `conditional_gan` trainer; axes as in `VECTOR_GAN`.

`condition` is how a class is told: `one_hot`, or by the `dense` vector of its words.
"""

SEMI_SUPERVISED_GAN = Space(**dict(_TOLD), supervision=Float(0.3, 3.0, log=True))
"""The ready space of the `semi_supervised_gan` trainer; axes as in `VECTOR_GAN`.

`supervision` is the weight of the classes of labelled points in the discriminator's loss.
"""

_IMAGES = Space(
    learning_rate=Float(1e-4, 5e-3, log=True),
    discriminator_ratio=Float(0.1, 2.0, log=True),
    beta1=Constant(0.5),
    beta2=Constant(0.999),
    batch_size=Constant(64),
)
_TRANSLATION = Space(
    activation=Categorical(("relu", "leaky_relu")),
    loss=Categorical(("non_saturating", "least_squares")),
)

PIX2PIX = Space(
    **dict(_IMAGES),
    channels=Int(4, 16, log=True),
    latent=Int(1, 16, log=True),
    **dict(_TRANSLATION),
    closeness=Float(1.0, 100.0, log=True),
)
"""The ready space of the `pix2pix` trainer; axes as in `VECTOR_GAN`.

`channels` are those of the upper maps, and `closeness` is the weight of the mean absolute
difference from the true image.
"""

CYCLEGAN = Space(
    **dict(_IMAGES),
    units=Int(32, 64, log=True),
    layers=Constant(1),
    **dict(_TRANSLATION),
    cycle=Float(1.0, 100.0, log=True),
)
"""The ready space of the `cyclegan` trainer; axes as in `VECTOR_GAN`.

`cycle` is the weight of the mean absolute difference of images that go there and back.
"""

PROGRESSIVE_GAN = Space(
    **dict(_IMAGES) | {"discriminator_ratio": Float(0.25, 4.0, log=True)},
    channels=Int(4, 16, log=True),
    latent=Int(8, 32, log=True),
    activation=Constant("leaky_relu"),
    leak=Float(0.01, 0.3),
    loss=Categorical(("non_saturating", "hinge")),
    phase_epochs=Int(4, 8),
    fade=Float(0.0, 1.0),
    average_half_life=Float(500.0, 20000.0, log=True),
)
"""The ready space of the `progressive_gan` trainer; axes as in `VECTOR_GAN`.

Both players double their side every `phase_epochs` epochs, from 8 to 32, and a new layer fades in
over the share `fade` of its phase's epochs. All layers have `channels` channels.
"""
