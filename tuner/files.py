"""Whether a file that a person named may be written: hides what else can be at a path."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import InputError
from tuner.wording import shown


def check_ordinary(path: Path, key: str) -> None:
    """Nothing, or an ordinary file, is at `path`, so that replacing it destroys no device or pipe.

    Args:
        path: Where a file is to be written whole.
        key: What the person called it, for the message.

    Raises:
        InputError: Something else is there.
    """
    if path.exists() and not path.is_file():
        text = "must be a writable file, got: no ordinary file"
        raise InputError(f"{key} {shown(str(path))}: {text}")
