"""The only file that knows Ray: where lanes run, and the actor that hosts the ledger.

Ray Tune places the lanes (each is a Tune trial), restarts lost ones and asks the cluster for more;
the ledger decides everything about Optuna's trials.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuner.errors import TunerError
from tuner.messages import Answer, LaneInfo, Snapshot, Turn, Welcome
from tuner.signals import Interruptions

if TYPE_CHECKING:
    from tuner.lane_job import LaneJob
    from tuner.plan import Plan
    from tuner.storage import Owner

TURNS_PER_STEP_S = 1.0
"""A Tune step lasts about this long, so that Ray's event loop sees one result a lane and second."""

POLL_S = 0.25
BEAT_S = 1.0
LEDGER_TIMEOUT_S = 120.0
LANES_TIMEOUT_S = 30.0

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Room:
    """What the cluster has: CPUs and GPUs."""

    n_cpus: float
    n_gpus: float


def start(address: str | None, n_cpus: int | None = None) -> bool:
    """Ray is up: the cluster at `address`, one that is up already, or a local one of our own.

    A local Ray asks for a token, and has no dashboard and no client server.

    Args:
        address: Of an existing cluster, or None.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.

    Returns:
        Whether this call connected, so that `stop` is due.

    Raises:
        TunerError: Ray cannot start, or the cluster does not answer.
    """
    if ray.is_initialized():
        return False
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            _require_token()
            ray.init(
                address="local",
                num_cpus=n_cpus,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
        else:
            ray.init(address=address, runtime_env={"working_dir": str(Path.cwd())}, **quiet)
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        ray.shutdown()
        raise TunerError(f"ray: cannot start or reach a cluster: {error}") from error
    return True


def stop() -> None:
    """Disconnects; a local Ray of our own ends."""
    ray.shutdown()


def _require_token() -> None:
    """The next local Ray talks to holders of a token only, and this process holds it.

    Ray reads its settings when it is imported, which may have been long ago; its own tests have
    no public way either to have them read anew.
    """
    if os.environ.setdefault("RAY_AUTH_MODE", "token") != "token":
        return
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def room() -> Room:
    """What the cluster has now."""
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return Room(resources.get("CPU", 1.0), resources.get("GPU", 0.0))


def run(
    url: str,
    plan: Plan,
    job: LaneJob,
    owner: Owner,
    on_progress: Callable[[Snapshot], None] | None,
) -> str | None:
    """Works on the study until it ends or is interrupted; Ray is up.

    Returns:
        The name of the signal that interrupted it, or None.

    Raises:
        StorageError: The database failed; what was acknowledged is in it.
        TunerError: Ray's node or the ledger's process died; the study can be resumed.
    """
    host = _host(url, plan, owner)
    lanes = threading.Thread(target=_run_lanes, args=(host, plan, job), daemon=True)
    with Interruptions(lambda name: host.stop.remote(f"interrupted by {name}")) as interruptions:
        try:
            lanes.start()
            while lanes.is_alive():
                _poll(host, on_progress, lanes.is_alive)
                lanes.join(POLL_S)
            _poll(host, on_progress, lambda: True)
            ray.get(host.close.remote(), timeout=LEDGER_TIMEOUT_S)
        except RayActorError as error:
            text = f"study '{plan.study}': the ledger's process died ({type(error).__name__})"
            raise TunerError(f"{text}; go on with: tuner resume") from error
        except TunerError:
            lanes.join(LANES_TIMEOUT_S)
            raise
        except KeyboardInterrupt:
            ray.get(host.close.remote(), timeout=LEDGER_TIMEOUT_S)
        finally:
            ray.kill(host)
    return interruptions.received


def _poll(
    host: Any, on_progress: Callable[[Snapshot], None] | None, is_needed: Callable[[], bool]
) -> None:
    """One tick of the ledger, however long the sampler keeps it busy."""
    tick = host.tick.remote()
    while not ray.wait([tick], timeout=POLL_S)[0]:
        if not is_needed():
            return
    snapshot = ray.get(tick)
    if on_progress is not None:
        on_progress(snapshot)


def _host(url: str, plan: Plan, owner: Owner) -> Any:
    """The ledger's actor, on this node and without a CPU of its own."""
    from tuner.ledger_host import LedgerHost  # not in lanes: it brings SQL and samplers

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(LedgerHost).options(num_cpus=0, max_restarts=0, scheduling_strategy=here)
    return actor.remote(url, plan, owner)


def _run_lanes(host: Any, plan: Plan, job: LaneJob) -> None:
    """Tune runs one trial a lane until every lane has ended."""
    resources = {"cpu": plan.spec.cpus_per_lane, "gpu": plan.gpus_per_lane}
    lane = tune.with_resources(tune.with_parameters(RayLane, host=host, job=job), resources)
    with tempfile.TemporaryDirectory(prefix="tuner-lanes-") as folder:
        tune.Tuner(
            lane,
            param_space={"lane": tune.grid_search(list(range(plan.n_lanes)))},
            tune_config=tune.TuneConfig(trial_dirname_creator=str),
            run_config=tune.RunConfig(
                name="lanes",
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),
            ),
        ).fit()


class RayLane(tune.Trainable):
    """A lane as Ray Tune knows it: one worker process with its share of CPU or GPU."""

    def setup(self, config: dict[str, Any], host: Any = None, job: LaneJob | None = None) -> None:
        """Builds the lane; one that cannot be built ends the study with its error."""
        assert job is not None
        self._lane = None
        number = config["lane"]
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
            assert self._lane is not None
            is_on = self._lane.turn()
            n_turns += 1
        return {"turns": n_turns, "done": not is_on}

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
