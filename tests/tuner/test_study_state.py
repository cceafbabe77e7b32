"""How a study stands is told by its own trials, whatever other processes add or tell."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from history import check_history
from optuna.trial import TrialState
from stubs import StubTrainer

import tuner
from tuner.cli import main
from tuner.errors import InputError
from tuner.listing import list_studies
from tuner.storage import open_storage
from tuner.trackers.feed import outcome

KEYS: dict[str, Any] = {"trials": 8, "slots": 3, "study": "s", "sampler": {"name": "random"}}


def interrupt(url: str) -> None:
    """A study of 8 trials is there, whose call was ended with 3 of them in training."""

    class Stopping(StubTrainer):
        """Raises what Ctrl-C does when its second cohort is made."""

        n = 0

        def cohort(self, structure: object) -> Any:
            Stopping.n += 1
            if Stopping.n == 2:
                raise KeyboardInterrupt
            return super().cohort(structure)

    tuner.launch(Stopping, storage=url, inline=True, **KEYS)


def is_finished(url: str) -> bool:
    """What trackers are told."""
    storage = open_storage(url)
    try:
        return outcome(storage, storage.get_study_id_from_name("s")).is_finished
    finally:
        storage.close()


def test_trials_told_by_others_do_not_finish_a_study(url: str) -> None:
    """With all it began told by hand, and many trials added, a study still has budget left."""
    interrupt(url)
    plain = optuna.load_study(study_name="s", storage=url)
    n_own = len(plain.trials)
    for trial in plain.get_trials(states=(TrialState.RUNNING,)):
        plain.tell(trial.number, 1.0)
    for _ in range(20):
        plain.add_trial(optuna.trial.create_trial(value=2.0))
    plain.enqueue_trial({"x": 0.5})
    study = tuner.load("s", storage=url)
    assert 0 < n_own < 8
    assert (study.state, is_finished(url)) == ("interrupted", False)
    assert (study.standing.n_own, sum(study.standing.foreign.values())) == (n_own, 21)
    again = tuner.launch(StubTrainer, storage=url, inline=True, **KEYS)
    assert (again.state, is_finished(url)) == ("finished", True)
    assert (again.standing.n_own, again.standing.foreign["COMPLETE"]) == (8, 20)
    check_history(url, "s", n_trials=8)


def test_listings_count_foreign_trials_apart(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`show` and `studies` say how much of the budget is used, and what others added."""
    tuner.launch(StubTrainer, storage=url, inline=True, **KEYS)
    plain = optuna.load_study(study_name="s", storage=url)
    for _ in range(30):
        plain.add_trial(optuna.trial.create_trial(value=2.0))
    (summary,) = list_studies(url)
    assert (summary.n_trials, summary.n_foreign, summary.budget) == (8, 30, 8)
    assert summary.n_complete <= 8
    assert main(["show", "s", "--storage", url]) == 0
    shown = capsys.readouterr().out
    assert "8 of 8: " in shown
    assert "and by other processes 30: 30 complete" in shown


def test_a_stopped_study_that_goes_on_is_no_longer_stopped(url: str) -> None:
    """Why an earlier call ended is forgotten at once, should the process die."""
    keys = KEYS | {"trials": 30, "patience_trials": 2}
    assert tuner.launch(StubTrainer, storage=url, inline=True, **keys).state == "stopped"
    seen: list[tuple[str, str | None]] = []

    class Looking(StubTrainer):
        """Sees the study as others do while it runs."""

        def cohort(self, structure: object) -> Any:
            study = tuner.load("s", storage=url)
            seen.append((study.state, study.ended))
            return super().cohort(structure)

    tuner.launch(Looking, storage=url, inline=True, **keys | {"patience_trials": None})
    assert seen[0] == ("running", None)


def test_a_plain_optuna_study_counts_all_its_trials(url: str) -> None:
    """Nothing of it is foreign, it has no budget, and going on with it is refused."""
    plain = optuna.create_study(study_name="s", storage=url)
    plain.add_trial(optuna.trial.create_trial(value=1.0))
    study = tuner.load("s", storage=url)
    assert (study.state, study.standing.budget, study.standing.n_own) == ("finished", None, 1)
    assert sum(study.standing.foreign.values()) == 0
    with pytest.raises(InputError, match="not made by tuner"):
        study.resume()


@pytest.mark.parametrize("trials", [None, 1, 8])
def test_a_budget_below_what_there_is_ends_what_was_begun(url: str, trials: int | None) -> None:
    """Trials in training are ended in any case, and the budget says how many there are."""
    interrupt(url)
    study = tuner.load("s", storage=url)
    n_own = study.standing.n_own
    again = study.resume(trials, objective=StubTrainer, inline=True)
    assert again.standing.n_own == again.standing.budget == (n_own if trials == 1 else 8)
    assert again.state == "finished"
