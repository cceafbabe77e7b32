"""What a ledger and its lanes must know of a study, plain enough to travel to other processes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import InputError

if TYPE_CHECKING:
    from search_spaces import Space
    from trials.contract import Objective
    from tuner.spec import PrunerSpec, Spec


LANES = "tuner:lanes"
"""Study attribute: lanes and slots that were chosen for `auto`, kept when the study goes on."""

TRIALS_A_LANE = 400
"""Of so many trials for each, a lane repays its start from the beginning."""


def n_at_once(n_lanes: int, n_trials: int) -> int:
    """Lanes of `n_lanes` that start at once in a study of so many trials."""
    return max(1, min(n_lanes, n_trials // TRIALS_A_LANE))


@dataclass(frozen=True)
class Plan:
    """A study ready to run: its spec with every default filled in, and what follows from it.

    Attributes:
        study: Name of the study.
        study_id: Its key in the study database.
        spec: With no `auto` and no default left open.
        space: None for a define-by-run objective.
        objectives: In the order of the study's directions.
        folder: The study's folder for checkpoints and weights.
        is_replayable: Whether training a trial again gives the same values, as a trainer's rows
            do and functions need not.
        gpus_per_lane: Share of a GPU, or GPUs, that a lane has.
        n_lanes: Lanes to start.
        n_first: Those that start at once; the others follow if they pay.
        n_slots: Rows that one lane trains at once, or the most if it is measured.
    """

    study: str
    study_id: int
    spec: Spec
    space: Space | None
    objectives: tuple[Objective, ...]
    folder: Path
    is_replayable: bool
    n_lanes: int
    n_first: int
    n_slots: int
    gpus_per_lane: float = 0.0

    @property
    def pruner(self) -> PrunerSpec:
        """Filled in by `tuner.resolve`."""
        assert self.spec.pruner is not None
        return self.spec.pruner

    @property
    def epochs(self) -> int:
        """Most resource of a trial; a function objective sets its own, so there it has no end."""
        return sys.maxsize if self.spec.epochs is None else self.spec.epochs

    @property
    def checkpoints(self) -> Path:
        """Folder of the rows that may have to go on later."""
        return self.folder / "checkpoints"

    def weights(self, number: int) -> Path:
        """File of the weights of trial `number`, if they are kept."""
        return weights_file(self.folder, number)


def check_own_folders(folder: Path) -> None:
    """Makes sure that a study's folder and those in it are no links: files are removed there.

    Args:
        folder: Of the study; it need not be there yet.

    Raises:
        InputError: One of them leads elsewhere.
    """
    for path in (folder, folder / "checkpoints", folder / "weights"):
        if path.is_symlink():
            raise InputError(
                f"{path}: must be a folder of its own, got a link to {str(path.readlink())!r}"
                "; remove it, or name another place with --artifacts"
            )


def weights_file(folder: Path, number: int) -> Path:
    """File of the weights of trial `number` in the folder of its study, if they are kept."""
    return folder / "weights" / f"trial-{number}.safetensors"
