"""Whatever commit a process dies at, the same command goes on and nothing is lost or left."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from commit_crashes import Crash
from crashes import N_TRIALS, Studies, trials_of
from history import check_history, checked_files

import tuner
from tuner.plan import weights_file


def check_whole(url: str, trials: list[Any]) -> None:
    """The study has all its trials, the same as ever, and no file too many or too few."""
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == trials, "I10: other trials than without the crash"
    study = tuner.load("s", storage=url)
    assert study.state == "finished"
    checked_files(study.artifacts)
    assert not list((study.artifacts / "checkpoints").iterdir()), "I11: a checkpoint is left"
    assert study.test, "the best trial has no test figures"
    weights = list((study.artifacts / "weights").iterdir())
    assert weights_file(study.artifacts, study.best_trial.number) in weights
    assert len(weights) <= 3, "I11: weights that nobody keeps are left"


def sweep(studies: Studies, folder: Path, trials: list[Any], crash: dict[str, Any]) -> None:
    """The study is crashed at every commit in turn, each time in a database of its own."""
    problems = []
    for n in itertools.count(1):
        url = f"sqlite:///{folder}/{n}.db"
        try:
            if not studies.run(url, Crash(n, **crash)):
                break
            studies.run(url)
            check_whole(url, trials)
        except AssertionError as error:
            problems.append(f"commit {n}: {error}")
    assert n > N_TRIALS, "the crash did not happen"
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_study_survives_a_kill_at_every_commit(
    studies: Studies, tmp_path: Path, undisturbed: list[Any], is_after: bool
) -> None:
    """Killed before and after each commit: the same trials, no zombie, nothing left behind."""
    sweep(studies, tmp_path, undisturbed, {"is_after": is_after})


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exit", "raise"])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_study_survives_an_end_at_every_commit(
    studies: Studies, tmp_path: Path, undisturbed: list[Any], how: str, is_after: bool
) -> None:
    """The same for a process that ends itself, and for a database that reports an error."""
    sweep(studies, tmp_path, undisturbed, {"how": how, "is_after": is_after})


@pytest.mark.parametrize("n", [9, 13, 21, 30])
@pytest.mark.parametrize("how", ["exit", "raise"])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_study_survives_an_end_at_some_commits(
    studies: Studies, tmp_path: Path, undisturbed: list[Any], n: int, how: Any, is_after: bool
) -> None:
    """A few of the boundaries that the slow tests go through."""
    url = f"sqlite:///{tmp_path}/studies.db"
    assert studies.run(url, Crash(n, how, is_after))
    studies.run(url)
    check_whole(url, undisturbed)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_study_survives_crashes_in_every_life(
    studies: Studies, tmp_path: Path, sampler: str
) -> None:
    """Killed again and again a few commits after each start, it ends with the same trials."""
    whole, often = (f"sqlite:///{tmp_path}/{name}.db" for name in ("whole", "often"))
    keys = {"sampler": {"name": sampler}}
    studies.run(whole, **keys)
    lives = 1
    while studies.run(often, Crash(14, is_after=lives % 2 == 0), **keys):
        lives += 1
    assert lives > 3
    check_whole(often, trials_of(whole))


def test_resume_goes_on_where_the_last_commit_was_the_end(
    studies: Studies, tmp_path: Path, undisturbed: list[Any]
) -> None:
    """A study killed when all trials were told, but not closed, is finished by `resume`."""
    n = 30
    while True:
        url = f"sqlite:///{tmp_path}/after-{n}.db"
        assert studies.run(url, Crash(n, is_after=True)), "no crash left a study without its end"
        study = tuner.load("s", storage=url)
        if study.state == "finished" and not study.test:
            break
        n += 1
    studies.run(url, resumes=True)
    check_whole(url, undisturbed)
