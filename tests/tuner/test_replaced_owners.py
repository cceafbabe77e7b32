"""A ledger whose study another process has taken over meanwhile writes nothing more into it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from history import check_history
from ledger_bench import Bench
from stubs import lane_info

from tuner.errors import AttemptGivenUpError, TakenOverError, TunerError
from tuner.ledger import Ledger
from tuner.ledger_host import LedgerHost
from tuner.messages import Report, Turn
from tuner.storage import open_storage, this_process


def rows_of(url: str) -> list[str]:
    """Every row of the database, as a command that writes it."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return list(connection.iterdump())


def tell(ledger: Ledger) -> None:
    """The lane reports a value of its first trial."""
    report = Report(1, 1, 1, {"loss": 0.5, "gain": -0.5})
    ledger.exchange(Turn(0, "s0", 1, reports=(report,)))


def join(ledger: Ledger) -> None:
    """Another lane comes and wants trials."""
    ledger.join(lane_info(n_slots=2, lane=1))


def suggest(ledger: Ledger) -> None:
    """The function of the lane's first trial wants a parameter."""
    ledger.functions.suggest(1, "x", optuna.distributions.FloatDistribution(0.0, 1.0))


def report(ledger: Ledger) -> None:
    """The function reports a value."""
    ledger.functions.report(1, [(1, 0.5)])


def describe(ledger: Ledger) -> None:
    """The function sets an attribute."""
    ledger.functions.set_attribute(1, "user", "seen", True)


@pytest.mark.parametrize("act", [tell, join, suggest, report, describe, Ledger.close])
def test_an_owner_that_was_replaced_writes_nothing(
    url: str, tmp_path: Path, act: Callable[[Ledger], None]
) -> None:
    """A process that slept past its lease finds its study taken, before it has asked for it."""
    bench = Bench(url, tmp_path)
    ledger = bench.ledger()
    ledger.join(lane_info(n_slots=2))
    bench.storage.records.release(bench.study_id, bench.owner)
    storage, owner = open_storage(url), this_process()
    assert storage.records.claim(bench.study_id, owner) is None
    Ledger(storage, bench.plan, owner)
    storage.records.request_stop(bench.study_id)
    before = rows_of(url)
    with pytest.raises(TunerError, match="another process has taken it over"):
        act(ledger)
    assert rows_of(url) == before
    bench.storage.close()
    storage.close()
    check_history(url, "s", is_over=False)


def test_a_function_of_a_replaced_owner_ends(url: str, tmp_path: Path) -> None:
    """Its lane is told that the attempt is over, and the driver why the study cannot go on."""
    bench = Bench(url, tmp_path)
    host = LedgerHost()
    host.open(url, bench.plan, bench.owner)
    host.join(lane_info(n_slots=1))
    bench.storage.records.release(bench.study_id, bench.owner)
    assert bench.storage.records.claim(bench.study_id, this_process()) is None
    with pytest.raises(AttemptGivenUpError, match="another process has taken it over"):
        host.call("report", 1, [(1, 0.5)])
    with pytest.raises(TakenOverError, match="another process has taken it over"):
        host.tick()
    assert host.join(lane_info(n_slots=1, lane=1)).answer.state == "done"
    assert not bench.storage.get_trial(1).intermediate_values
    bench.storage.close()
