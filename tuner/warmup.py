"""Ray comes up in the background while a spec is checked and data are read."""

from __future__ import annotations

import os
import threading
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tuner.cluster.service import Room


class Warmup:
    """While entered, Ray is up or on its way; the block ends when it is down again.

    Starting Ray is mostly waiting for its processes (4 s), importing torch and Ray Tune is work
    (3 s), so the two are done at the same time.

    Args:
        address: Of an existing cluster, or None for a local Ray.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.
    """

    def __init__(self, address: str | None = None, n_cpus: int | None = None) -> None:
        self._address = address
        self._n_cpus = n_cpus
        self._thread = threading.Thread(target=self._live, name="ray", daemon=True)
        self._is_up = threading.Event()
        self._is_over = threading.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        threading.Thread(target=import_module, args=("tuner.cluster.run",), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def room(self) -> Room:
        """What the cluster has; waits until Ray is up.

        Raises:
            TunerError: Ray cannot start, or the cluster does not answer.
        """
        self._is_up.wait()
        if self._error is not None:
            raise self._error
        from tuner.cluster import service

        return service.room()

    def _live(self) -> None:
        """Ray's whole life; Linux ends its processes with the thread that started them."""
        is_ours = False
        try:
            from tuner.cluster import service

            is_ours = service.start(self._address, self._n_cpus)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        self._is_up.set()
        self._is_over.wait()
        if is_ours:
            service.stop()


def n_local_cpus() -> int:
    """CPUs of this machine, as a local Ray counts them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
