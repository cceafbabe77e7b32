"""Ray is up, and lanes import what they need, while a spec is checked and data are read."""

from __future__ import annotations

import atexit
import gc
import math
import os
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trials import TRAINERS
from tuner import preload

if TYPE_CHECKING:
    from tuner.cluster.service import Room
    from tuner.spec import Spec


class Warmup:
    """While entered, Ray is up; the block ends when it is down again.

    A local Ray begins to import torch and Ray Tune in the processes that lanes will have (3 s),
    while this process does the same. Ray itself starts before, alone: beside imports, which keep
    the interpreter and the cores to themselves, its start would take 3 to 4 s, not 1.7. No garbage
    is collected until lanes begin, which is a sixth of the time of imports. When the process ends,
    what was imported is not looked at once more, which would take another second.

    Args:
        address: Of an existing cluster, or None for a local Ray.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.
        modules: What lanes will import; processes of a local Ray begin with it at once.
        has_agents: Whether a local Ray makes environments for tasks that ask for one.
    """

    def __init__(
        self,
        address: str | None = None,
        n_cpus: int | None = None,
        modules: Sequence[str] = (),
        *,
        has_agents: bool = True,
    ) -> None:
        self._address = address
        self._n_cpus = n_cpus
        self._modules = modules
        self._has_agents = has_agents
        self._host: Any = None
        self._thread = threading.Thread(target=self._live, name="ray", daemon=True)
        self._is_up = threading.Event()
        self._is_over = threading.Event()
        self._error: BaseException | None = None
        self._collects = gc.isenabled()

    def __enter__(self) -> Self:
        gc.disable()
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)
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
        if self._collects:
            gc.enable()

    def room(self) -> Room:
        """What the cluster has.

        Raises:
            TunerError: Ray cannot start, or the cluster does not answer.
        """
        if self._collects:
            gc.enable()
        if self._error is not None:
            raise self._error
        from tuner.cluster import service

        return service.room()

    def host(self) -> Any:
        """Handle of an actor for a ledger that has no study yet.

        It began with Ray, while this process had other work.
        """
        from tuner.cluster import service

        host, self._host = self._host or service.ledger_process(), None
        return host

    def _live(self) -> None:
        """Ray's whole life; Linux ends its processes with the thread that started them."""
        try:
            with TemporaryDirectory(prefix="tuner-ray-") as folder:
                self._host_ray(Path(folder, "mark"))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
            self._is_up.set()

    def _host_ray(self, mark: Path) -> None:
        from tuner.cluster import service

        surroundings = preload.surroundings(self._modules, mark)
        is_ours = service.start(
            self._address, self._n_cpus, surroundings, has_agents=self._has_agents
        )
        try:
            if self._is_over.is_set():
                return  # interrupted meanwhile
            self._host = service.ledger_process()
            self._is_up.set()
            import_module("tuner.cluster.run")
            self._is_over.wait()
        finally:
            if is_ours:
                service.stop()


def warm_up(spec: Spec) -> Warmup:
    """The Ray that `spec` asks for, to be entered."""
    n_cpus = None
    if spec.lanes != "auto":
        n_cpus = max(n_local_cpus(), math.ceil(spec.lanes * spec.cpus_per_lane))
    # A function or a class of the caller's may import anything, and ask Ray for anything.
    if spec.trainer not in TRAINERS:
        return Warmup(spec.ray_address, n_cpus, ("tuner.cluster.lanes",))
    trainer = TRAINERS[spec.trainer].partition(":")[0]
    modules = ("tuner.cluster.lanes", "tuner.lane", trainer)
    return Warmup(spec.ray_address, n_cpus, modules, has_agents=False)


def n_local_cpus() -> int:
    """CPUs of this machine, as a local Ray counts them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
