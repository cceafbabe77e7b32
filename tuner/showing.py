"""Pictures for a person to judge: hides where a lane leaves what its rows made."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.files import whole_file
from tuner.pictures import View

if TYPE_CHECKING:
    from trials.contract import Generative, RowState
    from trials.data import Dataset


class Show:
    """Leaves a picture of what a row's model makes in the artifact store.

    Args:
        trainer: Of the row.
        data: What it trains on; the picture has its limits of black and white, or of the plane.
        folder: The artifact store.
    """

    def __init__(self, trainer: Generative, data: Dataset, folder: Path) -> None:
        self._trainer = trainer
        self._view = View(data)
        self._folder = folder

    def __call__(self, state: RowState, params: Mapping[str, Any]) -> str:
        """The name in the store of a PNG, which is there, whole.

        Raises:
            OSError: It cannot be written; its name is in the error.
        """
        name = str(uuid.uuid4())
        picture = self._view.picture(self._trainer.samples(state, params).numpy())
        self._folder.mkdir(parents=True, exist_ok=True)
        with whole_file(self._folder / name) as partial:
            partial.write_bytes(picture)
        return name
