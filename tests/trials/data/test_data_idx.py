"""IDX directories: one or both pairs, gzipped or not, and every reason to refuse one."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trials.data import DataError, load


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file of unsigned bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write(folder: Path, pair: str, n: int, zipped: bool = False, size: int = 4) -> None:
    """A pair of n images, whose pixels are all the number of the image, with labels 1 to 3."""
    images = np.broadcast_to(np.arange(n)[:, None, None] % 256, (n, size, size))
    files = {"images-idx3": idx(images), "labels-idx1": idx(np.arange(n) % 3 + 1)}
    for name, content in files.items():
        path = folder / f"{pair}-{name}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)


def problems_of(folder: Path, **options: Any) -> tuple[str, ...]:
    """What loading complains of."""
    with pytest.raises(DataError) as caught:
        load({"idx": str(folder)}, **options)
    return caught.value.problems


@pytest.mark.parametrize("zipped", [False, True])
def test_one_pair_is_divided(tmp_path: Path, zipped: bool) -> None:
    """One pair gives all three parts, 8 to 1 to 1, with images and labels kept together."""
    write(tmp_path, "t10k", 90, zipped)
    data = load(f"idx:{tmp_path}")
    assert (data.kind, data.shape, data.classes) == ("images", (1, 4, 4), ("1", "2", "3"))
    assert data.name == tmp_path.name
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [72, 9, 9]
    for part in parts:
        numbers = np.rint(part.x[:, 0, 0, 0] * 255).astype(int)
        assert part.y is not None
        assert (part.y == numbers % 3).all()
    assert data.train.x.max() <= 1


def test_both_pairs_keep_the_test_part(tmp_path: Path) -> None:
    """With both pairs the t10k pair is the test part, in its order."""
    write(tmp_path, "train", 90)
    write(tmp_path, "t10k", 12, zipped=True)
    data = load({"idx": str(tmp_path)})
    assert np.rint(data.test.x[:, 0, 0, 0] * 255).tolist() == list(range(12))
    assert len(data.train) + len(data.validation) == 90
    assert len(data.validation) == 10


def test_incomplete_directories(tmp_path: Path) -> None:
    """No pair, half a pair, and a folder that is not there are told apart."""
    (found,) = problems_of(tmp_path)
    assert found.startswith(f"data idx:{tmp_path.name}: must have train-images-idx3-ubyte and")
    write(tmp_path, "train", 20)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (found,) = problems_of(tmp_path)
    assert found.endswith("must have both images and labels, got only train-images-idx3-ubyte")
    assert problems_of(tmp_path / "none")[0].startswith("data.idx: must be a folder, got")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "must begin with 00000803, the mark of 3 dimensions of bytes, got nothing"),
        (
            idx(np.zeros(5)),
            "must begin with 00000803, the mark of 3 dimensions of bytes, got 00000801",
        ),
        (idx(np.zeros((20, 4, 4)))[:9], "ends within its header"),
        (idx(np.zeros((20, 4, 4)))[:-1], "must have 320 values as (20, 4, 4) says, got 319"),
        (idx(np.zeros((20, 4, 4))) + b"x", "must have 320 values as (20, 4, 4) says, got more"),
        (idx(np.zeros((0, 4, 4))), "must have from 1 to 2**34 values, got (0, 4, 4)"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "must have from 1 to 2**34 values"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, found: str) -> None:
    """Mark, dimensions and length of a file are checked against each other."""
    write(tmp_path, "train", 20)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    (problem,) = problems_of(tmp_path)
    assert f"train-images-idx3-ubyte: {found}" in problem


def test_cut_gzip_is_refused(tmp_path: Path) -> None:
    """A cut .gz file is an error of the data."""
    write(tmp_path, "train", 20, zipped=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-10])
    (problem,) = problems_of(tmp_path)
    assert "train-images-idx3-ubyte.gz: cannot be read: " in problem


def test_pairs_must_belong_together(tmp_path: Path) -> None:
    """Counts of images and labels, and sizes of both pairs, must agree; both are reported."""
    write(tmp_path, "train", 20)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(19)))
    write(tmp_path, "t10k", 20, size=5)
    assert problems_of(tmp_path)[0].endswith(
        "train: must have one label per image, got 20 images and 19 labels"
    )
    write(tmp_path, "train", 20)
    assert problems_of(tmp_path)[0].endswith(
        "images of both pairs must be of one size, got (20, 4, 4) and (20, 5, 5)"
    )
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    assert "t10k: must have both images and labels" in problems_of(tmp_path)[0]


def test_idx_is_for_classes(tmp_path: Path) -> None:
    """A regression or a target column on IDX files is refused."""
    write(tmp_path, "train", 20)
    assert problems_of(tmp_path, task="regression")[0].endswith(
        "task must be classification for IDX files, got regression"
    )
    assert problems_of(tmp_path, target="y") == (
        "data.target: must be absent for IDX files, got 'y'",
    )


@pytest.mark.slow
def test_mnist_10k() -> None:
    """The real 10,000 images split 8k/1k/1k."""
    data = load({"idx": str(Path(os.environ["TUNER_DATA"]) / "mnist")})
    assert (data.shape, data.n_classes) == ((1, 28, 28), 10)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [8000, 1000, 1000]
