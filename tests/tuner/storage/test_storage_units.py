"""A unit is written whole or not at all, whatever happens to the connection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tuner.errors import StorageError
from tuner.storage import Decision, NewAttempt, Storage

UNIT = FloatDistribution(0.0, 1.0)


@pytest.fixture
def study_id(storage: Storage) -> int:
    """A study with one RUNNING trial that has a value and an attribute."""
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_intermediate_value(trial_id, 1, 0.5)
    storage.set_study_user_attr(study_id, "a", 1)
    return study_id


def write_everything(storage: Storage, study_id: int) -> None:
    """One of every write."""
    first = storage.get_all_trials(study_id)[0]._trial_id
    storage.set_trial_intermediate_value(first, 2, 0.25)
    storage.set_trial_param(first, "x", 0.5, UNIT)
    storage.set_trial_state_values(first, TrialState.COMPLETE, [0.25])
    second = storage.create_new_trial(study_id)
    storage.set_trial_user_attr(second, "k", "v")
    storage.set_study_user_attr(study_id, "a", 2)
    (token,) = storage.records.start_attempts([NewAttempt(study_id, second, 1)])
    storage.records.add_metrics([(second, token, 1, {"loss": 1.0})])
    storage.records.add_decisions([Decision(study_id, second, token, 1, "kept")])
    storage.records.put_spec(study_id, {"trainer": "mlp"}, {})


def everything(storage: Storage, study_id: int) -> tuple[object, ...]:
    """What a storage says of the study."""
    records = storage.records
    return (
        repr(storage.get_all_trials(study_id)),
        storage.get_study_user_attrs(study_id),
        records.get_spec(study_id),
        records.attempts(study_id),
        records.metrics(study_id),
        records.decisions(study_id),
    )


@contextmanager
def failing_commits(n: int, *, after_commit: bool = False) -> Iterator[list[int]]:
    """The next `n` commits lose their connection, before or after they took effect."""
    left = [n]

    def fail(connection: sqlalchemy.Connection) -> None:
        if left[0] == 0:
            return
        left[0] -= 1
        if after_commit:
            connection.connection.commit()
        raise OperationalError("COMMIT", None, Exception("gone"), connection_invalidated=True)

    event.listen(sqlalchemy.Engine, "commit", fail)
    try:
        yield left
    finally:
        event.remove(sqlalchemy.Engine, "commit", fail)


def test_exception_undoes_database_and_memory(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """After an exception in the block nothing of it is visible, here or elsewhere."""
    before = everything(storage, study_id)

    def work() -> None:
        with storage.unit("u1"):
            write_everything(storage, study_id)
            assert everything(storage, study_id) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert everything(storage, study_id) == before
    assert everything(opened(url), study_id) == before
    assert not storage.has_unit(study_id, "u1")
    assert storage.create_new_trial(study_id) > 0
    assert [t.number for t in storage.get_all_trials(study_id)] == [0, 1]


def test_commit_shows_all_at_once(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """Another connection sees nothing before the end of the block, and everything after."""
    other = opened(url)
    before = everything(other, study_id)
    with storage.unit("u1"):
        write_everything(storage, study_id)
        assert everything(opened(url), study_id) == before if "postgresql" in url else True
    assert everything(opened(url), study_id) == everything(storage, study_id)
    assert storage.has_unit(study_id, "u1")
    assert not storage.has_unit(study_id, "u2")


def test_unit_without_writes_is_recorded(storage: Storage, study_id: int) -> None:
    """An exchange that changed nothing is recognised when it is repeated."""
    with storage.unit("empty"):
        pass
    assert storage.has_unit(study_id, "empty")


def test_used_unit_id_writes_nothing(storage: Storage, study_id: int) -> None:
    """The same unit cannot be applied twice, even by a caller that does not ask."""
    with storage.unit("u1"):
        storage.create_new_trial(study_id)
    with pytest.raises(StorageError), storage.unit("u1"):
        storage.create_new_trial(study_id)
    assert len(storage.get_all_trials(study_id)) == 2


def test_units_do_not_nest(storage: Storage) -> None:
    """A unit within a unit is a mistake of the program."""
    with pytest.raises(RuntimeError, match="within another"), storage.unit(), storage.unit():
        pass


@pytest.mark.parametrize("name", [None, "u1"])
def test_dropped_commit_is_repeated_once(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage], name: str | None
) -> None:
    """A connection lost before the commit costs nothing: same ids, no duplicate."""
    with failing_commits(1), storage.unit(name):
        write_everything(storage, study_id)
    assert everything(opened(url), study_id) == everything(storage, study_id)
    assert len(storage.records.decisions(study_id)) == 1


def test_lost_acknowledgement_is_recognised(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """A commit that took effect while its answer was lost is not done again."""
    with failing_commits(1, after_commit=True), storage.unit("u1"):
        write_everything(storage, study_id)
    assert everything(opened(url), study_id) == everything(storage, study_id)
    assert len(storage.records.decisions(study_id)) == 1


def test_lost_acknowledgement_without_a_name(
    postgresql: str, opened: Callable[[str], Storage]
) -> None:
    """On a server also transactions without an id are recognised as done."""
    storage = opened(postgresql)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    trial_id = storage.create_new_trial(study_id)
    with failing_commits(1, after_commit=True):
        storage.records.add_decisions([Decision(study_id, trial_id, 1, 1, "kept")])
    with failing_commits(1, after_commit=True):
        assert storage.set_trial_state_values(trial_id, TrialState.PRUNED)
    assert len(storage.records.decisions(study_id)) == 1


def test_commit_lost_twice_is_an_error(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """The second loss in a row raises, memory is as before, and the unit can be run again."""
    before = everything(storage, study_id)
    with (
        pytest.raises(StorageError, match="gives no answer"),
        failing_commits(2),
        storage.unit("u1"),
    ):
        write_everything(storage, study_id)
    assert everything(storage, study_id) == before
    with storage.unit("u1"):
        write_everything(storage, study_id)
    assert everything(opened(url), study_id) == everything(storage, study_id)


def test_unknown_outcome_is_looked_up(storage: Storage, study_id: int) -> None:
    """When the commit took effect and both answers were lost, memory follows the database."""
    with pytest.raises(StorageError):
        lose_both_answers(storage, study_id)
    assert storage.has_unit(study_id, "u1")
    assert [t.state.name for t in storage.get_all_trials(study_id)] == ["COMPLETE", "RUNNING"]


def lose_both_answers(storage: Storage, study_id: int) -> None:
    """The commit takes effect; then neither its answer nor that to the question arrives."""
    refused: list[bool] = []

    def refuse(connection: sqlalchemy.Connection) -> None:
        if refused:
            raise OperationalError("BEGIN", None, Exception("gone"), connection_invalidated=True)

    def lose(connection: sqlalchemy.Connection) -> None:
        connection.connection.commit()
        refused.append(True)
        raise OperationalError("COMMIT", None, Exception("gone"), connection_invalidated=True)

    event.listen(sqlalchemy.Engine, "commit", lose)
    event.listen(sqlalchemy.Engine, "begin", refuse)
    try:
        with storage.unit("u1"):
            write_everything(storage, study_id)
    finally:
        event.remove(sqlalchemy.Engine, "commit", lose)
        event.remove(sqlalchemy.Engine, "begin", refuse)


def drop_connections(url: str) -> None:
    """Every other connection to the PostgreSQL database is cut."""
    address = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        cut = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(sqlalchemy.text(cut))
    engine.dispose()


def test_connection_cut_while_idle(postgresql: str, opened: Callable[[str], Storage]) -> None:
    """A server restarted between two calls is not noticed."""
    storage = opened(postgresql)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    drop_connections(postgresql)
    assert storage.create_new_trial(study_id)


def test_connection_that_rested_is_looked_at(
    postgresql: str, opened: Callable[[str], Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut while idle leaves a unit its one repetition, for a cut of its own."""
    monkeypatch.setattr("tuner.storage.engine.CHECK_AFTER_S", 0.0)
    storage = opened(postgresql)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    drop_connections(postgresql)
    with failing_commits(1), storage.unit("u1"):
        storage.create_new_trial(study_id)
    assert storage.has_unit(study_id, "u1")
    assert len(storage.get_all_trials(study_id)) == 1


def test_newest_write_counts(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """A unit that writes over what still waits to be written leaves its own values."""
    key = storage.get_all_trials(study_id)[0]._trial_id
    storage.set_trial_user_attr(key, "k", "before")
    storage.set_trial_user_attr(key, "other", "stays")
    with storage.unit():
        storage.set_trial_user_attr(key, "k", "after")
    assert opened(url).get_trial(key).user_attrs == {"k": "after", "other": "stays"}


def test_connection_cut_within_a_unit(postgresql: str, opened: Callable[[str], Storage]) -> None:
    """What a unit did before the cut is done again under the same ids and numbers."""
    storage = opened(postgresql)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    with storage.unit("u1"):
        first = storage.create_new_trial(study_id)
        (token,) = storage.records.start_attempts([NewAttempt(study_id, first, 1)])
        drop_connections(postgresql)
        second = storage.create_new_trial(study_id)
    trials = opened(postgresql).get_all_trials(study_id)
    assert [(t._trial_id, t.number) for t in trials] == [(first, 0), (second, 1)]
    assert [a.token for a in storage.records.attempts(study_id)] == [token]
    assert storage.create_new_trial(study_id) > second


def test_number_taken_during_the_cut(postgresql: str, opened: Callable[[str], Storage]) -> None:
    """If another process adds a trial during the cut, the unit fails rather than lie."""
    storage, other = opened(postgresql), opened(postgresql)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])

    def work() -> None:
        with storage.unit():
            storage.create_new_trial(study_id)
            drop_connections(postgresql)
            other.create_new_trial(study_id)
            storage.create_new_trial(study_id)

    with pytest.raises(StorageError, match="another process took the number"):
        work()
    assert [t.number for t in storage.get_all_trials(study_id)] == [0]


def test_caught_failure_dooms_the_unit(storage: Storage, study_id: int) -> None:
    """A block that swallows the storage's error still cannot commit half of its work."""

    def refuse(connection: sqlalchemy.Connection, *_args: object) -> None:
        raise OperationalError("INSERT", None, Exception("broken"))

    def work() -> None:
        with storage.unit():
            storage.set_study_user_attr(study_id, "a", 3)
            event.listen(sqlalchemy.Engine, "before_cursor_execute", refuse)
            with contextlib.suppress(StorageError):
                storage.create_new_trial(study_id)
            event.remove(sqlalchemy.Engine, "before_cursor_execute", refuse)

    with pytest.raises(StorageError, match="broken"):
        work()
    assert storage.get_study_user_attrs(study_id) == {"a": 1}
