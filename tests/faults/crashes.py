"""A study in a process of its own that ends at a chosen commit.

Run as a program it is a server: it has imported everything and forks a child for each study.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import torch
from commit_crashes import EXITED, Crash
from stubs import StubTrainer

import tuner
from tuner.errors import TunerError

N_TRIALS = 20
REFUSED = 71


class Studies:
    """Starts studies, each in a forked process, through the server."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, url: str, crash: Crash | None = None, **keys: Any) -> bool:
        """The study is launched as by the same command each time; whether it crashed."""
        fired = Path(url.removeprefix("sqlite:///")).with_suffix(".fired")
        fired.unlink(missing_ok=True)
        crashing = None if crash is None else asdict(crash)
        order = {"url": url, "crash": crashing, "fired": str(fired), "keys": keys}
        (code,) = self._ask(order)
        if not fired.exists():
            assert code == 0, f"the study ended with {code}"
            return False
        assert crash is not None
        expected = {"kill": -signal.SIGKILL, "exit": EXITED, "raise": REFUSED}
        assert code == expected[crash.how], f"the crash ended with {code}"
        return True

    def run_together(self, url: str, n: int, **keys: Any) -> list[int]:
        """The exit codes of `n` processes that launch the study at one moment."""
        return self._ask({"url": url, "crash": None, "keys": keys, "n": n})

    def _ask(self, order: dict[str, Any]) -> list[int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return list(json.loads(self._server.stdout.readline()))


@contextmanager
def serving() -> Iterator[Studies]:
    """A server of studies that lives as long as the block."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, __file__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Studies(server)
        assert server.stdin is not None
        server.stdin.close()


def trials_of(url: str) -> list[tuple[object, ...]]:
    """What training decided about every trial."""
    study = tuner.load("s", storage=url)
    return [(t.state, t.values, t.params, t.intermediate_values) for t in study.trials]


def launch(url: str, trainer: type[StubTrainer] = StubTrainer, **keys: Any) -> tuner.Study:
    """20 trials of the stub on one lane, which saves every row after every turn."""
    given: dict[str, Any] = {"sampler": {"name": "random"}, "slots": 4, "checkpoint_every_s": 1e-9}
    return tuner.launch(
        trainer, storage=url, inline=True, **{"study": "s", "trials": N_TRIALS} | given | keys
    )


def _child(order: dict[str, Any]) -> int:
    if order["crash"] is not None:
        Crash(**order["crash"]).arm(Path(order["fired"]))
    keys = order["keys"]
    try:
        if keys.pop("resumes", False):
            tuner.load("s", storage=order["url"]).resume(objective=StubTrainer, inline=True)
        else:
            launch(order["url"], **keys)
    except TunerError:
        return REFUSED
    return 0


def _serve() -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        # What a study imports late is imported here once, and not in every child.
        launch(f"sqlite:///{folder}/warm.db")
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pids = [_fork(order, reading, writing) for _ in range(order.get("n", 1))]
        os.close(reading)
        os.close(writing)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)  # noqa: T201 (it is the answer)


def _fork(order: dict[str, Any], reading: int, writing: int) -> int:
    """The process number of a child that begins when the pipe is closed everywhere."""
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(_child(order))
    return pid


if __name__ == "__main__":
    _serve()
