"""Each remedy does what it says, seen from outside."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from trials.contract import Row
from trials.data.scaling import fit_scaling
from trials.gans.adversarial import Extent
from trials.gans.leaks import leaky
from trials.gans.losses import LOSSES
from trials.gans.normalisation import Batch, Virtual
from trials.gans.scales import Scales
from trials.gans.settings import INPUT_SCALINGS, GameSettings
from trials.gans.tapes import Tapes, latent_tape
from trials.gans.vectors import VectorGAN
from trials.stacked.noise import generator

SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.01, "layers": 2}


def states_of(data, own, n_epochs=3, epochs=8):
    """The trainer, and a row's state at the start and after each epoch."""
    params = SMALL | own
    trainer = VectorGAN(data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 5, epochs)])
    states = [cohort.save(0)]
    for _ in range(n_epochs):
        cohort.advance()
        states.append(cohort.save(0))
    return trainer, params, states


def normal(*shape, seed=0):
    """Standard normal numbers."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def part(state, prefix):
    """The tensors of a state under a prefix, as one vector."""
    return torch.cat([t.flatten() for name, t in state.items() if name.startswith(prefix)])


def tapes_of(own, epoch, epochs=10):
    """The draws of one row in an epoch."""
    settings = GameSettings(latent=4, **own)
    rows = [Row(0, {}, 5, epochs)]
    return Tapes(rows, [settings], [epoch], 16, 2, torch.empty(0, dtype=torch.float64))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_frozen_player_stands_still(ring_data, player):
    """Parameters and moments stay in the frozen epochs and change in the others."""
    own = {"frozen_player": player, "frozen_from": 1, "frozen_epochs": 1}
    _, _, states = states_of(ring_data, own)
    for kind in ("parameters", "first_moment", "second_moment"):
        start, first, second, third = (part(s, f"{player}.{kind}") for s in states)
        assert torch.equal(first, second)
        assert not torch.equal(start, first)
        assert not torch.equal(second, third)
    other = "discriminator" if player == "generator" else "generator"
    assert not torch.equal(*(part(s, f"{other}.parameters") for s in states[1:3]))


def test_clipped_parameters_stay_within_the_bound(ring_data):
    """No parameter of the discriminator is larger than `clip`; the generator's are free."""
    _, _, states = states_of(ring_data, {"clip": 0.05, "loss": "wasserstein"})
    assert part(states[-1], "discriminator.parameters").abs().max() <= 0.05
    assert part(states[-1], "generator.parameters").abs().max() > 0.05


def test_the_average_is_what_is_evaluated_and_kept(ring_data):
    """With a very long half-life, weights and samples are still those of the start."""
    trainer, params, states = states_of(ring_data, {"average_half_life": 1e12})
    kept = trainer.weights(states[-1], params)
    first = trainer.weights(states[0], params)
    for name in (n for n in kept if n.startswith("generator")):
        torch.testing.assert_close(kept[name], first[name], rtol=1e-6, atol=1e-9)
    assert trainer.test(states[-1], params) == pytest.approx(trainer.test(states[0], params))
    moved = part(states[-1], "generator.parameters") - part(states[0], "generator.parameters")
    assert moved.abs().max() > 0.01


def test_a_half_life_of_nothing_is_the_generator_itself(ring_data):
    """The average of a half-life much shorter than a batch is the newest generator."""
    _, _, states = states_of(ring_data, {"average_half_life": 1e-3})
    now, mean = (part(states[-1], f"generator.{k}") for k in ("parameters", "average"))
    assert torch.equal(now, mean)


def test_spectral_normalisation_bounds_slopes(ring_data):
    """The discriminator's weights over their singular values make a function of slope 1."""
    trainer, params, states = states_of(ring_data, {"discriminator_norm": "spectral"}, 6)
    weights = trainer.weights(states[-1], params)
    for layer in ("0", "2", "4"):
        weight, u = (weights[f"discriminator.{layer}.{part}"] for part in ("weight", "u"))
        estimate = (u @ weight).norm()
        assert estimate == pytest.approx(torch.linalg.matrix_norm(weight, 2).item(), rel=0.05)


def test_the_penalty_brings_slopes_to_one(ring_data):
    """With a large weight, the slope of a critic on the data is much nearer to 1 than without."""
    away = []
    for weight in (0.0, 20.0):
        own = {"loss": "wasserstein", "gradient_penalty": weight, "clip": 0.5 * (weight == 0)}
        trainer, params, states = states_of(ring_data, own, 12)
        weights = trainer.weights(states[-1], params)
        x = trainer.real.points[:50, :2].clone().requires_grad_()
        units = x
        for layer in ("0", "2", "4"):
            w, b = (weights[f"discriminator.{layer}.{k}"] for k in ("weight", "bias"))
            sums = units @ w.t() + b
            units = torch.nn.functional.leaky_relu(sums)
        (slope,) = torch.autograd.grad(sums.sum(), x)
        away.append((slope.norm(dim=1) - 1).abs().mean().item())
    assert away[1] < 0.5 * away[0]


def test_instance_noise_decays():
    """Its deviation falls evenly from the first epoch to none at the share of epochs given."""
    own = {"instance_noise": 2.0, "instance_noise_end": 0.5}
    deviations = []
    for epoch in (0, 2, 4):
        drawn = tapes_of(own, epoch).haze("discriminator", 1, 8000, 16)
        assert not drawn[..., 2:].any()
        deviations.append(drawn[..., :2].std().item())
    assert deviations == pytest.approx([2.0, 1.2, 0.4], rel=0.03)
    assert tapes_of(own, 5).haze("discriminator", 1, 8, 16) is None


def test_labels_are_flipped_as_often_as_said():
    """A share of points is under the other label; none where the probability is 0."""
    flips = tapes_of({"label_flips": 0.2}, 0).flips(100, 64)
    assert set(flips.unique().tolist()) == {0.0, 1.0}
    assert flips.mean().item() == pytest.approx(0.2, abs=0.02)
    assert tapes_of({}, 0).flips(100, 64) is None


def test_latent_points_have_their_distribution():
    """Uniform ones fill [-1, 1] evenly, normal ones have deviation 1, the padding is zero."""
    uniform = tapes_of({"latent_distribution": "uniform"}, 0).latent("generator", 50, 64)
    normal = tapes_of({}, 0).latent("generator", 50, 64)
    assert -1 <= uniform.min() < -0.99
    assert 0.99 < uniform.max() <= 1
    assert uniform[..., :4].std().item() == pytest.approx(1 / 3**0.5, abs=0.02)
    assert normal[..., :4].std().item() == pytest.approx(1.0, abs=0.02)
    assert not normal[..., 4:].any()


def test_draws_of_an_epoch_do_not_depend_on_its_pieces():
    """Two pieces of steps draw what one of both lengths draws."""
    own = {"label_flips": 0.3, "instance_noise": 1.0, "gradient_penalty": 1.0}
    for latent in ("normal", "uniform"):
        whole, cut = (tapes_of(own | {"latent_distribution": latent}, 0) for _ in range(2))
        for draw in (
            lambda tapes, n: tapes.latent("generator", n, 24),
            lambda tapes, n: tapes.haze("generator", n, 24, 16),
            lambda tapes, n: tapes.flips(n, 24),
            lambda tapes, n: tapes.mixing(n, 24),
        ):
            assert torch.equal(draw(whole, 5), torch.cat([draw(cut, 3), draw(cut, 2)]))


def test_a_pack_tells_copies(ring_data):
    """A discriminator of packs learns from points side by side: its first weight sees all."""
    trainer, params, states = states_of(ring_data, {"packing": 4})
    weights = trainer.weights(states[-1], params)
    assert weights["discriminator.0.weight"].shape == (12, 8)
    assert weights["generator.4.weight"].shape == (2, 12)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_rates_fall_with_the_schedule(ring_data, player):
    """Under a cosine both players move in the last epoch far less than under a constant rate."""
    moved = []
    for schedule in ("constant", "cosine"):
        _, _, states = states_of(ring_data, {"schedule": schedule}, n_epochs=8)
        before, after = (part(s, f"{player}.parameters") for s in states[-2:])
        moved.append((after - before).norm().item())
    assert moved[1] < 0.2 * moved[0]


def weights_of(states, trainer, params, player):
    """The player's tensors after the last epoch."""
    named = trainer.weights(states[-1], params).items()
    return {n.removeprefix(f"{player}."): t for n, t in named if n.startswith(player)}


def of_odd_units(data):
    """The points with features of very different sizes, far from 0."""
    scales = np.array([1e3, 1e-3], dtype=np.float32)
    train = dataclasses.replace(data.train, x=data.train.x * scales + 7 * scales)
    return dataclasses.replace(data, train=train)


def test_inputs_are_normalised(ring_data):
    """Whatever the unit of the data, players see mean 0 and deviation 1, or the range 0 to 1."""
    data = of_odd_units(ring_data)
    real = VectorGAN(data, dtype=torch.float64).real
    zeros, ones = torch.zeros(2).double(), torch.ones(2).double()
    points = real.points[: real.n_points, :2]
    torch.testing.assert_close(points.mean(0), zeros, atol=1e-4, rtol=0)
    torch.testing.assert_close(points.std(0, correction=0), ones, rtol=1e-4, atol=0)
    points = real.scaled("minmax").points[: real.n_points, :2]
    torch.testing.assert_close(points.amin(0), zeros, atol=1e-6, rtol=0)
    torch.testing.assert_close(points.amax(0), ones, atol=1e-6, rtol=0)
    points = real.scaled("none").points[: real.n_points, :2]
    torch.testing.assert_close(points, torch.as_tensor(data.train.x).double())


@pytest.mark.parametrize("kind", INPUT_SCALINGS)
def test_samples_come_back_in_data_units(ring_data, kind):
    """What the generator makes is measured, and shown, in the unit of the data."""
    data = of_odd_units(ring_data)
    trainer, params, states = states_of(data, {"input_scaling": kind}, 1)
    maker = weights_of(states, trainer, params, "generator")
    rng = generator(0, "evaluation latent")
    units = latent_tape(rng, "normal", 1, (256, params["latent"]))[0].double()
    for layer in ("0", "2", "4"):
        sums = units @ maker[f"{layer}.weight"].t() + maker[f"{layer}.bias"]
        units = torch.nn.functional.leaky_relu(sums)
    scaling = fit_scaling(kind, data.train.x)
    expected = sums * torch.tensor(scaling.scale).double() + torch.tensor(scaling.shift).double()
    made = trainer.samples(states[-1], params)
    torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-6)


def test_what_is_brought_back_can_be_shown_again(ring_data):
    """Discriminators are asked about samples on the scale on which they learn."""
    real = VectorGAN(of_odd_units(ring_data), dtype=torch.float64).real
    scales = Scales(real, [GameSettings(input_scaling=kind) for kind in INPUT_SCALINGS])
    made = normal(len(INPUT_SCALINGS), 9, real.width)
    back = scales.standardise(made.clone())
    is_own = [torch.equal(*pair) for pair in zip(made, back, strict=True)]
    assert is_own == [kind == "standardize" for kind in INPUT_SCALINGS]
    torch.testing.assert_close(scales.as_seen(back), made, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_smoothed_labels_make_a_modest_discriminator(loss):
    """With smoothing the best answer to a real point is smaller; to a made one it is the same."""
    judging = LOSSES[loss].judging
    logits = torch.linspace(-4, 4, 801)
    best = []
    for target in (1.0, 0.8, 0.0):
        best.append(logits[judging.cost(logits, torch.tensor(target)).argmin()].item())
    if loss == "least_squares":
        assert best == pytest.approx([1.0, 0.8, 0.0], abs=0.02)
    if loss in ("minimax", "non_saturating"):
        assert best[1] == pytest.approx(math.log(0.8 / 0.2), abs=0.02)
    assert best[0] >= best[1] >= best[2]
    targets = torch.tensor([1.0, 0.8])
    slopes = torch.empty(2)
    judging.slope(torch.zeros(2), targets, slopes)
    assert slopes[0] < slopes[1]


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_the_two_players_have_their_own_rates(ring_data, ratio):
    """The first step of Adam moves every parameter by the player's rate, if it has a gradient."""
    own = {"discriminator_ratio": ratio, "batch_size": 64, "learning_rate": 0.01}
    _, _, states = states_of(ring_data, own, 1)
    for player, rate in (("generator", 0.01), ("discriminator", 0.01 * ratio)):
        moved = part(states[1], f"{player}.parameters") - part(states[0], f"{player}.parameters")
        assert moved.abs().max().item() == pytest.approx(rate, rel=1e-4)


def test_the_generator_waits_for_the_discriminators_steps(ring_data):
    """Of four batches an epoch the generator takes one step after all of the discriminator's."""
    moved = {}
    for n_steps in (1, 4):
        own = {"discriminator_steps": n_steps, "beta1": 0.0, "beta2": 0.0}
        _, _, states = states_of(ring_data, own, 1)
        for player in ("generator", "discriminator"):
            key = f"{player}.parameters"
            moved[player, n_steps] = (
                (part(states[1], key) - part(states[0], key)).abs().max().item()
            )
    # without memory, Adam moves by the rate and a sign
    assert moved["generator", 4] == pytest.approx(0.01, rel=1e-4)
    assert moved["generator", 1] > 0.0101
    assert moved["discriminator", 4] > 0.0101


def test_the_generator_has_as_many_inputs_as_asked(ring_data):
    """`latent` is the number of its inputs."""
    for latent in (1, 6):
        trainer, params, states = states_of(ring_data, {"latent": latent}, 1)
        maker = weights_of(states, trainer, params, "generator")
        assert maker["0.weight"].shape == (12, latent)


def test_a_leak_lets_slopes_through():
    """Below zero a unit passes on `leak` times the slope; none is dead but for a leak of 0."""
    for leak in (0.0, 0.2):
        activation = leaky([leak])
        units = torch.tensor([[[-3.0, 2.0]]])
        activation.apply_(units)
        slope = torch.ones(1, 1, 2)
        activation.backward_(slope, units)
        torch.testing.assert_close(slope, torch.tensor([[[leak, 1.0]]]))


def test_batch_normalisation_makes_units_alike():
    """Sums of any mean and scale become mean 0 and deviation 1, each group by itself."""
    sums = normal(2, 16, 3) * torch.tensor([1.0, 50.0, 0.1]) + 9.0
    sums[:, 8:] += 30.0
    norm = Batch({}).over(Extent(2, 8, 6), is_training=True, remembers=False)
    groups = norm.normalised("0", sums).view(2, 2, 8, 3)[:, :, :6]
    torch.testing.assert_close(groups.mean(2), torch.zeros(2, 2, 3).double(), atol=1e-6, rtol=0)
    deviation = groups.std(2, correction=0)
    torch.testing.assert_close(deviation, torch.ones(2, 2, 3).double(), atol=1e-2, rtol=0)


def test_virtual_batch_normalisation_keeps_points_apart():
    """A point's result does not change with the other points of its batch; batch norm's does."""
    reference, few = normal(1, 64, 4), normal(1, 8, 4, seed=1)
    others = few.clone()
    others[:, 1:] += 5.0
    extent = Extent(1, 8, 8)
    for norm, is_apart in ((Virtual(reference), True), (Batch({}), False)):
        found = []
        for points in (few, others):
            run = norm.over(extent, is_training=True, remembers=False)
            found.append(run.ending(run.normalised("0", run.beginning(points)))[:, 0])
        assert torch.allclose(*found, atol=1e-6) == is_apart


def test_maps_share_their_figures_over_places():
    """Pixels of a channel are normalised together, as if they were points of one unit."""
    sums = 3.0 * normal(1, 8 * 5, 2) + 1.0
    run = Batch({}).over(Extent(1, 8, 8), is_training=True, remembers=False)
    found = run.normalised("0", sums, 5)
    expected = torch.nn.BatchNorm2d(2).double()(sums.view(8, 5, 2).permute(0, 2, 1)[..., None])
    torch.testing.assert_close(found[0].view(8, 5, 2), expected[..., 0].permute(0, 2, 1))
