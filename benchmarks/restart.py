"""How long a study takes from its restart to its first trained epoch after a kill -9.

    python benchmarks/restart.py [--inline] [--times 5] [--storage sqlite:///restart.db]

A launch of the command line is killed by SIGKILL in mid-study and resumed, again and again. The
time is from the start of `tuner resume` to the first value of an epoch that was not in the
database before; it is polled every 50 ms. The processor seconds of all processes until then say
what it costs on a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import psutil
import sqlalchemy

LAUNCH = ["launch", "--trainer", "mlp", "--data", "iris", "--study", "restart", "--lanes", "1",
          "--slots", "8", "--sampler", "random", "--trials", "100000", "--no-report"]  # fmt: skip
RESUME = ["resume", "restart", "--no-report"]
PATIENCE_S = 300.0
VALUES = sqlalchemy.text("SELECT count(*) FROM trial_intermediate_values")


def n_values(url: str) -> int:
    """Values of epochs that are in the database; 0 while it has no tables."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(VALUES).scalar_one())
    except sqlalchemy.exc.DBAPIError:
        return 0
    finally:
        engine.dispose()


def seconds_to_an_epoch(
    url: str, words: list[str], left: list[psutil.Process]
) -> tuple[float, float]:
    """Runs the command until it has trained a new epoch, and kills it.

    Args:
        url: Of the database.
        words: The command.
        left: Gets what it started and leaves behind for a while.

    Returns:
        Seconds by the clock, and of processors.

    Raises:
        TimeoutError: It did not.
    """
    before, began = n_values(url), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", *words, "--storage", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while n_values(url) <= before:
        if time.monotonic() - began > PATIENCE_S or process.poll() is not None:
            raise TimeoutError(f"tuner {words[0]}: no new epoch")
        time.sleep(0.05)
    seconds = time.monotonic() - began
    used = processor_seconds(psutil.Process(process.pid))
    time.sleep(1.0)  # some trials end before the next kill
    children = psutil.Process(process.pid).children(recursive=True)
    # Ray's agents look for their dead node for a minute; a restart does not wait for them.
    agents = [child for child in children if "Agent" in child.name()]
    process.kill()
    process.wait()
    psutil.wait_procs([child for child in children if child not in agents], timeout=PATIENCE_S)
    left += agents
    return seconds, used


def processor_seconds(process: psutil.Process) -> float:
    """What it and its living descendants have used so far."""
    used = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            used += times.user + times.system
    return used


def main() -> None:
    """Prints each time and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inline", action="store_true", help="without Ray")
    parser.add_argument("--times", type=int, default=5, help="restarts")
    parser.add_argument("--storage", help="URL of an empty database")
    given = parser.parse_args()
    extra = ["--inline"] if given.inline else []
    with tempfile.TemporaryDirectory(prefix="tuner-restart-") as folder:
        url = given.storage or f"sqlite:///{folder}/restart.db"
        left: list[psutil.Process] = []
        way = "inline" if given.inline else "through Ray"
        seconds, used = seconds_to_an_epoch(url, [*LAUNCH, *extra, "--artifacts", folder], left)
        print(f"launch {way}: {seconds:.1f} s, {used:.1f} s of processors", flush=True)
        found = []
        for _ in range(given.times):
            seconds, used = seconds_to_an_epoch(url, [*RESUME, *extra], left)
            print(f"restart {way}: {seconds:.1f} s, {used:.1f} s of processors", flush=True)
            found.append(seconds)
        psutil.wait_procs(left, timeout=PATIENCE_S)
    print(f"median {statistics.median(found):.1f} s, longest {max(found):.1f} s")


if __name__ == "__main__":
    main()
