"""How a study is begun or gone on with: its row, its owner, its lanes, its test figures."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection

from tuner import preference, running
from tuner.deletion import deletion_noticed
from tuner.environment import environment
from tuner.errors import InputError, StudyExistsError, StudyNotFoundError, UnwritableError
from tuner.files import folder_problems
from tuner.ledger import ENDED
from tuner.plan import check_own_folders, weights_file
from tuner.retraining import trained_state
from tuner.sample_taking import take_samples
from tuner.signals import Interruptions
from tuner.spec import difference
from tuner.storage import (
    absolute_url,
    check_address,
    database_file,
    is_in_memory,
    open_storage,
    this_process,
)
from tuner.wording import unknown

if TYPE_CHECKING:
    from tuner.resolve import Resolved
    from tuner.running import OnProgress
    from tuner.spec import Spec
    from tuner.storage import Owner, Storage
    from tuner.warmup import Warmup

TEST = "tuner:test"
"""Study attribute: number of the best trial and its figures on the test part."""

NOTES = "tuner:notes"
"""Study attribute: what its data were taken for, in lines for people."""

METRIC_NAMES = "study:metric_names"
"""Optuna's study attribute for the names of objectives, which its dashboard shows."""

_log = logging.getLogger(__name__)

_running: set[str] = set()
"""Tokens by which this process has studies that it runs now."""


@dataclass(frozen=True)
class Begun:
    """A study in its database.

    Attributes:
        interrupted: Name of the signal that ended the call early, or None.
    """

    storage: Storage
    name: str
    study_id: int
    interrupted: str | None = None


def begin(
    resolved: Resolved, *, warmup: Warmup | None, force: bool, on_progress: OnProgress | None
) -> Begun:
    """The study that `resolved` asks for, run until its budget is used or it is interrupted.

    Args:
        resolved: What to do.
        warmup: The Ray to run on; None for one lane in this process.
        force: Go on although the data have changed.
        on_progress: Called several times a second.

    Raises:
        InputError: It asks for GPUs that are not there; nothing is written.
        StudyExistsError: The name is taken by another study, or somebody runs it now.
        StorageError: The database cannot be used, or somebody deleted the study meanwhile.
        TunerError: A checkpoint or weights cannot be written.
    """
    spec = resolved.spec
    running.check_gpus(resolved, inline=warmup is None)
    storage = open_storage(spec.storage)
    begun = _create_or_find(storage, resolved, force=force)
    owner = _claim(storage, begun, spec.lease_s)
    try:
        storage.records.clear_stop(begun.study_id)
        if storage.get_study_system_attrs(begun.study_id).get(ENDED):
            storage.set_study_system_attr(begun.study_id, ENDED, "")
        plain = spec.to_plain() | {"study": begun.name}
        storage.records.put_spec(begun.study_id, plain, environment(resolved.fingerprint))
        folder = study_folder(spec.storage, spec.artifacts, begun.study_id)
        check_own_folders(folder)
        work = running.Work(
            storage=storage,
            url=absolute_url(spec.storage),
            study=begun.name,
            study_id=begun.study_id,
            resolved=resolved,
            folder=folder,
            owner=owner,
            on_progress=on_progress,
        )
        with deletion_noticed(storage, begun.study_id, begun.name, owner):
            interrupted = _run(work, warmup)
    except OSError as error:
        if error.filename is None:
            raise
        raise UnwritableError.of(begun.name, error.filename, str(error.strerror)) from error
    finally:
        _running.discard(owner.token)
        storage.records.release(begun.study_id, owner)
    return replace(begun, interrupted=interrupted)


def _run(work: running.Work, warmup: Warmup | None) -> str | None:
    """The name of the signal that interrupted the study, or None: test figures are there then."""
    with Interruptions():  # until there is a ledger that can be stopped
        interrupted = (
            running.run_inline(work) if warmup is None else running.run_on_ray(work, warmup)
        )
    if interrupted is None:
        _test_best(work)
        store = artifacts_folder(work.url, work.resolved.spec.artifacts)
        take_samples(work.storage, work.study_id, work.resolved, store)
    return interrupted


def _claim(storage: Storage, begun: Begun, lease_s: float) -> Owner:
    """This process, which has the study now.

    Raises:
        StudyExistsError: Somebody runs it.
    """
    owner = this_process()
    holder = storage.records.claim(begun.study_id, owner, lease_s=lease_s)
    if holder is not None and _was_left(holder, owner):
        storage.records.release(begun.study_id, holder)
        holder = storage.records.claim(begun.study_id, owner, lease_s=lease_s)
    if holder is not None:
        text = f"study {begun.name!r}: {describe_owner(holder)} runs it"
        raise StudyExistsError(f"{text}; stop it with: tuner stop {begun.name}")
    _running.add(owner.token)
    return owner


def _was_left(holder: Owner, owner: Owner) -> bool:
    """Whether this very process had the study and could not give it back, for want of a database.

    Nobody else can know that it no longer runs it.
    """
    is_same = (holder.boot_id, holder.pid, holder.process_start) == (
        owner.boot_id,
        owner.pid,
        owner.process_start,
    )
    return is_same and holder.host == owner.host and holder.token not in _running


def describe_owner(owner: Owner) -> str:
    """An owner for people: process, host and since when."""
    since = datetime.fromtimestamp(owner.since, UTC)
    return f"process {owner.pid} on {owner.host} (since {since:%Y-%m-%d %H:%M:%S} UTC)"


def living_owner(storage: Storage, study_id: int) -> Owner | None:
    """Who runs the study now, as far as this host can tell."""
    owner = storage.records.owner(study_id)
    return None if owner is None or owner.is_dead_for(this_process()) else owner


def find(storage: Storage, name: str) -> int:
    """Key of the study of that name.

    Raises:
        StudyNotFoundError: There is none; the nearest name is suggested.
    """
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        names = [study.study_name for study in storage.get_all_studies()]
        if not names:
            text = f"study: unknown study {name!r}; the database has none"
            raise StudyNotFoundError(text) from None
        raise StudyNotFoundError(unknown("study", "study", name, names)) from None


def open_existing(url: str) -> Storage:
    """The database at `url`, for reading only if it is a file that cannot be written.

    A file must be there, so that a typing slip makes none.

    Raises:
        StudyNotFoundError: There is no such file.
        StorageError: The database cannot be used.
    """
    file = database_file(url)
    if file is not None and not file.exists():
        text = f"storage: no database at {str(file)!r}; launch a study first, or name another one"
        raise StudyNotFoundError(text)
    is_readable_only = file is not None and not os.access(file, os.W_OK)
    return open_storage(url, read_only=is_readable_only)


def check_place(spec: Spec, *, inline: bool) -> None:
    """Makes sure that the database and the files of a study can be where `spec` says.

    Args:
        spec: Of the study.
        inline: Whether it runs in this process alone.

    Raises:
        InputError: They cannot; nothing is written.
    """
    check_address(spec.storage)
    if not inline and is_in_memory(spec.storage):
        text = "must be a file or a server, which the processes of lanes can reach"
        raise InputError(f"storage: {text}, got {spec.storage!r}; or use --inline")
    problems = folder_problems("artifacts", artifacts_folder(spec.storage, spec.artifacts))
    if problems:
        raise InputError(problems)


def study_folder(url: str, artifacts: str | None, study_id: int) -> Path:
    """Where the study keeps weights, checkpoints and its report."""
    return artifacts_folder(url, artifacts) / f"study-{study_id}"


def artifacts_folder(url: str, artifacts: str | None) -> Path:
    """Folder of all studies of a database: as asked for, or beside a database file."""
    if artifacts is not None:
        return Path(artifacts).absolute()
    database = database_file(url)
    if database is not None:
        return database.with_name(f"{database.stem}-artifacts")
    return Path("tuner-artifacts").absolute()


def _create_or_find(storage: Storage, resolved: Resolved, *, force: bool) -> Begun:
    spec = resolved.spec
    if spec.study is not None:
        return create(storage, resolved, spec.study) or _find(storage, resolved, force=force)
    stem = _stem(resolved)
    taken = {study.study_name for study in storage.get_all_studies()}
    n = 1
    while True:
        name = f"{stem}-{n}"
        n += 1
        if name not in taken and (begun := create(storage, resolved, name)) is not None:
            return begun


def _stem(resolved: Resolved) -> str:
    spec = resolved.spec
    if resolved.trainer is not None:
        label = spec.data.label if spec.data is not None else "data"
        return f"{resolved.trainer.name}-{label}"
    return getattr(resolved.objective, "__name__", "objective").strip("<>")


def create(storage: Storage, resolved: Resolved, name: str) -> Begun | None:
    """The new study, or None if the name is taken."""
    directions = [StudyDirection[o.direction.upper()] for o in resolved.objectives]
    try:
        with storage.unit():
            study_id = storage.create_new_study(directions, name)
            storage.set_study_system_attr(
                study_id, METRIC_NAMES, [objective.name for objective in resolved.objectives]
            )
            storage.set_study_system_attr(study_id, NOTES, list(resolved.notes))
            if resolved.spec.preference is not None:
                preference.prepare(storage, study_id, resolved.spec.preference)
            plain = resolved.spec.to_plain() | {"study": name}
            storage.records.put_spec(study_id, plain, environment(resolved.fingerprint))
    except DuplicatedStudyError:
        return None
    return Begun(storage, name, study_id)


def _find(storage: Storage, resolved: Resolved, *, force: bool) -> Begun:
    """The study that has the name, if it is the same one."""
    spec = resolved.spec
    assert spec.study is not None
    study_id = find(storage, spec.study)
    stored = storage.records.get_spec(study_id)
    where = f"study {spec.study!r}"
    if stored is None:
        raise StudyExistsError(f"{where}: exists and was not made by tuner; choose another name")
    plain, facts = stored
    changes = difference(plain, spec.to_plain())
    if changes:
        text = f"{where}: exists with another spec ({'; '.join(changes)})"
        raise StudyExistsError(f"{text}; choose another name or resume it as stored")
    before = facts.get("data_fingerprint")
    if before != resolved.fingerprint and not force:
        text = f"{where}: its data have changed since it began"
        raise StudyExistsError(f"{text}; go on with them by --force, or choose another name")
    return Begun(storage, spec.study, study_id)


def _test_best(work: running.Work) -> None:
    """The test figures of the best trial are stored; they are computed once for each best."""
    trainer = work.resolved.trainer
    if trainer is None or len(work.resolved.objectives) > 1:
        return
    try:
        best = preference.best_trial(work.storage, work.study_id)
    except ValueError:
        return
    attributes = work.storage.get_study_system_attrs(work.study_id)
    if attributes.get(TEST, {}).get("trial") == best.number:
        return
    from trials.state_file import read_state, write_state

    weights = weights_file(work.folder, best.number)
    if not weights.exists():
        # Whoever told the trial died before its lane had written them.
        _log.warning("trial %d: its weights were lost; it is trained again", best.number)
        write_state(weights, trained_state(work.resolved, best))
    figures = trainer.test(read_state(weights), best.params)
    work.storage.set_study_system_attr(
        work.study_id, TEST, {"trial": best.number, "figures": figures}
    )
    work.storage.flush()
