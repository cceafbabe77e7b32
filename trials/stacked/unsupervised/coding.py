"""The epoch of stacked autoencoders: an encoder, a code, perhaps drawn, and a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trials.stacked.batches import Order, evaluated_at_once, pieces
from trials.stacked.cohort import by_row
from trials.stacked.dropout import Dropout
from trials.stacked.network import Site
from trials.stacked.noise import generator, normal_tape
from trials.stacked.pace import Pace
from trials.stacked.per_row import column, per_row
from trials.stacked.perceptron import Perceptron
from trials.stacked.runs import runs
from trials.stacked.sending import sent
from trials.stacked.unsupervised.coders import NETWORKS, Coders
from trials.stacked.unsupervised.likelihoods import LIKELIHOODS, Likelihood
from trials.stacked.unsupervised.noise import Spoiling
from trials.stacked.unsupervised.points import N_SHOWN, Points, Source


class _Code(NamedTuple):
    """What an encoder says of a batch.

    Attributes:
        z: What the decoder gets, (K, B, Z).
        law: Mean and logarithm of the variance, (K, B, Z, 2); None where z is said itself.
        noise: Deviations from the mean in units of the standard deviation, (K, B, Z), or None.
    """

    z: Tensor
    law: Tensor | None
    noise: Tensor | None


class _Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        seen: Points as they were spoilt, (K, B, D).
        x: Points as they are.
        masks: Factors of each hidden layer's units; None for no dropout.
        noise: As in `_Code`.
        n_points: Of B, those that are not padding.
    """

    seen: Tensor
    x: Tensor
    masks: Sequence[Tensor] | None
    noise: Tensor | None
    n_points: int


def divergence(law: Tensor) -> Tensor:
    """Kullback-Leibler divergence from standard normal numbers, in nats, shape (K, B).

    Args:
        law: Means and logarithms of variances, shape (K, B, Z, 2).
    """
    mean, log_variance = law.unbind(-1)
    return (mean.square() + log_variance.exp() - log_variance - 1.0).sum(-1) * 0.5


class CodingTraining:
    """Rows of autoencoders in a fixed order, ready to train; a `cohort.Training`.

    A row minimises, per point and feature, the surprise at the point given the code, and
    kl_weight times the divergence of a drawn code or sparsity_weight times sum |z| of a plain one.

    Args:
        source: The points.
        coders: The networks of the rows, in the order of the family's rank.
        pace: How fast the rows learn, and when they stop.

    Source: Kingma and Welling, ICLR (2014), for drawn codes.
    """

    def __init__(self, source: Source, coders: Coders, pace: Pace) -> None:
        settings, rounded = coders.settings, coders.rounded
        self._source, self._coders, self._pace = source, coders, pace
        self._rows, self._settings, self._rounded = coders.rows, settings, rounded
        self._workspace = coders.workspace
        self._like = like = coders.encoder.parameters
        seeds = [row.seed for row in coders.rows]
        self._spoiling = Spoiling(
            [s.corruption for s in settings], seeds, [source.n_features] * len(seeds)
        )
        sites = [[Site(s.dropout, (s.units,))] * (2 * s.layers) for s in settings]
        self._dropout = Dropout(sites, [(rounded.units,)] * (2 * rounded.layers), seeds, like)
        self._kl = per_row([s.kl_weight for s in settings], like)
        self._sparsity = column([s.sparsity_weight for s in settings], like)
        self._laws: list[tuple[Likelihood, slice]] = [
            (LIKELIHOODS[name], span) for name, span in runs(s.likelihood for s in settings)
        ]
        self._views = [s.view for s in settings]
        self._units = source.units(self._views)

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, n_rows = self._source.train, len(self._rows)
        batch_size = min(self._rounded.batch_size, train.n_points)
        n_steps = -(-train.n_points // batch_size)
        kinds = train.kinds(self._views)
        order = Order([row.seed for row in self._rows], epochs, train.n_points)
        self._spoiling.begin(epochs)
        self._dropout.begin(epochs)
        factors = self._pace.factors(epochs, [row.epochs for row in self._rows])
        self._coders.begin(factors, epochs, n_steps)
        tapes = self._latent_tapes("latent", epochs)
        width = self._source.width
        numbers = n_rows * (3 * width + 2 * self._rounded.code + self._dropout.n_numbers)
        numbers += self._coders.n_numbers // batch_size
        errors = []
        for piece in pieces(train.n_points, batch_size, numbers):
            x = train.chosen(sent(order.take(piece), self._source.device), kinds)
            seen, masks = self._spoiling.spoilt(x, piece), self._dropout.masks(piece)
            noise = self._latent(tapes, piece.n_steps, piece.n_batch)
            outputs = self._workspace.take("outputs", *x.shape)
            weight = piece.weight(width, self._source.n_features, self._like)
            weight /= self._source.n_features
            self._coders.prepare(piece)
            for step in range(piece.n_steps):
                batch = _Batch(seen[step], x[step], masks[step], noise[step], piece.n_points)
                with self._coders.learning(piece, step):
                    self._step(batch, weight, outputs[step])
            error = [self._error(o, y) for o, y in zip(outputs, x, strict=True)]
            errors += [part[:, : piece.n_points] for part in error]
        figures = self.evaluate(self._source.validation)
        figures["train_loss"] = torch.cat(errors, 1).double().mean(1)
        found = by_row(figures)
        self._pace.observe(found)
        return found

    def measured(self) -> list[dict[str, float]]:
        """What stopped rows show: the figures of their last epoch."""
        found = by_row(self.evaluate(self._source.validation))
        for figures, loss in zip(found, self._pace.train_losses, strict=True):
            figures["train_loss"] = loss
        return found

    def _step(self, batch: _Batch, weight: Tensor, outputs: Tensor) -> None:
        """The gradients of both networks for one batch, and the outputs."""
        coders, n_layers, masks = self._coders, self._rounded.layers, batch.masks
        encoder, decoder = (coders.net(name, batch.x.shape[1], batch.n_points) for name in NETWORKS)
        code = self._coded(encoder, batch.seen, masks and masks[:n_layers], batch.noise)
        decoder.forward(code.z, masks and masks[n_layers:], outputs)
        slope = self._workspace.take("slope", *outputs.shape)
        for law, rows in self._laws:
            law.slope(outputs[rows], batch.x[rows], slope[rows])
        slope.mul_(weight)
        decoder.backward(slope, coders.decay(coders.decoder))
        below = decoder.through(slope)
        at_code = self._code_slope(code, below, weight[:, :1])
        encoder.backward(at_code, coders.decay(coders.encoder))

    def _measured_code(self, x: Tensor, noise: Tensor | None = None) -> _Code:
        """The codes of points (K, B, D) as they are."""
        net = self._coders.net("encoder", x.shape[1])
        return self._coded(net, x, None, noise, is_training=False)

    def _restored(self, code: Tensor, outputs: Tensor) -> Tensor:
        """What the decoders make of codes (K, B, Z), in `outputs`."""
        net = self._coders.net("decoder", code.shape[1])
        return net.forward(code, None, outputs, is_training=False)

    def _coded(
        self,
        encoder: Perceptron,
        x: Tensor,
        masks: Sequence[Tensor] | None,
        noise: Tensor | None,
        *,
        is_training: bool = True,
    ) -> _Code:
        """The codes of `x`, shape (K, B, D); the means of drawn codes where there is no noise."""
        n_said = self._rounded.code * (2 if self._rounded.is_drawn else 1)
        said = self._workspace.take("said", *x.shape[:2], n_said)
        encoder.forward(x, masks, said, is_training=is_training)
        if not self._rounded.is_drawn:
            return _Code(said, None, None)
        law = said.view(*x.shape[:2], -1, 2)
        mean, log_variance = law.unbind(-1)
        if noise is None:
            return _Code(mean.contiguous(), law, None)
        z = torch.exp(0.5 * log_variance).mul_(noise).add_(mean)
        return _Code(z, law, noise)

    def _code_slope(self, code: _Code, below: Tensor, weight: Tensor) -> Tensor:
        """The gradient at what the encoder says.

        Args:
            code: Of the batch.
            below: The gradient at the code, shape (K, B, Z).
            weight: 1 / (points * features) for real points, else 0; shape (B, 1).
        """
        if code.law is None:
            if self._sparsity is not None:
                penalty = torch.sign(code.z).mul_(weight)
                below.addcmul_(penalty, self._sparsity.unsqueeze(2))
            return below
        assert code.noise is not None
        mean, log_variance = code.law.unbind(-1)
        pull = self._kl * weight
        spread = torch.exp(0.5 * log_variance)
        slope = torch.empty_like(code.law)
        torch.addcmul(below, mean, pull, out=slope[..., 0])
        drawn = (below * code.noise).mul_(spread)
        excess = spread.square_().sub_(1.0).mul_(pull)
        slope[..., 1] = drawn.add_(excess).mul_(0.5)
        return slope.flatten(2)

    def _latent_tapes(self, purpose: str, epochs: Sequence[int]) -> list[torch.Generator]:
        if not self._rounded.is_drawn:
            return []
        return [
            generator(row.seed, purpose, epoch)
            for row, epoch in zip(self._rows, epochs, strict=True)
        ]

    def _latent(
        self, tapes: Sequence[torch.Generator], n_steps: int, n_batch: int
    ) -> Sequence[Tensor | None]:
        """Normal noise for each step, (K, B, Z), zero where codes are padded; None without."""
        if not tapes:
            return [None] * n_steps
        like = self._like
        noise = torch.zeros(n_steps, len(tapes), n_batch, self._rounded.code, dtype=like.dtype)
        for k, (tape, settings) in enumerate(zip(tapes, self._settings, strict=True)):
            shape = (n_batch, settings.code)
            noise[:, k, :, : settings.code] = normal_tape(tape, n_steps, shape)
        return noise.to(like.device).unbind(0)

    def _error(self, outputs: Tensor, x: Tensor) -> Tensor:
        """Squared error per point in squared units of the data, a mean over features, (K, B)."""
        error = torch.empty_like(outputs)
        for law, rows in self._laws:
            torch.sub(law.mean(outputs[rows]), x[rows], out=error[rows])
        return error.mul_(self._units).square_().sum(-1) / self._source.n_features

    def evaluate(self, points: Points) -> dict[str, Tensor]:
        """The objectives of every row on `points`, each of shape (K,)."""
        kinds, n = points.kinds(self._views), points.n_points
        truths = points.kinds([view.truth for view in self._views])
        widest = max(self._source.width, self._rounded.units)
        most = min(points.n_padded, evaluated_at_once(widest))
        tapes = self._latent_tapes("measured latent", [0] * len(self._rows))
        errors, bounds = [], []
        for start in range(0, points.n_padded, most):
            x = points.x[:, start : start + most].index_select(0, kinds)
            outputs = self._workspace.take("evaluated", *x.shape)
            restored = self._restored(self._measured_code(x).z, outputs)
            truth = points.x[:, start : start + most].index_select(0, truths)
            errors.append(self._error(restored, truth))
            if tapes:
                noise = self._latent(tapes, 1, x.shape[1])[0]
                code = self._measured_code(x, noise)
                bounds.append(self._bound(code, self._restored(code.z, outputs), x))
        loss = torch.cat(errors, 1)[:, :n].double().mean(1)
        elbo = torch.full_like(loss, torch.nan)
        if bounds:
            elbo = torch.cat(bounds, 1)[:, :n].double().mean(1) - self._log_units()
        return {"validation_loss": loss, "validation_elbo": elbo}

    def restore(self, points: Points) -> Tensor:
        """What the decoders make of the codes of `points`, shape (K, N, D) padded."""
        kinds = points.kinds(self._views)
        x = points.x.index_select(0, kinds)
        outputs = self._workspace.take("restored", *x.shape)
        return self._restored(self._measured_code(x).z, outputs)

    def samples(self) -> Tensor:
        """Restored validation points, or points for fixed draws of a drawn code, (K, N, D)."""
        n_rows, n_shown, like = (
            len(self._rows),
            min(N_SHOWN, self._source.validation.n_padded),
            self._like,
        )
        if self._rounded.is_drawn:
            z = like.new_zeros(n_rows, n_shown, self._rounded.code)
            for k, settings in enumerate(self._settings):
                rng = generator(0, "shown codes")
                z[k, :, : settings.code] = torch.randn(n_shown, settings.code, generator=rng)
        else:
            kinds = self._source.validation.kinds(self._views)
            z = self._measured_code(self._source.validation.x[:, :n_shown].index_select(0, kinds)).z
        outputs = self._workspace.take("shown", n_rows, n_shown, self._source.width)
        self._restored(z, outputs)
        for law, rows in self._laws:
            outputs[rows] = law.mean(outputs[rows])
        shown = [self._source.in_units(x, v) for x, v in zip(outputs, self._views, strict=True)]
        return torch.stack(shown)

    def _bound(self, code: _Code, outputs: Tensor, x: Tensor) -> Tensor:
        """The evidence lower bound of each point, in nats and scaled units, shape (K, B)."""
        assert code.law is not None
        found = torch.empty(outputs.shape[:2], dtype=outputs.dtype, device=outputs.device)
        true = slice(self._source.n_features)
        for law, rows in self._laws:
            found[rows] = law.surprise(outputs[rows], x[rows])[..., true].sum(-1)
        return found.add_(divergence(code.law)).neg_()

    def _log_units(self) -> Tensor:
        """What a log density loses where it is told per unit of the data, shape (K,)."""
        logs = self._units[:, 0, : self._source.n_features].double().log().sum(1)
        is_density = [float(s.likelihood == "gaussian") for s in self._settings]
        return logs * torch.tensor(is_density, dtype=torch.float64, device=logs.device)
