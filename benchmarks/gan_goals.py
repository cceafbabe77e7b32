"""What the best trial of a study of GANs makes of fresh noise, in figures.

A study looks at 256 samples of noise that stays the same; here there are more, of other noise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from goals import Figure
from torch import Tensor, nn

import tuner
from trials.contract import Direction, costs
from trials.data import Dataset
from trials.data.scaling import fit_scaling
from trials.data.synthetic import LINE_END, LINE_START, NORMAL_DEVIATION, NORMAL_MEAN
from trials.gans.classifier import classifiers
from trials.gans.quality import ImageQuality
from trials.gans.quality.modes import ModeFigures, mode_figures
from trials.gans.quality.reference import drawn
from trials.gans.tapes import latent_tape
from trials.gans.vectors import Settings
from trials.stacked.settings import settings_of

N_FRESH = 10_000
"""Samples of points: a share of 0.95 is known to within 0.002."""

NOISE_SEED = 77
"""Of the fresh noise, the same for all."""

Measure = Callable[[Tensor, Dataset], float]
"""From samples, in units of the data, shape (N, D), and the data to a number."""


def generated(study: tuner.Study, data: Dataset, n: int) -> Tensor:
    """Samples of the best trial, in units of the data, shape (N, D).

    Of several objectives the first counts, and among equals the next.
    """
    directions: list[Direction] = [
        "maximize" if d.name == "MAXIMIZE" else "minimize" for d in study.optuna.directions
    ]
    best = min(study.best_trials, key=lambda trial: costs(trial.values, directions))
    with tempfile.TemporaryDirectory() as folder:
        (saved,) = study.save_best(Path(folder, "best"), trial=best.number)
        from safetensors.torch import load_file

        weights = load_file(saved.folder / "weights.safetensors")
    return samples(weights, saved.params, data, n)


def samples(
    weights: Mapping[str, Tensor], params: Mapping[str, Any], data: Dataset, n: int
) -> Tensor:
    """What a generator without norms makes of fresh noise, in units of the data, (N, D)."""
    settings = settings_of(Settings, params)
    activations: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "leaky_relu": partial(nn.LeakyReLU, settings.leak),
    }
    own = {k.removeprefix("generator."): t for k, t in weights.items() if k.startswith("gen")}
    modules: list[nn.Module] = []
    for name in (k for k in own if k.endswith("weight")):
        n_out, n_in = own[name].shape
        modules += [nn.Linear(n_in, n_out), activations[settings.activation]()]
    network = nn.Sequential(*modules[:-1])
    network.load_state_dict(own)
    rng = torch.Generator().manual_seed(NOISE_SEED)
    noise = latent_tape(rng, settings.latent_distribution, 1, (n, settings.latent))[0]
    scaling = fit_scaling(settings.input_scaling, data.train.x)
    shift, scale = (torch.as_tensor(t).flatten() for t in (scaling.shift, scaling.scale))
    with torch.inference_mode():
        made: Tensor = network(noise) * scale + shift
    return made.float().clone()


def of_best(measure: Measure) -> Figure:
    """That figure of fresh samples of a study's best trial; of images as many as are held out."""

    def figure(study: tuner.Study, data: Dataset) -> float:
        n = len(data.test) if data.kind == "images" else N_FRESH
        return measure(generated(study, data, n), data)

    return figure


def n_modes(made: Tensor, data: Dataset) -> float:
    """Modes that are captured."""
    return _modes(made, data).modes.item()


def high_quality(made: Tensor, data: Dataset) -> float:
    """Share of samples within three deviations of a mode."""
    return _modes(made, data).high_quality.item()


def _modes(made: Tensor, data: Dataset) -> ModeFigures:
    assert data.mode_std is not None
    return mode_figures(made.unsqueeze(0), torch.as_tensor(data.modes).float(), data.mode_std)


def mean_error(made: Tensor, _data: Dataset) -> float:
    """The largest error of a component's mean, in its deviations."""
    true, unit = (torch.as_tensor(law) for law in (NORMAL_MEAN, NORMAL_DEVIATION))
    return float(((made.double().mean(0) - true) / unit).abs().max())


def deviation_error(made: Tensor, _data: Dataset) -> float:
    """The largest relative error of a component's deviation."""
    return float((made.double().std(0) / torch.as_tensor(NORMAL_DEVIATION) - 1).abs().max())


def line_distance(made: Tensor, _data: Dataset) -> float:
    """Mean distance from the line between its ends, in parts of its length."""
    start, way = torch.as_tensor(LINE_START), torch.as_tensor(LINE_END - LINE_START)
    nearest = start + _along(made).clamp(0, 1).unsqueeze(1) * way
    return float((made.double() - nearest).norm(dim=1).mean() / way.norm())


def n_tenths(made: Tensor, _data: Dataset) -> float:
    """Tenths of the line that get at least half of their fair share of samples."""
    counts = torch.histc(_along(made).float(), 10, 0, 1)
    return float((counts >= 0.5 * len(made) / 10).sum())


def _along(made: Tensor) -> Tensor:
    """Where on the line samples are, 0 to 1 from end to end, shape (N,)."""
    start, way = torch.as_tensor(LINE_START), torch.as_tensor(LINE_END - LINE_START)
    along: Tensor = (made.double() - start) @ way / way.square().sum()
    return along


def n_classes(made: Tensor, data: Dataset) -> float:
    """Classes that get at least a tenth of their fair share of samples."""
    figures = _against_test(made, data)
    shares = [value for name, value in figures.items() if name.startswith("class_share_")]
    return float(sum(share >= 0.1 / len(shares) for share in shares))


def frechet(made: Tensor, data: Dataset) -> float:
    """Frechet distance from the test part in an own classifier's features."""
    return _against_test(made, data)["frechet_distance"]


def frechet_over_real(made: Tensor, data: Dataset) -> float:
    """That distance over the one of as many real images that are not of the test part."""
    others = drawn(torch.as_tensor(data.train.x).float(), len(made))
    return frechet(made, data) / frechet(others.flatten(1), data)


def _against_test(made: Tensor, data: Dataset) -> dict[str, float]:
    quality = ImageQuality(torch.as_tensor(data.test.x).float(), classifiers().of(data))
    found = quality.figures(made.view(1, -1, *data.shape), {"frechet_distance"})
    return {name: float(value) for name, value in found.items()}
