"""Objectives of a GAN that are dear to measure, and so are measured only where they are wanted."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from trials.contract import Objective
from trials.data import DataError, Dataset, Part
from trials.gans.classifier import classifiers
from trials.gans.quality import N_SAMPLES, Figures, ImageQuality, PointQuality
from trials.gans.quality.neighbours import N_FOR_COVERAGE
from trials.gans.quality.points import DEAR_FIGURES
from trials.gans.quality.reference import drawn

N_COMPARED = 512
"""Real points that samples are compared with after an epoch; pairs are what costs."""

_LESS_IS_BETTER = frozenset({"frechet_distance", "class_divergence", "kernel_distance"})


def offered(data: Dataset) -> tuple[Objective, ...]:
    """What may be wanted on this data.

    `kernel_distance` is the maximum mean discrepancy; `precision` and `density` tell of quality,
    `recall` and `coverage` of diversity. On images with classes they are measured in the features
    of a classifier of the same data, and `frechet_distance` and `class_divergence` are there too.
    """
    of_images = ("frechet_distance", "class_divergence") if _has_classifier(data) else ()
    return tuple(
        Objective(name, "minimize" if name in _LESS_IS_BETTER else "maximize")
        for name in (*of_images, *DEAR_FIGURES)
    )


def check_enough(data: Dataset, names: Collection[str]) -> None:
    """There are points to compare with, if there is something to measure.

    Raises:
        DataError: There are too few.
    """
    least = N_FOR_COVERAGE + 1
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    if names and min(sizes) < least:
        raise DataError(
            f"data '{data.name}': must have at least {least} points in each part for "
            f"{next(iter(names))}, got {sizes[0]} to train on, {sizes[1]} to validate and "
            f"{sizes[2]} to test"
        )


def with_shares(data: Dataset, names: Collection[str]) -> tuple[str, ...]:
    """`names`, and with the divergence of classes the share of each, `class_share_<class>`."""
    n_classes = data.n_classes if "class_divergence" in names else 0
    return (*names, *(f"class_share_{c}" for c in range(n_classes)))


class Wanted:
    """Some of the figures of `offered`, each beside that of as many real points.

    Args:
        data: What samples should be like.
        names: Which figures; shares of classes too.
        device: Where samples are.
        dtype: Of samples.
        part: What samples are compared with; None for the validation part.
    """

    def __init__(
        self,
        data: Dataset,
        names: Collection[str],
        device: torch.device,
        dtype: torch.dtype,
        part: Part | None = None,
    ) -> None:
        self.names = frozenset(names)
        self._shape = data.shape
        # A network is trained here: not as a part of what may be under way without gradients.
        with torch.inference_mode(mode=False), torch.enable_grad():
            against = data.validation if part is None else part
            compared = _points(against, device, dtype)[:N_COMPARED]
            self._images = None
            if _has_classifier(data):
                self._images = ImageQuality(compared, classifiers().of(data).on(device))
            else:
                self._points = PointQuality(compared, None, None, N_SAMPLES)
            others = _points(data.train, device, dtype)
            n_real = min(N_SAMPLES, len(others))
            self._real = self._measured(drawn(others, n_real).unsqueeze(0))

    def figures(self, samples: Tensor) -> Figures:
        """The figures by name, and of as many real points as `<name>_real`, shape (K,) each.

        Args:
            samples: Generated points in data units, shape (K, N, D).
        """
        made = self._measured(samples.view(*samples.shape[:2], *self._shape))
        return made | {f"{n}_real": v.expand(len(samples)) for n, v in self._real.items()}

    def _measured(self, samples: Tensor) -> Figures:
        """The figures of `samples`, shape (K, N, *shape)."""
        if self._images is not None:
            found = self._images.figures(samples, self.names)
        else:
            found = self._points.further(samples.flatten(2), self.names)
        return {name: value for name, value in found.items() if name in self.names}


def _has_classifier(data: Dataset) -> bool:
    return data.kind == "images" and data.n_classes > 1


def _points(part: Part, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(part.x).to(device=device, dtype=dtype)
