"""A study on Ray: the ledger's actor, and lanes that Ray Tune places and restarts.

Ray Tune places the lanes (each is a Tune trial), restarts lost ones and asks the cluster for more;
the ledger decides everything about Optuna's trials.
"""

from __future__ import annotations

import logging
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.execution import class_cache, tune_controller

from tuner.cluster.lanes import RayLane
from tuner.cluster.opening import LaneByLane, Opening
from tuner.cluster.service import has_died, own_node, room
from tuner.errors import StorageError, TunerError
from tuner.messages import Snapshot
from tuner.signals import Interruptions

if TYPE_CHECKING:
    import psutil

    from tuner.lane_job import LaneJob
    from tuner.plan import Plan
    from tuner.storage import Owner

POLL_S = 0.25
LEDGER_TIMEOUT_S = 120.0
LANES_TIMEOUT_S = 30.0


class NodeDiedError(TunerError):
    """Nobody is left who could close the study; its next owner finds what was committed."""

    def __init__(self, what: str, plan: Plan) -> None:
        command = f"tuner resume {shlex.quote(plan.study)}"
        super().__init__(f"{what} died; nothing that was told is lost; go on with: {command}")


def run(
    host: Any,
    url: str,
    plan: Plan,
    job: LaneJob,
    owner: Owner,
    on_progress: Callable[[Snapshot], None] | None,
) -> str | None:
    """Works on the study until it ends or is interrupted; Ray is up.

    Args:
        host: The ledger's actor, which ends with the call.
        url: Of the study database.
        plan: What to do.
        job: What every lane does.
        owner: Who has the study.
        on_progress: Called several times a second.

    Returns:
        The name of the signal that interrupted it, or None.

    Raises:
        StorageError: The database failed; what was acknowledged is in it.
        TunerError: Ray's node or the ledger's process died; the study can be resumed.
    """
    node = own_node()
    _open(host, url, plan, owner)
    opening = Opening(plan.n_lanes, room().n_cpus, n_first=plan.n_first)
    work = _Work(host, plan, job, node, opening)
    with Interruptions(lambda name: host.stop.remote(f"interrupted by {name}")) as interruptions:
        try:
            work.to_the_end(interruptions, on_progress)
        except (RayActorError, NodeDiedError) as error:
            if not interruptions.received:  # one to the whole group ends Ray's processes too
                raise work.death() from error
        finally:
            ray.kill(host)
    return interruptions.received


def _open(host: Any, url: str, plan: Plan, owner: Owner) -> None:
    """The ledger has its study; if it cannot, its process ends."""
    try:
        _answer(host.open.remote(url, plan, owner))
    except RayActorError as error:
        raise NodeDiedError(f"study {plan.study!r}: its ledger", plan) from error
    except TunerError:
        ray.kill(host)
        raise


@dataclass(frozen=True)
class _Work:
    """A study whose ledger is open, and its lanes."""

    host: Any
    plan: Plan
    job: LaneJob
    node: Sequence[psutil.Process]
    opening: Opening

    def to_the_end(
        self, interruptions: Interruptions, on_progress: Callable[[Snapshot], None] | None
    ) -> None:
        """Lanes run until the study ends or is interrupted, and the ledger is closed."""
        broken: list[Exception] = []
        lanes = threading.Thread(target=self._run_lanes, args=(broken,), daemon=True)
        try:
            lanes.start()
            while lanes.is_alive():
                self._check_node()
                is_stopping = interruptions.received is not None
                _poll(self.host, (self.opening.consider, on_progress), lanes.is_alive)
                if is_stopping and self.opening.is_idle:
                    raise KeyboardInterrupt  # those that still start get no trial any more
                lanes.join(POLL_S)
            _poll(self.host, (on_progress,), lambda: True)
            if broken:
                raise TunerError(f"ray: cannot run lanes: {broken[0]}")
        except NodeDiedError:
            raise
        except TunerError as error:
            lanes.join(LANES_TIMEOUT_S)
            if not isinstance(error, StorageError):
                self._close()
            raise
        except KeyboardInterrupt:
            pass
        self._close()

    def death(self) -> NodeDiedError:
        """What says that the node, or else the ledger, is gone."""
        is_node = has_died(self.node)
        return NodeDiedError(
            "ray: its node" if is_node else f"study {self.plan.study!r}: its ledger", self.plan
        )

    def _check_node(self) -> None:
        """Ray ends this process soon after its node has died, without a word."""
        if has_died(self.node):
            raise self.death()

    def _close(self) -> None:
        closing = self.host.close.remote()
        until = time.monotonic() + LEDGER_TIMEOUT_S
        while not ray.wait([closing], timeout=POLL_S)[0] and time.monotonic() < until:
            self._check_node()
        ray.get(closing, timeout=0)

    def _run_lanes(self, broken: list[Exception]) -> None:
        """Tune runs one trial a lane until every lane has ended; what stops it goes to `broken`."""
        try:
            _fit(self.host, self.plan, self.job, self.opening)
        except Exception as error:  # noqa: BLE001 - raised again in the driver's thread
            broken.append(error)


def _answer(reference: Any) -> Any:
    """What the ledger answered.

    Raises:
        TunerError: As the ledger raised it; Ray's own would tell its traceback for its text.
    """
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, TunerError):
            raise error.cause from None
        raise


def _poll(
    host: Any,
    listeners: Sequence[Callable[[Snapshot], None] | None],
    is_needed: Callable[[], bool],
) -> None:
    """One tick of the ledger, however long the sampler keeps it busy."""
    tick = host.tick.remote()
    while not ray.wait([tick], timeout=POLL_S)[0]:
        if not is_needed():
            return
    snapshot = _answer(tick)
    for listener in listeners:
        if listener is not None:
            listener(snapshot)


@contextmanager
def _any_process(address: str | None) -> Iterator[None]:
    """Ray Tune's lanes take the processes that wait, with all imported, in a local Ray.

    Tune asks for an environment of their own otherwise, which in a local Ray they inherit anyway,
    and Ray starts new processes for it (3 s). Tune has no option for it.
    """
    names: dict[str, Any] = {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": frozenset()}
    before = {name: getattr(class_cache, name) for name in names}
    if address is None:
        vars(class_cache).update(names)
    try:
        yield
    finally:
        vars(class_cache).update(before)


@contextmanager
def quiet_deaths() -> Iterator[None]:
    """Ray Tune does not log the death of a lane's process, with a traceback of Ray's own code.

    The ledger tells of it in one line; other errors of lanes are logged as ever.
    """
    logger = logging.getLogger(tune_controller.__name__)
    logger.addFilter(_is_no_death)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_death)


def _is_no_death(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], RayActorError))


def _fit(host: Any, plan: Plan, job: LaneJob, opening: Opening) -> None:
    resources = {"cpu": plan.spec.cpus_per_lane, "gpu": plan.gpus_per_lane}
    lane = tune.with_resources(tune.with_parameters(RayLane, host=host, job=job), resources)
    with (
        tempfile.TemporaryDirectory(prefix="tuner-lanes-") as folder,
        _any_process(plan.spec.ray_address),
        quiet_deaths(),
    ):
        tune.Tuner(
            lane,
            tune_config=tune.TuneConfig(
                search_alg=LaneByLane(opening),
                num_samples=plan.n_lanes,
                max_concurrent_trials=plan.n_lanes,
                trial_dirname_creator=str,
            ),
            run_config=tune.RunConfig(
                name="lanes",
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),
            ),
        ).fit()
