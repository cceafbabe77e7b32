"""Ray is up, and lanes import what they need, while a spec is checked and data are read."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tuner.cluster.service import Room


class Warmup:
    """While entered, Ray is up; the block ends when it is down again.

    A local Ray begins to import torch and Ray Tune in the processes that lanes will have (3 s),
    while this process does the same. Ray itself starts before, alone: beside imports, which keep
    the interpreter to themselves, its start would take 4 s, not 2.

    Args:
        address: Of an existing cluster, or None for a local Ray.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.
        modules: What lanes will import; processes of a local Ray begin with it at once.
    """

    def __init__(
        self,
        address: str | None = None,
        n_cpus: int | None = None,
        modules: Sequence[str] = (),
    ) -> None:
        self._address = address
        self._n_cpus = n_cpus
        self._modules = modules
        self._thread = threading.Thread(target=self._live, name="ray", daemon=True)
        self._is_up = threading.Event()
        self._is_over = threading.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        try:
            self._thread.start()
            self._is_up.wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def room(self) -> Room:
        """What the cluster has.

        Raises:
            TunerError: Ray cannot start, or the cluster does not answer.
        """
        if self._error is not None:
            raise self._error
        from tuner.cluster import service

        return service.room()

    def _live(self) -> None:
        """Ray's whole life; Linux ends its processes with the thread that started them."""
        is_ours = False
        try:
            from tuner.cluster import service

            is_ours = service.start(self._address, self._n_cpus, self._modules)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        self._is_up.set()
        try:
            if self._error is None:
                import_module("tuner.cluster.run")
        finally:
            self._is_over.wait()
            if is_ours:
                service.stop()


def n_local_cpus() -> int:
    """CPUs of this machine, as a local Ray counts them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
