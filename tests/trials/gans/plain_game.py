"""A GAN of perceptrons with every loss and remedy, one row at a time, in plain torch."""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.trials.company import cohort_of
from trials.contract import Row
from trials.data.scaling import fit_scaling
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape
from trials.stacked.schedules import SCHEDULES

JUDGING = {
    "minimax": lambda s, t: functional.softplus(s) - t * s,
    "non_saturating": lambda s, t: functional.softplus(s) - t * s,
    "least_squares": lambda s, t: 0.5 * (s - t) ** 2,
    "hinge": lambda s, t: t * functional.relu(1 - s) + (1 - t) * functional.relu(1 + s),
    "wasserstein": lambda s, t: (1 - 2 * t) * s,
}
FOOLING = {
    "minimax": lambda s: -functional.softplus(s),
    "non_saturating": lambda s: functional.softplus(-s),
    "least_squares": lambda s: 0.5 * (s - 1) ** 2,
    "hinge": lambda s: -s,
    "wasserstein": lambda s: -s,
}


class VirtualBatchNorm(nn.Module):
    """Normalises each point by the reference batch and itself."""

    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        """The first 64 points are the reference."""
        fixed, own = x[:64], x[64:]
        parts = [(fixed - fixed.mean(0)) / (fixed.var(0, unbiased=False) + 1e-5).sqrt()]
        mean, square = (fixed.sum(0) + own) / 65, ((fixed**2).sum(0) + own**2) / 65
        parts.append((own - mean) / (square - mean**2 + 1e-5).sqrt())
        return torch.cat(parts) * self.weight + self.bias


class SpectralLinear(nn.Linear):
    """A weight over its largest singular value, by one power iteration a pass."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.register_buffer("u", torch.zeros(n_out))
        self.iterates = True

    def forward(self, x):
        """Torch's own formula."""
        with torch.no_grad():
            v = functional.normalize(self.weight.t() @ self.u, dim=0)
            if self.iterates:
                self.u = functional.normalize(self.weight @ v, dim=0)
        largest = self.u @ self.weight @ v
        return functional.linear(x, self.weight / largest, self.bias)


class Network(nn.Module):
    """A perceptron of one player."""

    def __init__(self, widths, activation, norm, reference=None, tracks=True):
        super().__init__()
        modules = []
        for n_in, n_out in itertools.pairwise(widths):
            modules.append((SpectralLinear if norm == "spectral" else nn.Linear)(n_in, n_out))
            if norm == "batch":
                modules.append(nn.BatchNorm1d(n_out, track_running_stats=tracks))
            if norm == "virtual":
                modules.append(VirtualBatchNorm(n_out))
            modules.append(activation())
        self.body = nn.Sequential(*modules[: -2 if norm in ("batch", "virtual") else -1])
        self.norm, self.reference = norm, reference
        self.double()

    def load(self, weights, prefix):
        """Takes the tensors that begin with `prefix`."""
        own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
        own = {n: t.double() for n, t in own.items()}
        counts = {n: t for n, t in self.body.state_dict().items() if n.endswith("tracked")}
        self.body.load_state_dict(own | counts)
        return self

    def forward(self, *groups):
        """Outputs of groups of points; each has its own batch statistics."""
        if self.norm == "batch":
            return torch.cat([self.body(group) for group in groups])
        x = torch.cat(groups)
        if self.norm == "virtual":
            return self.body(torch.cat([self.reference, x]))[64:]
        return self.body(x)


class PlainGame:
    """Training of one row, epoch by epoch, on its own draws."""

    def __init__(self, data, row, weights, settings):
        self.row, self.s = row, settings
        scaling = fit_scaling(settings.input_scaling, data.train.x)
        self.x = torch.tensor(scaling.apply(data.train.x)).double().flatten(1)
        self.n_features = self.x.shape[1]
        s = settings
        self.activation = {
            "leaky_relu": lambda: nn.LeakyReLU(s.leak),
            "tanh": nn.Tanh,
            "softplus": nn.Softplus,
        }[s.activation]
        latent = self.latent(generator(row.seed, "reference latent"), 1, 64)[0]
        rng = generator(row.seed, "reference points")
        fixed = self.x[torch.randint(len(self.x), (64 * s.packing,), generator=rng)]
        fixed = fixed.reshape(64, -1)
        self.maker, self.judge = self.players(latent, fixed)
        self.maker.load(weights, "generator.")
        self.judge.load(weights, "discriminator.")
        self.average = [p.detach().clone() for p in self.maker.parameters()]
        betas = (s.beta1, s.beta2)
        rate, ratio = s.learning_rate, s.discriminator_ratio
        self.maker_rule = torch.optim.Adam(self.maker.parameters(), lr=rate, betas=betas)
        self.judge_rule = torch.optim.Adam(self.judge.parameters(), lr=rate * ratio, betas=betas)

    def players(self, latent, fixed):
        """Both networks; `latent` and `fixed` are the batches that virtual norms refer to."""
        s, hidden, n = self.s, [self.s.units] * self.s.layers, self.n_features
        maker = Network([s.latent, *hidden, n], self.activation, s.generator_norm, latent)
        widths = [n * s.packing, *hidden, 1]
        norm = s.discriminator_norm
        return maker, Network(widths, self.activation, norm, fixed, tracks=False)

    def latent(self, rng, n_steps, n_batch):
        """Latent points for some steps."""
        if self.s.latent_distribution == "uniform":
            drawn = torch.empty(n_steps, n_batch, self.s.latent).uniform_(-1, 1, generator=rng)
            return drawn.double()
        return normal_tape(rng, n_steps, (n_batch, self.s.latent)).double()

    def epoch(self, epoch):
        """Mean losses of both players in one epoch."""
        s, seed = self.s, self.row.seed
        for rule, ratio in ((self.maker_rule, 1.0), (self.judge_rule, s.discriminator_ratio)):
            pace = SCHEDULES[s.schedule](epoch, self.row.epochs)
            rule.param_groups[0]["lr"] = s.learning_rate * ratio * pace
        rngs = {
            purpose: generator(seed, purpose, epoch)
            for player in ("generator", "discriminator")
            for purpose in (f"{player} latent", f"{player} noise")
        } | {p: generator(seed, p, epoch) for p in ("label flips", "penalised points")}
        noise = s.instance_noise * max(0, 1 - epoch / (s.instance_noise_end * self.row.epochs))
        is_frozen = s.frozen_from <= epoch < s.frozen_from + s.frozen_epochs
        frozen = s.frozen_player if is_frozen else ""
        n_used = len(self.x) // s.packing * s.packing
        order = data_order(seed, epoch, len(self.x))[:n_used]
        batches = order.split(-(-s.batch_size // s.packing) * s.packing)
        judged, made = [], []
        for step, points in enumerate(batches):
            n = len(points)
            n_batch = s.packing * padded_batch(n // s.packing)
            size = (2 * n_batch, self.n_features)
            haze = torch.zeros(size).double()
            if noise:
                drawn = normal_tape(rngs["discriminator noise"], 1, size)[0]
                haze = noise * drawn.double()
            draw = self.latent(rngs["discriminator latent"], 1, n_batch)[0, :n]
            fake = self.maker(draw).detach()
            pair = [self.x[points] + haze[:n], fake + haze[n_batch:][:n]]
            pair = [group.reshape(n // s.packing, -1) for group in pair]
            judged += [self._judge(pair, n_batch // s.packing, rngs, frozen)] * (n // s.packing)
            if (step + 1) % s.discriminator_steps and step + 1 < len(batches):
                continue
            haze = torch.zeros(n_batch, self.n_features).double()
            if noise:
                drawn = normal_tape(rngs["generator noise"], 1, tuple(haze.shape))[0]
                haze = noise * drawn.double()
            draw = self.latent(rngs["generator latent"], 1, n_batch)[0, :n]
            made += [self._fool(draw, haze[:n], frozen)] * (n // s.packing)
        return sum(judged) / len(judged), sum(made) / len(made)

    def _judge(self, pair, n_batch, rngs, frozen):
        """A step of the discriminator; its loss against the true labels."""
        s, n = self.s, len(pair[0])
        logits = self.judge(*pair)[:, 0]
        targets = torch.cat([torch.full((n,), 1 - s.label_smoothing), torch.zeros(n)]).double()
        loss = JUDGING[s.loss](logits, targets).sum().item() / n
        if s.label_flips:
            drawn = torch.empty(2 * n_batch).uniform_(generator=rngs["label flips"])
            drawn = torch.cat([drawn[:n], drawn[n_batch:][:n]])
            targets = torch.where(drawn < s.label_flips, 1 - s.label_smoothing - targets, targets)
        cost = JUDGING[s.loss](logits, targets).sum() / n
        if s.gradient_penalty:
            drawn = torch.empty(n_batch).uniform_(generator=rngs["penalised points"])
            share = drawn[:n, None].double()
            cost = cost + s.gradient_penalty * self._penalty(pair, share)
        self.judge_rule.zero_grad()
        cost.backward()
        if frozen != "discriminator":
            self.judge_rule.step()
        if s.clip:
            for parameter in self.judge.parameters():
                parameter.data.clamp_(-s.clip, s.clip)
        return loss

    def _penalty(self, pair, share):
        """Mean squared difference of slopes from 1."""
        x = (share * pair[0] + (1 - share) * pair[1]).requires_grad_()
        spectral = [m for m in self.judge.modules() if hasattr(m, "iterates")]
        for module in spectral:
            module.iterates = False
        (slope,) = torch.autograd.grad(self.judge(x).sum(), x, create_graph=True)
        for module in spectral:
            module.iterates = True
        return (slope.norm(dim=1) - 1).square().mean()

    def _fool(self, latent, haze, frozen):
        """A step of the generator; its loss."""
        s = self.s
        seen = (self.maker(latent) + haze).reshape(len(latent) // s.packing, -1)
        loss = FOOLING[s.loss](self.judge(seen)[:, 0]).mean()
        self.maker_rule.zero_grad()
        loss.backward()
        if frozen != "generator":
            self.maker_rule.step()
        if s.average_half_life:
            kept = 0.5 ** (s.batch_size / s.average_half_life)
            for mean, now in zip(self.average, self.maker.parameters(), strict=True):
                mean.mul_(kept).add_(now.detach(), alpha=1 - kept)
        return loss.item()


def rows_of(settings, epochs):
    """Rows of these settings."""
    return [Row(k, own, 100 + k, epochs) for k, own in enumerate(settings)]


def assert_plain(trainer, settings, game_of, epochs, n_epochs, rtol):
    """Rows have the losses and weights of plain games, which `game_of(row, weights)` makes.

    Args:
        trainer: Of the rows.
        settings: One mapping per row.
        game_of: Makes the plain game of a row with its initial weights.
        epochs: That the rows have.
        n_epochs: That are compared.
        rtol: Of the losses; weights may be off by 100 times that, and by 1e-5 at most.
    """
    rows = rows_of(settings, epochs)
    cohort = cohort_of(trainer, rows)
    weights = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(n_epochs)]
    for row, start in zip(rows, weights, strict=True):
        game = game_of(row, start)
        expected = [game.epoch(epoch) for epoch in range(n_epochs)]
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=rtol, atol=rtol / 100, err_msg=str(row))
        state = cohort.save(row.key)
        for player, network in (("generator", game.maker), ("discriminator", game.judge)):
            for name, tensor in network.body.named_parameters():
                own = state[f"{player}.parameters.{name}"]
                limit = min(1e-5, 100 * rtol)
                torch.testing.assert_close(own, tensor.detach(), rtol=limit, atol=limit / 100)
        if game.s.average_half_life:
            names = [name for name, _ in game.maker.body.named_parameters()]
            kept = trainer.weights(state, row.params)
            for name, mean in zip(names, game.average, strict=True):
                torch.testing.assert_close(kept[f"generator.{name}"], mean, rtol=1e-6, atol=1e-8)
        for name, tensor in game.maker.body.named_buffers():
            if name.split(".")[-1] in ("running_mean", "running_var"):
                torch.testing.assert_close(state[f"generator.buffers.{name}"], tensor)
