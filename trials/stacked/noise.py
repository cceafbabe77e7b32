"""Where a row's randomness comes from: its own generator per purpose and epoch.

Weights, data order, dropout and latent noise are functions of (row seed, purpose, epoch, step),
never of the neighbours. Draws of consecutive steps continue one stream, so that an epoch may be
drawn in pieces of any number of steps.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

MOST_BYTES = 64 * 2**20
"""Most memory that the draws and gathered batches of one piece of an epoch may take."""

_LEVELS = 2**16


def generator(seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """A CPU generator whose stream depends on the three arguments alone.

    torch's Mersenne Twister takes 32 bits of seed, so two rows share a stream with
    probability 2**-32.
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{epoch}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def data_order(seed: int, epoch: int, n_points: int) -> Tensor:
    """The order in which a row sees the training points in `epoch`, int64, shape (N,)."""
    return torch.randperm(n_points, generator=generator(seed, "order", epoch))


def keep_tape(rng: torch.Generator, n_steps: int, shape: tuple[int, ...]) -> Tensor:
    """Whole numbers, uniform in [-2**15, 2**15), for the dropout masks of `n_steps` steps.

    Sixteen bits decide whether a unit is kept: four units per draw of 64 bits make the tape four
    times cheaper than uniform floats and move a rate by at most 2**-17.

    Returns:
        int16, shape (n_steps, *shape). Every step takes a whole number of draws.
    """
    n_values = 1
    for length in shape:
        n_values *= length
    n_draws = -(-n_values // 4)
    draws = torch.empty(n_steps, n_draws, dtype=torch.int64).random_(-(2**63), None, generator=rng)
    return draws.view(torch.int16)[:, :n_values].reshape(n_steps, *shape)


def keep_threshold(rate: float) -> int:
    """The value below which `keep_tape` keeps a unit, for the dropout `rate` in [0, 1)."""
    return min(round((1.0 - rate) * _LEVELS), _LEVELS - 1) - _LEVELS // 2


def normal_tape(rng: torch.Generator, n_steps: int, shape: tuple[int, int]) -> Tensor:
    """Standard normal float32 draws for `n_steps` steps, shape (n_steps, *shape).

    torch fills normals in blocks of 16, so every step takes a whole number of blocks.
    """
    n_values = shape[0] * shape[1]
    n_draws = -(-n_values // 16) * 16
    draws = torch.empty(n_steps, n_draws).normal_(generator=rng)
    return draws[:, :n_values].reshape(n_steps, *shape)
