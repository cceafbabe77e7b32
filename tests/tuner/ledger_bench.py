"""A study with the stub trainer, and ledgers over it that may die."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stubs import Clock, Direct, StubTrainer, lane_info

from trials.data import load as load_data
from tuner.lane import Keeping, Lane
from tuner.launching import create
from tuner.ledger import Ledger
from tuner.plan import Plan
from tuner.resolve import resolve
from tuner.spec import spec_from_mapping
from tuner.storage import open_storage, this_process

DATA = load_data("iris", seed=0)


class Bench:
    """A study with the stub trainer, and ledgers over it that may die."""

    def __init__(self, url: str, folder: Path, n_slots: int = 4, n_lanes: int = 1, **keys: Any):
        spec = spec_from_mapping(
            {"study": "s", "trials": 12, "storage": url, "sampler": {"name": "random"}} | keys
        )
        self.resolved = resolve(spec, StubTrainer)
        self.storage = open_storage(url)
        self.study_id = create(self.storage, self.resolved, "s").study_id
        self.clock = Clock()
        self.owner = this_process()
        self.plan = Plan(
            "s",
            self.study_id,
            self.resolved.spec,
            self.resolved.space,
            self.resolved.objectives,
            folder,
            True,
            n_lanes,
            n_lanes,
            n_slots,
        )
        self.url = url

    def ledger(self) -> Ledger:
        self.storage.records.claim(self.study_id, self.owner, lease_s=30.0)
        return Ledger(self.storage, self.plan, self.owner, self.clock)

    def lane(
        self,
        ledger: Ledger,
        number: int = 0,
        session: str = "s0",
        every_s: float = 1e9,
        connection: Direct | None = None,
    ) -> Lane:
        keeping = Keeping(self.plan.checkpoints, every_s)
        return Lane(
            lane_info(self.plan.n_slots, number, session),
            StubTrainer(DATA),
            connection or Direct(ledger),
            keeping,
            clock=self.clock,
            sleep=lambda seconds: None,
        )

    @property
    def is_over(self) -> bool:
        """Whether all trials have been asked and ended."""
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False)
        n_ended = sum(trial.state.is_finished() for trial in trials)
        return n_ended == self.plan.spec.trials

    def rows(self) -> list[tuple[Any, ...]]:
        """Everything that training decides about the trials."""
        trials = self.storage.get_all_trials(self.study_id)
        return [(t.number, t.state.name, t.values, t.params, t.intermediate_values) for t in trials]


def undisturbed(folder: Path, **keys: Any) -> list[tuple[Any, ...]]:
    """The trials of such a study that nothing happened to."""
    bench = Bench(f"sqlite:///{folder}/whole.db", folder / "whole", **keys)
    bench.lane(bench.ledger()).run()
    bench.storage.close()
    return bench.rows()
