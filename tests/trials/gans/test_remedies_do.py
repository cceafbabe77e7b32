"""Each remedy does what it says, seen from outside."""

import pytest
import torch

from trials.contract import Row
from trials.gans.settings import GameSettings
from trials.gans.tapes import Tapes
from trials.gans.vectors import VectorGAN

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
