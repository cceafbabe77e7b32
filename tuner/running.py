"""How a claimed study is worked on: in the caller's process, or by lanes on Ray."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.function import TrialObjective, with_params
from tuner.lane import Keeping, Ready
from tuner.lane_job import LaneJob, find_gpus
from tuner.ledger import Ledger
from tuner.messages import LaneInfo, Snapshot, Turn, Welcome
from tuner.plan import LANES, Plan, n_at_once
from tuner.probe import FEWEST
from tuner.scratch import scratch_study
from tuner.seeds import derive
from tuner.signals import Interruptions
from tuner.warmup import Warmup, n_local_cpus

if TYPE_CHECKING:
    from tuner.cluster.service import Room
    from tuner.resolve import Resolved
    from tuner.storage import Owner, Storage

OnProgress = Callable[[Snapshot], None]

MAX_AUTO_SLOTS = 256
"""Every row in flight is one the sampler cannot see."""

_N_PROBED = 64
"""Different trials that a probe trains; more rows repeat them."""

TICK_S = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """One call's work on a study."""

    storage: Storage
    url: str
    study: str
    study_id: int
    resolved: Resolved
    folder: Path
    owner: Owner
    on_progress: OnProgress | None


def run_inline(work: Work) -> str | None:
    """One lane in this process; returns the name of the signal that interrupted it, or None."""
    asked = work.resolved.spec.gpus_per_lane
    slots = _slots(work, 1)
    plan = _plan(work, 1, 1, 1.0 if asked == "auto" else asked, slots)
    ledger = Ledger(work.storage, plan, work.owner)
    lane = _job(plan, work.resolved, slots).build(0, _Inline(ledger))
    ticked = time.monotonic()
    with Interruptions(lambda name: ledger.stop(f"interrupted by {name}")) as interruptions:
        try:
            lane.start()
            while lane.turn():
                if time.monotonic() - ticked > TICK_S:
                    ticked = time.monotonic()
                    _show(work, ledger.tick())
            _show(work, ledger.tick())
        except KeyboardInterrupt:
            return interruptions.received or "SIGINT"
        finally:
            ledger.close()
    return interruptions.received


def run_on_ray(work: Work, warmup: Warmup) -> str | None:
    """Lanes on Ray; returns the name of the signal that interrupted them, or None."""
    room = warmup.room()
    gpus = _gpus_per_lane(work, room)
    n_lanes = _n_lanes(work, room, gpus)
    spec = work.resolved.spec
    n_first = n_at_once(n_lanes, spec.trials) if spec.lanes == "auto" else n_lanes
    slots = _slots(work, n_first)
    plan = _plan(work, n_lanes, n_first, gpus, slots)
    from tuner.cluster.run import run

    job = _job(plan, work.resolved, slots)
    on_progress = _warning_of_cpu(work) if job.gpu_share and job.trainer else work.on_progress
    return run(warmup.host(), work.url, plan, job, work.owner, on_progress)


def check_gpus(resolved: Resolved, *, inline: bool) -> None:
    """Makes sure that a GPU is there if one was asked for, as far as this machine can tell.

    Raises:
        InputError: There is none; a cluster finds out in its lanes.
    """
    spec = resolved.spec
    if resolved.trainer is None or spec.gpus_per_lane == "auto" or not spec.gpus_per_lane:
        return
    if inline or spec.ray_address is None:
        find_gpus(spec.gpus_per_lane)


def _warning_of_cpu(work: Work) -> OnProgress:
    """As `on_progress`; warns once of a lane that has a GPU from Ray and trains on the CPU."""
    warned: list[int] = []

    def look(snapshot: Snapshot) -> None:
        on_cpu = [lane.lane for lane in snapshot.lanes if lane.device == "cpu"]
        if on_cpu and not warned:
            warned.extend(on_cpu)
            _log.warning(
                "lane %d trains on the CPU: torch finds no GPU where Ray has one; install torch "
                "with CUDA and a driver that fits it, or set gpus_per_lane to 0",
                on_cpu[0],
            )
        _show(work, snapshot)

    return look


def _show(work: Work, snapshot: Snapshot) -> None:
    if work.on_progress is not None:
        work.on_progress(snapshot)


def _plan(work: Work, n_lanes: int, n_first: int, gpus: float, slots: _Slots) -> Plan:
    chosen = {"n_lanes": n_lanes} | ({} if slots.is_open else {"n_slots": slots.most})
    work.storage.set_study_system_attr(work.study_id, LANES, chosen)
    work.storage.flush()
    return Plan(
        work.study,
        work.study_id,
        work.resolved.spec,
        work.resolved.space,
        work.resolved.objectives,
        work.folder,
        work.resolved.trainer is not None,
        n_lanes,
        n_first,
        slots.most,
        gpus,
    )


def _job(plan: Plan, resolved: Resolved, slots: _Slots) -> LaneJob:
    judged_by = tuple((o.name, o.direction) for o in plan.objectives)
    best_of = judged_by if plan.spec.value == "best" else ()
    return LaneJob(
        trainer=None if resolved.trainer is None else type(resolved.trainer),
        data=resolved.data,
        objective=_objective(resolved),
        n_objectives=len(plan.objectives),
        n_slots=plan.n_slots,
        keeping=Keeping(plan.checkpoints, plan.spec.checkpoint_every_s, best_of),
        n_threads=max(1, int(plan.spec.cpus_per_lane)),
        gpu_share=plan.gpus_per_lane,
        must_have_gpu=plan.spec.gpus_per_lane != "auto",
        objectives=plan.objectives,
        probe=_some_trials(resolved, plan.spec.seed) if slots.is_open else (),
        store=plan.folder.parent if plan.spec.preference else None,
        n_neighbours=min(plan.n_lanes, math.ceil(n_local_cpus() / plan.spec.cpus_per_lane)),
    )


def _some_trials(resolved: Resolved, seed: int) -> tuple[Mapping[str, Any], ...]:
    """Parameters drawn at random, for a lane to measure how many rows pay."""
    from optuna.samplers import RandomSampler

    assert resolved.space is not None
    study = scratch_study(sampler=RandomSampler(derive(seed, "probe", bits=32)))
    return tuple(resolved.space.suggest(study.ask()) for _ in range(_N_PROBED))


def _objective(resolved: Resolved) -> TrialObjective | None:
    """The function as an Optuna objective."""
    if resolved.objective is None or resolved.space is None:
        return resolved.objective
    return with_params(resolved.objective, [objective.name for objective in resolved.objectives])


def _chosen(work: Work, key: str) -> int | None:
    """What an earlier call chose for `auto`."""
    stored: dict[str, int] = work.storage.get_study_system_attrs(work.study_id).get(LANES, {})
    return stored.get(key)


def _gpus_per_lane(work: Work, room: Room) -> float:
    asked = work.resolved.spec.gpus_per_lane
    if asked != "auto":
        return float(asked)
    return 1.0 if room.n_gpus and work.resolved.trainer is not None else 0.0


def _n_lanes(work: Work, room: Room, gpus: float) -> int:
    """As asked; one for candidates that a person judges, which train together; else what the CPUs
    and GPUs allow, but no more than there are trials.
    """
    spec = work.resolved.spec
    if spec.lanes != "auto":
        return spec.lanes
    if spec.preference is not None:
        return 1
    by_cpu = math.floor(room.n_cpus / spec.cpus_per_lane)
    by_gpu = math.floor(room.n_gpus / gpus) if gpus else by_cpu
    return _chosen(work, "n_lanes") or max(1, min(by_cpu, by_gpu, spec.trials))


@dataclass(frozen=True)
class _Slots:
    """Rows of a lane; where `is_open`, a lane measures how many of `most` pay."""

    most: int
    is_open: bool = False


def _slots(work: Work, n_first: int) -> _Slots:
    """As asked; 1 for a function; all candidates that a person sees; else 16, fewer in a small
    study, or what a lane measures.
    """
    spec = work.resolved.spec
    if work.resolved.trainer is None:
        return _Slots(1)
    if spec.slots != "auto":
        return _Slots(spec.slots)
    if spec.preference is not None:
        return _Slots(spec.preference)
    if chosen := _chosen(work, "n_slots"):
        return _Slots(chosen)
    share = spec.trials // n_first
    most = max(1, min(FEWEST, share // 4), min(MAX_AUTO_SLOTS, share // 8))
    return _Slots(most, is_open=most >= 2 * FEWEST)


@dataclass(frozen=True)
class _Inline:
    """A lane's way to a ledger in the same process."""

    ledger: Ledger

    def join(self, info: LaneInfo) -> Welcome:
        return self.ledger.join(info)

    def exchange(self, turn: Turn) -> Ready:
        return Ready(self.ledger.exchange(turn))

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.ledger.functions, method)(*arguments)
