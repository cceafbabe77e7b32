"""A lane that needs no training, for benchmarks of the ledger: its rows report made-up losses."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces import Float, Space
from tuner.launching import create
from tuner.ledger import Ledger
from tuner.messages import Assignment, LaneInfo, Report, Slots, Turn
from tuner.plan import Plan
from tuner.resolve import resolve
from tuner.seeds import derive
from tuner.spec import PrunerSpec, SamplerSpec, spec_from_mapping
from tuner.storage import open_storage, this_process

NO_END = 10**9
RANDOM = SamplerSpec(name="random")
FIVE_FLOATS = Space({f"x{index}": Float(0.0, 1.0) for index in range(5)})


@dataclass(frozen=True)
class Work:
    """What a benchmark's trials are.

    Attributes:
        n_epochs: Reports of a trial that is not pruned.
        n_slots: Trials in flight.
    """

    space: Space
    sampler: SamplerSpec = RANDOM
    pruner: PrunerSpec | None = None
    n_epochs: int = 20
    n_slots: int = 64


def loss(params: Mapping[str, Any], number: int, epoch: int) -> float:
    """A made-up curve: falls towards a level that the floats decide, with some noise."""
    floats = [value for value in params.values() if isinstance(value, float)]
    level = sum((value - 0.3) ** 2 for value in floats) / len(floats)
    return level + 1 / epoch + derive(number, "noise", epoch, bits=16) / 2**17


class ScriptedLane:
    """Rows that need no training: every turn each of them reports one more epoch.

    Attributes:
        n_started: Trials that began here.
    """

    def __init__(self, ledger: Ledger, session: str, work: Work) -> None:
        self._ledger = ledger
        self._session = session
        self._work = work
        welcome = ledger.join(LaneInfo(0, session, "here", 1, "cpu", Slots(work.n_slots)))
        self._rows = {row.trial_id: row for row in welcome.answer.trials}
        self._epochs = dict.fromkeys(self._rows, 0)
        self._index = 0
        self.n_started = len(self._rows)

    def turn(self) -> bool:
        """One exchange; returns whether there is anything left to do."""
        self._index += 1
        for key in self._epochs:
            self._epochs[key] += 1
        ended = {key for key, epoch in self._epochs.items() if epoch == self._work.n_epochs}
        answer = self._ledger.exchange(
            Turn(
                lane=0,
                session=self._session,
                index=self._index,
                reports=tuple(self._report(self._rows[key]) for key in sorted(self._rows)),
                n_free=self._work.n_slots - len(self._rows) + len(ended),
                n_slots=self._work.n_slots,
            )
        )
        for key in ended | {verdict.trial_id for verdict in answer.verdicts}:
            del self._rows[key], self._epochs[key]
        self._rows |= {row.trial_id: row for row in answer.trials}
        self._epochs |= dict.fromkeys((row.trial_id for row in answer.trials), 0)
        self.n_started += len(answer.trials)
        return answer.state == "go"

    def run_until(self, n_trials: int) -> None:
        """At least so many trials began here, or the study has ended."""
        while self.n_started < n_trials and self.turn():
            pass

    def _report(self, row: Assignment) -> Report:
        epoch = self._epochs[row.trial_id]
        value = loss(row.params, row.number, epoch)
        return Report(row.trial_id, row.token, epoch, {"validation_loss": value})


@contextlib.contextmanager
def scripted_study(
    url: str, folder: Path, work: Work, n_trials: int = NO_END
) -> Iterator[ScriptedLane]:
    """A lane of the database's study `s`, which is created if it is not there.

    Args:
        url: The database.
        folder: For checkpoints and weights, of which there are none.
        work: Its trials.
        n_trials: The study's budget.
    """
    keys = {"study": "s", "trainer": "mlp", "data": "iris", "storage": url}
    resolved = resolve(spec_from_mapping(keys | {"epochs": work.n_epochs, "trials": n_trials}))
    storage = open_storage(url)
    create(storage, resolved, "s")
    study_id = storage.get_study_id_from_name("s")
    changes: dict[str, Any] = {"sampler": work.sampler}
    changes |= {} if work.pruner is None else {"pruner": work.pruner}
    spec = resolved.spec.model_copy(update=changes)
    space, objectives = work.space, resolved.objectives
    plan = Plan("s", study_id, spec, space, objectives, folder, True, 1, 1, work.n_slots)
    owner = this_process()
    storage.records.claim(study_id, owner, lease_s=30.0)
    ledger = Ledger(storage, plan, owner)
    # What is there now lives on; a collection that looks at all of it takes half a second.
    gc.freeze()
    yield ScriptedLane(ledger, f"scripted-{n_trials}", work)
    ledger.close()
    storage.close()
