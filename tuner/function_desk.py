"""The ledger's side of a function objective: suggestions, reports and attributes on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import UpdateFinishedTrialError

from tuner.algorithms import reseed
from tuner.errors import AttemptGivenUpError
from tuner.seeds import derive

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuner.algorithms import Pruner
    from tuner.book import Book, Ticket
    from tuner.budget import Budget
    from tuner.plan import Plan
    from tuner.storage import Owner, Storage


class FunctionDesk:
    """Answers what a running function asks of its trial; one living attempt per token.

    Nothing is written into a study that another process than `owner` has taken over.
    """

    def __init__(
        self,
        storage: Storage,
        study: optuna.Study,
        book: Book,
        pruner: Pruner,
        plan: Plan,
        owner: Owner,
        budget: Budget,
    ) -> None:
        self._storage = storage
        self._study = study
        self._book = book
        self._pruner = pruner
        self._plan = plan
        self._owner = owner
        self._budget = budget

    def trial(self, token: int) -> FrozenTrial:
        """The trial as it is stored now."""
        return self._storage.get_trial(self._ticket(token).trial_id)

    def suggest(self, token: int, name: str, distribution: BaseDistribution) -> Any:
        """The sampler's value for one parameter; asked again, the same value.

        The draw is a function of the study's seed, the trial and the parameter's name, and of
        the study's history, whatever other lanes ask meanwhile.
        """
        ticket = self._ticket(token)
        if ticket.trial is None:
            ticket.trial = optuna.Trial(self._study, ticket.trial_id)
        reseed(
            self._study.sampler, derive(self._plan.spec.sampler_seed, "ask", ticket.number, name)
        )
        with self._unit(ticket):
            return _suggest(ticket.trial, name, distribution)

    def report(self, token: int, values: list[tuple[int, float]]) -> None:
        """Intermediate values by step; a step that was reported before keeps its value."""
        ticket = self._ticket(token)
        with self._unit(ticket):
            for step, value in values:
                if step in ticket.values:
                    continue
                ticket.values[step] = (value,)
                self._storage.set_trial_intermediate_value(ticket.trial_id, step, value)
                self._pruner.observe(ticket.number, step, value)

    def should_prune(self, token: int) -> bool:
        """Whether the trial should stop, by its last reported step."""
        ticket = self._ticket(token)
        if not ticket.values:
            return False
        step = max(ticket.values)
        decision = self._pruner.decide(ticket.number, step, ticket.values[step][0])
        ticket.prune_reason = decision.reason if decision.prune else None
        return decision.prune

    def set_attribute(
        self, token: int, kind: Literal["user", "system"], key: str, value: Any
    ) -> None:
        """A user or system attribute of the trial (constraints and artifacts are system ones)."""
        ticket = self._ticket(token)
        with self._unit(ticket):
            if kind == "user":
                self._storage.set_trial_user_attr(ticket.trial_id, key, value)
            else:
                self._storage.set_trial_system_attr(ticket.trial_id, key, value)

    def stop(self, token: int) -> None:
        """The study ends; trials that run now come to their end first."""
        self._budget.close(f"trial {self._ticket(token).number} stopped it")

    def study_facts(self) -> tuple[str, int, list[Any], dict[str, Any], dict[str, Any]]:
        """Name, id, directions, user and system attributes of the study."""
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        return (
            self._study.study_name,
            study_id,
            list(self._study.directions),
            self._storage.get_study_user_attrs(study_id),
            self._storage.get_study_system_attrs(study_id),
        )

    def trials(self) -> list[FrozenTrial]:
        """Every trial of the study, for objectives that look at it."""
        return self._study.get_trials(deepcopy=False)

    @contextmanager
    def _unit(self, ticket: Ticket) -> Iterator[None]:
        """A unit of the storage, whose beginning may bring news of a trial told by others.

        Raises:
            TakenOverError: Another process has the study; nothing of the unit is kept.
        """
        try:
            with self._storage.unit():
                self._storage.records.keep(self._plan.study_id, self._owner)
                yield
        except UpdateFinishedTrialError as error:
            raise _told(ticket) from error

    def _ticket(self, token: int) -> Ticket:
        ticket = self._book.find(token)
        if ticket is None:
            raise AttemptGivenUpError(f"attempt {token}: was given up; its values are refused")
        if self._storage.get_trial(ticket.trial_id).state.is_finished():
            raise _told(ticket)
        return ticket


def _told(ticket: Ticket) -> AttemptGivenUpError:
    return AttemptGivenUpError(f"trial {ticket.number}: another process has told it")


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Optuna's public `suggest_*` for a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, log = distribution.low, distribution.high, distribution.log
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, low, high, step=distribution.step, log=log)
    return trial.suggest_int(name, int(low), int(high), step=distribution.step, log=log)
