"""Hides how the address of a database is read: its file, its secrets, and what it must be."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tuner.checks import database_url
from tuner.credentials import behind_user
from tuner.errors import StorageUrlError

_MEMORY = (None, "", ":memory:")


def database_file(url: str) -> Path | None:
    """The file of an SQLite database, absolute; None for a server or a database in memory.

    Raises:
        StorageUrlError: The address cannot be read.
    """
    return sqlite_path(parse(url))


def absolute_url(url: str) -> str:
    """The address for a process with another working folder, as the ledger's is on a cluster.

    Raises:
        StorageUrlError: The address cannot be read.
    """
    parsed = parse(url)
    path = sqlite_path(parsed)
    if path is None:
        return url
    return parsed.set(database=str(path)).render_as_string(hide_password=False)


def is_in_memory(url: str) -> bool:
    """Whether the database is in the memory of whoever opens it, so that nobody else finds it.

    Raises:
        StorageUrlError: The address cannot be read.
    """
    parsed = parse(url)
    return parsed.get_backend_name() == "sqlite" and parsed.database in _MEMORY


def parse(url: str) -> URL:
    """The parts of an address; `postgresql://` takes psycopg 3 where psycopg2 is missing.

    Raises:
        StorageUrlError: It cannot be read.
    """
    try:
        database_url(url)
    except ValueError as error:
        holds, *hint = error.args
        raise _unreadable(url, holds, *hint) from None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _unreadable(url, "must have a number for its port") from None
    if parsed.drivername in {"postgresql", "postgres"}:
        has_psycopg2 = importlib.util.find_spec("psycopg2") is not None
        driver = "postgresql" if has_psycopg2 else "postgresql+psycopg"
        return parsed.set(drivername=driver)
    return parsed


def sqlite_path(url: URL) -> Path | None:
    """The file of a plain SQLite URL, absolute so that a change of directory does not matter."""
    if url.get_backend_name() != "sqlite" or url.database in _MEMORY:
        return None
    assert url.database is not None
    return None if url.database.startswith("file:") else Path(url.database).absolute()


def without_secrets(url: URL) -> str:
    """The address for messages."""
    secret = [name for name in url.query if "password" in name.lower()]
    shown = url.update_query_dict(dict.fromkeys(secret, "***"))
    return shown.render_as_string(hide_password=True)


def timeout_s(url: URL, default_s: float) -> float:
    """Seconds that the address says to wait for other writers.

    Raises:
        StorageUrlError: It says something else.
    """
    option = url.query.get("timeout", str(default_s))
    try:
        seconds = float(option) if isinstance(option, str) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        text = f"timeout must be a number of seconds, at least 0, and given once, got {option!r}"
        raise StorageUrlError(f"storage '{without_secrets(url)}': {text}")
    return seconds


def _unreadable(url: str, holds: str, *hint: str) -> StorageUrlError:
    return StorageUrlError("; ".join([f"storage: {holds}, got {behind_user(url)!r}", *hint]))
