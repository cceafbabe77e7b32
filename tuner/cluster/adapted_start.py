"""Hides how a local Ray starts with less than it brings, for which `ray.init` has no option."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ray._private import parameter, services
from ray._private.node import Node
from ray._raylet import (  # type: ignore[attr-defined]
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    RUNTIME_ENV_AGENT_PORT_NAME,
    GcsClient,
    persist_port,
)

from tuner.cluster import stand_in

NODE_POLL_S = 0.02
NODE_TIMEOUT_S = 30.0

_PORTS = (
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    RUNTIME_ENV_AGENT_PORT_NAME,
)
"""What the agents of a node tell it."""

_UNUSED = -1
"""The port that Ray's own agents tell of a service that is not there."""


@contextmanager
def adapted_start(*, has_agents: bool) -> Iterator[None]:
    """A Ray that starts meanwhile stands apart from signals, and starts nothing it does not need.

    A signal to the group of this process, as `timeout` sends, would end Ray before its rows were
    saved; its processes are in a group of their own, and end with this one all the same.

    A local Ray has nothing to scale, its logs are not forwarded and its usage statistics are off,
    but ray.init has no option to leave their processes out, so this is the one place that touches
    its private parts. Each is 0.7 to 1 s of processor time, and Ray waits for the one that counts
    usage (a dashboard without pages) before it starts its node. It also asks only once a second
    whether the node is there. Together 2.9 s become 1.7 s (2026-11-21).

    Args:
        has_agents: Whether the node has its agents: one for a dashboard, and one that makes the
            environments that tasks ask for. It waits for both, and they take two cores for 0.9 s
            (2026-11-22).
    """
    params: Any = parameter.RayParams
    api_server: Any = Node.start_api_server
    names = ("get_node", "ConsolePopen", "start_ray_process")
    before = {name: getattr(services, name) for name in names}
    vars(parameter)["RayParams"] = partial(params, include_log_monitor=False, no_monitor=True)
    type.__setattr__(Node, "start_api_server", _no_api_server)
    vars(services).update(
        get_node=partial(_once_there, before["get_node"]),
        ConsolePopen=partial(before["ConsolePopen"], process_group=0),
    )
    if not has_agents:
        vars(services)["start_ray_process"] = partial(_agentless, before["start_ray_process"])
    try:
        yield
    finally:
        vars(parameter)["RayParams"] = params
        type.__setattr__(Node, "start_api_server", api_server)
        vars(services).update(before)


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


def _agentless(
    start_process: Callable[..., Any], command: Sequence[str], *rest: Any, **more: Any
) -> Any:
    """Starts a process of Ray; a node, which ends with its agents, has stand-ins for them."""
    if command[0] == services.RAYLET_EXECUTABLE:
        given = dict(part.split("=", 1) for part in command if "=" in part)
        for name in _PORTS:
            persist_port(given["--session_dir"], given["--node_id"], name, _UNUSED)
        script = str(Path(stand_in.__file__))
        idle = shlex.join([sys.executable, "-I", "-S", script, str(os.getpid())])
        options = ("--dashboard_agent_command", "--runtime_env_agent_command")
        command = [
            f"{option}={idle}" if (option := part.partition("=")[0]) in options else part
            for part in command
        ]
    return start_process(command, *rest, **more)
