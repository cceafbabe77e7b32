"""How an ask of any Optuna sampler is made a function of the history and one seed."""

from __future__ import annotations

from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace

from tuner.seeds import derive

_FITTED = ("_gprs_cache_list", "_constraints_gprs_cache_list")
_GROUPS = "_group_decomposed_search_space"


def reseed(sampler: BaseSampler, seed: int) -> None:
    """The sampler's next ask is a function of the study's history and `seed` alone.

    This is the one function that touches private names of Optuna's samplers: their own
    `reseed_rng` draws from the operating system and takes no seed. Besides random states it
    drops what depends on the asks this process has made: the Gaussian processes' last fit, from
    which the next one starts, and the order in which groups of axes were found. The cached
    intersections of search spaces are functions of the history and stay.

    Args:
        sampler: Made by `make_sampler`, or any other of Optuna's; parts of it are reseeded too.
        seed: Derived from the study's seed and the number of the ask, in [0, 2**63).
    """
    for name, part in vars(sampler).items():
        if isinstance(part, LazyRandomState):
            part.rng.seed(derive(seed, name, bits=32))
        elif isinstance(part, BaseSampler):
            reseed(part, derive(seed, name))
    for name in _FITTED:
        if hasattr(sampler, name):
            setattr(sampler, name, None)
    if getattr(sampler, _GROUPS, None) is not None:
        setattr(sampler, _GROUPS, _GroupDecomposedSearchSpace(True))
