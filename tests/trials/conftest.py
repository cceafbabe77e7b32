"""Small datasets that every trainer test can afford, made from fixed generators."""

import numpy as np
import pytest
import torch

from tests.trials.datasets import dataset_of


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Trainers promise their bits for one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def classes_data():
    """90 points with 5 features in three classes; 53 of them for training."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    x = (rng.normal(size=(90, 5)) * [1, 10, 0.1, 1, 3] + y[:, None]).astype(np.float32)
    return dataset_of("table", "classification", x, y.astype(np.int64), classes=("a", "b", "c"))


@pytest.fixture(scope="session")
def numbers_data():
    """90 points with 5 features and a number of mean 50 and standard deviation about 20."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(90, 5)).astype(np.float32)
    y = (50 + 20 * np.tanh(x[:, 0] - x[:, 1]) + rng.normal(size=90)).astype(np.float32)
    return dataset_of("table", "regression", x, y)


@pytest.fixture(scope="session")
def ring_data():
    """90 points around four modes on a circle, as a density."""
    rng = np.random.default_rng(3)
    modes = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)
    x = modes[rng.integers(0, 4, 90)] + rng.normal(size=(90, 2), scale=0.05)
    return dataset_of("points", "density", x.astype(np.float32), None, modes=modes, mode_std=0.05)


@pytest.fixture(scope="session")
def images_data():
    """90 noisy images of 8 x 8 pixels in three classes; 53 of them for training."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, 1, 8, 8)) + y[:, None, None, None]
    return dataset_of("images", "classification", x.astype(np.float32), y, classes=("a", "b", "c"))
