"""The one place per study that asks the sampler, decides, and writes the study database.

Pure logic over a storage: no Ray, no threads, time passed in. Lanes reach it through
`join`, `exchange` and `beat`; its host calls `tick` now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tuner.activity import ActivityLog, Spent
from tuner.algorithms import is_exhausted, make_pruner, make_study_pruner, reseed
from tuner.asking import Asker, study_of
from tuner.book import Book, LaneEntry, Ticket
from tuner.budget import Budget
from tuner.function_desk import FunctionDesk
from tuner.judge import Judge
from tuner.messages import (
    Answer,
    AnswerState,
    Assignment,
    LaneInfo,
    Slots,
    Snapshot,
    Turn,
    Welcome,
)
from tuner.plan import LANES
from tuner.preference import Audience
from tuner.recovery import note_due, recover
from tuner.seeds import derive, trial_seed
from tuner.snapshot import snapshot
from tuner.storage import Decision, NewAttempt

if TYPE_CHECKING:
    from tuner.plan import Plan
    from tuner.storage import Owner, Storage

ELAPSED = "tuner:elapsed_s"
"""Study attribute: wall time that all calls used so far."""

ENDED = "tuner:ended"
"""Study attribute: why the study ended before its trials were used up, else absent or empty."""

STOP_POLL_S = 1.0

GRACE_S = 10.0
"""What lanes have, after a stop, to end their epoch and save their rows."""


class Ledger:
    """The study's book-keeper, sampler and judge; one exchange is one unit of work.

    Args:
        storage: The study database. While the ledger lives, nobody else in the product writes
            this study.
        plan: The study, ready to run; its row in the database exists.
        owner: Who holds the study meanwhile.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        storage: Storage,
        plan: Plan,
        owner: Owner,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._records = storage.records
        self._plan = plan
        self._owner = owner
        self._clock = clock
        self._seed = plan.spec.sampler_seed
        self._study = study_of(plan, storage)
        self._asker = None if plan.space is None else Asker(self._study, storage, plan.space)
        attributes = storage.get_study_system_attrs(plan.study_id)
        self._began = self._beaten = self._polled = clock()
        self._budget = Budget(
            plan.spec, plan.objectives[0].direction, attributes.get(ELAPSED, 0.0), self._began
        )
        self._book = Book()
        self._audience = Audience(storage, plan, self._book, self._budget)
        pruner = make_pruner(plan.pruner, plan.objectives, plan.epochs, plan.spec.seed)
        judging = make_study_pruner(plan.pruner, plan.objectives, plan.epochs, pruner)
        self._judge = Judge(storage, self._study, self._book, self._budget, judging, plan)
        recovered = recover(storage, plan, self._book, self._judge)
        self._pending, self._due = recovered.pending, recovered.due
        self._n_before = recovered.n_finished
        self.resumed = recovered.summary
        if self.resumed is not None:
            self._judge.events.append(self.resumed)
        self.functions = FunctionDesk(
            storage, self._study, self._book, pruner, plan, owner, self._budget
        )
        self._lanes: dict[int, LaneEntry] = {}
        self._activity = ActivityLog(plan.study_id, self._began)
        self._stopped: float | None = None
        self._ending: str | None = None

    def join(self, info: LaneInfo) -> Welcome:
        """Makes a lane known; the attempts of an earlier life of it are lost and queued again.

        A resumed study on one lane gets its rows as they were at the last exchange, and the
        answer to that exchange, so that it goes on exactly as if nothing had happened.
        """
        now = self._clock()
        with self._storage.unit():
            self._records.keep(self._plan.study_id, self._owner)
            if info.lane in self._lanes:
                self._lose(info.lane, "lane lost")
            self._lanes[info.lane] = LaneEntry(info, seen=now, exchanged=now)
            self._activity.join(info.lane, now)
            self._remember(info.slots)
            if self._is_stopping:
                return Welcome(answer=Answer(state="done"))
            queued = self._book.queued()
            later = [ticket for ticket in queued if ticket.trial_id in self._pending]
            rows = [ticket for ticket in queued if ticket.trial_id not in self._pending]
            due, self._pending, self._due = self._due, frozenset(), None
            started = self._start(info, rows[: info.n_slots], index=-1)
            if not queued:
                later = self._more(info.n_slots)
            n_staying = sum(row.epochs_done + 1 < row.epochs for row in started)
            trials = self._start(info, later[: info.n_slots - n_staying], index=0)
        answer = Answer(trials=trials, state=self._state(info.lane))
        return Welcome(rows=started, answer=answer, due=due)

    def exchange(self, turn: Turn) -> Answer:
        """Takes a turn's values and answers with verdicts and new trials: all of it, or nothing.

        A repeated turn is answered as before; a turn of a former life of the lane changes
        nothing and ends that life.
        """
        lane = self._lanes.get(turn.lane)
        if lane is None or lane.info.session != turn.session:
            return Answer(state="done")
        if turn.index == lane.index and lane.answer is not None:
            return lane.answer
        if lane.condemned:
            return Answer(state="done")
        if turn.is_idle and not self._audience.is_decided and not self._has_work:
            return self._wait(lane, turn)
        began = lane.seen = lane.exchanged = self._clock()
        lane.epochs += len(turn.reports)
        lane.memory_bytes = turn.memory_bytes
        self._resize(lane, turn.n_slots)
        with self._storage.unit(f"{turn.session}:{turn.index}"):
            self._records.add_activity(self._activity.take())
            note_due(self._storage, self._plan, turn.due)
            verdicts, n_freed = self._judge.take(turn)
            decided = self._clock()
            trials = self._start(lane.info, self._more(turn.n_free + n_freed), turn.index)
            if turn.leaving:
                self._hand_back(turn.lane)
            self._records.keep(self._plan.study_id, self._owner)
            sampled = self._clock()
        self._judge.remove_obsolete_files()
        now = self._clock()
        spent = Spent(decided - began, sampled - decided, now - sampled, len(trials))
        self._activity.note(turn, spent, now)
        self._excuse(now - began)
        self._end_with_budget(now)
        state = "done" if turn.leaving else self._state(turn.lane)
        lane.index, lane.answer = turn.index, Answer(verdicts, trials, state)
        return lane.answer

    def _wait(self, lane: LaneEntry, turn: Turn) -> Answer:
        """The answer to a lane while everything depends on a person; nothing is written."""
        lane.seen = lane.exchanged = now = self._clock()
        self._activity.note(turn, Spent(0.0, 0.0, 0.0, 0), now)
        self._end_with_budget(now)
        lane.index, lane.answer = turn.index, Answer(state=self._state(turn.lane))
        return lane.answer

    def beat(self, lane: int, session: str) -> bool:
        """A lane's process is alive; False tells it to end itself at once."""
        entry = self._lanes.get(lane)
        if entry is None or entry.info.session != session or entry.condemned:
            return False
        entry.seen = self._clock()
        return True

    def tick(self) -> Snapshot:
        """Renews the ownership, ends what ran out of time, and returns the study as it is now."""
        now = self._clock()
        if now - self._polled >= STOP_POLL_S:
            self._polled = now
            if self._records.stop_requested(self._plan.study_id):
                self.stop("stopped on request")
        if now - self._beaten >= self._plan.spec.lease_s / 4:
            self._beaten = now
            self._records.keep(self._plan.study_id, self._owner)
        self._end_overdue(now)
        self._end_unheeding(now)
        for number, entry in self._lanes.items():
            if now - entry.seen > self._plan.spec.lease_s and self._book.of_lane(number):
                with self._storage.unit():
                    self._lose(number, "lease ran out")
        self._end_with_budget(now)
        return snapshot(
            self._plan,
            self._judge,
            self._book,
            self._lanes.values(),
            elapsed_s=now - self._began,
            left_s=self._budget.left_s(now),
            n_before=self._n_before,
            is_stopping=self._is_stopping,
            audience=self._audience,
        )

    def stop(self, reason: str) -> None:
        """No lane goes on after its next exchange; rows are saved and handed back."""
        if self._stopped is None:
            self._stopped = self._clock()
            self._judge.events.append(reason)

    def close(self) -> None:
        """Everything is in the database, and the study is free for the next owner."""
        now = self._clock()
        with self._storage.unit():
            self._records.keep(self._plan.study_id, self._owner)
            for number in self._lanes:
                self._hand_back(number)
            self._records.add_activity(self._activity.take(everything=True, now=now))
            study_id = self._plan.study_id
            self._storage.set_study_system_attr(study_id, ELAPSED, self._budget.elapsed_s(now))
            is_over = not self._has_work and self._audience.is_decided
            ended = self._ending or (self._budget.exhausted if is_over else None)
            self._storage.set_study_system_attr(study_id, ENDED, ended or "")
        self._records.clear_stop(self._plan.study_id)
        self._records.release(self._plan.study_id, self._owner)
        self._storage.flush()

    def _remember(self, slots: Slots) -> None:
        """What a lane measured is what the study goes on with after an interruption."""
        if not slots.rates:
            return
        study_id = self._plan.study_id
        chosen = self._storage.get_study_system_attrs(study_id).get(LANES, {})
        if "n_slots" not in chosen:
            chosen = {**chosen, "n_slots": slots.n_slots}
            self._storage.set_study_system_attr(study_id, LANES, chosen)
            self._judge.events.append(slots.as_text())

    def _resize(self, lane: LaneEntry, n_slots: int) -> None:
        """The lane has that many slots from now on."""
        before = lane.info.n_slots
        if n_slots != before:
            lane.info = replace(lane.info, slots=Slots(n_slots))
            why = "memory ran out" if n_slots < before else "the trial without room has failed"
            self._judge.events.append(f"lane {lane.info.lane}: {why}; {n_slots} slots from now on")

    def _excuse(self, blocked_s: float) -> None:
        """No lane is silent for the time in which the ledger itself heard nobody."""
        for entry in self._lanes.values():
            entry.seen += blocked_s

    def _more(self, n: int) -> list[Ticket]:
        """Up to `n` trials that wait for an attempt: queued ones, then new ones."""
        if self._ending is not None or self._budget.closed is not None:
            return []
        tickets = self._book.queued()[: max(0, n)]
        while len(tickets) < n and self._may_ask():
            tickets.append(self._ask())
        return tickets

    def _may_ask(self) -> bool:
        if not self._budget.has_trials_left or not self._audience.has_room:
            return False
        return not is_exhausted(self._study.sampler, self._study)

    @property
    def _has_work(self) -> bool:
        """Whether a trial is unfinished or may begin now, without a person's choice."""
        return len(self._book) > 0 or self._may_ask()

    def _ask(self) -> Ticket:
        """A new trial; the sampler's random state follows from the study's seed and its count."""
        reseed(self._study.sampler, derive(self._seed, "ask", self._budget.n_trials))
        trial, params = (self._study.ask(), {}) if self._asker is None else self._asker.ask()
        self._budget.n_trials += 1
        ticket = Ticket(trial._trial_id, trial.number, params, trial)
        self._book.add(ticket)
        return ticket

    def _start(
        self, info: LaneInfo, tickets: Sequence[Ticket], index: int
    ) -> tuple[Assignment, ...]:
        """Attempts at `tickets` begin in a lane, as the answer to its turn `index`."""
        if not tickets:
            return ()
        study_id = self._plan.study_id
        tokens = self._records.start_attempts(
            [
                NewAttempt(
                    study_id=study_id,
                    trial_id=ticket.trial_id,
                    attempt=ticket.n_attempts + 1,
                    predecessor=ticket.predecessor,
                    lane=info.lane,
                    node=info.node,
                    pid=info.pid,
                    device=info.device,
                    start_epoch=ticket.start_epoch,
                )
                for ticket in tickets
            ]
        )
        self._records.add_decisions(
            [
                Decision(study_id, ticket.trial_id, token, index, "assigned", None, info.session)
                for ticket, token in zip(tickets, tokens, strict=True)
            ]
        )
        now = self._clock()
        for ticket, token in zip(tickets, tokens, strict=True):
            self._book.start(ticket, token, info.lane, now)
        return tuple(self._assignment(ticket) for ticket in tickets)

    def _assignment(self, ticket: Ticket) -> Assignment:
        assert ticket.token is not None
        return Assignment(
            trial_id=ticket.trial_id,
            number=ticket.number,
            token=ticket.token,
            params=ticket.params,
            seed=trial_seed(self._plan.spec.seed, ticket.number),
            epochs=self._plan.epochs,
            checkpoint=ticket.checkpoint,
            start_epoch=ticket.start_epoch,
            known_epochs=max(ticket.values, default=0) if self._plan.is_replayable else 0,
            best=self._judge.best_until(ticket, ticket.start_epoch),
        )

    @property
    def _is_stopping(self) -> bool:
        return self._stopped is not None

    def _end_with_budget(self, now: float) -> None:
        """Once the budget is used up, lanes have as long as after a stop."""
        self._ending = self._ending or self._budget.exceeded(now)
        if self._ending is not None and self._stopped is None:
            self._stopped = now

    def _state(self, lane: int) -> AnswerState:
        if self._is_stopping:
            return "save"
        if self._book.of_lane(lane):
            return "go"
        return "wait" if self._has_work or not self._audience.is_decided else "done"

    def _hand_back(self, lane: int) -> None:
        """The lane's trials wait for the study to go on; their attempts are not charged."""
        reason = self._ending or "interrupted"
        tickets = self._book.of_lane(lane)
        tokens = [self._book.give_up(ticket, charged=False) for ticket in tickets]
        self._records.end_attempts([(token, "interrupted", reason, None) for token in tokens])

    def _lose(self, lane: int, reason: str) -> None:
        """The lane's attempts are lost; their trials are tried again, or fail for good."""
        for ticket in self._book.of_lane(lane):
            self._judge.lost(ticket, reason)

    def _end_overdue(self, now: float) -> None:
        limit = self._plan.spec.trial_timeout_s
        if limit is None:
            return
        overdue = [ticket for ticket in self._book.live if now - ticket.started >= limit]
        if not overdue:
            return
        with self._storage.unit():
            for ticket in overdue:
                self._judge.fail(ticket, "timeout", f"no end within {limit:g} s")
            for number in sorted({ticket.lane for ticket in overdue}):
                entry = self._lanes[number]
                if now - entry.exchanged >= limit:
                    entry.condemned = True
                    self._lose(number, "lane ended: a trial in it ran out of time")

    def _end_unheeding(self, now: float) -> None:
        """A lane that has not come to its next exchange a while after the stop is ended.

        Its trials go on from their last checkpoint, functions from their start, uncharged.
        """
        if self._stopped is None or now - self._stopped < GRACE_S:
            return
        for number, entry in self._lanes.items():
            if entry.exchanged < self._stopped and not entry.condemned:
                entry.condemned = True
                with self._storage.unit():
                    self._hand_back(number)
