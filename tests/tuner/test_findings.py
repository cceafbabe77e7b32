"""What a trainer finds in a trial is stored with it, and a hopeless trial ends."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from ledger_bench import Bench, undisturbed
from optuna.trial import FrozenTrial, TrialState

import tuner
from trials.contract import Finding
from tuner.findings import by_kind, found_in, with_new
from tuner.launching import artifacts_folder
from tuner.samples import stored_samples
from tuner.storage import open_storage

SPACE = {"kind": {"type": "categorical", "choices": ["a", "odd", "ill"]}}
STILL = {"learning_rate": 1e-9, "units": 32, "layers": 2, "latent": 4, "batch_size": 256}
"""A generator that hardly learns stays in the middle of the grid and never reaches its modes."""

KEYS: dict[str, Any] = {"space": SPACE, "pruner": {"name": "none"}}


def run(bench: Bench) -> list[FrozenTrial]:
    """The trials once the study is over, from a database opened anew."""
    ledger = bench.ledger()
    bench.lane(ledger).run()
    ledger.close()
    return bench.storage.get_all_trials(bench.study_id)


def of_kind(trials: list[FrozenTrial], kind: str) -> list[FrozenTrial]:
    """The trials of that kind, of which there are some."""
    found = [trial for trial in trials if trial.params["kind"] == kind]
    assert found
    return found


def entry(epoch: int, kind: str) -> dict[str, Any]:
    """What is stored of the stub's finding."""
    return {"epoch": epoch, "kind": kind, "text": f"{kind} at {epoch}"}


def test_findings_are_stored_once_at_their_first_epoch(url: str, tmp_path: Path) -> None:
    """A kind that shows at every epoch from the second on is stored at the second."""
    bench = Bench(url, tmp_path, **KEYS)
    trials = run(bench)
    assert [found_in(t) for t in of_kind(trials, "odd")] == [
        [entry(2, "odd")] for _ in of_kind(trials, "odd")
    ]
    assert {t.state for t in of_kind(trials, "odd")} == {TrialState.COMPLETE}
    assert all("findings" not in t.user_attrs for t in of_kind(trials, "a"))
    bench.storage.close()


def test_a_hopeless_trial_is_pruned_with_its_kind_as_the_reason(url: str, tmp_path: Path) -> None:
    """Attribute, decision and attempt name it; the value is that of the epoch it showed at."""
    bench = Bench(url, tmp_path, **KEYS)
    trials = of_kind(run(bench), "ill")
    records = bench.storage.records
    for trial in trials:
        assert (trial.state, trial.last_step) == (TrialState.PRUNED, 3)
        assert trial.user_attrs["reason"] == "ill"
        assert found_in(trial) == [entry(2, "odd"), entry(3, "ill")]
    ids = {trial._trial_id for trial in trials}
    decided = [d for d in records.decisions(bench.study_id) if d.action == "pruned"]
    assert {(d.trial_id, d.step, d.reason) for d in decided} == {(i, 3, "ill") for i in ids}
    ended = [a for a in records.attempts(bench.study_id) if a.trial_id in ids]
    assert {(a.outcome, a.reason) for a in ended} == {("pruned", "ill")}
    bench.storage.close()


def test_hopeless_trials_go_on_where_that_is_asked_for(url: str, tmp_path: Path) -> None:
    """With stop_hopeless false they complete, and what was found is stored all the same."""
    bench = Bench(url, tmp_path, stop_hopeless=False, **KEYS)
    for trial in of_kind(run(bench), "ill"):
        assert trial.state is TrialState.COMPLETE
        assert "reason" not in trial.user_attrs
        assert [found["kind"] for found in found_in(trial)] == ["odd", "ill"]
    bench.storage.close()


def test_a_trial_that_ends_at_that_epoch_is_complete(url: str, tmp_path: Path) -> None:
    """What is found hopeless at its last epoch has nothing left to save."""
    bench = Bench(url, tmp_path, epochs=3, **KEYS)
    for trial in of_kind(run(bench), "ill"):
        assert trial.state is TrialState.COMPLETE
        assert [found["kind"] for found in found_in(trial)] == ["odd", "ill"]
    bench.storage.close()


@pytest.mark.parametrize("n_turns", [1, 2, 3, 5])
def test_findings_survive_kills(n_turns: int, url: str, tmp_path: Path) -> None:
    """Killed after every so many turns and resumed, trials end as in a study left alone."""
    keys = KEYS | {"trials": 12, "n_slots": 3}
    expected = undisturbed(tmp_path, **keys)
    bench = Bench(url, tmp_path / "broken", **keys)
    for life in count():
        ledger = bench.ledger()
        lane = bench.lane(ledger, session=f"s{life}", every_s=0.0)
        lane.start()
        if not all(lane.turn() for _ in range(n_turns)) or bench.is_over:
            break
        bench.storage.records.release(bench.study_id, bench.owner)
    ledger.close()
    assert bench.rows() == expected
    trials = bench.storage.get_all_trials(bench.study_id)
    assert {str(found_in(t)) for t in of_kind(trials, "odd")} == {str([entry(2, "odd")])}
    both = [entry(2, "odd"), entry(3, "ill")]
    assert {str(found_in(t)) for t in of_kind(trials, "ill")} == {str(both)}
    bench.storage.close()


def test_kinds_are_counted_by_how_trials_ended(url: str, tmp_path: Path) -> None:
    """The commonest kind comes first, with its trials by state."""
    bench = Bench(url, tmp_path, **KEYS)
    trials = run(bench)
    odd, ill = ([t.number for t in of_kind(trials, kind)] for kind in ("odd", "ill"))
    assert by_kind(trials) == {"odd": {"COMPLETE": odd, "PRUNED": ill}, "ill": {"PRUNED": ill}}
    assert list(by_kind(trials)) == ["odd", "ill"]
    bench.storage.close()


def test_a_kind_that_is_stored_stays_as_it_is() -> None:
    """Told again later, it keeps its epoch and text; a new kind comes after it."""
    stored = with_new([], 2, [Finding("odd", "first")])
    both = with_new(stored, 5, [Finding("odd", "again"), Finding("ill", "new", True)])
    assert [(e["epoch"], e["kind"], e["text"]) for e in both] == [
        (2, "odd", "first"),
        (5, "ill", "new"),
    ]


def test_a_generator_without_diversity_ends_with_its_samples(url: str) -> None:
    """The trial is PRUNED at the epoch of the finding, which is stored with it and its samples."""
    study = tuner.launch(
        *["gan"],
        data="grid",
        space=STILL,
        trials=1,
        pruner={"name": "none"},
        epochs=18,
        storage=url,
        inline=True,
    )
    (trial,) = study.trials
    assert (trial.state.name, trial.last_step) == ("PRUNED", 16)
    assert trial.user_attrs["reason"] == "mode collapse"
    (entry,) = [e for e in trial.user_attrs["findings"] if e["kind"] == "mode collapse"]
    assert entry["epoch"] == 16
    storage = open_storage(url)
    study_id = storage.get_study_id_from_name(study.name)
    (kept,) = stored_samples(storage, study_id, artifacts_folder(url, None))
    storage.close()
    assert (kept.why, kept.epochs[-1], kept.kind) == ("mode collapse", 16, "points")
