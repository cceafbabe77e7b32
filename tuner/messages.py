"""What a lane and the ledger say to each other: values in, verdicts and new trials out.

Plain immutable data, cheap to pickle, without torch, Ray or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trials.contract import Finding

Outcome = Literal["complete", "pruned", "failed", "lost", "interrupted"]

AnswerState = Literal["go", "wait", "save", "done"]


@dataclass(frozen=True)
class Assignment:
    """A trial handed to a lane, as one attempt.

    Attributes:
        trial_id: Key of the trial in the study database and of its row in the lane.
        number: Optuna's number of the trial in its study.
        token: Names the attempt; a message with a token that was given up is refused.
        params: Value of every active axis; empty for a define-by-run objective.
        seed: What everything random in the trial derives from.
        epochs: Most resource the trial may use.
        checkpoint: File that an earlier attempt left, or None to start anew.
        start_epoch: Epochs done in `checkpoint`.
        known_epochs: Epochs whose values the ledger has; the lane trains the row up to there
            before its first exchange, so that a resumed study goes on exactly as it was.
        best: Values of the best epoch up to `start_epoch`, where they may be the trial's.
    """

    trial_id: int
    number: int
    token: int
    params: Mapping[str, Any]
    seed: int
    epochs: int
    checkpoint: str | None = None
    start_epoch: int = 0
    known_epochs: int = 0
    best: tuple[float, ...] | None = None

    @property
    def epochs_done(self) -> int:
        """Epochs behind the row once it is admitted."""
        return max(self.start_epoch, self.known_epochs)


@dataclass(frozen=True)
class Report:
    """What one attempt measured at one epoch (or step of a function), and what showed there.

    Attributes:
        is_final: The row trains no more, though it may have epochs left; its slot is free.
        picture: Name in the artifact store of what the row made, where a person is to judge it.
    """

    trial_id: int
    token: int
    epoch: int
    metrics: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    is_final: bool = False
    picture: str | None = None


@dataclass(frozen=True)
class Result:
    """A function objective returned or was pruned by its own wish.

    Attributes:
        values: What it returned, one number per objective; None when `state` is `pruned`.
    """

    trial_id: int
    token: int
    state: Literal["complete", "pruned"]
    values: tuple[float, ...] | None


@dataclass(frozen=True)
class Failure:
    """The attempt cannot go on.

    Attributes:
        reason: `oom`, `error`, `timeout` or `non-finite`.
        error: The traceback or a sentence.
    """

    trial_id: int
    token: int
    reason: str
    error: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint of the attempt, complete on disk."""

    trial_id: int
    token: int
    epoch: int
    path: str


@dataclass(frozen=True)
class Slots:
    """How many rows a lane trains at once.

    Attributes:
        rates: Where that was measured: numbers of rows, and their row-epochs per second.
    """

    n_slots: int
    rates: Mapping[int, float] = field(default_factory=dict)

    def as_text(self) -> str:
        """What was measured, for people."""
        rates = ", ".join(f"{n}: {rate:.3g}" for n, rate in sorted(self.rates.items()))
        return f"{self.n_slots} slots a lane (row-epochs per second by rows: {rates})"


@dataclass(frozen=True)
class LaneInfo:
    """Who a joining lane is.

    Attributes:
        session: Names this life of the lane's process; a restarted lane has another.
        node: Host name.
        device: For people: `cpu`, or the name of the GPU.
        slots: Rows that it can train at once.
    """

    lane: int
    session: str
    node: str
    pid: int
    device: str
    slots: Slots

    @property
    def n_slots(self) -> int:
        """Rows that it can train at once."""
        return self.slots.n_slots


@dataclass(frozen=True)
class Turn:
    """One exchange, as the lane sends it.

    Attributes:
        lane: The lane's number, from 0.
        session: As in its `LaneInfo`.
        index: Counts the exchanges of the session from 1; a repeated one is answered again.
        reports: Values of this turn, in order of trial_id.
        results: Functions that ended; rows of a trainer end by their last epoch's report.
        failures: Attempts that ended themselves.
        saved: Checkpoints written since the last exchange.
        returned: Tokens of attempts that the lane has no room for; their trials are to be tried
            again elsewhere or later.
        n_rows: Rows that the lane had while it trained.
        n_free: Slots that will be without a row when the answer is applied.
        ending: Trials that hold such a slot now: they come to their last epoch before that.
        n_slots: Rows that the lane can train at once; fewer than before after memory ran out.
        stacks: Rows of each stack that trained together in this turn, by what they have in common.
        n_late: Rows among them whose stop was under way: their epoch was in vain.
        due: Stacks that train in the next turn; names of the lane's own.
        seconds: How long this turn trained.
        waited_s: How long the lane then had nothing to do but to wait for an answer.
        leaving: The lane hands its trials back and ends (its checkpoints are in `saved`).
        memory_bytes: That its process holds, on its device.
    """

    lane: int
    session: str
    index: int
    reports: tuple[Report, ...] = ()
    results: tuple[Result, ...] = ()
    failures: tuple[Failure, ...] = ()
    saved: tuple[Saved, ...] = ()
    returned: tuple[int, ...] = ()
    n_rows: int = 0
    n_free: int = 0
    ending: tuple[int, ...] = ()
    n_slots: int = 1
    stacks: Mapping[str, int] = field(default_factory=dict)
    n_late: int = 0
    due: tuple[str, ...] = ()
    seconds: float = 0.0
    waited_s: float = 0.0
    leaving: bool = False
    memory_bytes: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing happened in it that the ledger must know."""
        told = self.reports, self.results, self.failures, self.saved, self.returned, self.stacks
        return not any(told) and not self.leaving


@dataclass(frozen=True)
class Verdict:
    """What the lane does with a row.

    `stop` frees its slot; `keep` does too, and writes its weights to the given path first.
    A row without a verdict goes on, and so does one of a later attempt at the trial.
    """

    trial_id: int
    token: int
    action: Literal["stop", "keep"]
    path: str | None = None


@dataclass(frozen=True)
class Answer:
    """One exchange, as the ledger answers it.

    Attributes:
        verdicts: Rows that end.
        trials: Rows to admit, at most the slots that are free then.
        state: `go`: carry on. `wait`: nothing to train now, ask again. `save`: write
            checkpoints of all rows, hand them back and end. `done`: end.
    """

    verdicts: tuple[Verdict, ...] = ()
    trials: tuple[Assignment, ...] = ()
    state: AnswerState = "go"


@dataclass(frozen=True)
class Welcome:
    """What a joining lane gets: rows to bring up to date, and the answer to apply after a turn.

    Attributes:
        due: Stacks that train in that turn; None where all do.
    """

    rows: tuple[Assignment, ...] = ()
    answer: Answer = field(default_factory=Answer)
    due: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LaneStatus:
    """One lane as the live view shows it.

    Attributes:
        rows_per_s: Rows times epochs a second, within the last half minute.
        memory_bytes: That its process holds on its device; 0 before it is known.
    """

    lane: int
    device: str
    n_rows: int
    n_slots: int
    rows_per_s: float
    memory_bytes: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment, as the live view shows it.

    Attributes:
        state: `running` or `stopping`.
        budget: Trials in all that the study may use.
        best_params: Of the best trial; empty before there is one.
        eta_s: Seconds left at the present pace, or to the time limit; None while unknown.
        events: Lines that appeared since the last snapshot (failures, retries, warnings).
        n_to_choose: Candidates among which a person is to choose; 0 where there is no choice.
        ledger_share: Of the time since lanes began to join, what the ledger of a Ray worked.
    """

    study: str
    state: str
    budget: int
    n_complete: int
    n_pruned: int
    n_failed: int
    n_running: int
    best_number: int | None
    best_values: tuple[float, ...]
    best_params: Mapping[str, Any]
    elapsed_s: float
    trials_per_s: float
    eta_s: float | None
    lanes: tuple[LaneStatus, ...] = ()
    events: tuple[str, ...] = ()
    n_to_choose: int = 0
    ledger_share: float = 0.0
