"""What a report means for its trial: go on, pruned, complete, failed, or tried again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from trials.contract import costs
from trials.state_file import remove_checkpoint
from tuner.findings import FINDINGS, with_new
from tuner.keeper import N_KEPT, Keeper
from tuner.messages import Failure, Report, Result, Turn, Verdict
from tuner.pace import Lengths
from tuner.preference import show
from tuner.storage import Decision
from tuner.telling import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

    from tuner.algorithms import StudyPruner
    from tuner.book import Book, Ticket
    from tuner.budget import Budget
    from tuner.plan import Plan
    from tuner.storage import Storage

REASON = "reason"
"""Trial attribute: why it failed, or was found hopeless, in one word or two."""

ERROR = "error"
"""Trial attribute: the traceback or sentence behind a failure."""

CROWDED = "memory ran out in its lane"
"""Why an attempt ended that had done nothing wrong."""

TOLD = "another process told the trial"
"""Why an attempt ended whose trial was told by hand, as people do in the dashboard."""


class Judge:
    """Turns what lanes report into states and values of trials; its caller opens the unit."""

    def __init__(
        self,
        storage: Storage,
        study: optuna.Study,
        book: Book,
        budget: Budget,
        pruner: StudyPruner,
        plan: Plan,
    ) -> None:
        self._storage = storage
        self._records = storage.records
        self._study = study
        self._book = book
        self._budget = budget
        self._pruner = pruner
        self._plan = plan
        # Which of the candidates that a person judges will be the best, no value tells.
        n_kept = N_KEPT if plan.spec.preference is None else plan.spec.trials
        self._keeper = Keeper([objective.direction for objective in plan.objectives], n_kept)
        self._signs = [1 if o.direction == "minimize" else -1 for o in plan.objectives]
        self.lengths = Lengths(plan.epochs)
        self.counts = {"complete": 0, "pruned": 0, "failed": 0}
        self.best: tuple[int, tuple[float, ...], dict[str, Any]] | None = None
        """Number, values and parameters of the best own trial by the first objective."""
        self.events: list[str] = []
        """Lines for people that appeared since they were last taken."""
        self._obsolete: list[str] = []
        self._dropped: list[Path] = []

    def take(self, turn: Turn) -> tuple[tuple[Verdict, ...], int]:
        """Records a turn; returns its verdicts and how many slots they free beyond `n_free`."""
        verdicts: list[Verdict] = []
        n_freed = 0
        for ticket in (*self._book.live, *self._book.queued()):
            self._was_told(ticket)
        for saved in turn.saved:
            holder = self._book.find(saved.token)
            if holder is not None:
                self._obsolete += [holder.checkpoint] if holder.checkpoint else []
                holder.checkpoint, holder.start_epoch = saved.path, saved.epoch
        known = [saved for saved in turn.saved if self._book.find(saved.token) is not None]
        self._records.set_checkpoints([(saved.token, saved.epoch, saved.path) for saved in known])
        self._records.add_metrics(
            [
                (report.trial_id, report.token, report.epoch, dict(report.metrics))
                for report in turn.reports
                if self._book.find(report.token) is not None
            ]
        )
        for failure in turn.failures:
            self._failed(failure)
        for result in turn.results:
            self._returned(result)
        # All values are observed before the first decision, so the order of rows is no matter.
        judged = [(report, self._record(report)) for report in turn.reports]
        for report, refusal in judged:
            verdict = refusal or self._decide(report)
            if verdict is not None:
                verdicts.append(verdict)
                n_freed += not report.is_final and report.trial_id not in turn.ending
        self._return(turn.returned)
        return tuple(verdicts), n_freed

    def remove_obsolete_files(self) -> None:
        """Checkpoints and weights that the committed study needs no longer are gone."""
        for checkpoint in self._obsolete:
            remove_checkpoint(Path(checkpoint))
        for path in self._dropped:
            path.unlink(missing_ok=True)
        self._obsolete, self._dropped = [], []

    def fail(self, ticket: Ticket, reason: str, error: str) -> None:
        """The trial is FAIL for good, with its reason."""
        if self._was_told(ticket):
            return
        self._storage.set_trial_user_attr(ticket.trial_id, REASON, reason)
        self._storage.set_trial_user_attr(ticket.trial_id, ERROR, error)
        if not self._end(ticket, TrialState.FAIL, None, "failed", reason, error):
            return
        line = error.strip().splitlines()[-1] if error.strip() else reason
        self.events.append(f"trial {ticket.number}: {line}; marked FAIL ({reason})")

    def lost(self, ticket: Ticket, reason: str) -> None:
        """The living attempt is over through no fault of the trial: tried again within limits."""
        if self._was_told(ticket):
            return
        limit = self._plan.spec.max_retries
        if ticket.n_charged >= limit:
            text = f"lost {limit + 1} times, at last: {reason}; max_retries is {limit}"
            self.fail(ticket, reason, text)
            return
        token = self._book.give_up(ticket, charged=True)
        self._records.end_attempts([(token, "lost", reason, None)])
        self._note(ticket, token, "retried", None, reason)
        if not self._plan.is_replayable:
            self.forget_values(ticket)
        self.events.append(f"trial {ticket.number}: {reason}; queued for another attempt")

    def forget_values(self, ticket: Ticket) -> None:
        """A function starts anew: what its last attempt reported moves to that attempt."""
        self._records.discard_values_after(ticket.trial_id, -1)
        self._pruner.rewind(ticket.number, -1)
        ticket.values.clear()

    def restore(self, ticket: Ticket, trial: FrozenTrial) -> None:
        """Learns an own trial that an earlier owner of the study ran, in order of number."""
        self._budget.n_trials += 1
        for epoch, values in sorted(ticket.values.items()):
            self._pruner.observe(trial.number, epoch, values)
        if trial.state.is_finished():
            self._note_end(ticket, trial)

    def best_until(self, ticket: Ticket, epoch: int) -> tuple[float, ...] | None:
        """The values of the best epoch up to `epoch`, or None before the first."""
        known = [values for e, values in ticket.values.items() if e <= epoch]
        return min(known, key=self._costs) if known else None

    def _was_told(self, ticket: Ticket) -> bool:
        """Whether another process has ended the trial: its word counts, and the attempt is over."""
        trial = self._storage.get_trial(ticket.trial_id)
        if not trial.state.is_finished():
            return False
        if ticket.token is not None:
            self._records.end_attempts([(ticket.token, "interrupted", TOLD, None)])
        self._book.close(ticket)
        self._obsolete += [ticket.checkpoint] if ticket.checkpoint else []
        self._note_end(ticket, trial)
        self.events.append(f"trial {ticket.number}: {TOLD} ({trial.state.name})")
        return True

    def _note_end(self, ticket: Ticket, trial: FrozenTrial) -> None:
        """Learns a trial that others ended; a value told by hand that is none does not count."""
        values = tuple(trial.values or ())
        self.lengths.ended(max(ticket.values, default=0))
        if trial.state == TrialState.COMPLETE:
            is_sound = len(values) == len(self._signs) and all(map(math.isfinite, values))
            if is_sound:
                self._note_complete(ticket, values)
            else:
                self._count("complete", None)
        else:
            self._count("pruned" if trial.state == TrialState.PRUNED else "failed", None)
        self._pruner.finish(trial.number, trial.state.name)

    def _return(self, tokens: Sequence[int]) -> None:
        """Trials that a lane has no memory for wait for another attempt; none is charged."""
        for token in tokens:
            ticket = self._book.find(token)
            if ticket is not None:
                self._book.give_up(ticket, charged=False)
                self._records.end_attempts([(token, "interrupted", CROWDED, None)])
                self._note(ticket, token, "retried", None, CROWDED)
                if not self._plan.is_replayable:
                    self.forget_values(ticket)

    def _record(self, report: Report) -> Verdict | None:
        """Stores and observes a report; a verdict if the row cannot go on with it."""
        ticket = self._book.find(report.token)
        if ticket is None:
            return Verdict(report.trial_id, report.token, "stop")
        values = tuple(float(report.metrics[o.name]) for o in self._plan.objectives)
        for objective, value in zip(self._plan.objectives, values, strict=True):
            if not math.isfinite(value):
                text = f"{objective.name} is {value} at epoch {report.epoch}"
                self.fail(ticket, "non-finite", text)
                return Verdict(report.trial_id, report.token, "stop")
        ticket.values[report.epoch], ticket.picture = values, report.picture
        found = with_new(ticket.findings, report.epoch, report.findings)
        if len(found) > len(ticket.findings):
            ticket.findings = found
            self._storage.set_trial_user_attr(ticket.trial_id, FINDINGS, found)
        if len(values) == 1:
            # Samplers of several objectives cannot read such values: theirs are metrics alone.
            self._storage.set_trial_intermediate_value(ticket.trial_id, report.epoch, values[0])
        self._pruner.observe(ticket.number, report.epoch, values)
        return None

    def _decide(self, report: Report) -> Verdict | None:
        """What becomes of a row after a report that was recorded."""
        ticket = self._book.find(report.token)
        assert ticket is not None
        if report.is_final or report.epoch >= self._plan.epochs:
            return self._complete(ticket, self._value(ticket))
        hopeless = next((found.kind for found in report.findings if found.is_hopeless), None)
        if hopeless is not None and self._plan.spec.stop_hopeless:
            self._storage.set_trial_user_attr(ticket.trial_id, REASON, hopeless)
            self._note(ticket, report.token, "pruned", None, hopeless, report.epoch)
            return self._pruned(ticket, hopeless)
        values = ticket.values[report.epoch]
        decision = self._pruner.decide(ticket.number, report.epoch, values)
        if decision.rung is not None:
            action = "pruned" if decision.prune else "kept"
            self._note(ticket, report.token, action, decision.rung, decision.reason, report.epoch)
        return self._pruned(ticket, decision.reason) if decision.prune else None

    def _pruned(self, ticket: Ticket, reason: str) -> Verdict:
        assert ticket.token is not None
        verdict = Verdict(ticket.trial_id, ticket.token, "stop")
        self._end(ticket, TrialState.PRUNED, None, "pruned", reason, None)
        return verdict

    def _value(self, ticket: Ticket) -> tuple[float, ...]:
        """The trial's values: those of its last epoch, or of its best one.

        Of several objectives the first decides which is best, and among equals the next.
        """
        if self._plan.spec.value == "last":
            return ticket.values[max(ticket.values)]
        return min(ticket.values.values(), key=self._costs)

    def _costs(self, values: tuple[float, ...]) -> tuple[float, ...]:
        return costs(values, [objective.direction for objective in self._plan.objectives])

    def _returned(self, result: Result) -> None:
        ticket = self._book.find(result.token)
        if ticket is None:
            return
        if result.state == "pruned":
            reason = ticket.prune_reason or "pruned by the objective"
            self._end(ticket, TrialState.PRUNED, None, "pruned", reason, None)
            return
        assert result.values is not None
        bad = [value for value in result.values if not math.isfinite(value)]
        if bad:
            self.fail(ticket, "non-finite", f"the objective returned {bad[0]}")
        else:
            self._complete(ticket, result.values)

    def _failed(self, failure: Failure) -> None:
        ticket = self._book.find(failure.token)
        if ticket is not None:
            self.fail(ticket, failure.reason, failure.error)

    def _complete(self, ticket: Ticket, values: tuple[float, ...]) -> Verdict:
        assert ticket.token is not None
        token = ticket.token
        is_ended = self._end(ticket, TrialState.COMPLETE, values, "complete", None, None)
        if not is_ended or not self._note_complete(ticket, values):
            return Verdict(ticket.trial_id, token, "stop")
        return Verdict(ticket.trial_id, token, "keep", str(self._plan.weights(ticket.number)))

    def _note_complete(self, ticket: Ticket, values: tuple[float, ...]) -> bool:
        self._count("complete", values)
        if self.best is None or self._signs[0] * values[0] < self._signs[0] * self.best[1][0]:
            self.best = (ticket.number, values, dict(ticket.params))
        is_kept, dropped = self._keeper.offer(ticket.number, values)
        self._dropped += [self._plan.weights(number) for number in dropped]
        return is_kept

    def _count(self, outcome: str, values: tuple[float, ...] | None) -> None:
        self.counts[outcome] += 1
        self._budget.finished(values)

    def _end(
        self,
        ticket: Ticket,
        state: TrialState,
        values: tuple[float, ...] | None,
        outcome: str,
        reason: str | None,
        error: str | None,
    ) -> bool:
        """The trial is told; False if another process just did so, which the next turn sees."""
        try:
            if state == TrialState.COMPLETE and ticket.picture is not None:
                show(self._storage, self._plan.study_id, ticket.trial_id, ticket.picture)
            tell(self._study, self._storage, ticket.trial_id, state, values)
        except UpdateFinishedTrialError:
            return False
        self.lengths.ended(max(ticket.values, default=0))
        self._pruner.finish(ticket.number, state.name)
        if ticket.token is not None:
            self._records.end_attempts([(ticket.token, outcome, reason, error)])
        self._book.close(ticket)
        self._obsolete += [ticket.checkpoint] if ticket.checkpoint else []
        if outcome != "complete":
            self._count(outcome, None)
        return True

    def _note(
        self,
        ticket: Ticket,
        token: int,
        action: str,
        rung: int | None,
        reason: str,
        step: int | None = None,
    ) -> None:
        self._records.add_decisions(
            [Decision(self._plan.study_id, ticket.trial_id, token, step, action, rung, reason)]
        )
