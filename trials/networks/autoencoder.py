"""The autoencoder as a trainer: its axes and defaults, and its two perceptrons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from search_spaces import Categorical, Float, Int, Space
from search_spaces.unsupervised import AUTOENCODER as SPACE
from trials.contract import Objective, Row
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.cohort import Vectors
from trials.stacked.layout import Layout, chain, unit_bucket, width_bucket
from trials.stacked.normalization import NORMALIZATIONS
from trials.stacked.pace import COURSE, Pace
from trials.stacked.unsupervised.coders import NETWORKS, Coders
from trials.stacked.unsupervised.coding import CodingTraining
from trials.stacked.unsupervised.coding_settings import CodingSettings
from trials.stacked.unsupervised.family import DescentFamily
from trials.stacked.unsupervised.likelihoods import LIKELIHOODS
from trials.stacked.unsupervised.noise import NOISES
from trials.stacked.unsupervised.points import BINARIZATIONS
from trials.stacked.unsupervised.settings import DESCENT_AXES
from trials.stacked.unsupervised.trainer import DescentTrainer

DOMAIN = Space(
    **DESCENT_AXES,
    kind=Categorical(("plain", "denoising", "vae")),
    noise=Categorical(NOISES),
    noise_level=Float(0.0, 0.99),
    likelihood=Categorical(tuple(LIKELIHOODS)),
    kl_weight=Float(0.0, 1e6),
    binarize=Categorical(BINARIZATIONS),
    code=Int(1, 16384),
    units=Int(1, 16384),
    layers=Int(0, 32),
    activation=Categorical(tuple(ACTIVATIONS)),
    normalization=Categorical(NORMALIZATIONS),
    dropout=Float(0.0, 0.99),
    dropconnect=Float(0.0, 0.99),
    sparsity_weight=Float(0.0, 1e6),
)
"""What may be asked for, far beyond what is worth trying."""


class Autoencoder(DescentTrainer[CodingSettings]):
    """Autoencoder for tables and images: plain, denoising and variational.

    Weights have the names of a ModuleDict of encoder and decoder, each a Sequential(Linear,
    activation, Dropout, ..., Linear), with BatchNorm1d or LayerNorm before each activation of a
    network with normalization. Outputs 2 j and 2 j + 1 of a variational encoder are mean
    and logarithm of the variance of feature j of the code. Rows of one depth and normalization
    are stacked, variational ones apart from the others.
    """

    name: ClassVar[str] = "autoencoder"
    kind = CodingSettings
    space = SPACE
    domain = DOMAIN

    @property
    def figures(self) -> tuple[Objective, ...]:
        """The error of restored points, and for the kind `vae` the evidence lower bound."""
        return (
            Objective("validation_loss", "minimize", "squared data units"),
            Objective("validation_elbo", "maximize", "nats"),
        )

    def structure(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Trials of equal depth share a cohort, variational and normalised ones apart."""
        settings = CodingSettings(**params)
        return settings.layers, settings.is_drawn, settings.normalization

    def family(self) -> DescentFamily[CodingSettings]:
        """The rows on this data."""
        return _Family(self.source)


class _Family(DescentFamily[CodingSettings]):
    """Autoencoders."""

    kind = CodingSettings
    networks = NETWORKS

    def rounded(self, settings: CodingSettings) -> CodingSettings:
        """Depth, batch size and whether codes are drawn; units and code in buckets."""
        return CodingSettings(
            kind="vae" if settings.is_drawn else "plain",
            batch_size=settings.batch_size,
            layers=settings.layers,
            units=unit_bucket(settings.units),
            code=width_bucket(settings.code),
            normalization=settings.normalization,
        )

    def label(self, row: Row) -> str:
        """What separates the row's stack from others."""
        bound = self.block(row)
        return (
            f"batch_size={bound.batch_size} kind={bound.kind} layers={bound.layers} "
            f"units<={bound.units} code<={bound.code}"
        )

    def layouts(self, settings: CodingSettings, *, is_padded: bool) -> Mapping[str, Layout]:
        """Two perceptrons, one the other's mirror image."""
        width = self.source.width if is_padded else self.source.n_features
        hidden = (settings.units,) * settings.layers
        n_said = settings.code * (2 if settings.is_drawn else 1)
        return {
            name: chain(settings.modules, widths, normalization=settings.normalization)
            for name, widths in (
                ("encoder", (width, *hidden, n_said)),
                ("decoder", (settings.code, *hidden, width)),
            )
        }

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Rows of one optimizer by likelihood and activation, so that like rows are neighbours."""
        settings = self.settings(row)
        return settings.rule.rank, settings.likelihood, settings.activation

    def plain_training(self, rows: Sequence[Row], stack: Vectors) -> CodingTraining:
        """Training of `rows` of one block, whether they stopped or not, in place on `stack`."""
        settings = [self.settings(row) for row in rows]
        rounded = self.block(rows[0])
        padded, true = self.padded(rounded), partial(self.layouts, is_padded=False)
        coders = Coders(rows, settings, rounded, padded, true, stack, self.workspace)
        return CodingTraining(self.source, coders, Pace(settings, stack[COURSE]))
