"""The data sets that have a name: what they hold, and that listing them is cheap."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.data import DATASETS, DataError, Dataset, describe, load
from trials.data.synthetic import LINE_END, LINE_START, NORMAL_DEVIATION, NORMAL_MEAN, ROLL_END


def parts(data: Dataset) -> list[np.ndarray]:
    """The samples of the three parts."""
    return [data.train.x, data.validation.x, data.test.x]


@pytest.mark.parametrize("name", DATASETS)
def test_every_named_set_keeps_the_contract(name: str) -> None:
    """Types, shapes and names agree, all numbers are finite, and the seed changes no content."""
    data = load(name, seed=3)
    assert data.name == name
    n_features = int(np.prod(data.shape))
    assert len(data.feature_names) == n_features
    for part in (data.train, data.validation, data.test):
        assert part.x.dtype == np.float32
        assert part.x.shape[1:] == data.shape
        assert np.isfinite(part.x).all()
        if data.task == "density":
            assert part.y is None
            continue
        assert part.y is not None
        # one answer a point, or one for each of its steps
        assert part.y.shape in {(len(part),), part.x.shape[:2]}
        assert part.y.dtype == (np.int64 if data.task == "classification" else np.float32)
        if data.classes:
            assert set(part.y.flat) == set(range(data.n_classes))
    assert len(data.fingerprint) == 64
    other = load(name, seed=4)
    assert other.fingerprint == data.fingerprint
    # a series is split in the order of time, whatever the seed
    assert np.array_equal(other.train.x, data.train.x) == (data.kind == "series")
    for one, same in zip(parts(data), parts(load(name, seed=3)), strict=True):
        assert np.array_equal(one, same)
    assert describe(name) == (describe(name).strip())
    assert describe(name).endswith(".")


def test_fingerprints_tell_sets_apart() -> None:
    """No two named data sets have the same fingerprint."""
    assert len({load(name).fingerprint for name in DATASETS}) == len(DATASETS)


def test_known_facts_of_bundled_sets() -> None:
    """Sizes, kinds and labels are those of the sources."""
    cancer, digits, diabetes = load("breast_cancer"), load("digits"), load("diabetes")
    assert [len(part) for part in parts(cancer)] == [341, 114, 114]
    assert cancer.classes == ("malignant", "benign")
    assert (digits.kind, digits.shape, digits.n_classes) == ("images", (1, 8, 8), 10)
    assert [len(part) for part in parts(digits)] == [1437, 180, 180]
    assert (digits.train.x.min(), digits.train.x.max()) == (0, 1)
    assert (diabetes.task, diabetes.shape, diabetes.classes) == ("regression", (10,), ())


def test_noisy_line_is_nearly_the_line() -> None:
    """A straight fit finds slope 2 and intercept 1 within 2 %."""
    data = load("noisy_line")
    assert data.train.y is not None
    slope, intercept = np.polyfit(data.train.x[:, 0], data.train.y, 1)
    assert (slope, intercept) == pytest.approx((2, 1), rel=0.02)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_densities_follow_their_laws(seed: int) -> None:
    """Mixtures lie around their modes, line points on the line, and vectors have their moments."""
    for name, n_modes in (("ring", 8), ("grid", 25)):
        data = load(name, seed=seed)
        assert data.modes is not None
        assert data.mode_std is not None
        assert data.modes.shape == (n_modes, 2)
        gaps = np.linalg.norm(data.train.x[:, None] - data.modes, axis=2)
        assert (gaps.min(1) < 6 * data.mode_std).all()
        share = np.bincount(gaps.argmin(1), minlength=n_modes) / len(gaps)
        assert share == pytest.approx(np.full(n_modes, 1 / n_modes), rel=0.35)
    points = load("line", seed=seed).train.x
    along = LINE_END - LINE_START
    off = (points - LINE_START) @ np.array([-along[1], along[0]])
    assert off == pytest.approx(np.zeros(len(points)), abs=1e-6)
    vectors = load("normal_vectors", seed=seed).train.x
    assert vectors.mean(0) == pytest.approx(NORMAL_MEAN, abs=0.15)
    assert vectors.std(0) == pytest.approx(NORMAL_DEVIATION, rel=0.08)
    x, y = load("swiss_roll", seed=seed).train.x.T
    radius = np.hypot(x, y)
    # Where the spiral has this radius, up to whole turns, the point lies.
    turns = (np.arctan2(y, x) - radius * ROLL_END) / (2 * np.pi)
    assert np.abs(turns - turns.round()).std() < 0.15
    assert (radius.min(), radius.max()) == pytest.approx((1 / 3, 1.0), abs=0.12)


def test_held_out_points_are_drawn_anew() -> None:
    """No point of a density is in two parts."""
    train, validation, test = (set(map(tuple, x.tolist())) for x in parts(load("ring")))
    assert (len(train), len(validation), len(test)) == (5000, 2500, 2500)
    assert len(train | validation | test) == 10000


def test_task_and_target_must_suit_a_named_set() -> None:
    """A task that the data is not for, a target column, and an unknown name are refused."""
    with pytest.raises(DataError, match=r"task: must be classification for 'iris', got regression"):
        load("iris", task="regression")
    with pytest.raises(DataError, match=r"data.target: must be absent for 'iris'"):
        load("iris", target="class")
    with pytest.raises(DataError, match=r"unknown data 'irsi'; did you mean 'iris'\?"):
        load("irsi")
    with pytest.raises(DataError, match=r"unknown data 'irsi'; did you mean 'iris'\?"):
        describe("irsi")
    with pytest.raises(DataError, match=r"unknown task 'clasification'; did you mean 'classif"):
        load("iris", task="clasification")


def test_datasets_are_frozen() -> None:
    """A data set that trials share cannot be given other parts."""
    data = load("iris")
    with pytest.raises(FrozenInstanceError):
        data.name = "x"


def test_listing_imports_no_library() -> None:
    """Names are listed without numpy, and described without scikit-learn or torch."""
    code = (
        "import sys; from trials.data import DATASETS, describe; "
        "assert not {'numpy', 'sklearn', 'torch', 'pandas'} & set(sys.modules); "
        "[describe(name) for name in DATASETS]; "
        "assert not {'sklearn', 'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_are_documented() -> None:
    """Everything that the package offers says what it is."""
    import trials.data

    assert all(inspect.getdoc(getattr(trials.data, name)) for name in trials.data.__all__)


@pytest.mark.parametrize("name", ["breast_cancer", "digits", "diabetes", "iris", "wine"])
def test_bundled_sets_are_those_of_scikit_learn(name):
    """Values, targets, classes and features equal what scikit-learn's own loaders give."""
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    found = load(name, seed=1)
    parts = (found.train, found.validation, found.test)
    rows = np.concatenate([part.x.reshape(len(part.x), -1) for part in parts])
    rows = np.column_stack([rows, np.concatenate([part.y for part in parts])])
    x = bunch.data / 16 if name == "digits" else bunch.data
    expected = np.column_stack([x.astype(np.float32), bunch.target.astype(np.float32)])
    order, wanted = np.lexsort(rows.T), np.lexsort(expected.T)
    np.testing.assert_allclose(rows[order], expected[wanted], rtol=1e-6)
    assert found.feature_names == tuple(str(feature) for feature in bunch.feature_names)
    if name != "diabetes":
        assert found.classes == tuple(str(word) for word in bunch.target_names)
