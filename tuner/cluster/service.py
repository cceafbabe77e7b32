"""Ray up and down: a cluster that is there, or a local Ray that only its owner can use."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import ray
from ray._private import parameter, services
from ray._private.node import Node
from ray._raylet import (  # type: ignore[attr-defined]
    AuthenticationTokenLoader,
    Config,
    GcsClient,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

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

NODE_POLL_S = 0.02
NODE_TIMEOUT_S = 30.0

_NODE = ("raylet", "gcs_server")


@dataclass(frozen=True)
class Room:
    """What the cluster has: CPUs and GPUs."""

    n_cpus: float
    n_gpus: float


def start(
    address: str | None, n_cpus: int | None, surroundings: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Ray is up: the cluster at `address`, one that is up already, or a local one of our own.

    A local Ray asks for a token, and has no dashboard and no client server.

    Args:
        address: Of an existing cluster, or None.
        n_cpus: Logical CPUs of a local Ray; None takes what the machine has.
        surroundings: Environment variables for the processes of a local Ray.

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
            with _surroundings(surroundings), _adapted_start():
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


@contextmanager
def _adapted_start() -> Iterator[None]:
    """A Ray that starts meanwhile stands apart from signals, and starts nothing it does not need.

    A signal to the group of this process, as `timeout` sends, would end Ray before its rows were
    saved; its processes are in a group of their own, and end with this one all the same.

    A local Ray has nothing to scale, its logs are not forwarded and its usage statistics are off,
    but ray.init has no option to leave their processes out, so this is the one place that touches
    its private parts. Each is 0.7 to 1 s of processor time, and Ray waits for the one that counts
    usage (a dashboard without pages) before it starts its node. It also asks only once a second
    whether the node is there. Together 2.9 s become 1.7 s (2026-11-21).
    """
    params: Any = parameter.RayParams
    api_server: Any = Node.start_api_server
    get_node, popen = services.get_node, services.ConsolePopen
    vars(parameter)["RayParams"] = partial(params, include_log_monitor=False, no_monitor=True)
    type.__setattr__(Node, "start_api_server", _no_api_server)
    vars(services)["get_node"] = partial(_once_there, get_node)
    vars(services)["ConsolePopen"] = partial(popen, process_group=0)
    try:
        yield
    finally:
        vars(parameter)["RayParams"] = params
        type.__setattr__(Node, "start_api_server", api_server)
        vars(services).update(get_node=get_node, ConsolePopen=popen)


def _once_there(get_node: Callable[[str, str], Any], gcs_address: str, node_id: str) -> Any:
    """What Ray's own function says of a node, asked when the node is there, or late."""
    client = GcsClient(address=gcs_address)
    until = time.monotonic() + NODE_TIMEOUT_S
    while time.monotonic() < until:
        if any(node.hex() == node_id for node in client.get_all_node_info()):
            break
        time.sleep(NODE_POLL_S)
    return get_node(gcs_address, node_id)


def _no_api_server(_node: Node, **_options: object) -> None:
    """Takes the place of what starts Ray's dashboard."""


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
