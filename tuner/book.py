"""Who trains what: the unfinished trials of a study, with their attempts, and its lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.pace import Speed

if TYPE_CHECKING:
    import optuna

    from tuner.messages import Answer, LaneInfo


@dataclass
class LaneEntry:
    """A lane as the ledger knows it; clocks are monotonic seconds.

    Attributes:
        seen: Clock at its last sign of life.
        exchanged: Clock at its last exchange.
        index: Of its last turn that was answered.
        answer: What that turn was answered; a repeated turn gets it again.
        condemned: Its process is to end itself: a trial overran its time there.
        epochs: Rows times epochs it reported.
        memory_bytes: That its process held at its last exchange.
        speed: Rows times epochs that it reports a second.
    """

    info: LaneInfo
    seen: float
    exchanged: float
    index: int = 0
    answer: Answer | None = None
    condemned: bool = False
    epochs: int = 0
    memory_bytes: int = 0
    speed: Speed = field(default_factory=Speed)


@dataclass
class Ticket:
    """An own trial that has not finished: training in a lane, or queued between attempts.

    Attributes:
        trial: Optuna's handle where this process asked the trial, else None.
        values: Objective values by epoch, of all attempts that count.
        token: The living attempt, or None while queued.
        lane: Where the living attempt trains.
        started: Clock at the start of the living attempt.
        n_attempts: Attempts so far, the living one included.
        n_charged: Lost attempts that count against `max_retries`.
        predecessor: Token of the attempt before.
        checkpoint: File to go on from, written at `start_epoch`.
        prune_reason: What the pruner said when a function was told to stop.
        findings: What its trainer recognised, as `tuner.findings` stores it.
        picture: Of what it made, for a person to judge, once it has trained to its end.
    """

    trial_id: int
    number: int
    params: Mapping[str, Any]
    trial: optuna.Trial | None
    values: dict[int, tuple[float, ...]] = field(default_factory=dict)
    token: int | None = None
    lane: int = -1
    started: float = 0.0
    n_attempts: int = 0
    n_charged: int = 0
    predecessor: int | None = None
    checkpoint: str | None = None
    start_epoch: int = 0
    prune_reason: str | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    picture: str | None = None


class Book:
    """The tickets, found by trial or by living attempt."""

    def __init__(self) -> None:
        self._tickets: dict[int, Ticket] = {}
        self._live: dict[int, Ticket] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    @property
    def live(self) -> list[Ticket]:
        """Tickets with a living attempt, oldest attempt first."""
        return [self._live[token] for token in sorted(self._live)]

    def queued(self) -> list[Ticket]:
        """Waiting tickets in order of their trial's number."""
        waiting = [ticket for ticket in self._tickets.values() if ticket.token is None]
        return sorted(waiting, key=lambda ticket: ticket.number)

    def add(self, ticket: Ticket) -> None:
        """The trial waits for an attempt."""
        self._tickets[ticket.trial_id] = ticket

    def start(self, ticket: Ticket, token: int, lane: int, now: float) -> None:
        """The trial trains in `lane`."""
        ticket.token, ticket.lane, ticket.started = token, lane, now
        ticket.n_attempts += 1
        self._live[token] = ticket

    def find(self, token: int) -> Ticket | None:
        """The ticket of a living attempt; None once the attempt was given up."""
        return self._live.get(token)

    def give_up(self, ticket: Ticket, *, charged: bool) -> int:
        """Ends the living attempt and queues the trial; returns the attempt's token."""
        assert ticket.token is not None
        token = ticket.token
        del self._live[token]
        ticket.token, ticket.predecessor = None, token
        ticket.n_charged += charged
        return token

    def close(self, ticket: Ticket) -> None:
        """The trial has finished; a queued one may be closed too."""
        del self._tickets[ticket.trial_id]
        if ticket.token is not None:
            del self._live[ticket.token]

    def of_lane(self, lane: int) -> list[Ticket]:
        """Tickets with a living attempt in `lane`, oldest trial first."""
        return sorted(
            (ticket for ticket in self._live.values() if ticket.lane == lane),
            key=lambda ticket: ticket.number,
        )
