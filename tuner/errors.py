"""Every error the tuner raises on purpose, each with the exit code of the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Self


class TunerError(Exception):
    """Something the user can act on; its text is one line per mistake."""

    exit_code = 1

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class InputError(TunerError):
    """A spec, option, data file or objective that cannot be used; nothing was started."""

    exit_code = 2


class StudyExistsError(InputError):
    """The name belongs to a study with another spec, or to one that somebody runs now."""


class StudyNotFoundError(InputError):
    """No study of that name is in the database."""


class StorageError(TunerError):
    """The study database cannot be used: locked, read-only, corrupt, unreachable, too new."""

    exit_code = 3


class StorageUrlError(InputError, StorageError):
    """The address of the study database is none, or its driver is not installed."""


class StudyDeletedError(StorageError):
    """Somebody deleted the study while it ran."""


class TakenOverError(TunerError):
    """Another process has the study now; this one writes nothing more into it."""

    @classmethod
    def of(cls, study: str) -> Self:
        """The error about a study."""
        return cls(f"study {study!r}: another process has taken it over")


class UnwritableError(TunerError):
    """The disk does not take a file of the study."""

    @classmethod
    def of(cls, study: str, path: str, reason: str) -> Self:
        """The error about a file of a study, which says how to go on."""
        hint = f"the study goes on when you run: tuner resume {shlex.quote(study)}"
        return cls(f"{path}: cannot be written ({reason}); {hint}")


class AttemptGivenUpError(TunerError):
    """The attempt was given up: its lane was taken for lost, or its time ran out."""
