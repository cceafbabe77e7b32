"""The deep belief network as a trainer: machines one on the other, then fine-tuned."""

from __future__ import annotations

from typing import ClassVar

from search_spaces import Categorical, Space
from search_spaces.unsupervised import DBN as SPACE
from trials.networks.pretrained import DOMAIN as PRETRAINED_DOMAIN
from trials.networks.pretrained import Pretrained

DOMAIN = Space(
    **{
        **{n: axis for n, axis in PRETRAINED_DOMAIN.items() if n != "pretraining_noise"},
        "pretraining": Categorical(("none", "rbm")),
        "activation": Categorical(("sigmoid",)),
    }
)
"""What may be asked for, far beyond what is worth trying."""


class DBN(Pretrained):
    """Deep belief network: each layer a restricted Boltzmann machine, fine-tuned as a perceptron.

    Weights have the names of Sequential(Linear, Sigmoid, Dropout, ..., Linear). It is the trainer
    `pretrained` with machines and their sigmoid units.

    Source: Hinton, Osindero and Teh, Neural Computation 18 (2006).
    """

    name: ClassVar[str] = "dbn"
    space = SPACE
    domain = DOMAIN
