"""Hides how a running study finds out that somebody deleted it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuner.errors import StorageError, StudyDeletedError, TunerError

if TYPE_CHECKING:
    from tuner.storage import Owner, Storage


@contextmanager
def deletion_noticed(storage: Storage, study_id: int, name: str, owner: Owner) -> Iterator[None]:
    """What fails in the block because the study is gone is one error that says so.

    Args:
        storage: Where the study was.
        study_id: Its key.
        name: Its name.
        owner: Who runs it in the block.

    Raises:
        StudyDeletedError: The study is gone; other errors of the block stay as they are.
    """
    try:
        yield
    except StorageError:
        raise
    except (KeyError, TunerError) as error:
        if not _is_gone(storage, study_id, name, owner, is_unknown=isinstance(error, KeyError)):
            raise
        text = f"study {name!r}: was deleted while it ran; what it had is lost, launch it anew"
        raise StudyDeletedError(text) from error


def _is_gone(storage: Storage, study_id: int, name: str, owner: Owner, *, is_unknown: bool) -> bool:
    """Whether the study is deleted; one made anew under its name and key has another owner.

    `is_unknown`: the database did not know the study or a trial of it.
    """
    try:
        if storage.get_study_id_from_name(name) != study_id:
            return True
    except KeyError:
        return True
    present = storage.records.owner(study_id)
    return is_unknown and present is not None and present.token != owner.token
