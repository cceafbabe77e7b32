"""A lane as Ray Tune knows it: a Trainable that talks to the ledger's actor."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.exceptions import RayActorError, RayError

from tuner.messages import Answer, LaneInfo, Turn, Welcome

if TYPE_CHECKING:
    from tuner.lane_job import LaneJob

TURNS_PER_STEP_S = 1.0
"""A Tune step lasts about this long, so that Ray's event loop sees one result a lane and second."""

BEAT_S = 1.0


class RayLane(tune.Trainable):
    """A lane as Ray Tune knows it: one worker process with its share of CPU or GPU."""

    def setup(self, config: dict[str, Any], host: Any = None, job: LaneJob | None = None) -> None:
        """Builds the lane; one that cannot be built ends the study with its error."""
        assert job is not None
        self._lane, self._host = None, host
        number = config["lane"]
        if config["n_slots"] is not None:
            job = replace(job, n_slots=config["n_slots"], probe=())
        try:
            self._lane = job.build(number, _RayConnection(host))
        except Exception as error:  # noqa: BLE001 - ends the study with its text
            ray.get(host.lane_failed.remote(number, f"{type(error).__name__}: {error}"))
            return
        session = self._lane.info.session
        threading.Thread(target=_beat, args=(host, number, session), daemon=True).start()
        try:
            self._lane.start()
        except RayActorError:
            self._lane = None

    def step(self) -> dict[str, Any]:
        """As many turns as fill about a second."""
        until = time.monotonic() + TURNS_PER_STEP_S
        is_on = self._lane is not None
        n_turns = 0
        while is_on and time.monotonic() < until:
            is_on = self._turn()
            n_turns += 1
        return {"turns": n_turns, "done": not is_on}

    def _turn(self) -> bool:
        """One turn of the lane; a file that cannot be written ends the study with its path."""
        assert self._lane is not None
        try:
            return self._lane.turn()
        except OSError as error:
            if error.filename is None:
                raise
            ray.get(self._host.unwritable.remote(error.filename, str(error.strerror)))
            return False

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: rows are checkpointed by the lane, under the ledger's eyes."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a restarted lane gets its rows from the ledger."""


class _RayConnection:
    """A lane's way to the ledger's actor."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def join(self, info: LaneInfo) -> Welcome:
        welcome: Welcome = ray.get(self._host.join.remote(info))
        return welcome

    def exchange(self, turn: Turn) -> _RayPending:
        return _RayPending(self._host.exchange.remote(turn))

    def call(self, method: str, *arguments: Any) -> Any:
        return ray.get(self._host.call.remote(method, *arguments))


@dataclass(frozen=True)
class _RayPending:
    reference: Any

    def result(self) -> Answer:
        answer: Answer = ray.get(self.reference)
        return answer


def _beat(host: Any, lane: int, session: str) -> None:
    """Renews the lane's lease until the ledger wants its process gone, or is gone itself."""
    while True:
        time.sleep(BEAT_S)
        try:
            is_wanted = ray.get(host.beat.remote(lane, session))
        except RayError:
            is_wanted = False
        if not is_wanted:
            os._exit(1)
