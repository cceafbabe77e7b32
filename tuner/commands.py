"""Command lines about a study that a person can paste: quoted, with its database, no password."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.credentials import without_password


@dataclass(frozen=True)
class Commands:
    """Command lines about one study.

    Args:
        name: The study.
        storage: URL of its database.
        default_storage: URL that commands take without an option.
        code: Import string of its function or trainer, if it was launched with one.
    """

    name: str
    storage: str
    default_storage: str
    code: str | None = None

    def resume(self) -> str:
        """The command that goes on with the study."""
        return self._line("resume", options=self._own_code(), words=[self.name])

    def about(self, best: int | None, *, is_whole: bool) -> tuple[str, ...]:
        """Commands that go on with, show, save, replay and repeat the study.

        Args:
            best: Number of its best trial, or None where there is none.
            is_whole: Its spec says all that is needed to run it again from a file.
        """
        lines = [self.resume(), self._line("show", words=[self.name])]
        own = self._own_code()
        if best is not None:
            lines.append(self._line("best", options=["--out", "best"], words=[self.name]))
            lines.append(self._line("replay", options=own, words=[self.name, str(best)]))
        if is_whole:
            again = ["--study", f"{self.name} again", *own]
            line = self._line("launch", options=again, words=["spec.yaml"])
            lines.append(f"{line}  # with the spec of the report in that file")
        return tuple(lines)

    def _own_code(self) -> list[str]:
        return ["--objective", self.code] if self.code else []

    def _line(self, verb: str, *, options: Sequence[str] = (), words: Sequence[str]) -> str:
        """One command; where its database needs a password, a remark says so."""
        url = without_password(self.storage)
        is_default = self.storage == self.default_storage
        before = [] if is_default else ["--storage", url]
        guard = ["--"] if any(word.startswith("-") for word in words) else []
        line = shlex.join(["tuner", verb, *before, *options, *guard, *words])
        is_whole = is_default or url == self.storage
        return line if is_whole else f"{line}  # put the password for ***"
