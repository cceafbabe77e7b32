"""A study as users see it, whether it runs, is finished or was made long ago."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from tuner import launching, model_folder, preference, replaying
from tuner.commands import Commands
from tuner.errors import InputError
from tuner.occupancy import stack_facts
from tuner.own_code import code_of, given_again
from tuner.report import Plots, summary, write_report
from tuner.resolve import resolve
from tuner.running import OnProgress
from tuner.spec import DEFAULT_STORAGE, Spec, spec_from_mapping
from tuner.study_record import failure_lines, lane_table, study_record
from tuner.study_state import StudyState, early_end, study_state
from tuner.trackers import tracked
from tuner.warmup import Warmup, warm_up

if TYPE_CHECKING:
    import pandas as pd

    from search_spaces import Space
    from tuner.report.data import StudyRecord
    from tuner.resolve import Resolved
    from tuner.storage import Storage


class Study:
    """One study in its database; what it shows is read when it is asked for."""

    def __init__(
        self,
        storage: Storage,
        url: str,
        name: str,
        interrupted: str | None = None,
        objective: Callable[..., Any] | None = None,
    ) -> None:
        self._storage = storage
        self._objective = objective
        self._study_id = launching.find(storage, name)
        self.storage = url
        self.name = name
        self.interrupted = interrupted

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {state.lower()}" for state, n in self.counts.items() if n)
        return f"<Study {self.name!r}, {self.state}: {counts or 'no trials'}>"

    @cached_property
    def optuna(self) -> optuna.Study:
        """The `optuna.Study` itself."""
        return optuna.load_study(study_name=self.name, storage=self._storage)

    @property
    def spec(self) -> Spec:
        """What was asked for, with its defaults; a plain Optuna study has the defaults alone."""
        stored = self._storage.records.get_spec(self._study_id)
        plain = {} if stored is None else dict(stored[0])
        return spec_from_mapping(plain | {"storage": self.storage})

    @property
    def is_ours(self) -> bool:
        """Whether it was launched by tuner, not by plain Optuna."""
        return self._storage.records.get_spec(self._study_id) is not None

    @property
    def state(self) -> str:
        """`running`, `interrupted`, `stopped`, `finished` or `empty`; see `standing`."""
        return self.standing.word

    @property
    def standing(self) -> StudyState:
        """Whether it runs, how much of its budget is used, and what other processes added."""
        return study_state(self._storage, self._study_id)

    @property
    def ended(self) -> str | None:
        """Why it ended before its trials were used up, or None."""
        return early_end(self._storage, self._study_id)

    @property
    def owner(self) -> str | None:
        """Who runs it now, for people."""
        owner = launching.living_owner(self._storage, self._study_id)
        return None if owner is None else launching.describe_owner(owner)

    @property
    def code(self) -> str | None:
        """What must be given again to go on with it: an import string, or words for one."""
        return code_of(self.spec) if self.is_ours else None

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial, in order of number."""
        return self._storage.get_all_trials(self._study_id)

    @property
    def counts(self) -> Mapping[str, int]:
        """Trials by state, every state named."""
        counts = {state.name: 0 for state in TrialState}
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            counts[trial.state.name] += 1
        return counts

    @property
    def best_trial(self) -> FrozenTrial:
        """The best trial of a study with one objective.

        Raises:
            ValueError: No trial is complete yet, or nobody has chosen one.
            RuntimeError: The study has several objectives; see `best_trials`.
        """
        return preference.best_trial(self._storage, self._study_id)

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The best trial, the Pareto front, or what a person prefers; empty before there is one."""
        if (liked := preference.favourites(self._storage, self._study_id)) is not None:
            return liked
        if not self.counts["COMPLETE"]:
            return []
        return [self.best_trial] if len(self.optuna.directions) == 1 else self.optuna.best_trials

    @property
    def test(self) -> Mapping[str, float]:
        """Figures of the best trial on the test part; empty while there are none."""
        return dict(self._attributes().get(launching.TEST, {}).get("figures", {}))

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for people: why it ended early, what its data were taken for."""
        ended = self.ended
        early = (f"ended early: {ended}",) if ended else ()
        return (*early, *self._attributes().get(launching.NOTES, ()))

    @property
    def artifacts(self) -> Path:
        """Folder of its weights, checkpoints and report."""
        return launching.study_folder(self.storage, self.spec.artifacts, self._study_id)

    @property
    def plot(self) -> Plots:
        """Its figures for a notebook: `study.plot.history()` and so on."""
        return Plots(self.record)

    def record(self) -> StudyRecord:
        """The study as plain data, as the report reads it."""
        return study_record(
            self._storage,
            self._study_id,
            state=self.state,
            test=self.test,
            commands=Commands(self.name, self.storage, default_storage(), self.code),
            artifacts=launching.artifacts_folder(self.storage, self.spec.artifacts),
        )

    def _repr_html_(self) -> str:
        return summary(self.record())

    def frame(self) -> pd.DataFrame:
        """One row a trial: number, state, values, parameters, times, reason."""
        from tuner.tables import frame

        return frame(self.record())

    def export(self, path: str | Path) -> None:
        """Writes `frame()` to a .csv, .parquet or .json file.

        Raises:
            InputError: Another ending.
            OSError: The file cannot be written.
        """
        from tuner.tables import write_frame

        write_frame(self.frame(), Path(path))

    def report(self, path: str | Path) -> Path:
        """Writes the report, one self-contained HTML file, and returns its path."""
        return write_report([self.record()], Path(path))

    def failures(self) -> list[tuple[int, str, str]]:
        """Number, reason and last line of the error of every failed trial."""
        return failure_lines(self.record())

    def lanes(self) -> list[dict[str, Any]]:
        """What each lane did: where it ran, how its attempts ended, how full it was and why not.

        The columns are those of `tuner.study_record.lane_table`.
        """
        records = self._storage.records
        return lane_table(records.attempts(self._study_id), records.activity(self._study_id))

    def stacks(self) -> list[dict[str, Any]]:
        """What separated rows from each other, and how many trained together on average."""
        return stack_facts(self._storage.records.activity(self._study_id))

    def request_stop(self) -> bool:
        """Asks whoever runs the study to stop; False if nobody does."""
        if self.owner is None:
            return False
        self._storage.records.request_stop(self._study_id)
        return True

    def resume(
        self,
        trials: int | None = None,
        *,
        objective: str | Callable[..., Any] | None = None,
        inline: bool = False,
        force: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Study:
        """Goes on with the study as it is stored, after an interruption or with a larger budget.

        Args:
            trials: Own trials in all; by default those of its spec, and never fewer than it has.
            objective: The function of a study that was launched with one, or the import string
                of its function or trainer. It is not taken from the database, which others may
                write: importing is executing.
            inline: One lane in this process, without Ray.
            force: Accept data that have changed.
            on_progress: Called with a `Snapshot` several times a second.

        Returns:
            The study; a finished one at once, unless it gets more trials.

        Raises:
            InputError: Plain Optuna made the study, or its code must be given again.
        """
        self._check_ours()
        spec, standing = self.spec, self.standing
        n = max(standing.n_own, spec.trials if trials is None else trials)
        is_closed = self._storage.records.owner(self._study_id) is None
        if standing.word == "finished" and is_closed and n == standing.n_own:
            return self
        spec = spec.model_copy(update={"trials": n})
        return launch_spec(
            spec,
            objective=given_again(self.name, spec, objective or self._objective),
            inline=inline,
            force=force,
            on_progress=on_progress,
        )

    def replay(
        self, trial: int, *, objective: str | Callable[..., Any] | None = None
    ) -> replaying.Replay:
        """The trial trained again, alone and from its stored seed, or its function called again.

        Args:
            trial: Its number.
            objective: As for `resume`.

        Raises:
            InputError: There is no such trial, or the study's code must be given again.
        """
        return replaying.replay(self._storage, self._study_id, self._resolved(objective), trial)

    def save_best(
        self,
        folder: str | Path,
        *,
        trial: int | None = None,
        objective: str | Callable[..., Any] | None = None,
        force: bool = False,
    ) -> list[model_folder.SavedTrial]:
        """Parameters, weights and a model card of the best trial are in `folder`.

        Of a study with several objectives every trial on the Pareto front gets a folder in it.

        Args:
            folder: Must not be there, or be empty.
            trial: Number of another complete trial to save.
            objective: As for `resume`; not needed for a function, which has no weights.
            force: Replace what an earlier call left in `folder`.

        Raises:
            InputError: No such trial is complete, the folder cannot be used, or the data changed.
        """
        spec, chosen = self.spec, self.best_trials
        if trial is not None:
            chosen = [replaying.find_trial(self._storage, self._study_id, trial)]
        resolved = None if spec.data is None else self._resolved(objective)
        environment = (self._storage.records.get_spec(self._study_id) or ({}, {}))[1]
        stored = model_folder.StoredStudy(self.name, spec, environment, self.artifacts, resolved)
        return model_folder.save(stored, chosen, Path(folder), force=force)

    def _resolved(self, objective: str | Callable[..., Any] | None) -> Resolved:
        self._check_ours()
        return resolve(self.spec, given_again(self.name, self.spec, objective or self._objective))

    def _check_ours(self) -> None:
        if not self.is_ours:
            raise InputError(f"study {self.name!r}: was not made by tuner")

    def _attributes(self) -> dict[str, Any]:
        return self._storage.get_study_system_attrs(self._study_id)


def launch_spec(
    spec: Spec,
    *,
    objective: Callable[..., Any] | None = None,
    space: Space | None = None,
    warmup: Warmup | None = None,
    inline: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Study:
    """The study that `spec` asks for, run until its budget is used or it is interrupted.

    Ray is the one of `warmup`, if that is given, or the call's own, unless it is `inline`.

    Raises:
        InputError: Every mistake of the spec; nothing is written.
        StudyExistsError: The name is taken by another study, or somebody runs it now.
        StorageError: The database cannot be used.
    """
    launching.check_place(spec, inline=inline)
    with ExitStack() as stack:
        watch = stack.enter_context(tracked(spec, on_progress))
        if warmup is None and not inline:
            warmup = stack.enter_context(warm_up(spec))
        resolved = resolve(spec, objective, space)
        begun = launching.begin(resolved, warmup=warmup, force=force, on_progress=watch)
    return Study(begun.storage, spec.storage, begun.name, begun.interrupted, objective)


def launch(
    target: str | Callable[..., Any] | None = None,
    *,
    data: str | Mapping[str, Any] | None = None,
    space: Space | dict[str, Any] | None = None,
    storage: str | None = None,
    inline: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
    **keys: Any,
) -> Study:
    """Tunes a trainer or a function, and returns the study when it is done.

    Args:
        target: Name of a trainer, a trainer class, an Optuna objective `f(trial)`, or with
            `space` a function `train(params, report)`.
        data: What a trainer trains on: a name, a file, or a mapping as in a spec.
        space: What is tried, as in a spec if a dict; these axes replace those of a ready space.
        storage: URL of the study database; by default TUNER_STORAGE, else sqlite:///tuner.db.
        inline: One lane in this process, without Ray.
        force: Accept data that have changed since the study began.
        on_progress: Called with a `Snapshot` several times a second.
        **keys: Any other key of a spec: `trials=200`, `sampler={"name": "tpe"}`, ...

    Raises:
        InputError: Every mistake at once; nothing is written.
        StudyExistsError: The name is taken by another study, or somebody runs it now.
        StorageError: The database cannot be used.
    """
    mapping: dict[str, Any] = dict(keys)
    if isinstance(space, dict):
        mapping["space"], space = space, None
    if isinstance(target, str):
        mapping["objective" if ":" in target else "trainer"] = target
    mapping |= {name: value for name, value in (("data", data), ("storage", storage)) if value}
    mapping.setdefault("storage", default_storage())
    return launch_spec(
        spec_from_mapping(mapping),
        objective=None if isinstance(target, str) else target,
        space=space,
        inline=inline,
        force=force,
        on_progress=on_progress,
    )


def load(name: str, *, storage: str | None = None) -> Study:
    """A study of the database by its name.

    Raises:
        StudyNotFoundError: There is none; the nearest name is suggested.
        StorageError: The database cannot be used.
    """
    url = storage or default_storage()
    return Study(launching.open_existing(url), url, name)


def default_storage() -> str:
    """URL of the database where none is given."""
    return os.environ.get("TUNER_STORAGE") or DEFAULT_STORAGE
