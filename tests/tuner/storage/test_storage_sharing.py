"""Several processes and threads on one database: nothing is lost, doubled, or seen too late."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable

import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from sqlalchemy import event
from storage_databases import Clock, race, run_sql

from tuner.errors import StorageError
from tuner.storage import Storage, this_process

MINIMIZE = [StudyDirection.MINIMIZE]
WAITING = create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"x": 1}})
Pair = tuple[Storage, BaseStorage]


def test_racing_processes_number_trials_without_gaps(
    url: str, opened: Callable[[str], Storage]
) -> None:
    """Two processes that create trials at once get distinct numbers 0..n-1."""
    storage = opened(url)
    study_id = storage.create_new_study(MINIMIZE)
    program = (
        f"storage = open_storage(url)\n"
        f"ids = [storage.create_new_trial({study_id}) for _ in range(20)]\n"
        "print([storage.get_trial_number_from_id(i) for i in ids])"
    )
    told = sorted(n for line in race(program, url, 2) for n in eval(line))
    assert told == list(range(40))
    assert [t.number for t in opened(url).get_all_trials(study_id)] == told


def test_waiting_trial_is_taken_once(url: str, opened: Callable[[str], Storage]) -> None:
    """Of processes that claim the same WAITING trials, exactly one gets each."""
    storage = opened(url)
    study_id = storage.create_new_study(MINIMIZE)
    ids = [storage.create_new_trial(study_id, WAITING) for _ in range(20)]
    program = (
        "from optuna.trial import TrialState\nstorage = open_storage(url)\n"
        f"print([i for i in {ids} if storage.set_trial_state_values(i, TrialState.RUNNING)])"
    )
    taken = [i for line in race(program, url, 2) for i in eval(line)]
    assert sorted(taken) == ids


def test_changes_of_others_are_seen_after_a_second(pair: Pair, clock: Clock) -> None:
    """New, told and claimed trials and attributes of another process appear by the clock."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE, "s")
    mine = ours.create_new_trial(study_id)
    foreign = theirs.create_new_trial(study_id)
    assert len(ours.get_all_trials(study_id)) == 1
    clock.now += 1
    assert [t._trial_id for t in ours.get_all_trials(study_id)] == [mine, foreign]
    waiting = theirs.create_new_trial(study_id, WAITING)
    theirs.set_trial_param(foreign, "x", 0.5, FloatDistribution(0, 1))
    theirs.set_trial_intermediate_value(foreign, 3, 0.25)
    theirs.set_study_user_attr(study_id, "stop", True)
    clock.now += 1
    seen = ours.get_all_trials(study_id)
    assert seen[1].params == {"x": 0.5}
    assert seen[1].intermediate_values == {3: 0.25}
    assert [t._trial_id for t in ours.get_all_trials(study_id, states=(TrialState.WAITING,))] == [
        waiting
    ]
    assert ours.get_study_user_attrs(study_id) == {"stop": True}
    theirs.set_trial_state_values(foreign, TrialState.COMPLETE, [0.5])
    theirs.set_trial_state_values(mine, TrialState.FAIL)
    theirs.set_trial_state_values(waiting, TrialState.RUNNING)
    clock.now += 1
    assert ours.get_all_trials(study_id) == theirs.get_all_trials(study_id)


def test_between_looks_there_is_no_sql(pair: Pair) -> None:
    """Reading a study again within a second asks the database nothing."""
    ours, _ = pair
    study_id = ours.create_new_study(MINIMIZE)
    ours.create_new_trial(study_id)
    transactions: list[object] = []

    def note(connection: sqlalchemy.Connection) -> None:
        transactions.append(connection)

    event.listen(sqlalchemy.Engine, "begin", note)
    try:
        for _ in range(3):
            ours.get_all_trials(study_id, deepcopy=False)
            ours.get_study_system_attrs(study_id)
    finally:
        event.remove(sqlalchemy.Engine, "begin", note)
    assert transactions == []


def test_finished_trials_are_not_copied(storage: Storage) -> None:
    """Without `deepcopy` the same objects come back, in a list of the caller's own."""
    study_id = storage.create_new_study(MINIMIZE)
    storage.create_new_trial(study_id)
    first = storage.get_all_trials(study_id, deepcopy=False)
    second = storage.get_all_trials(study_id, deepcopy=False)
    assert first is not second
    assert first[0] is second[0]


def test_deleted_study_is_gone(pair: Pair, clock: Clock) -> None:
    """A study that another process deletes, and one made anew under its name, are noticed."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE, "s")
    trial_id = ours.create_new_trial(study_id)
    ours.set_trial_user_attr(trial_id, "late", 1)
    theirs.delete_study(study_id)
    ours.flush()
    clock.now += 1
    with pytest.raises(KeyError):
        ours.get_all_trials(study_id)
    with pytest.raises(KeyError):
        ours.get_trial(trial_id)
    again = theirs.create_new_study(MINIMIZE, "s")
    clock.now += 1
    assert ours.get_study_id_from_name("s") == again
    assert ours.get_all_trials(again) == []


def test_trial_told_by_another_is_not_changed(pair: Pair, clock: Clock) -> None:
    """A trial that another process finished keeps its state and values, whatever we had for it."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    trial_id = ours.create_new_trial(study_id)
    theirs.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    ours.set_trial_intermediate_value(trial_id, 1, 0.5)
    with pytest.raises(UpdateFinishedTrialError):
        ours.set_trial_state_values(trial_id, TrialState.FAIL)
    ours.flush()
    clock.now += 1
    assert ours.get_trial(trial_id).values == [1.0]
    assert theirs.get_trial(trial_id).intermediate_values == {}


def test_values_reach_the_database_by_themselves(
    url: str, opened: Callable[[str], Storage]
) -> None:
    """Nobody has to flush: a thread of the storage does, and is gone when all is written."""
    storage = opened(url)
    study_id = storage.create_new_study(MINIMIZE)
    trial_id = storage.create_new_trial(study_id)
    committed = threading.Event()

    def note(_connection: object) -> None:
        committed.set()

    event.listen(sqlalchemy.Engine, "commit", note)
    try:
        storage.set_trial_intermediate_value(trial_id, 1, 0.5)
        assert committed.wait(30)
    finally:
        event.remove(sqlalchemy.Engine, "commit", note)
    for thread in threading.enumerate():
        if thread.name == "flusher":
            thread.join(30)
    assert opened(url).get_trial(trial_id).intermediate_values == {1: 0.5}
    assert "flusher" not in {thread.name for thread in threading.enumerate()}


def test_end_of_a_trial_takes_everything_along(pair: Pair) -> None:
    """When a trial is told, all that was written for it is in the database with it."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    trial_id = ours.create_new_trial(study_id)
    ours.set_trial_param(trial_id, "x", 0.5, FloatDistribution(0, 1))
    ours.set_trial_intermediate_value(trial_id, 1, 0.5)
    ours.set_trial_system_attr(trial_id, "k", [1])
    assert theirs.get_trial(trial_id).params == {}
    ours.set_trial_state_values(trial_id, TrialState.PRUNED, [0.5])
    assert theirs.get_trial(trial_id) == ours.get_trial(trial_id)


def test_writes_wait_while_the_database_is_away(pair: Pair, clock: Clock) -> None:
    """Reports go on and reads serve from memory; when the database is back nothing is lost."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    trial_id = ours.create_new_trial(study_id)

    def refuse(_connection: object) -> None:
        raise sqlalchemy.exc.OperationalError("BEGIN", None, Exception("no server"))

    event.listen(sqlalchemy.Engine, "begin", refuse)
    try:
        ours.set_trial_intermediate_value(trial_id, 1, 0.5)
        clock.now += 1
        assert ours.get_all_trials(study_id)[0].intermediate_values == {1: 0.5}
        with pytest.raises(StorageError, match="no server"):
            ours.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
        assert ours.get_trial(trial_id).state == TrialState.RUNNING
    finally:
        event.remove(sqlalchemy.Engine, "begin", refuse)
    ours.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
    assert theirs.get_trial(trial_id).intermediate_values == {1: 0.5}


def test_threads_share_a_storage(storage: Storage) -> None:
    """Threads that create and finish trials at once lose none."""
    study_id = storage.create_new_study(MINIMIZE)

    def work() -> None:
        for _ in range(10):
            trial_id = storage.create_new_trial(study_id)
            storage.set_trial_intermediate_value(trial_id, 1, 0.5)
            storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [float(trial_id)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = storage.get_all_trials(study_id)
    assert [t.number for t in trials] == list(range(40))
    assert all(t.value == t._trial_id for t in trials)


def test_pickle_carries_what_waits(storage: Storage) -> None:
    """A pickled storage opens the same database, and sees what was not flushed before."""
    study_id = storage.create_new_study(MINIMIZE)
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_user_attr(trial_id, "k", "v")
    twin = pickle.loads(pickle.dumps(storage))
    assert twin.get_trial(trial_id).user_attrs == {"k": "v"}
    twin.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    twin.close()


def test_fork_connects_anew(storage: Storage, url: str, opened: Callable[[str], Storage]) -> None:
    """A forked child writes through its own connection and flusher; the parent's goes on."""
    study_id = storage.create_new_study(MINIMIZE)
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_intermediate_value(trial_id, 1, 0.5)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = storage.create_new_trial(study_id)
            storage.set_trial_intermediate_value(own, 1, 0.25)
            has_flusher = "flusher" in {thread.name for thread in threading.enumerate()}
            storage.close()
            status = 0 if has_flusher else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
    trials = opened(url).get_all_trials(study_id)
    assert [t.intermediate_values for t in trials] == [{1: 0.5}, {1: 0.25}]


def test_units_see_what_others_did_before(pair: Pair, clock: Clock) -> None:
    """A process that only works in units still learns of others' trials, before each unit."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    foreign = theirs.create_new_trial(study_id)
    with ours.unit():
        mine = ours.create_new_trial(study_id)
    theirs.set_trial_state_values(foreign, TrialState.COMPLETE, [0.5])
    clock.now += 1
    with ours.unit():
        ours.set_trial_intermediate_value(mine, 1, 0.5)
        states = [t.state for t in ours.get_all_trials(study_id)]
    assert states == [TrialState.COMPLETE, TrialState.RUNNING]


@pytest.mark.parametrize("is_new", [True, False])
def test_what_a_unit_undid_belongs_to_others(pair: Pair, clock: Clock, is_new: bool) -> None:
    """A trial that a failed unit made or took, and another process runs then, is seen as it is."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    waiting = None if is_new else ours.create_new_trial(study_id, WAITING)

    def fail() -> None:
        with ours.unit():
            if waiting is None:
                ours.create_new_trial(study_id)
            else:
                ours.set_trial_state_values(waiting, TrialState.RUNNING)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    taken = theirs.create_new_trial(study_id) if waiting is None else waiting
    if waiting is not None:
        theirs.set_trial_state_values(waiting, TrialState.RUNNING)
    clock.now += 1
    assert ours.get_trial(taken).state == TrialState.RUNNING
    theirs.set_trial_intermediate_value(taken, 1, 0.5)
    clock.now += 1
    assert ours.get_trial(taken).intermediate_values == {1: 0.5}


def test_trial_waits_for_the_one_before(postgresql: str, opened: Callable[[str], Storage]) -> None:
    """While a unit has added a trial, nobody else's gets a number until it is committed."""
    first, second = opened(postgresql), opened(postgresql)
    study_id = first.create_new_study(MINIMIZE)
    thread = threading.Thread(target=second.create_new_trial, args=(study_id,))
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with first.unit():
        first.create_new_trial(study_id)
        thread.start()
        while thread.is_alive() and run_sql(postgresql, waiting) == 0:
            pass
        assert thread.is_alive()
    thread.join()
    assert [t.number for t in opened(postgresql).get_all_trials(study_id)] == [0, 1]


def test_no_trial_in_a_deleted_study(pair: Pair) -> None:
    """A study that another process deleted gets no trial, even before that was noticed."""
    ours, theirs = pair
    study_id = ours.create_new_study(MINIMIZE)
    theirs.delete_study(study_id)
    with pytest.raises(KeyError):
        ours.create_new_trial(study_id)


def test_a_new_owner_reads_what_the_one_before_left(
    sqlite: str, opened: Callable[[str], Storage]
) -> None:
    """Memory that is not due to be renewed yet does not hide how an earlier owner ended trials."""
    first, second = opened(sqlite), opened(sqlite)
    study_id = first.create_new_study([StudyDirection.MINIMIZE], "s")
    trial_id = first.create_new_trial(study_id)
    assert second.get_all_trials(study_id)[0].state == TrialState.RUNNING
    first.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
    assert second.records.claim(study_id, this_process()) is None
    assert second.get_all_trials(study_id)[0].state == TrialState.COMPLETE
