"""Samples of trials as files in the artifact store, where report and dashboard find them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tuner.storage import Storage

SAMPLES_FILE = "samples.json"

_DASHBOARD = "dashboard:artifacts:"
"""What the dashboard looks for among the attributes of a study, before the id of a trial.

Optuna's own place, the trial's attributes, is closed once the trial has ended.
"""


@dataclass(frozen=True)
class TrialSamples:
    """What a trial made of one latent batch, epoch by epoch.

    Attributes:
        trial: Its number.
        why: `best`, `median`, or the way in which it failed.
        kind: `points` of the plane, each frame a list of [x, y]; or `images`, each frame a PNG as
            a data URL.
        epochs: At whose ends the frames were taken, ascending.
        frames: One an epoch; sample i is of the same latent point in each.
        real: A frame of real data.
    """

    trial: int
    why: str
    kind: Literal["points", "images"]
    epochs: tuple[int, ...]
    frames: tuple[Any, ...]
    real: Any


def stored_samples(storage: Storage, study_id: int, folder: Path) -> list[TrialSamples]:
    """The samples that the study has, those of the best trial first.

    Args:
        storage: Where the study is.
        study_id: The study.
        folder: The artifact store; a file that is gone from it is passed over.
    """
    found = []
    for _, meta in _registered(storage, study_id):
        path = folder / Path(meta["artifact_id"]).name
        if meta["filename"] == SAMPLES_FILE and path.is_file():
            plain = json.loads(path.read_text(encoding="utf-8"))
            lists = {name: tuple(plain[name]) for name in ("epochs", "frames")}
            found.append(TrialSamples(**plain | lists))
    order = {"best": 0, "median": 1}
    return sorted(found, key=lambda samples: (order.get(samples.why, 2), samples.trial))


def store_samples(
    storage: Storage,
    study_id: int,
    folder: Path,
    samples: Sequence[tuple[TrialSamples, Sequence[bytes]]],
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
        prefix = f"{_DASHBOARD}{ids[trial.trial]}:"
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
        # By its name alone: others can write the database.
        path = folder / Path(meta["artifact_id"]).name
        if path.is_file():
            path.unlink()


def _registered(storage: Storage, study_id: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Attribute and description of every file of samples that the study has."""
    for key, text in storage.get_study_system_attrs(study_id).items():
        meta = json.loads(text) if key.startswith(_DASHBOARD) else None
        if meta is not None and meta["filename"].startswith("samples"):
            yield key, meta
