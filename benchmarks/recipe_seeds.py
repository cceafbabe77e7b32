"""Which seeds the recipes of a benchmark of recognition are run on, from the command line."""

from __future__ import annotations

import argparse


def asked_seeds(description: str, first: int, n: int) -> range:
    """The seeds that the options ask for.

    Args:
        description: Of the benchmark.
        first: The first seed where none is given.
        n: Runs of each recipe where no number is given.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--first-seed", type=int, default=first)
    parser.add_argument("--seeds", type=int, default=n, help="runs of each recipe")
    options = parser.parse_args()
    return range(options.first_seed, options.first_seed + options.seeds)
