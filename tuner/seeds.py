"""How every seed derives from the one seed of a study."""

from __future__ import annotations

import hashlib


def derive(seed: int, *path: str | int, bits: int = 63) -> int:
    """An integer in [0, 2**bits) that is a fixed function of `seed` and `path`.

    Different paths give statistically independent seeds, in every process and version of Python.
    """
    text = "/".join([str(seed), *map(str, path)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - bits)


def trial_seed(seed: int, number: int) -> int:
    """The seed of trial `number` of a study with that seed: of its weights, order and noise."""
    return derive(seed, "trial", number)
