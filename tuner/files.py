"""Files and folders to write: whether they may be written, and whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to beside `path`; at the end of the block that file is `path`, else gone."""
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")  # a long name has room for no more
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def folder_problems(where: str, folder: Path) -> list[str]:
    """Why files cannot be put in `folder`, in one line; nothing if they can.

    Args:
        where: What names the folder, for the message.
        folder: It need not be there; the nearest folder above it that is must be writable then.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        return [f"{where}: must be a folder, got {str(folder)!r}, and {there} is none"]
    if not os.access(there, os.W_OK | os.X_OK):
        return [f"{where}: must be writable, got {str(folder)!r}, and {there} is not"]
    return []
