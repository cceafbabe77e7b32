"""Hides how a trial becomes a folder of its own: parameters, weights and a model card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from trials.recipes import SCALING_FILE, WEIGHTS_FILE, recipe
from trials.state_file import read_state, write_state
from tuner.errors import InputError
from tuner.model_card import CardFacts, card
from tuner.plan import weights_file
from tuner.retraining import row_of, threads, trained_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trials.contract import RowState
    from trials.data import Dataset
    from tuner.resolve import Resolved
    from tuner.spec import Spec

PARAMS_FILE = "params.json"
CARD_FILE = "model_card.md"

_FILES = {
    PARAMS_FILE: "the parameters",
    WEIGHTS_FILE: "the weights, under the names of the torch.nn model",
    SCALING_FILE: "what brings inputs and outputs to the model's scale",
}
_OURS = frozenset({*_FILES, CARD_FILE})


@dataclass(frozen=True)
class SavedTrial:
    """A trial that was written to a folder.

    Attributes:
        folder: Where it is.
        test: Figures on the test part; empty for a function.
        was_retrained: Its weights were not kept, or their file is damaged; they were trained
            again from its seed.
    """

    trial: int
    folder: Path
    values: tuple[float, ...]
    params: dict[str, Any]
    test: dict[str, float]
    was_retrained: bool = False


@dataclass(frozen=True)
class StoredStudy:
    """What is known of the study that trials are saved of.

    Attributes:
        spec: As stored.
        environment: As stored with it.
        folder: Where its weights are.
        resolved: Its spec, ready to run; None for a function, which has no weights.
    """

    name: str
    spec: Spec
    environment: Mapping[str, Any]
    folder: Path
    resolved: Resolved | None


def save(
    study: StoredStudy, trials: Sequence[FrozenTrial], folder: Path, *, force: bool
) -> list[SavedTrial]:
    """Each trial is in `folder`, or where there are several in a folder of its own within it.

    Nothing is there before all of it is.

    Args:
        study: The study.
        trials: Which.
        folder: Must not be there, or be empty.
        force: Replace what an earlier call left in `folder`; other files are never replaced.

    Raises:
        InputError: A trial is not complete, or there is none; the folder cannot be used; or the
            data have changed since the study began.
    """
    resolved = study.resolved
    if not trials:
        raise InputError(f"study {study.name!r}: has no complete trial yet")
    for trial in trials:
        if trial.state != TrialState.COMPLETE:
            raise InputError(f"trial {trial.number}: must be COMPLETE, got {trial.state.name}")
    if resolved is not None and resolved.fingerprint != study.environment.get("data_fingerprint"):
        text = f"study {study.name!r}: its data have changed since it ran"
        raise InputError(f"{text}; the weights belong to the data as they were")
    with _replaced(folder, force=force) as partial:
        saved = []
        for trial in trials:
            place = folder if len(trials) == 1 else folder / f"trial-{trial.number}"
            saved.append(_save_one(study, trial, partial / place.relative_to(folder), place))
    return saved


def _save_one(study: StoredStudy, trial: FrozenTrial, to: Path, place: Path) -> SavedTrial:
    """Writes the files of one trial to the folder `to`, which will be called `place`."""
    to.mkdir(parents=True, exist_ok=True)
    params = json.dumps(trial.params, indent=2)
    (to / PARAMS_FILE).write_text(f"{params}\n", encoding="utf-8")
    test: dict[str, float] = {}
    code, was_retrained = None, False
    if study.resolved is not None:
        state, was_retrained = _state(study, study.resolved, trial)
        code, test = _write_weights(study.resolved, trial, state, to)
    present = {name: text for name, text in _FILES.items() if (to / name).exists()}
    facts = _facts(study, trial, test, code, present)
    (to / CARD_FILE).write_text(card(facts), encoding="utf-8")
    return SavedTrial(
        trial.number, place, tuple(trial.values), dict(trial.params), test, was_retrained
    )


def _state(study: StoredStudy, resolved: Resolved, trial: FrozenTrial) -> tuple[RowState, bool]:
    """The state that is the trial's value, and whether it had to be trained again."""
    try:
        return read_state(weights_file(study.folder, trial.number)), False
    except OSError:
        return trained_state(resolved, trial), True


def _write_weights(
    resolved: Resolved, trial: FrozenTrial, state: RowState, to: Path
) -> tuple[str | None, dict[str, float]]:
    """Writes weights and scaling; returns the code that loads them, and the test figures."""
    trainer, data = resolved.trainer, resolved.data
    assert trainer is not None
    assert data is not None
    weights = trainer.weights(state, trial.params)
    write_state(to / WEIGHTS_FILE, weights)
    with threads(resolved):
        test = trainer.test(state, trial.params)
    found = recipe(trainer.name, data, trial.params, weights)
    if found is None:
        return None, test
    write_state(to / SCALING_FILE, found.scaling)
    return found.code, test


def _facts(
    study: StoredStudy,
    trial: FrozenTrial,
    test: Mapping[str, float],
    code: str | None,
    files: Mapping[str, str],
) -> CardFacts:
    resolved, spec = study.resolved, study.spec
    names = [f"{o.name} ({o.direction or 'minimize'})" for o in spec.objectives]
    names += [f"value {place}" for place in range(len(names), len(trial.values))]
    values = dict(zip(names, trial.values, strict=True))
    data = None if resolved is None else resolved.data
    what = spec.objective or "a function"
    seeds: dict[str, object] = {"seed of the study": spec.seed}
    if resolved is not None and resolved.trainer is not None:
        what = resolved.trainer.name
        row = row_of(resolved, trial)
        seeds |= {"seed of the trial": row.seed, "most epochs": row.epochs, "value": spec.value}
    return CardFacts(
        study=study.name,
        trial=trial.number,
        what=what,
        data={} if data is None else _data_facts(data, spec),
        values=values,
        test=test,
        params=trial.params,
        seeds=seeds,
        environment={k: v for k, v in study.environment.items() if k != "data_fingerprint"},
        inputs=() if data is None else data.feature_names,
        classes=() if data is None else data.classes,
        code=code,
        files=files,
    )


def _data_facts(data: Dataset, spec: Spec) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": data.name,
        "kind": data.kind,
        "task": data.task,
        "shape of a sample": data.shape,
    }
    if data.target_name:
        facts["target"] = data.target_name
    return facts | {
        "fingerprint (SHA-256)": data.fingerprint,
        "training samples": len(data.train),
        "validation samples": len(data.validation),
        "test samples": len(data.test),
        "seed of the split": spec.split_seed,
    }


@contextmanager
def _replaced(folder: Path, *, force: bool) -> Iterator[Path]:
    """An empty folder to write to; at the end of the block it is `folder`, else it is gone.

    Raises:
        InputError: `folder` cannot be used.
    """
    folder = folder.absolute()
    _check_place(folder, force=force)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    former = folder.with_name(f".{folder.name}.{os.getpid()}.former")
    try:
        partial.mkdir()
        yield partial
        if folder.exists():
            folder.rename(former)
        partial.rename(folder)
    except OSError as error:
        if former.exists() and not folder.exists():
            former.rename(folder)
        text = f"--out: {str(folder)!r} cannot be written ({error.strerror or error})"
        raise InputError(text) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def _check_place(folder: Path, *, force: bool) -> None:
    where = f"--out: {str(folder)!r}"
    if not folder.parent.is_dir():
        raise InputError(f"{where} must be in a folder that exists")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{where} must be a folder, got a file or a link")
    if not folder.exists():
        return
    strangers = [path.name for path in sorted(folder.iterdir()) if not _is_ours(path)]
    if strangers:
        raise InputError(f"{where} must hold nothing else, got {strangers[0]!r}")
    if any(folder.iterdir()) and not force:
        raise InputError(f"{where} must not be there yet; replace it by --force")


def _is_ours(path: Path) -> bool:
    """Whether `save` may have written it."""
    if path.is_symlink():
        return False
    if not path.is_dir():
        return path.name in _OURS
    return path.name.startswith("trial-") and all(
        inner.name in _OURS and inner.is_file() for inner in path.iterdir()
    )
