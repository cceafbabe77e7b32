"""The ledger as a plain object: exchanges, verdicts, retries, leases and exact resume."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import pytest
from history import check_history
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_bench import Bench, undisturbed
from optuna.trial import TrialState
from stubs import Direct, lane_info

from tuner.errors import TunerError
from tuner.messages import Failure, Report, Turn
from tuner.storage import this_process


@pytest.fixture
def bench(url: str, tmp_path: Path) -> Iterator[Bench]:
    """A study of 12 trials on one lane of 4 slots, random search, ASHA."""
    made = Bench(url, tmp_path / "files")
    yield made
    made.storage.close()


SOME_EARLY = {"kind": {"type": "categorical", "choices": ["a", "b", "early"]}}
"""A space of which a third of the trials stops by itself."""


def trials_of(sampler: str) -> dict[str, Any]:
    """Keys of a study whose rows begin and end at different turns, some by themselves."""
    startup = {"n_startup_trials": 4} if sampler == "tpe" else {}
    keys = {"sampler": {"name": sampler, **startup}, "space": SOME_EARLY}
    return keys | {"trials": 40, "n_slots": 5}


def test_a_study_ends_with_every_trial_in_a_terminal_state(bench: Bench) -> None:
    """All 12 trials are COMPLETE or PRUNED, and both happen."""
    ledger = bench.ledger()
    bench.lane(ledger).run()
    ledger.close()
    states = [trial.state for trial in bench.storage.get_all_trials(bench.study_id)]
    assert len(states) == 12
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    bench.storage.close()
    check_history(bench.url, "s", n_trials=12)


def test_a_pruned_trial_keeps_its_last_value(bench: Bench) -> None:
    """Optuna sees a PRUNED trial with the value of its last step."""
    ledger = bench.ledger()
    bench.lane(ledger).run()
    ledger.close()
    pruned = [t for t in bench.storage.get_all_trials(bench.study_id) if t.state.name == "PRUNED"]
    assert pruned
    for trial in pruned:
        assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]


def test_freed_slots_are_filled_at_once(bench: Bench) -> None:
    """Every answer refills what its turn freed, while trials are left to start."""
    ledger = bench.ledger()
    connection = Direct(ledger)
    lane = bench.lane(ledger)
    lane._connection = connection
    lane.run()
    n_started = 4
    for turn, answer in zip(connection.turns, connection.answers, strict=True):
        n_started += len(answer.trials)
        if n_started < 12:
            freed = sum(v.trial_id in {r.trial_id for r in turn.reports} for v in answer.verdicts)
            assert len(answer.trials) >= min(turn.n_free, 12 - n_started) - freed


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("n_turns", [1, 2, 3, 5, 8, 13, 21])
def test_a_study_killed_again_and_again_is_as_if_it_was_not(
    n_turns: int, sampler: str, url: str, tmp_path: Path
) -> None:
    """Killed after every so many turns and resumed, the study has the trials of one left alone."""
    keys = trials_of(sampler)
    expected = undisturbed(tmp_path, **keys)
    bench = Bench(url, tmp_path / "broken", **keys)
    for life in count():
        ledger = bench.ledger()
        lane = bench.lane(ledger, session=f"s{life}", every_s=0.0)
        lane.start()
        if not all(lane.turn() for _ in range(n_turns)) or bench.is_over:
            break
        bench.storage.records.release(bench.study_id, bench.owner)
    ledger.close()
    assert bench.rows() == expected
    bench.storage.close()
    check_history(bench.url, "s", n_trials=40)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("n_turns", [0, 1, 2, 3, 5, 8, 13, 21])
def test_a_study_stopped_again_and_again_is_as_if_it_was_not(
    n_turns: int, sampler: str, url: str, tmp_path: Path
) -> None:
    """Stopped after every so many turns and resumed, the trials are those of one left alone."""
    keys = trials_of(sampler)
    expected = undisturbed(tmp_path, **keys)
    bench = Bench(url, tmp_path / "broken", **keys)
    for life in count():
        ledger = bench.ledger()
        lane = bench.lane(ledger, session=f"s{life}")
        lane.start()
        if not all(lane.turn() for _ in range(n_turns)) or bench.is_over:
            break
        ledger.stop("asked to")
        while lane.turn():
            pass
        ledger.close()
    ledger.close()
    assert bench.rows() == expected
    bench.storage.close()
    check_history(bench.url, "s", n_trials=40)


def test_a_late_write_of_a_given_up_attempt_is_refused(bench: Bench) -> None:
    """After the lease ran out, the old attempt's report changes nothing and its row is stopped."""
    ledger = bench.ledger()
    welcome = ledger.join(lane_info())
    first = welcome.answer.trials[0]
    ledger.beat(0, "s0")
    bench.clock.now = 31.0
    ledger.tick()
    report = Report(first.trial_id, first.token, 1, {"loss": 0.5, "gain": -0.5})
    answer = ledger.exchange(Turn(0, "s0", 1, reports=(report,), n_free=0))
    assert [(v.trial_id, v.action) for v in answer.verdicts] == [(first.trial_id, "stop")]
    assert bench.storage.get_trial(first.trial_id).intermediate_values == {}


def test_a_lost_lane_is_retried_within_the_limit(bench: Bench) -> None:
    """With max_retries 2 a trial whose lane is lost three times is FAIL, with the reason."""
    ledger = bench.ledger()
    first = ledger.join(lane_info(n_slots=1)).answer.trials[0]
    for life in range(1, 4):
        ledger.join(lane_info(n_slots=1, session=f"s{life}"))
    trial = bench.storage.get_trial(first.trial_id)
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["reason"] == "lane lost"
    attempts = [
        a for a in bench.storage.records.attempts(bench.study_id) if a.trial_id == first.trial_id
    ]
    assert [a.outcome for a in attempts] == ["lost", "lost", "failed"]


def test_a_repeated_turn_is_answered_as_before(bench: Bench) -> None:
    """The same turn sent twice starts its trials once."""
    ledger = bench.ledger()
    trials = ledger.join(lane_info()).answer.trials
    reports = tuple(Report(t.trial_id, t.token, 1, {"loss": 1.0, "gain": -1.0}) for t in trials)
    turn = Turn(0, "s0", 1, reports=reports, n_free=2)
    assert ledger.exchange(turn) == ledger.exchange(turn)
    assert len(bench.storage.get_all_trials(bench.study_id)) == 6


def test_a_turn_of_a_former_life_changes_nothing(bench: Bench) -> None:
    """A lane that was replaced is told to end, and its values are not taken."""
    ledger = bench.ledger()
    trial = ledger.join(lane_info()).answer.trials[0]
    ledger.join(lane_info(session="s1"))
    report = Report(trial.trial_id, trial.token, 1, {"loss": 1.0, "gain": -1.0})
    assert ledger.exchange(Turn(0, "s0", 1, reports=(report,))).state == "done"
    assert bench.storage.get_trial(trial.trial_id).intermediate_values == {}
    assert ledger.beat(0, "s0") is False


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_non_finite_value_fails_the_trial_at_once(bench: Bench, value: float) -> None:
    """The trial is FAIL (non-finite), is not best, and the others go on."""
    ledger = bench.ledger()
    trials = ledger.join(lane_info()).answer.trials
    report = Report(trials[0].trial_id, trials[0].token, 1, {"loss": value, "gain": 0.0})
    answer = ledger.exchange(Turn(0, "s0", 1, reports=(report,)))
    assert answer.verdicts[0].trial_id == trials[0].trial_id
    stored = bench.storage.get_trial(trials[0].trial_id)
    assert (stored.state, stored.user_attrs["reason"]) == (TrialState.FAIL, "non-finite")


def test_a_failure_is_stored_with_its_text(bench: Bench) -> None:
    """What the lane says of a failed row is in the database and in the events."""
    ledger = bench.ledger()
    trial = ledger.join(lane_info()).answer.trials[0]
    failure = Failure(trial.trial_id, trial.token, "error", "Traceback...\nValueError: no")
    ledger.exchange(Turn(0, "s0", 1, failures=(failure,)))
    assert bench.storage.get_trial(trial.trial_id).user_attrs["error"].endswith("ValueError: no")
    assert any("ValueError: no" in event for event in ledger.tick().events)


def test_a_trial_that_overruns_its_time_is_failed_and_its_lane_ended(
    url: str, tmp_path: Path
) -> None:
    """With trial_timeout_s a trial without an end is FAIL (timeout), and its process must go."""
    bench = Bench(url, tmp_path, trial_timeout_s=5.0)
    ledger = bench.ledger()
    trial = ledger.join(lane_info(n_slots=1)).answer.trials[0]
    bench.clock.now = 4.0
    ledger.tick()
    assert ledger.beat(0, "s0")
    bench.clock.now = 5.0
    ledger.tick()
    assert not ledger.beat(0, "s0")
    assert bench.storage.get_trial(trial.trial_id).user_attrs["reason"] == "timeout"
    bench.storage.close()


def test_several_trials_may_run_out_of_time_together(url: str, tmp_path: Path) -> None:
    """All overdue trials of a lane are FAIL (timeout) once, also without retries."""
    bench = Bench(url, tmp_path, trial_timeout_s=5.0, max_retries=0)
    ledger = bench.ledger()
    trials = ledger.join(lane_info(n_slots=3)).answer.trials
    bench.clock.now = 6.0
    ledger.tick()
    stored = [bench.storage.get_trial(trial.trial_id) for trial in trials]
    assert [trial.user_attrs["reason"] for trial in stored] == ["timeout"] * 3
    bench.storage.close()


def test_a_study_that_was_taken_over_is_left_alone(bench: Bench) -> None:
    """A ledger that finds another owner of its study stops with an error."""
    ledger = bench.ledger()
    bench.storage.records.release(bench.study_id, bench.owner)
    bench.storage.records.claim(bench.study_id, this_process(), lease_s=30.0)
    bench.clock.now = 20.0
    with pytest.raises(TunerError, match="taken it over"):
        ledger.tick()


def test_a_clock_is_needed_for_nothing_but_leases(bench: Bench) -> None:
    """A lane that beats is never taken for lost, however long its turn takes."""
    ledger = bench.ledger()
    ledger.join(lane_info())
    for _ in range(10):
        bench.clock.now += 20.0
        assert ledger.beat(0, "s0")
        ledger.tick()
    assert len(ledger._book.live) == 4


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"target_value": 1e6}, "target value"),
        ({"patience_trials": 1}, "no improvement"),
        ({"time_limit_s": 1e-9}, "time limit"),
    ],
)
def test_a_study_ends_early_for_its_budget(
    keys: dict[str, Any], reason: str, url: str, tmp_path: Path
) -> None:
    """Target, patience and time limit end the study cleanly, and it says why."""
    bench = Bench(url, tmp_path, pruner={"name": "none"}, **keys)
    ledger = bench.ledger()
    bench.clock.now = 1.0
    bench.lane(ledger).run()
    ledger.close()
    ended = bench.storage.get_study_system_attrs(bench.study_id)["tuner:ended"]
    assert reason in ended
    finished = [t for t in bench.storage.get_all_trials(bench.study_id) if t.state.is_finished()]
    assert len(finished) < 12
    bench.storage.close()


def test_a_grid_ends_when_it_is_exhausted(url: str, tmp_path: Path) -> None:
    """Two combinations give two trials, whatever the budget, and the study says why it ended."""
    keys = {"space": {"x": 0.5, "kind": {"type": "categorical", "choices": ["a", "b"]}}}
    bench = Bench(url, tmp_path, sampler={"name": "grid"}, **keys)
    ledger = bench.ledger()
    bench.lane(ledger).run()
    ledger.close()
    assert "grid" in bench.storage.get_study_system_attrs(bench.study_id)["tuner:ended"]
    kinds = [t.params["kind"] for t in bench.storage.get_all_trials(bench.study_id)]
    assert sorted(kinds) == ["a", "b"]
    bench.storage.close()


def test_weights_of_the_best_three_are_kept(bench: Bench) -> None:
    """After the study there are at most three weight files, the best trial's among them."""
    ledger = bench.ledger()
    bench.lane(ledger).run()
    best = bench.storage.get_best_trial(bench.study_id)
    complete = [
        t for t in bench.storage.get_all_trials(bench.study_id) if t.state.name == "COMPLETE"
    ]
    files = list((bench.plan.folder / "weights").iterdir())
    assert bench.plan.weights(best.number) in files
    assert len(files) == min(3, len(complete))


def test_no_checkpoint_is_left_of_a_study_that_is_over(bench: Bench) -> None:
    """Checkpoints go when their trial has ended or has a newer one."""
    ledger = bench.ledger()
    bench.lane(ledger, every_s=0.0).run()
    ledger.close()
    assert list(bench.plan.checkpoints.iterdir()) == []


def test_foreign_trials_are_kept_and_not_counted(bench: Bench) -> None:
    """A trial that another process added stays, and the study still runs its own 12."""
    added = optuna.trial.create_trial(
        params={"x": 0.0, "kind": "a"},
        distributions=dict(bench.resolved.space.distributions),
        value=-5.0,
    )
    bench.storage.create_new_trial(bench.study_id, added)
    ledger = bench.ledger()
    bench.lane(ledger).run()
    trials = bench.storage.get_all_trials(bench.study_id)
    assert len(trials) == 13
    assert trials[0].value == -5.0


def test_an_enqueued_trial_is_run_as_it_was_given(bench: Bench) -> None:
    """A WAITING trial is taken first, with its parameters."""
    study = optuna.load_study(study_name="s", storage=bench.storage)
    study.enqueue_trial({"x": 0.25, "kind": "b"})
    ledger = bench.ledger()
    params = [dict(t.params) for t in ledger.join(lane_info()).answer.trials]
    assert params[0] == {"x": 0.25, "kind": "b"}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["turn", "lose", "stop", "expire", "fail"]), st.integers(0, 1)),
        max_size=25,
    )
)
def test_any_sequence_of_events_keeps_the_invariants(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]]
) -> None:
    """Turns, lost lanes, stops, expired leases and failures in any order lose no trial."""
    folder = tmp_path_factory.mktemp("any")
    url, keys = f"sqlite:///{folder}/s.db", {"max_retries": 5, "space": SOME_EARLY}
    bench = Bench(url, folder, n_slots=3, n_lanes=2, **keys)
    ledger = bench.ledger()
    lives = [0, 0]
    lanes = [bench.lane(ledger, n, f"{n}.0") for n in range(2)]
    for lane in lanes:
        lane.start()
    is_on = [True, True]
    for event, number in events:
        if event == "lose" or not is_on[number]:
            lives[number] += 1
            lanes[number] = bench.lane(ledger, number, f"{number}.{lives[number]}")
            lanes[number].start()
            is_on[number] = True
        elif event == "expire":
            bench.clock.now += 31.0
            ledger.tick()
        elif event == "stop":
            ledger.stop("for a test")
            for lane, runs in zip(lanes, is_on, strict=True):
                while runs and lane.turn():
                    pass
            ledger.close()
            ledger = bench.ledger()
            lives = [life + 1 for life in lives]
            lanes = [bench.lane(ledger, n, f"{n}.{lives[n]}") for n in range(2)]
            for lane in lanes:
                lane.start()
            is_on = [True, True]
        else:
            is_on[number] = lanes[number].turn()
    while any(is_on):
        is_on = [runs and lane.turn() for lane, runs in zip(lanes, is_on, strict=True)]
    ledger.close()
    bench.storage.records.release(bench.study_id, bench.owner)
    bench.storage.close()
    check_history(bench.url, "s", n_trials=12)


def test_a_trial_given_anew_to_its_lane_replaces_its_row(bench: Bench) -> None:
    """Leases that run out between a hand-out and its first report end in no row trained twice."""
    ledger = bench.ledger()
    lane = bench.lane(ledger)
    lane.start()
    for _ in range(3):
        lane.turn()
        bench.clock.now += 31.0
        ledger.tick()
    while lane.turn():
        pass
    ledger.close()
    bench.storage.records.release(bench.study_id, bench.owner)
    bench.storage.close()
    check_history(bench.url, "s", n_trials=12)
