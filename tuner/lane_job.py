"""How a lane is set up in whatever process it runs: its trainer with its data, or its function."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.messages import LaneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from trials.contract import Trainer
    from trials.data import Dataset
    from trials.function import TrialObjective
    from tuner.function_lane import FunctionLane
    from tuner.lane import Connection, Keeping, Lane


@dataclass(frozen=True)
class LaneJob:
    """All that a lane's process needs, plain enough to travel.

    Attributes:
        trainer: The trainer's class, or None for a function.
        data: What the trainer trains on; it travels with the job, so no other node need see files.
        objective: The function, or None for a trainer.
        n_objectives: Values that a function returns.
        n_slots: Rows to train at once; 1 for a function.
        keeping: Where checkpoints go and how often.
        n_threads: Threads of torch in the lane.
        uses_gpu: Whether the lane has a share of a GPU.
    """

    trainer: type[Trainer] | None
    data: Dataset | None
    objective: TrialObjective | None
    n_objectives: int
    n_slots: int
    keeping: Keeping
    n_threads: int = 1
    uses_gpu: bool = True

    def build(self, lane: int, connection: Connection) -> Lane | FunctionLane:
        """The lane, ready to start in this process."""
        if self.objective is not None:
            from tuner.function_lane import FunctionLane

            info = self._info(lane, "cpu")
            return FunctionLane(info, self.objective, self.n_objectives, connection)
        import torch

        from tuner.lane import Lane

        torch.set_num_threads(self.n_threads)
        device = "cuda" if self.uses_gpu and torch.cuda.is_available() else "cpu"
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        assert self.trainer is not None
        build: Callable[..., Trainer] = self.trainer
        trainer = build(self.data, device=device)
        return Lane(self._info(lane, name), trainer, connection, self.keeping)

    def _info(self, lane: int, device: str) -> LaneInfo:
        pid = os.getpid()
        session = f"{lane}.{pid}.{os.urandom(4).hex()}"
        return LaneInfo(lane, session, socket.gethostname(), pid, device, self.n_slots)
