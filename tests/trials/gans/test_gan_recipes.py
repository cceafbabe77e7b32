"""Code for the weights of GANs makes the points that the trainer makes."""

import pytest
import torch
from safetensors.torch import save_file

from trials.contract import Row
from trials.gans.conditional import ConditionalGAN
from trials.gans.infogan import InfoGAN
from trials.gans.vectors import VectorGAN
from trials.recipes import SCALING_FILE, WEIGHTS_FILE, recipe

SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.01, "layers": 2}
CASES = {
    "leak": (VectorGAN, {"leak": 0.3}),
    "average": (VectorGAN, {"average_half_life": 100.0, "activation": "tanh"}),
    "from 0 to 1": (VectorGAN, {"input_scaling": "minmax"}),
    "batches": (VectorGAN, {"generator_norm": "batch", "discriminator_norm": "batch"}),
    "codes": (InfoGAN, {"codes": 4}),
    "classes": (ConditionalGAN, {"condition": "dense"}),
}


def trained(kind, data, params):
    """The trainer and a row's state after two epochs."""
    trainer = kind(data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 2)])
    for _ in range(2):
        cohort.advance()
    return trainer, cohort.save(0)


@pytest.mark.parametrize(("kind", "own"), CASES.values(), ids=CASES)
def test_code_makes_the_same_points(classes_data, tmp_path, monkeypatch, kind, own):
    """The code stands on its own: no sample differs from one by the trainer's own generator."""
    params = SMALL | own
    trainer, state = trained(kind, classes_data, params)
    weights = trainer.weights(state, params)
    found = recipe(trainer.name, classes_data, params, weights)
    save_file(weights, tmp_path / WEIGHTS_FILE)
    save_file(found.scaling, tmp_path / SCALING_FILE)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(found.code, names)
    family = trainer.family(trainer.structure(params))
    row = Row(0, params, 0, 1)
    with torch.inference_mode():
        stack = {k: v.unsqueeze(0) for k, v in family.restore(row, state).items()}
        training = family.training([row], stack)
        expected = training.samples()[0]
        latent = training.evaluation_latent()[0]
    n_inputs = weights["generator.0.weight"].shape[1]
    points = names["generate"](latent[:, :n_inputs])
    torch.testing.assert_close(points.float(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "norm", [{"generator_norm": "virtual"}, {"discriminator_norm": "spectral"}]
)
def test_norms_without_a_module_have_no_code(classes_data, norm):
    """Where torch.nn has no module for a norm, there are weights but no recipe."""
    params = SMALL | norm
    trainer, state = trained(VectorGAN, classes_data, params)
    assert recipe("gan", classes_data, params, trainer.weights(state, params)) is None
