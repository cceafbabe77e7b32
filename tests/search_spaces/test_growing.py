"""The ready space of a GAN that grows is legal, and its trainer accepts it."""

from __future__ import annotations

from search_spaces import Space
from search_spaces.growing import PROGRESSIVE_GAN
from trials.gans import progressive


def test_trainer_accepts_every_value_of_the_ready_space() -> None:
    """The ends of each range and all choices lie in the trainer's domain."""
    for name, axis in PROGRESSIVE_GAN.items():
        values = axis.values() or (axis.low, axis.high)  # type: ignore[attr-defined]
        assert all(progressive.DOMAIN[name].contains(value) for value in values), name


def test_space_is_read_back_from_yaml() -> None:
    """Nothing is lost in writing."""
    assert Space.from_yaml(PROGRESSIVE_GAN.to_yaml()) == PROGRESSIVE_GAN
