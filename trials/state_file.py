"""How a row's state is kept in a file: safetensors, whole or not at all, never a pickle."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.contract import RowState


def write_state(path: Path, state: RowState) -> None:
    """`path` holds `state`, or what it held before if this fails.

    Raises:
        OSError: The file cannot be written; its name is in the error.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file  # imports torch, which readers of studies need not

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, partial)
        partial.replace(path)
    except SafetensorError as error:
        raise _as_os_error(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


def best_beside(checkpoint: Path) -> Path:
    """Where the best epoch so far is kept beside a checkpoint, if it is another one."""
    return checkpoint.with_suffix(".best.safetensors")


def remove_checkpoint(path: Path) -> None:
    """The checkpoint is gone, and the best epoch beside it."""
    path.unlink(missing_ok=True)
    best_beside(path).unlink(missing_ok=True)


def read_state(path: Path) -> RowState:
    """What `write_state` wrote.

    Raises:
        OSError: The file is missing, unreadable or damaged; its name is in the error.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise _as_os_error(error, path) from error


def _as_os_error(error: Exception, path: Path) -> OSError:
    """The system's error that safetensors has put into words, or that the file is damaged."""
    found = re.search(r"os error (\d+)", str(error))
    if found is None:
        return OSError(errno.EINVAL, "is damaged", str(path))
    number = int(found[1])
    return OSError(number, os.strerror(number), str(path))
