"""Sequences that have a name: a series that ships here, a text and sums that are generated."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content
from trials.data.dataset import Dataset, Part
from trials.data.series import split_series
from trials.data.targets import read_target

if TYPE_CHECKING:
    from trials.data.dataset import Floats

PASSENGERS = (
    *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118),
    *(115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140),
    *(145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166),
    *(171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194),
    *(196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201),
    *(204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229),
    *(242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278),
    *(284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306),
    *(315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336),
    *(340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337),
    *(360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405),
    *(417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432),
)
"""Thousands of international airline passengers, monthly, January 1949 to December 1960."""

_SUBJECTS = ("the cat", "a dog", "my bird", "the old fox")
_VERBS = ("sees", "likes", "follows", "hears")
_OBJECTS = ("the moon", "a tree", "my hat", "the quiet river")
_PLACES = ("at night", "in june", "by day", "")

N_SEEN = 12
"""Characters of `sentences` that are seen before the one that is asked for."""

_LENGTHS = {"train": 1500, "validation": 500, "test": 500}

N_BITS = 12
"""Places of the numbers that `addition` adds."""


def airline(_seed: int) -> Dataset:
    """144 months of airline passengers, in thousands: a series, split in the order of time.

    Source: Box and Jenkins, Time Series Analysis (1976), series G.
    """
    values = np.array(PASSENGERS, dtype=np.float64)
    target = read_target("passengers", values, "regression", [])
    x = values[:, None].astype(np.float32)
    return split_series(Content("airline", "series", x, target, ("passengers",)), None, None)


def sentences(seed: int) -> Dataset:
    """Sentences of a small grammar, 12 characters at a time: the character that comes next."""
    letters = sorted(set("".join((*_SUBJECTS, *_VERBS, *_OBJECTS, *_PLACES, " ."))))
    facts = [_SUBJECTS, _VERBS, _OBJECTS, _PLACES, N_SEEN, _LENGTHS]

    def part(place: int, n: int) -> Part:
        rng = np.random.default_rng([seed, place])
        return _windows(_text(rng, n + N_SEEN), letters)

    train, validation, test = (part(i, n) for i, n in enumerate(_LENGTHS.values()))
    return Dataset(
        name="sentences",
        kind="sequences",
        task="classification",
        train=train,
        validation=validation,
        test=test,
        feature_names=tuple(f"{t}:{letter}" for t in range(N_SEEN) for letter in letters),
        classes=tuple(letters),
        target_name="next character",
        fingerprint=hashlib.sha256(json.dumps(facts).encode()).hexdigest(),
        notes=(f"{N_SEEN} characters of a generated text; target: the next of {len(letters)}",),
    )


def addition(seed: int) -> Dataset:
    """Pairs of binary numbers, the lowest bits first: at each place, the bit of their sum.

    A label for each step. It is no function of the step's own bits: what was carried decides.
    """

    def part(place: int, n: int) -> Part:
        bits = np.random.default_rng([seed, place]).integers(0, 2, (n, N_BITS, 2))
        numbers = (bits << np.arange(N_BITS)[:, None]).sum(1)
        sums = numbers.sum(1)[:, None] >> np.arange(N_BITS) & 1
        return Part(bits.astype(np.float32), sums.astype(np.int64))

    train, validation, test = (part(i, n) for i, n in enumerate(_LENGTHS.values()))
    return Dataset(
        name="addition",
        kind="sequences",
        task="classification",
        train=train,
        validation=validation,
        test=test,
        feature_names=tuple(f"{t}:{number}" for t in range(N_BITS) for number in ("a", "b")),
        classes=("0", "1"),
        target_name="bit of the sum",
        fingerprint=hashlib.sha256(json.dumps([N_BITS, _LENGTHS]).encode()).hexdigest(),
        notes=(f"pairs of numbers of {N_BITS} bits; target: the bit of their sum at each place",),
    )


def encoded(text: str, letters: list[str]) -> Floats:
    """One-hot characters, float32, shape (length, C).

    Raises:
        ValueError: A character is not one of `letters`.
    """
    rows = np.array([letters.index(letter) for letter in text])
    hot: Floats = np.eye(len(letters), dtype=np.float32)[rows]
    return hot


def _text(rng: np.random.Generator, n: int) -> str:
    """`n` characters of sentences, each word drawn evenly."""
    text = ""
    while len(text) < n:
        words = [kind[rng.integers(len(kind))] for kind in (_SUBJECTS, _VERBS, _OBJECTS, _PLACES)]
        text += " ".join(word for word in words if word) + ". "
    return text[:n]


def _windows(text: str, letters: list[str]) -> Part:
    """Every stretch of `N_SEEN` characters with the one that follows."""
    hot = encoded(text, letters)
    now = np.arange(len(text) - N_SEEN)
    x = hot[now[:, None] + np.arange(N_SEEN)]
    return Part(x, hot[now + N_SEEN].argmax(1).astype(np.int64))
