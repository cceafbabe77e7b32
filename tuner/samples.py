"""Samples of trials as files in the artifact store, where report and dashboard find them."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tuner.report.data import SampleKind, SampleSeries

if TYPE_CHECKING:
    from tuner.storage import Storage

SAMPLES_FILE = "samples.json"

ARTIFACTS = "dashboard:artifacts:"
"""What the dashboard looks for among the attributes of a study, before the id of a trial.

Optuna's own place, the trial's attributes, is closed once the trial has ended.
"""

_log = logging.getLogger(__name__)


def stored_samples(storage: Storage, study_id: int, folder: Path) -> list[SampleSeries]:
    """The samples that the study has, those of the best trial first.

    Args:
        storage: Where the study is.
        study_id: The study.
        folder: The artifact store; a file that is gone from it, or does not hold samples, is
            passed over.
    """
    found = []
    for _, meta in _registered(storage, study_id):
        path = _file(folder, meta["artifact_id"])
        if meta["filename"] == SAMPLES_FILE and path is not None:
            try:
                found.append(_samples(json.loads(path.read_text(encoding="utf-8"))))
            except (ValueError, LookupError, TypeError, OSError) as error:
                _log.warning("%s: does not hold samples (%s)", path, error)
    order = {"best": 0, "median": 1}
    return sorted(found, key=lambda samples: (order.get(samples.why, 2), samples.trial))


def store_samples(
    storage: Storage,
    study_id: int,
    folder: Path,
    samples: Sequence[tuple[SampleSeries, Sequence[bytes]]],
) -> None:
    """The study has these samples and no others.

    Args:
        storage: Where the study is.
        study_id: The study.
        folder: The artifact store.
        samples: Of each trial, with a PNG for each epoch.
    """
    from optuna.artifacts import FileSystemArtifactStore

    folder.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(folder)
    former = list(_registered(storage, study_id))
    ids = {t.number: t._trial_id for t in storage.get_all_trials(study_id, deepcopy=False)}
    new: dict[str, str] = {}
    for trial, pictures in samples:
        prefix = f"{ARTIFACTS}{ids[trial.trial]}:"
        files = [(SAMPLES_FILE, "application/json", json.dumps(asdict(trial)).encode())]
        for epoch, picture in zip(trial.epochs, pictures, strict=True):
            files.append((f"samples-epoch-{epoch:04d}.png", "image/png", picture))
        for filename, mimetype, content in files:
            artifact_id = str(uuid.uuid4())
            store.write(artifact_id, BytesIO(content))
            meta = {"artifact_id": artifact_id, "filename": filename, "mimetype": mimetype}
            new[prefix + artifact_id] = json.dumps(meta | {"encoding": None})
    with storage.unit():
        for key, _ in former:
            storage.set_study_system_attr(study_id, key, json.dumps(None))
        for key, text in new.items():
            storage.set_study_system_attr(study_id, key, text)
    for _, meta in former:
        if (path := _file(folder, meta["artifact_id"])) is not None:
            path.unlink()


def _registered(storage: Storage, study_id: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Attribute and description of every file of samples that the study has."""
    for key, text in storage.get_study_system_attrs(study_id).items():
        meta = _description(text) if key.startswith(ARTIFACTS) else None
        if meta is not None and meta["filename"].startswith("samples"):
            yield key, meta


def _description(text: Any) -> dict[str, str] | None:
    """What an attribute says of a file; None if it says nothing that can be understood.

    A file that was removed leaves null, and others who write the database may leave anything.
    """
    try:
        meta = json.loads(text)
    except (TypeError, ValueError):
        return None
    if not isinstance(meta, dict):
        return None
    known = {name: meta[name] for name in ("artifact_id", "filename") if name in meta}
    return known if len(known) == 2 and all(isinstance(v, str) for v in known.values()) else None


def _file(folder: Path, artifact_id: str) -> Path | None:
    """The plain file of that id in the store, if there is one.

    Taken by its name alone and never through a link: others can write database and store.
    """
    path = folder / Path(artifact_id).name
    return path if path.is_file() and not path.is_symlink() else None


def _samples(plain: Any) -> SampleSeries:
    """What a file of samples holds.

    Raises:
        ValueError: It is none, or LookupError or TypeError.
    """
    lists = {name: tuple(plain[name]) for name in ("epochs", "frames")}
    samples = SampleSeries(**plain | lists)
    is_known = samples.kind in get_args(SampleKind) and isinstance(samples.why, str)
    is_numbered = all(isinstance(number, int) for number in (samples.trial, *samples.epochs))
    if not is_known or not is_numbered or len(samples.epochs) != len(samples.frames):
        raise ValueError("kind, trial, epochs or frames do not fit together")
    return samples
