"""Ray up and down: a cluster that is there, or a local Ray that only its owner can use."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import ray
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuner.cluster.adapted_start import adapted_start
from tuner.errors import TunerError
from tuner.ledger_host import LedgerHost

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

_NODE = ("raylet", "gcs_server")


@dataclass(frozen=True)
class Room:
    """What the cluster has: CPUs and GPUs."""

    n_cpus: float
    n_gpus: float


def start(
    address: str | None,
    n_cpus: int | None,
    surroundings: Mapping[str, str] = MappingProxyType({}),
    *,
    has_agents: bool = True,
) -> bool:
    """Ray is up: the cluster at `address`, one that is up already, or a local one of our own.

    A local Ray asks for a token, and has no dashboard and no client server.

    Args:
        address: Of an existing cluster, or None.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.
        surroundings: Environment variables for the processes of a local Ray.
        has_agents: Whether tasks of a local Ray may ask for environments of their own; it starts
            sooner without.

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
            with _surroundings(surroundings), adapted_start(has_agents=has_agents):
                ray.init(
                    address="local",
                    num_cpus=n_cpus,
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
        else:
            ray.init(address=address, runtime_env={"working_dir": str(Path.cwd())}, **quiet)
    except Exception as error:  # ray.init raises a bare Exception where a start takes too long
        ray.shutdown()
        raise TunerError(f"ray: cannot start or reach a cluster: {error}") from error
    return True


@contextmanager
def _surroundings(more: Mapping[str, str]) -> Iterator[None]:
    """Environment of Ray's processes, which are started meanwhile.

    They find the modules that this one finds: the current directory comes first, then what was
    added to the path beside Python's own.
    """
    own = (sys.prefix, sys.base_prefix)
    added = [path for path in sys.path if path and not path.startswith(own)]
    given = {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(Path.cwd()), *added])), **more}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ledger_process() -> Any:
    """Handle of an actor for a ledger, on this node and without a CPU of its own."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(LedgerHost).options(num_cpus=0, max_restarts=0, scheduling_strategy=here)
    return actor.remote()


def own_node() -> list[psutil.Process]:
    """What a local Ray of this process cannot be without; empty for a cluster elsewhere."""
    children = psutil.Process().children()
    return [process for process in children if process.name() in _NODE]


def has_died(node: Sequence[psutil.Process]) -> bool:
    """Whether a process of the node is gone.

    Ray ends this process without a word, some seconds later, when it notices.
    """
    return any(
        not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in node
    )


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
