"""Images in IDX files, the format of MNIST: one or both pairs of a directory, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content, assemble
from trials.data.dataset import Dataset
from trials.data.errors import DataError
from trials.data.targets import TaskWord, read_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

UNSIGNED_BYTE = 0x08
PAIRS = ("train", "t10k")
MAX_BYTES = 2**34
"""A header that announces more than 16 GiB is taken for a damaged file."""


def load_idx(folder: Path, task: TaskWord, seed: int) -> Dataset:
    """The images in `folder`, pixel values divided by 255.

    With both pairs, `t10k` is the test part and `train` is divided; with one pair it is divided
    into all three parts.

    Raises:
        DataError: Files are missing or damaged, or do not belong together.
    """
    where = f"data idx:{folder.name}"
    problems: list[str] = []
    if task in ("regression", "density"):
        problems.append(f"task must be classification for IDX files, got {task}")
    pairs = [pair for name in PAIRS if (pair := _pair(folder, name, problems)) is not None]
    if not pairs and not problems:
        must = "must have train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-..."
        problems.append(f"{must} (also .gz), got none of them")
    if len({images.shape[1:] for images, _ in pairs}) > 1:
        shapes = " and ".join(str(images.shape) for images, _ in pairs)
        problems.append(f"images of both pairs must be of one size, got {shapes}")
    if problems:
        raise DataError(f"{where}: {problem}" for problem in problems)
    images, labels = (np.concatenate(blocks) for blocks in zip(*pairs, strict=True))
    n_test = len(pairs[1][1]) if len(pairs) > 1 else 0
    found = read_target("label", labels.astype(np.float64), "classification", problems, n_test)
    if found is None:
        raise DataError(f"{where}: {problem}" for problem in problems)
    height, width = images.shape[1:]
    names = tuple(f"pixel_{i}_{j}" for i in range(height) for j in range(width))
    x = (images[:, None] / np.float32(255)).astype(np.float32)
    return assemble(Content(folder.name, "images", x, found, names, n_test=n_test), seed)


def _pair(folder: Path, name: str, problems: list[str]) -> tuple[Bytes, Bytes] | None:
    """Images (N, h, w) and labels (N,) of one pair; None if it is absent or damaged."""
    images = _find(folder, f"{name}-images", "idx3-ubyte")
    labels = _find(folder, f"{name}-labels", "idx1-ubyte")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        there = images or labels
        problems.append(
            f"{name}: must have both images and labels, got only {there and there.name}"
        )
        return None
    try:
        pair = read_idx(images, 3), read_idx(labels, 1)
    except DataError as error:
        problems += error.problems
        return None
    if len(pair[0]) != len(pair[1]):
        counts = f"{len(pair[0])} images and {len(pair[1])} labels"
        problems.append(f"{name}: must have one label per image, got {counts}")
        return None
    return pair


def _find(folder: Path, stem: str, kind: str) -> Path | None:
    for name in (f"{stem}-{kind}", f"{stem}.{kind}"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def read_idx(path: Path, n_dimensions: int) -> Bytes:
    """The array of unsigned bytes in an IDX file.

    Its header is two zero bytes, the type, the number of dimensions, and each length as a
    big-endian 32-bit number; the values follow in row order.

    Raises:
        DataError: Type, dimensions or length are not as they must be.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * n_dimensions)
            magic = bytes((0, 0, UNSIGNED_BYTE, n_dimensions))
            if header[:4] != magic:
                must = f"must begin with {magic.hex()}, the mark of {n_dimensions} dimensions"
                raise DataError(
                    f"{path.name}: {must} of bytes, got {header[:4].hex() or 'nothing'}"
                )
            if len(header) < 4 + 4 * n_dimensions:
                raise DataError(f"{path.name}: ends within its header")
            shape = struct.unpack(f">{n_dimensions}I", header[4:])
            n = math.prod(shape)
            if not 0 < n <= MAX_BYTES:
                raise DataError(f"{path.name}: must have from 1 to 2**34 values, got {shape}")
            values = file.read(n + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error
    if len(values) != n:
        got = "more" if len(values) > n else str(len(values))
        raise DataError(f"{path.name}: must have {n} values as {shape} says, got {got}")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)
