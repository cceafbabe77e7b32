"""The progressive GAN: phases and fades against plain torch, and bits across phases."""

import dataclasses
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trials.company import assert_late_bits, cohort_of
from tests.trials.gans.plain_game import PlainGame, SpectralLinear, assert_plain, rows_of
from tests.trials.gans.plain_images import SpectralConv, images_of
from trials.contract import Row
from trials.data import DataError
from trials.gans.enlarged import EnlargedReal, enlarging
from trials.gans.progressive import ProgressiveGAN, Settings
from trials.stacked.settings import settings_of

EPOCHS = 3
SMALL = {"channels": 5, "latent": 3, "batch_size": 32, "learning_rate": 0.005}
ROWS = (
    {"phase_epochs": 1, "fade": 0.4, "loss": "hinge"},
    {"phase_epochs": 2, "fade": 1.0, "average_half_life": 60.0, "channels": 3},
    {"phase_epochs": 1, "fade": 1.0, "activation": "tanh", "label_smoothing": 0.1},
)
REMEDIES = {"packing": 2, "gradient_penalty": 2.0, "discriminator_norm": "spectral"}
STRUCTURES = {"as it is": ({}, EPOCHS), "packed, penalised, spectral": (REMEDIES, EPOCHS - 1)}


class Player(nn.Module):
    """Layers of one player under the names that weights have."""

    def __init__(self, layers, activation):
        super().__init__()
        self.body = nn.ModuleDict(
            {n: nn.ModuleList(m) if isinstance(m, list) else m for n, m in layers.items()}
        )
        self.activation = activation()
        self.phase, self.share = 0, 1.0
        self.double()

    def load(self, weights, prefix):
        """Takes the tensors that begin with `prefix`."""
        own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
        self.body.load_state_dict({n: t.double() for n, t in own.items()})


class Maker(Player):
    """Grows."""

    def forward(self, latent):
        """Flat images of the phase's side."""
        maps = self.activation(self.body["first"](latent).unflatten(1, (-1, 4, 4)))
        for layer in self.body["grow"][: self.phase + 1]:
            below, maps = maps, self.activation(layer(maps))
        images = self.body["paint"][self.phase](maps)
        if self.share < 1:
            before = self.body["paint"][self.phase - 1](below)
            before = before.repeat_interleave(2, 2).repeat_interleave(2, 3)
            images = (1 - self.share) * before + self.share * images
        return images.flatten(1)


class Judge(Player):
    """Shrinks."""

    def forward(self, *groups):
        """Logits of groups of flat packs."""
        side = 8 << self.phase
        x = torch.cat(groups).view(-1, self.body["read"][0].in_channels, side, side)
        maps = self.activation(self.body["read"][self.phase](x))
        maps = self.activation(self.body["shrink"][self.phase](maps))
        if self.share < 1:
            before = self.body["read"][self.phase - 1](functional.avg_pool2d(x, 2))
            maps = (1 - self.share) * self.activation(before) + self.share * maps
        for layer in reversed(self.body["shrink"][: self.phase]):
            maps = self.activation(layer(maps))
        return self.body["last"](maps.flatten(1))


class PlainGrowth(PlainGame):
    """Training of one row through its phases."""

    def __init__(self, data, row, weights, settings):
        super().__init__(data, row, weights, settings)
        x = torch.tensor(data.train.x).double()
        larger = enlarging(x.shape[-1])[0]
        self.images = larger @ ((x - x.mean()) / x.std(correction=0)) @ larger.t()

    def players(self, latent, fixed):
        """Both networks."""
        s, c = self.s, self.s.channels
        spectral = s.discriminator_norm == "spectral"
        layer = SpectralConv if spectral else nn.Conv2d
        maker = {
            "first": nn.Linear(s.latent, 16 * c),
            "grow": [nn.ConvTranspose2d(c, c, 4, 2, 1) for _ in range(3)],
            "paint": [nn.Conv2d(c, 1, 1) for _ in range(3)],
        }
        judge = {
            "read": [layer(s.packing, c, 1, 1, 0) for _ in range(3)],
            "shrink": [layer(c, c, 4, 2, 1) for _ in range(3)],
            "last": (SpectralLinear if spectral else nn.Linear)(16 * c, 1),
        }
        return Maker(maker, self.activation), Judge(judge, self.activation)

    def epoch(self, epoch):
        """Mean losses of both players in one epoch of their phase."""
        s = self.s
        phase = min(epoch // s.phase_epochs, 2)
        age, n_fading = epoch - phase * s.phase_epochs + 0.5, s.fade * s.phase_epochs
        share = min(1.0, age / n_fading) if phase else 1.0
        x = functional.avg_pool2d(self.images, 4 >> phase)
        if share < 1:
            blurred = functional.avg_pool2d(x, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = (1 - share) * blurred + share * x
        self.x = x.flatten(1)
        self.n_features = self.x.shape[1]
        rates = s.learning_rate, s.learning_rate * s.discriminator_ratio
        for player in (self.maker, self.judge):
            is_new, player.phase, player.share = player.phase != phase, phase, share
        if is_new:
            self.maker_rule, self.judge_rule = (
                torch.optim.Adam(player.parameters(), lr=rate, betas=(s.beta1, s.beta2))
                for player, rate in zip((self.maker, self.judge), rates, strict=True)
            )
        return super().epoch(epoch)


@pytest.mark.parametrize(("structure", "n_epochs"), STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(structure, n_epochs):
    """Rows in different phases and fades have the losses and weights of plain games."""

    def game_of(row, weights):
        return PlainGrowth(images_of(8), row, weights, settings_of(Settings, row.params))

    settings = [SMALL | own | structure for own in ROWS]
    trainer = ProgressiveGAN(images_of(8), dtype=torch.float64)
    assert_plain(trainer, settings, game_of, EPOCHS, n_epochs, rtol=1e-6)


@pytest.mark.parametrize(("structure", "n_epochs"), STRUCTURES.values(), ids=STRUCTURES)
def test_company_changes_no_bit(structure, n_epochs):
    """A row alone, beside rows of other phases, or saved in the middle of a fade, is the same."""
    rows = rows_of([SMALL | own | structure for own in ROWS], EPOCHS)
    chosen = rows[1:2] if n_epochs == EPOCHS else rows[2:3]
    assert_late_bits(ProgressiveGAN(images_of(8)), rows, chosen, n_epochs)


def test_phases_follow_each_other_and_the_last_stays():
    """A phase begins every `phase_epochs` epochs; its layers count for evenly more, then fully."""
    settings = Settings(phase_epochs=4, fade=0.5)
    assert [settings.phase(e) for e in (0, 3, 4, 8, 12, 50)] == [0, 0, 1, 2, 2, 2]
    shares = [settings.share(epoch) for epoch in (0, 1, 4, 5, 6, 8, 9, 10)]
    assert shares == [1, 1, 0.25, 0.75, 1, 0.25, 0.75, 1]
    assert [e for e in range(20) if settings.begins_phase(e)] == [4, 8]
    assert all(Settings(fade=0.0).share(e) == 1 for e in range(20))


def test_layers_to_come_stand_still():
    """Before its phase a layer is as it was drawn; from then on it moves."""
    trainer = ProgressiveGAN(images_of(8))
    rows = rows_of([SMALL | {"phase_epochs": 1}], EPOCHS)
    cohort = cohort_of(trainer, rows)
    weights = [trainer.weights(cohort.save(0), rows[0].params)]
    for _ in range(EPOCHS):
        cohort.advance()
        weights.append(trainer.weights(cohort.save(0), rows[0].params))
    for phase in range(3):
        for name in (f"generator.grow.{phase}.weight", f"discriminator.shrink.{phase}.weight"):
            moved = [not torch.equal(a[name], b[name]) for a, b in itertools.pairwise(weights)]
            assert moved == [epoch >= phase for epoch in range(EPOCHS)]


def test_samples_are_large_and_figures_are_those_of_the_data():
    """A sample has 32 x 32 pixels in every phase; what is measured are its means over squares."""
    trainer = ProgressiveGAN(images_of(8))
    rows = rows_of([SMALL | {"phase_epochs": 1, "fade": 0.0}], EPOCHS)
    cohort = cohort_of(trainer, rows)
    for side in (8, 16):
        progress = cohort.advance()[0]
        samples = trainer.samples(cohort.save(0), rows[0].params)
        assert samples.shape == (256, 1, 32, 32)
        shown = functional.avg_pool2d(samples, 32 // side)
        shown = shown.repeat_interleave(32 // side, 2).repeat_interleave(32 // side, 3)
        torch.testing.assert_close(samples, shown)
    means = functional.avg_pool2d(trainer.samples(cohort.save(0), rows[0].params), 4)
    own = Row(0, rows[0].params, rows[0].seed, EPOCHS)
    tested = trainer.test(cohort.save(0), own.params)["sample_distance"]
    figures = trainer.real.quality(trainer.real.data.test).figures(means.flatten(1).unsqueeze(0))
    assert float(figures["sample_distance"]) == pytest.approx(tested, rel=1e-4)
    assert progress.metrics["sample_distance"] > 0


@pytest.mark.parametrize("side", [8, 16, 24, 28, 32])
def test_enlarging_is_undone_exactly(side):
    """Every side is brought to 32 and back; a flat image stays flat."""
    larger, smaller = enlarging(side)
    assert larger.shape == (32, side)
    torch.testing.assert_close(smaller @ larger, torch.eye(side, dtype=torch.float64))
    ones = torch.ones(side, dtype=torch.float64)
    torch.testing.assert_close(larger @ ones, torch.ones(32, dtype=torch.float64))


def test_real_images_come_back_in_data_units():
    """The largest images of the players are those of the data when they are brought back."""
    data = images_of(8)
    real = EnlargedReal(data, torch.device("cpu"), torch.float64)
    points = real.points[: real.n_points].unsqueeze(0)
    back = real.phases[-1].in_data_units(points)[0]
    torch.testing.assert_close(back, torch.tensor(data.train.x).double().flatten(1))


def test_other_images_are_refused(classes_data):
    """So are points; the message says what is wanted."""
    wide = dataclasses.replace(images_of(8), kind="points")
    for data in (images_of(20), classes_data, wide):
        with pytest.raises(DataError, match=r"must be square images of side 8, 16 or 24 to 32"):
            ProgressiveGAN(data)
