"""How a lane is set up in whatever process it runs: its trainer with its data, or its function."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.errors import InputError
from tuner.memory import gpu_bytes, host_bytes
from tuner.messages import LaneInfo, Slots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trials.contract import Objective, Trainer
    from trials.data import Dataset
    from trials.function import TrialObjective
    from tuner.function_lane import FunctionLane
    from tuner.lane import Connection, Keeping, Lane
    from tuner.showing import Show


@dataclass(frozen=True)
class LaneJob:
    """All that a lane's process needs, plain enough to travel.

    Attributes:
        trainer: The trainer's class, or None for a function.
        data: What the trainer trains on; it travels with the job, so no other node need see files.
        objective: The function, or None for a trainer.
        objectives: That the trainer is asked for; what else it measures without cost, it reports.
        n_objectives: Values that a function returns.
        n_slots: Rows to train at once, or the most where `probe` is given; 1 for a function.
        probe: Parameters of some trials, to measure how many rows pay; empty where that is known.
        n_neighbours: Lanes on one host, at most; they share its memory.
        gpu_share: Of one GPU, or GPUs, that the lane has.
        keeping: Where checkpoints go and how often.
        store: The artifact store, where a person judges rows by pictures of what they made.
        n_threads: Threads of torch in the lane.
        must_have_gpu: Whether a lane that finds no GPU for its share is an error; else it trains
            on the CPU.
    """

    trainer: type[Trainer] | None
    data: Dataset | None
    objective: TrialObjective | None
    n_objectives: int
    n_slots: int
    keeping: Keeping
    n_threads: int = 1
    gpu_share: float = 0.0
    must_have_gpu: bool = False
    objectives: tuple[Objective, ...] = ()
    probe: tuple[Mapping[str, Any], ...] = ()
    n_neighbours: int = 1
    store: Path | None = None

    def build(self, lane: int, connection: Connection) -> Lane | FunctionLane:
        """The lane, ready to start in this process.

        Raises:
            InputError: It finds fewer GPUs than it must have.
        """
        if self.objective is not None:
            from tuner.function_lane import FunctionLane

            info = self._info(lane, "cpu", Slots(1))
            return FunctionLane(info, self.objective, self.n_objectives, connection)
        import torch

        from trials.contract import ask_for
        from tuner.lane import Lane

        if self.must_have_gpu:
            find_gpus(self.gpu_share)
        torch.set_num_threads(self.n_threads)
        device = "cuda" if self.gpu_share and torch.cuda.is_available() else "cpu"
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        info = self._info(lane, name, self._slots(device))
        trainer = self._trainer(self.data, device)
        ask_for(trainer, self.objectives)
        memory = gpu_bytes if device == "cuda" else host_bytes
        return Lane(
            info, trainer, connection, self.keeping, show=self._show(trainer), memory=memory
        )

    def _show(self, trainer: Trainer) -> Show | None:
        if self.store is None:
            return None
        from trials.contract import Generative
        from tuner.showing import Show

        assert isinstance(trainer, Generative)
        assert self.data is not None
        return Show(trainer, self.data, self.store)

    def _trainer(self, data: Dataset | None, device: str) -> Trainer:
        assert self.trainer is not None
        build: Callable[..., Trainer] = self.trainer
        return build(data, device=device)

    def _slots(self, device: str) -> Slots:
        if not self.probe:
            return Slots(self.n_slots)
        from tuner import probe

        assert self.data is not None
        is_gpu = device == "cuda"
        memory = (
            probe.gpu_memory(self.gpu_share) if is_gpu else probe.host_memory(self.n_neighbours)
        )
        trainer = self._trainer(probe.few(self.data), device)
        # One thread's own time is the same whatever else the machine is doing.
        is_alone = device == "cpu" and self.n_threads == 1
        clock = time.thread_time if is_alone else time.perf_counter
        return probe.measure(trainer, self.probe, self.n_slots, memory, clock)

    def _info(self, lane: int, device: str, slots: Slots) -> LaneInfo:
        pid = os.getpid()
        session = f"{lane}.{pid}.{os.urandom(4).hex()}"
        node = socket.gethostname()
        return LaneInfo(lane, session, node, pid, device, slots)


def find_gpus(share: float) -> None:
    """This process finds as many GPUs as a lane is to have.

    Args:
        share: Of one GPU, or GPUs.

    Raises:
        InputError: It does not.
    """
    import torch

    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if share <= n_gpus:
        return
    must = f"must be at most {n_gpus}, the GPUs that torch finds here, got {share:g}"
    if not n_gpus:
        must = f"must be 0 or auto where torch finds no GPU, got {share:g}"
        must += "; install torch with CUDA and a driver that fits it, or set it to 0"
    raise InputError(f"gpus_per_lane: {must}")
