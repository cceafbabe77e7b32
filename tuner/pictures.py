"""Pictures of samples as PNG files: grids of small images, and scatter plots."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data import Dataset

    Floats: TypeAlias = NDArray[np.floating[Any]]
    Pixels: TypeAlias = NDArray[np.uint8]

N_ACROSS = 8
"""Images in a row of a grid."""

MOST_POINTS = 256

_SIDE = 320
_REAL, _MADE, _PAPER = (190, 190, 190), (31, 90, 180), 255
_GREY, _COLOURS = 0, 2  # colour types of the format
_EIGHT_BITS = 8


def png(pixels: Pixels) -> bytes:
    """A PNG file of `pixels`, shape (h, w) for greys or (h, w, 3) for colours.

    Source: W3C, Portable Network Graphics (2003).
    """
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _COLOURS
    lines = np.ascontiguousarray(pixels).reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1)
    header = struct.pack(">IIBBBBB", width, height, _EIGHT_BITS, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(unfiltered.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def grid(images: Floats, low: float, high: float) -> Pixels:
    """The first 64 of `images`, eight a row with a line between, from black to white.

    Args:
        images: Shape (N, h, w).
        low: What is black.
        high: What is white; values beyond are cut.
    """
    shown = images[: N_ACROSS * N_ACROSS]
    scaled = np.clip((shown - low) / max(high - low, 1e-12), 0.0, 1.0) * 255.0
    _, height, width = shown.shape
    n_down = -(-len(shown) // N_ACROSS)
    sheet = np.full((n_down * (height + 1) - 1, N_ACROSS * (width + 1) - 1), 128, np.uint8)
    for index, image in enumerate(scaled.astype(np.uint8)):
        top, left = index // N_ACROSS * (height + 1), index % N_ACROSS * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def scatter(points: Floats, real: Floats) -> Pixels:
    """Points of the plane in blue over real ones in grey; the real ones set the limits.

    Args:
        points: Shape (N, 2); those beyond the limits are at the border.
        real: Shape (M, 2).
    """
    sheet = np.full((_SIDE, _SIDE, 3), _PAPER, np.uint8)
    low, high = real.min(0), real.max(0)
    middle, reach = (low + high) / 2, max(float((high - low).max()) * 0.6, 1e-12)
    for cloud, colour in ((real, _REAL), (points, _MADE)):
        place = (np.clip((cloud - middle) / reach, -1.0, 1.0) + 1.0) / 2 * (_SIDE - 3)
        columns, lines = place[:, 0].astype(int), _SIDE - 3 - place[:, 1].astype(int)
        for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
            sheet[lines + down, columns + right] = colour
    return sheet


class View:
    """How samples of one dataset are shown: points of the plane as such, all else as images."""

    def __init__(self, data: Dataset) -> None:
        real = data.validation.x
        self.kind: Literal["points", "images"] = "points" if data.shape == (2,) else "images"
        self._real = real
        self._limits = float(real.min()), float(real.max())

    def frame(self, samples: NDArray[Any]) -> Any:
        """What a report needs to show the samples; plain."""
        if self.kind == "points":
            return [[float(f"{x:.4g}") for x in point] for point in samples[:MOST_POINTS]]
        return f"data:image/png;base64,{base64.b64encode(self.picture(samples)).decode()}"

    def picture(self, samples: NDArray[Any]) -> bytes:
        """The samples as a PNG; what is not finite lies at a border."""
        samples = np.nan_to_num(samples)
        if self.kind == "points":
            return png(scatter(samples[:MOST_POINTS], self._real[:MOST_POINTS]))
        images = samples[: N_ACROSS * N_ACROSS]
        flat = images.mean(1) if images.ndim == 4 else images.reshape(len(images), 1, -1)
        return png(grid(flat, *self._limits))


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
