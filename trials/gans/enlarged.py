"""Square images at the sides at which players grow: enlarged to 32, smaller ones, and back."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional

from trials.data import DataError, Dataset
from trials.gans.quality import Figures
from trials.gans.real import Real
from trials.stacked.batches import table
from trials.stacked.layout import whole_lanes

SIDES = (8, 16, 32)
"""Of the images of each phase."""

_LEAST_PADDED = 24
"""Images of at least this side are enlarged by repeating their edges."""


def enlarging(side: int) -> tuple[Tensor, Tensor]:
    """What enlarges a column of `side` pixels to 32, and what brings it back exactly, float64.

    Sides that divide 32 are interpolated so that the mean of the pixels that stand for one is that
    one's value; others are framed by their edges.

    Returns:
        Matrices of shapes (32, side) and (side, 32); the second times the first is the identity.
    """
    last = SIDES[-1]
    pixels = torch.eye(side, dtype=torch.float64)
    if last % side:
        before = (last - side) // 2
        places = (torch.arange(last) - before).clamp(0, side - 1)
        return pixels[places], torch.eye(last, dtype=torch.float64)[before : before + side]
    means = pixels.repeat_interleave(last // side, 0).t() * (side / last)
    drawn = functional.interpolate(pixels.unsqueeze(0), size=last, mode="linear")[0].t()
    return drawn @ torch.linalg.inv(means @ drawn), means


class EnlargedReal(Real):
    """Real images, enlarged to 32 x 32; all pixels have one mean and one deviation.

    Attributes:
        n_channels: Of an image.
        phases: The same images at each of `SIDES`.

    Raises:
        DataError: The points are no square images of a side that can be enlarged.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        shape = data.shape if data.kind == "images" else (0, 0, 0)
        self.n_channels, side, width = shape
        if side != width or not (side in SIDES or _LEAST_PADDED <= side <= SIDES[-1]):
            raise DataError(
                f"data '{data.name}': must be square images of side 8, 16 or {_LEAST_PADDED} to "
                f"{SIDES[-1]} for the trainer progressive_gan, got points of shape {data.shape}; "
                "choose digits, a folder of IDX files, arrays (N, height, width) or trainer gan"
            )
        super().__init__(data, device, dtype)
        images = torch.as_tensor(data.train.x).double()
        mean, deviation = images.mean(), images.std(correction=0)
        self.shift = mean.to(self.shift)
        self.scale = torch.where(deviation > 0, deviation, 1.0).to(self.scale)
        larger, self.smaller = enlarging(side)
        images = larger @ ((images - mean) / self.scale.cpu().double()) @ larger.t()
        self.phases = [PhaseReal(self, images, side) for side in SIDES]
        last = self.phases[-1]
        self.n_features, self.width, self.points = last.n_features, last.width, last.points


class PhaseReal(Real):
    """The images of `whole` at one side.

    Args:
        whole: Who measures samples.
        images: Enlarged and standardised, shape (N, C, 32, 32), float64.
        side: Of the images of this phase.
    """

    def __init__(self, whole: EnlargedReal, images: Tensor, side: int) -> None:
        self.data, self.device, self.dtype = whole.data, whole.device, whole.dtype
        self.shift, self.scale, self.modes = whole.shift, whole.scale, None
        times = SIDES[-1] // side
        points = functional.avg_pool2d(images, times).flatten(1)
        self.n_points, self.n_features = points.shape
        self.n_conditions, self.width = 0, whole_lanes(self.n_features)
        self.points = table(points.to(whole.points), self.width)
        self.validation, self._whole = whole.validation, whole
        self._size = whole.n_channels, side, side
        repeated = torch.eye(side, dtype=torch.float64).repeat_interleave(times, 0)
        self._smaller = (whole.smaller @ repeated).to(whole.points)

    def measure(self, names: Collection[str]) -> None:
        """As for the images themselves."""
        self._whole.measure(names)

    def watched(self, samples: Tensor) -> Figures:
        """As for the images themselves."""
        return self._whole.watched(samples)

    def in_data_units(self, made: Tensor) -> Tensor:
        """Images of this side as those of the data, each pixel standing for a square of 32 x 32."""
        smaller = self._smaller
        # one row at a time: the products of all would depend on how many there are
        rows = [
            smaller @ own[:, : self.n_features].reshape(-1, *self._size) @ smaller.t()
            for own in made
        ]
        return torch.stack(rows).flatten(2) * self.scale + self.shift
