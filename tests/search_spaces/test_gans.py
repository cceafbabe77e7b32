"""Every ready space of GANs is that of a trainer."""

from __future__ import annotations

from importlib import import_module

from search_spaces import Space, gans
from search_spaces.images import DCGAN
from trials import TRAINERS
from trials.gans.trainer import GANTrainer


def trainers() -> dict[str, type[GANTrainer]]:
    """Every GAN of the table by name."""
    found = {}
    for name, place in TRAINERS.items():
        module, kind = place.split(":")
        if module.startswith("trials.gans."):
            found[name] = getattr(import_module(module), kind)
    return found


def test_every_ready_space_has_its_trainer() -> None:
    """None is left over, and no trainer is without."""
    public = [v for n, v in vars(gans).items() if isinstance(v, Space) and not n.startswith("_")]
    used = {id(trainer.space) for trainer in trainers().values()}
    assert used == {id(space) for space in (*public, DCGAN)}
