"""Ready spaces for generative adversarial networks that grow while they train."""

from __future__ import annotations

from search_spaces.parameters import Categorical, Constant, Float, Int
from search_spaces.space import Space

PROGRESSIVE_GAN = Space(
    learning_rate=Float(1e-4, 5e-3, log=True),
    discriminator_ratio=Float(0.25, 4.0, log=True),
    beta1=Constant(0.5),
    beta2=Constant(0.999),
    channels=Int(4, 16, log=True),
    latent=Int(8, 32, log=True),
    batch_size=Constant(64),
    activation=Constant("leaky_relu"),
    leak=Float(0.01, 0.3),
    loss=Categorical(("non_saturating", "hinge")),
    phase_epochs=Int(4, 8),
    fade=Float(0.0, 1.0),
    average_half_life=Float(500.0, 20000.0, log=True),
)
"""The ready space of the `progressive_gan` trainer; axes as in `search_spaces.gans.VECTOR_GAN`.

Both players double their side every `phase_epochs` epochs, from 8 to 32, and a new layer fades in
over the share `fade` of its phase's epochs. All layers have `channels` channels.
"""
