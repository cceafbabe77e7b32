"""Which modes of a known mixture generated samples reach, and how many samples are near one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

N_DEVIATIONS = 3.0
"""A sample within so many standard deviations of a mode is of high quality."""

CAPTURED_PART = 100
"""A mode is captured when it gets one such part of its fair share of the high-quality samples."""

_MOST_NUMBERS = 2**23


class ModeFigures(NamedTuple):
    """Figures of each row, float64, shape (K,).

    Attributes:
        high_quality: Share of samples of high quality, in [0, 1].
        modes: Modes captured.
    """

    high_quality: Tensor
    modes: Tensor


def mode_figures(samples: Tensor, modes: Tensor, mode_std: float) -> ModeFigures:
    """High-quality share of `samples` and modes captured by them.

    Args:
        samples: Shape (K, N, D).
        modes: Centres, shape (M, D).
        mode_std: Standard deviation of a mode in each direction.

    Source: Srivastava et al., VEEGAN, NeurIPS (2017); the share that captures: Lin et al.,
    PacGAN, NeurIPS (2018).
    """
    n_chunks = 1 + samples.shape[0] * samples.shape[1] * modes.numel() // _MOST_NUMBERS
    parts = [_figures(part, modes, mode_std) for part in samples.chunk(n_chunks)]
    return ModeFigures(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _figures(samples: Tensor, modes: Tensor, mode_std: float) -> ModeFigures:
    squares = (samples.unsqueeze(2) - modes).square_().sum(3)
    nearest = squares.min(2)
    is_good = nearest.values <= (N_DEVIATIONS * mode_std) ** 2
    hits = samples.new_zeros(len(samples), len(modes), dtype=torch.float64)
    hits.scatter_add_(1, nearest.indices, is_good.double())
    n_good = hits.sum(1, keepdim=True)
    is_captured = (hits > 0) & (hits * len(modes) >= n_good / CAPTURED_PART)
    return ModeFigures(n_good.squeeze(1) / samples.shape[1], is_captured.sum(1).double())
