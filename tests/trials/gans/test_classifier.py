"""The classifier whose features judge images, and the figures taken in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from trials.data import DataError, Dataset, Part
from trials.gans.classifier import Classifiers, classifiers, train
from trials.gans.quality import ImageQuality
from trials.gans.quality.reference import drawn

N_STEPS = 60


def bars(n, seed):
    """Images 8x8 with a bright bar: on the left, on the right, above, or below."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.normal(scale=0.2, size=(n, 1, 8, 8))
    for image, place in zip(x[:, 0], y, strict=True):
        (image if place < 2 else image.T)[:, 3 * (place % 2) : 3 * (place % 2) + 3] += 1
    return Part(x.astype(np.float32), y.astype(np.int64))


@pytest.fixture(scope="module")
def data():
    """Four classes of bars."""
    return Dataset(
        name="bars",
        kind="images",
        task="classification",
        train=bars(400, 0),
        validation=bars(200, 1),
        test=bars(300, 2),
        feature_names=(),
        classes=("left", "right", "above", "below"),
        target_name="",
        fingerprint="bars",
    )


@pytest.fixture(scope="module")
def judge(data):
    """A classifier of the bars."""
    return Classifiers(n_steps=N_STEPS).of(data)


def test_classifier_learns(data, judge):
    """It tells all but a few images of the validation part."""
    assert judge.accuracy(data.validation) > 0.97


def test_same_seed_same_tensors(data, judge):
    """Training is a function of data and seed, whatever the global generator is at."""
    torch.rand(3)
    again, other = train(data, 0, N_STEPS), train(data, 1, N_STEPS)
    assert judge.state.keys() == again.keys()
    assert all(torch.equal(judge.state[name], again[name]) for name in again)
    assert not torch.equal(again["last.weight"], other["last.weight"])


def test_classifier_is_trained_once(data):
    """A second question for the same data and seed is answered by the same classifier."""
    known = Classifiers(n_steps=1)
    assert known.of(data) is known.of(replace(data))
    assert known.of(data) is not known.of(data, seed=1)
    assert classifiers() is classifiers()


def test_another_split_has_its_own_classifier(data):
    """Equal fingerprints do not mean equal training parts."""
    known = Classifiers(n_steps=1)
    assert known.of(data) is not known.of(replace(data, train=data.validation))


def test_classifier_is_kept_in_a_folder(data, tmp_path):
    """Another process with the same folder reads the file and does not train."""
    kept = Classifiers(tmp_path / "new", n_steps=2).of(data)
    (file,) = (tmp_path / "new").iterdir()
    written = file.stat().st_mtime_ns
    found = Classifiers(tmp_path / "new", n_steps=2).of(data)
    assert file.stat().st_mtime_ns == written
    assert found is not kept
    assert all(torch.equal(found.state[name], kept.state[name]) for name in kept.state)
    images = torch.as_tensor(data.test.x)
    assert torch.equal(found.judge(images)[0], kept.judge(images)[0])


def test_data_without_classes_is_refused(data):
    """Images without classes, and tables, have no classifier."""
    for broken in (replace(data, classes=()), replace(data, kind="table")):
        with pytest.raises(DataError, match="data 'bars': must be images of two or more classes"):
            Classifiers().of(broken)


def test_figures_of_images(data, judge):
    """Real images are close to real ones; noisy ones less; those of one class miss the others."""
    real, others = (torch.as_tensor(part.x) for part in (data.validation, data.test))
    left = torch.as_tensor(data.train.x[data.train.y == 0])[:80]
    fresh = torch.as_tensor(data.train.x)[:80]
    rng = torch.Generator().manual_seed(0)
    noisy = fresh + torch.randn(fresh.shape, generator=rng)
    broken = fresh.clone()
    broken[3] = torch.nan
    samples = torch.stack([fresh, noisy, left, broken])
    quality = ImageQuality(real, judge)
    figures, of_real = (quality.figures(x) for x in (samples, drawn(others, len(fresh))[None]))
    distance = figures["frechet_distance"]
    assert distance[0] < 3 * of_real["frechet_distance"]
    assert 3 * distance[0] < distance[1:3].min()
    assert float(figures["class_divergence"][0]) < 0.1
    assert float(figures["class_divergence"][2]) == pytest.approx(np.log(4), abs=0.2)
    assert float(figures["class_share_0"][2]) == 1.0
    assert float(figures["recall"][2]) < 0.5 < float(figures["recall"][0])
    assert all(values[3].isnan() for values in figures.values())
    for name in ("kernel_distance", "coverage", "density", "precision"):
        assert figures[name][:3].isfinite().all()
