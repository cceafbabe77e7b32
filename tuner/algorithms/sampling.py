"""What a sampler is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search_spaces import Space
    from trials.contract import Objective


@dataclass(frozen=True)
class SamplingTask:
    """One study as its sampler sees it.

    Attributes:
        space: None for a define-by-run objective.
        seed: In [0, 2**63).
        in_flight: Trials that train at the same time.
    """

    space: Space | None
    objectives: tuple[Objective, ...]
    seed: int
    in_flight: int = 1
