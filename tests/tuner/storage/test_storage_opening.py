"""Opening creates what is missing, refuses what is wrong, and writes nothing before it knows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from storage_databases import optuna_storage, race, run_sql

from tuner.errors import StorageError
from tuner.storage import NewAttempt, Storage, open_storage, schema, this_process, wal_reset_risk
from tuner.storage.engine import Database

CREATE_STUDY = "open_storage(url).create_new_study([StudyDirection.MINIMIZE])"


@pytest.fixture(params=["sqlite", "empty_postgresql"])
def empty(request: pytest.FixtureRequest) -> str:
    """A database without tables, of each kind."""
    return str(request.getfixturevalue(request.param))


def path_of(url: str) -> Path:
    """The file of an SQLite address."""
    return Path(url.removeprefix("sqlite:///"))


def test_first_processes_create_the_schema_once(empty: str) -> None:
    """Two processes that open an empty database at once all work, and Optuna agrees with it."""
    race(CREATE_STUDY, empty, 2)
    theirs = optuna_storage(empty)
    assert len(theirs.get_all_studies()) == 2
    assert theirs.get_current_version() == theirs.get_head_version()
    theirs.remove_session()


def test_database_of_optuna_is_taken_as_it_is(
    sqlite: str, opened: Callable[[str], Storage]
) -> None:
    """A database that Optuna made gets our tables beside, and keeps its studies."""
    theirs = optuna_storage(sqlite)
    study_id = theirs.create_new_study([StudyDirection.MAXIMIZE], "old")
    theirs.remove_session()
    storage = opened(sqlite)
    assert storage.get_study_id_from_name("old") == study_id
    storage.records.put_spec(study_id, {"a": 1}, {})
    assert storage.records.specs() == {study_id: ({"a": 1}, {})}


def test_half_created_database_is_completed(sqlite: str, opened: Callable[[str], Storage]) -> None:
    """Tables that Optuna had begun to create without its version mark are no obstacle."""
    optuna_storage(sqlite).remove_session()
    run_sql(sqlite, "DELETE FROM alembic_version")
    run_sql(sqlite, "DROP TABLE trial_heartbeats")
    opened(sqlite).create_new_study([StudyDirection.MINIMIZE])
    theirs = optuna_storage(sqlite)
    assert theirs.get_current_version() == theirs.get_head_version()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("UPDATE tuner_version SET version = 99", "version 99; update tuner"),
        ("UPDATE alembic_version SET version_num = 'v9'", "newer; update optuna"),
        ("UPDATE alembic_version SET version_num = 'v2.6.0.a'", "optuna storage upgrade"),
    ],
)
def test_other_schemas_are_refused_unwritten(url: str, command: str, message: str) -> None:
    """A newer or older schema is named, with what to do, and left as it was."""
    open_storage(url).close()
    run_sql(url, command)
    before = path_of(url).read_bytes() if url.startswith("sqlite") else b""
    for read_only in (False, True):
        with pytest.raises(StorageError, match=message) as caught:
            open_storage(url, read_only=read_only)
        assert "\n" not in str(caught.value)
    assert before == (path_of(url).read_bytes() if url.startswith("sqlite") else b"")


def test_tables_of_another_program_are_refused(sqlite: str) -> None:
    """A database with a table `studies` that is not Optuna's is not touched."""
    run_sql(sqlite, "CREATE TABLE studies (name TEXT)")
    with pytest.raises(StorageError, match="another program"):
        open_storage(sqlite)


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"x" * 5000]
)
def test_damaged_file_is_refused_unwritten(sqlite: str, content: bytes) -> None:
    """A file that is no database is named and keeps every byte."""
    path_of(sqlite).write_bytes(content)
    with pytest.raises(StorageError, match=r"studies\.db': .*damaged"):
        open_storage(sqlite)
    assert path_of(sqlite).read_bytes() == content


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """The folder of the file must exist; the message says which."""
    with pytest.raises(StorageError, match=r"folder must exist, got .*/nowhere"):
        open_storage(f"sqlite:///{tmp_path}/nowhere/studies.db")


def test_reading_only(url: str, opened: Callable[[str], Storage]) -> None:
    """A storage opened for reading shows everything and refuses every write."""
    writer = opened(url)
    study_id = writer.create_new_study([StudyDirection.MINIMIZE], "s")
    trial_id = writer.create_new_trial(study_id)
    writer.records.put_spec(study_id, {"a": 1}, {"b": 2})
    reader = open_storage(url, read_only=True)
    assert [t._trial_id for t in reader.get_all_trials(study_id)] == [trial_id]
    assert reader.records.get_spec(study_id) == ({"a": 1}, {"b": 2})
    for write in (
        lambda: reader.create_new_trial(study_id),
        lambda: reader.set_trial_intermediate_value(trial_id, 1, 0.5),
        lambda: reader.set_study_user_attr(study_id, "k", 1),
        lambda: reader.records.request_stop(study_id),
    ):
        with pytest.raises(StorageError, match="reading only"):
            write()
    reader.close()


def test_reading_only_without_our_tables(sqlite: str) -> None:
    """A database of Optuna alone can be read; our records of it are empty."""
    study_id = optuna_storage(sqlite).create_new_study([StudyDirection.MINIMIZE])
    reader = open_storage(sqlite, read_only=True)
    assert reader.get_all_trials(study_id) == []
    assert reader.records.get_spec(study_id) is None
    assert reader.records.attempts(study_id) == []
    assert not reader.records.stop_requested(study_id)
    reader.close()


def test_reading_only_needs_a_database(sqlite: str) -> None:
    """Nothing is created by opening for reading."""
    with pytest.raises(StorageError, match="no such file"):
        open_storage(sqlite, read_only=True)
    path_of(sqlite).touch()
    with pytest.raises(StorageError, match="holds no studies"):
        open_storage(sqlite, read_only=True)
    assert path_of(sqlite).stat().st_size == 0


def test_database_that_cannot_be_written(sqlite: str, opened: Callable[[str], Storage]) -> None:
    """A file that SQLite may only read is shown; its first write is refused with what to do."""
    opened(sqlite).create_new_study([StudyDirection.MINIMIZE], "s")
    storage = opened(f"sqlite:///file:{path_of(sqlite)}?mode=ro&uri=true")
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]
    with pytest.raises(StorageError, match="is read-only; make it writable"):
        storage.create_new_study([StudyDirection.MINIMIZE], "t")


def test_locked_database(sqlite: str, opened: Callable[[str], Storage]) -> None:
    """What is complete opens while others write; a write waits as long as the address says."""
    opened(sqlite).create_new_study([StudyDirection.MINIMIZE], "s")
    writer = sqlite3.connect(path_of(sqlite), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    storage = opened(f"{sqlite}?timeout=0.1")
    study_id = storage.get_study_id_from_name("s")
    assert storage.get_all_trials(study_id) == []
    with pytest.raises(StorageError, match=r"locked by another process since 0\.1 s"):
        storage.create_new_trial(study_id)
    writer.close()
    storage.create_new_trial(study_id)


def test_locked_database_with_something_to_sweep(
    sqlite: str, opened: Callable[[str], Storage]
) -> None:
    """Rows of a deleted study are not read as another's: opening waits until they can go."""
    study_id = opened(sqlite).create_new_study([StudyDirection.MINIMIZE], "s")
    opened(sqlite).records.put_spec(study_id, {}, {})
    optuna.delete_study(study_name="s", storage=sqlite)
    writer = sqlite3.connect(path_of(sqlite), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"locked by another process since 0\.1 s"):
        opened(f"{sqlite}?timeout=0.1")
    writer.close()
    assert opened(f"{sqlite}?timeout=0.1").records.specs() == {}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:geheim@127.0.0.1:1/tuner",
        "postgresql://user@127.0.0.1:1/tuner?password=geheim",
        "postgresql+nodriver://user:geheim@host/tuner",
        "user:geheim@host/tuner",
    ],
)
def test_no_password_in_messages(url: str) -> None:
    """A server that does not answer and an address that cannot be read keep the password."""
    with pytest.raises(StorageError) as caught:
        open_storage(url)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_password_in_representations(postgresql: str) -> None:
    """Printing a storage does not print how to get in."""
    storage = Storage(Database(postgresql.replace("postgres:@", "postgres:geheim@")))
    assert "geheim" not in repr(storage)
    storage.close()


def test_sqlite_settings(sqlite: str, opened: Callable[[str], Storage]) -> None:
    """The file keeps a write-ahead log, flushed without waiting for the disk on each commit."""
    opened(sqlite)
    database = Database(sqlite)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30000
        pages = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar()
    assert pages == (16384 if wal_reset_risk() else 1000)
    database.own_wal(is_owner=True)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 1000
    database.dispose()


def test_rows_of_deleted_studies_are_swept(
    pair: tuple[Storage, BaseStorage], url: str, opened: Callable[[str], Storage]
) -> None:
    """After Optuna deleted a study, the next opening leaves nothing of ours of it."""
    ours, theirs = pair
    gone, kept = (ours.create_new_study([StudyDirection.MINIMIZE], name) for name in "ab")
    for study_id in (gone, kept):
        trial_id = ours.create_new_trial(study_id)
        ours.records.put_spec(study_id, {}, {})
        (token,) = ours.records.start_attempts([NewAttempt(study_id, trial_id, 1)])
        ours.records.add_metrics([(trial_id, token, 1, {"loss": 0.5})])
    theirs.delete_study(gone)
    storage = opened(url)
    assert list(storage.records.specs()) == [kept]
    assert storage.records.attempts(gone) == []
    assert storage.records.metrics(gone) == []
    assert len(storage.records.attempts(kept)) == 1


@pytest.mark.parametrize("maker", ["ours", "theirs"])
def test_reused_ids_get_nothing_of_the_old_study(
    pair: tuple[Storage, BaseStorage], url: str, opened: Callable[[str], Storage], maker: str
) -> None:
    """A study with the id of a deleted one does not inherit its spec, owner or attempts."""
    ours, theirs = pair
    study_id = ours.create_new_study([StudyDirection.MINIMIZE], "a")
    trial_id = ours.create_new_trial(study_id)
    ours.records.put_spec(study_id, {"old": True}, {})
    ours.records.claim(study_id, this_process(), 0.0, 30.0)
    ours.records.start_attempts([NewAttempt(study_id, trial_id, 1)])
    theirs.delete_study(study_id)
    storage: BaseStorage = ours if maker == "ours" else theirs
    again = storage.create_new_study([StudyDirection.MINIMIZE], "b")
    reader = ours if maker == "ours" else opened(url)
    assert reader.records.get_spec(again) is None
    assert reader.records.owner(again) is None
    assert reader.records.attempts(again) == []


def test_a_database_opens_without_alembic(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a new database nor a known one makes Optuna load alembic, which takes long."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("slow")

    monkeypatch.setattr(optuna.storages, "RDBStorage", refuse)
    open_storage(sqlite).close()
    open_storage(sqlite).close()


def test_known_revisions_are_those_of_the_installed_optuna(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written down equals what Optuna says; another Optuna is asked."""
    said = optuna.storages.RDBStorage("sqlite://")
    known = schema.KNOWN_REVISIONS[optuna.__version__]
    assert known == (said.get_head_version(), *said.get_all_versions()[1:])
    monkeypatch.setattr(schema, "KNOWN_REVISIONS", {})
    schema.revisions.cache_clear()
    open_storage(sqlite).close()
    schema.revisions.cache_clear()
    with contextlib.closing(sqlite3.connect(path_of(sqlite))) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [(known[0],)]


def test_memory_database() -> None:
    """`sqlite://` works within a process, for trying things out."""
    storage = open_storage("sqlite://")
    study = optuna.create_study(storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(study.trials) == 2
    storage.close()


def test_older_version_is_copied_and_migrated(
    sqlite: str, opened: Callable[[str], Storage]
) -> None:
    """A database of version 1 gets what is new, keeps what it has, and stays beside as it was."""
    before = opened(sqlite)
    study_id = before.create_new_study([StudyDirection.MINIMIZE], "old")
    before.records.put_spec(study_id, {"a": 1}, {})
    before.close()
    run_sql(sqlite, "DROP TABLE tuner_activity")
    run_sql(sqlite, "UPDATE tuner_version SET version = 1")
    storage = opened(sqlite)
    assert storage.records.activity(study_id) == []
    assert storage.records.specs() == {study_id: ({"a": 1}, {})}
    copy = f"{sqlite}.version-1"
    assert [p.name for p in path_of(sqlite).parent.glob("*.version-*")] == [path_of(copy).name]
    with contextlib.closing(sqlite3.connect(path_of(copy))) as connection:
        assert connection.execute("SELECT version FROM tuner_version").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM tuner_studies").fetchone() == (1,)


@pytest.mark.parametrize(
    "query", ["timeout=abc", "timeout=-1", "timeout=inf", "timeout=1&timeout=2"]
)
def test_odd_timeouts_are_refused(tmp_path: Path, query: str) -> None:
    """The message says what the option takes, and no file is made."""
    with pytest.raises(StorageError, match="timeout must be a number of seconds"):
        open_storage(f"sqlite:///{tmp_path / 'x.db'}?{query}")
    assert not list(tmp_path.iterdir())
