"""What a study needs around it, looked at before anything is started: trackers, room for files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import InputError
from tuner.files import folder_problems
from tuner.trackers import chosen_trackers

if TYPE_CHECKING:
    from tuner.spec import Spec


def check_surroundings(spec: Spec) -> None:
    """Makes sure that what its trackers need is installed, and that its artifacts can be written.

    Neither the database nor the data is looked at, so that this is quick.

    Raises:
        InputError: Every mistake.
    """
    problems: list[str] = []
    try:
        chosen_trackers(spec)
    except InputError as error:
        problems += error.problems
    if spec.artifacts is not None:
        problems += folder_problems("artifacts", Path(spec.artifacts))
    if problems:
        raise InputError(problems)
