"""A hyperparameter tuning service for deep networks and GANs.

`tuner.launch` tunes a trainer or a function; `tuner.fused` makes a trainer of your own torch
module; `tuner.load` finds a study again; `tuner.open_storage` is an Optuna storage over the study
database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trials.fused import fused as fused
    from tuner.errors import InputError as InputError
    from tuner.errors import StorageError as StorageError
    from tuner.errors import StudyExistsError as StudyExistsError
    from tuner.errors import StudyNotFoundError as StudyNotFoundError
    from tuner.errors import TunerError as TunerError
    from tuner.storage import open_storage as open_storage
    from tuner.study import Study as Study
    from tuner.study import launch as launch
    from tuner.study import load as load

_WHERE = {
    "InputError": "tuner.errors",
    "StorageError": "tuner.errors",
    "Study": "tuner.study",
    "StudyExistsError": "tuner.errors",
    "StudyNotFoundError": "tuner.errors",
    "TunerError": "tuner.errors",
    "fused": "trials.fused",
    "launch": "tuner.study",
    "load": "tuner.study",
    "open_storage": "tuner.storage",
}

__all__ = [
    "InputError",
    "StorageError",
    "Study",
    "StudyExistsError",
    "StudyNotFoundError",
    "TunerError",
    "fused",
    "launch",
    "load",
    "open_storage",
]


def __getattr__(name: str) -> Any:
    """Imports what is asked for, so that `tuner --help` need not import torch or Optuna."""
    if name not in _WHERE:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
