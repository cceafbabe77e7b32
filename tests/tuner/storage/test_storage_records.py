"""Our own tables: what was launched, who owns it, what each attempt did."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.study import StudyDirection
from optuna.trial import TrialState
from storage_databases import race

from tuner.storage import Decision, Metric, NewAttempt, Owner, Storage, this_process

HERE = Owner("host", "boot/pid", 7, 5.0, 100.0, "here")
THERE = Owner("elsewhere", "boot/pid", 7, 5.0, 100.0, "there")


@pytest.fixture
def study_id(storage: Storage) -> int:
    """An empty study."""
    return storage.create_new_study([StudyDirection.MINIMIZE], "s")


@pytest.fixture
def trial_id(storage: Storage, study_id: int) -> int:
    """A RUNNING trial."""
    return storage.create_new_trial(study_id)


def test_spec_round_trip(storage: Storage, study_id: int) -> None:
    """Spec and environment come back as stored, and can be replaced."""
    assert storage.records.get_spec(study_id) is None
    storage.records.put_spec(study_id, {"space": {"x": [1, 2.5, None]}}, {"é": "ü"})
    storage.records.put_spec(study_id, {"trials": 7}, {"torch": "2"})
    assert storage.records.get_spec(study_id) == ({"trials": 7}, {"torch": "2"})
    assert storage.records.specs() == {study_id: ({"trials": 7}, {"torch": "2"})}
    with pytest.raises(KeyError):
        storage.records.put_spec(study_id + 1, {}, {})


def test_attempts_from_start_to_end(storage: Storage, study_id: int, trial_id: int) -> None:
    """An attempt has a token of its own, its first outcome stays, and its times carry a zone."""
    began = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    ended = datetime(2026, 1, 2, 4, tzinfo=UTC)
    records = storage.records
    (first,) = records.start_attempts([NewAttempt(study_id, trial_id, 1, started_at=began)])
    records.set_checkpoints([(first, 3, "a.ckpt"), (first, 5, "b.ckpt")])
    records.end_attempts([(first, "lost", "lane lost", None)], at=ended)
    records.end_attempts([(first, "complete", None, None)])
    (second,) = records.start_attempts(
        [NewAttempt(study_id, trial_id, 2, first, 0, "node", 1, "cpu", None, 5)]
    )
    assert second > first
    one, two = records.attempts(study_id)
    assert (one.started_at, one.ended_at, one.outcome) == (began, ended, "lost")
    assert (one.checkpoint_epoch, one.checkpoint_path) == (5, "b.ckpt")
    assert (two.predecessor, two.start_epoch, two.outcome) == (first, 5, None)
    assert records.attempts(study_id, live_only=True) == [two]


def test_tokens_are_never_given_again(storage: Storage, study_id: int, trial_id: int) -> None:
    """Deleting a study does not free the tokens of its attempts."""
    (token,) = storage.records.start_attempts([NewAttempt(study_id, trial_id, 1)])
    storage.delete_study(study_id)
    again = storage.create_new_study([StudyDirection.MINIMIZE])
    trial_id = storage.create_new_trial(again)
    assert storage.records.attempts(again) == []
    assert storage.records.start_attempts([NewAttempt(again, trial_id, 1)])[0] > token


def test_decisions_keep_their_order(storage: Storage, study_id: int, trial_id: int) -> None:
    """Decisions come back as they were added, with empty fields empty."""
    added = [
        Decision(study_id, trial_id, 1, 4, "pruned", 2, "worse than 3 of 4"),
        Decision(study_id, trial_id, 1, None, "retried"),
    ]
    storage.records.add_decisions(added)
    assert storage.records.decisions(study_id) == added


def test_metrics_round_trip(storage: Storage, study_id: int, trial_id: int) -> None:
    """Finite and non-finite figures come back; a repeated step replaces."""
    figures = {"loss": 0.5, "inf": math.inf, "ninf": -math.inf}
    storage.records.add_metrics([(trial_id, 1, 2, figures), (trial_id, 1, 1, {"loss": 9.0})])
    storage.records.add_metrics([(trial_id, 1, 1, {"loss": 1.0, "nan": math.nan})])
    found = storage.records.metrics(study_id, trial_id)
    assert Metric(trial_id, 1, 1, "loss", 1.0) in found
    assert {m.name: m.value for m in found if m.step == 2} == figures
    assert [m.step for m in found] == [1, 1, 2, 2, 2]
    assert math.isnan(next(m.value for m in found if m.name == "nan"))
    assert storage.records.metrics(study_id, trial_id + 1) == []


def test_discarded_values_move_to_the_lost_attempt(
    storage: Storage, study_id: int, trial_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """Values after the checkpoint leave the trial and stay with the attempt, flushed or not."""
    tokens = [
        storage.records.start_attempts([NewAttempt(study_id, trial_id, n)])[0] for n in (1, 2)
    ]
    for step, value in ((1, 0.5), (2, math.nan)):
        storage.set_trial_intermediate_value(trial_id, step, value)
    storage.flush()
    storage.set_trial_intermediate_value(trial_id, 3, math.inf)
    storage.records.discard_values_after(trial_id, 1)
    storage.set_trial_intermediate_value(trial_id, 2, 0.25)
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.25])
    for reader in (storage, opened(url)):
        assert reader.get_trial(trial_id).intermediate_values == {1: 0.5, 2: 0.25}
        moved = reader.records.metrics(study_id, trial_id)
        assert [(m.token, m.step, m.name) for m in moved] == [
            (tokens[1], 2, "intermediate_value"),
            (tokens[1], 3, "intermediate_value"),
        ]


def test_stop_is_seen_by_every_process(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """A request to stop is visible at once elsewhere, until it is cleared."""
    other = opened(url)
    assert not other.records.stop_requested(study_id)
    storage.records.request_stop(study_id)
    assert other.records.stop_requested(study_id)
    other.records.clear_stop(study_id)
    assert not storage.records.stop_requested(study_id)


def test_living_owner_keeps_the_study(storage: Storage, study_id: int) -> None:
    """Whoever comes second is told who has the study; the owner itself may claim again."""
    me, other = this_process(), this_process()
    assert storage.records.claim(study_id, me, 100.0, 30.0) is None
    assert storage.records.claim(study_id, me, 101.0, 30.0) is None
    assert storage.records.claim(study_id, other, 10_000.0, 30.0) == me
    assert storage.records.owner(study_id) == me
    assert storage.records.release(study_id, me)
    assert storage.records.owner(study_id) is None
    assert storage.records.claim(study_id, other, 100.0, 30.0) is None


@pytest.mark.parametrize(
    "change", [{"pid": 2**22 + 1}, {"process_start": -1.0}, {"boot_id": "earlier/pid"}]
)
def test_dead_owner_frees_the_study_at_once(
    storage: Storage, study_id: int, change: dict[str, object]
) -> None:
    """On one host a process that is gone, replaced, or of an earlier boot holds nothing."""
    me = this_process()
    dead = dataclasses.replace(me, token="dead", **change)  # type: ignore[arg-type]
    assert storage.records.claim(study_id, dead, 100.0, 30.0) is None
    assert storage.records.claim(study_id, me, 100.0, 30.0) is None
    assert not storage.records.beat(study_id, dead, 101.0)
    assert not storage.records.release(study_id, dead)
    assert storage.records.owner(study_id) == me


def test_owner_elsewhere_is_waited_for(storage: Storage, study_id: int) -> None:
    """From another host only the age of the last beat counts, and a clock set back is young."""
    assert storage.records.claim(study_id, THERE, 100.0, 30.0) is None
    assert storage.records.beat(study_id, THERE, 120.0)
    assert storage.records.claim(study_id, HERE, 150.0, 30.0) == THERE
    assert storage.records.claim(study_id, HERE, 10.0, 30.0) == THERE
    assert storage.records.claim(study_id, HERE, 150.5, 30.0) is None


def test_process_spaces_do_not_know_each_other(storage: Storage, study_id: int) -> None:
    """In another container of the same host a pid says nothing, so the lease counts."""
    other = dataclasses.replace(HERE, boot_id="boot/other", token="other")
    assert storage.records.claim(study_id, other, 100.0, 30.0) is None
    assert storage.records.claim(study_id, HERE, 101.0, 30.0) == other


def test_racing_claims_have_one_winner(storage: Storage, study_id: int, url: str) -> None:
    """Of processes that claim a study at once, one gets it and the other learns its pid."""
    program = (
        "import os\nstorage = open_storage(url)\n"
        f"present = storage.records.claim({study_id}, this_process(), 1.0, 30.0)\n"
        "print(os.getpid() if present is None else -present.pid, flush=True)\n"
        "sys.stdin.readline()"
    )
    told = sorted(int(line) for line in race(program, url, 2))
    assert told[-1] > 0
    assert told[:-1] == [-told[-1]]


@given(st.integers(), st.floats(allow_nan=False), st.text())
def test_owner_survives_json(pid: int, start: float, host: str) -> None:
    """Whatever a host is called, an owner equals itself after storing."""
    owner = Owner(host, "b/p", pid, start, 0.0, "t")
    assert Owner(**dataclasses.asdict(owner)) == owner
