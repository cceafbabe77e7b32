"""A study as plain facts, the lines that people read of them, and the exit code they amount to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tuner.cli import service
from tuner.cli.terminal import figure, inert, plain, say
from tuner.commands import Commands
from tuner.credentials import without_password
from tuner.findings import by_kind

if TYPE_CHECKING:
    from pathlib import Path

    from tuner.study import Study

MOST_BEST = 5
MOST_FAILURES = 10
MOST_NUMBERS = 8
SIGNAL_CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
STATES = ("complete", "pruned", "failed", "running", "waiting")
_STATE_OF = {"fail": "failed"}


def study_facts(study: Study) -> dict[str, Any]:
    """What `show` and the end of a launch say of a study, ready for JSON."""
    names = [objective.name for objective in study.spec.objectives]
    standing = study.standing
    return {
        "study": study.name,
        "state": standing.word,
        "owner": study.owner,
        "storage": without_password(study.storage),
        "artifacts": str(study.artifacts),
        "budget": standing.budget,
        "trials": counts(standing.own),
        "foreign": counts(standing.foreign),
        "candidates": standing.n_to_choose,
        "best": [_trial(trial, names) for trial in study.best_trials[:MOST_BEST]],
        "test": plain(study.test),
        "failures": [
            {"trial": number, "reason": reason, "error": error}
            for number, reason, error in study.failures()
        ],
        "findings": by_kind(study.optuna.get_trials(deepcopy=False)),
        "notes": list(study.notes),
    }


def counts(by_state: Mapping[str, int]) -> dict[str, int]:
    """Trials by state, every state named, however Optuna spells it."""
    found = {state.lower(): n for state, n in by_state.items()}
    named = {_STATE_OF.get(state, state): n for state, n in found.items()}
    return {state: named.get(state, 0) for state in STATES}


def say_facts(facts: Mapping[str, Any], report: Path | None = None) -> None:
    """Prints the facts of a study as labelled lines."""
    for label, text in _lines(facts):
        say(f"{label:<12}{text}" if label else f"  {text}")
    if report is not None:
        say(f"{'report':<12}{report}")


def exit_code(study: Study) -> int:
    """The exit code of a command that ran `study`."""
    if study.interrupted:
        return SIGNAL_CODES.get(study.interrupted, 1)
    trials = counts(study.standing.own)
    only_failed = trials["failed"] and not (trials["complete"] or trials["pruned"])
    return 1 if only_failed else 0


def needless(study: Study, trials: int | None) -> str | None:
    """Why a resume for `trials` in all begins none, or None if it may."""
    standing = study.standing
    has = f"study {study.name!r}: has {standing.n_own} trials"
    if trials is None:
        is_over = standing.budget is not None and standing.word == "finished"
        return f"{has} and is finished; --trials N gives it N in all" if is_over else None
    return f"{has}; --trials {trials} adds none" if trials <= standing.n_own else None


def resume_command(study: Study) -> str:
    """The command that goes on with `study`, quoted for a shell, never with a password."""
    storage = service.storage_url(None)
    return inert(Commands(study.name, study.storage, storage, study.code).resume())


def _trial(trial: Any, names: list[str]) -> dict[str, Any]:
    values = trial.values or []
    labels = [*names, *(f"value_{i}" for i in range(len(names), len(values)))]
    return {
        "trial": trial.number,
        "values": plain(dict(zip(labels, values, strict=False))),
        "params": plain(trial.params),
    }


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    owner = f", run by {facts['owner']}" if facts["owner"] else ""
    yield "study", f"{facts['study']} ({facts['state']}{owner})"
    budget = "" if facts["budget"] is None else f" of {facts['budget']}"
    own = dict(facts["trials"])
    if facts["state"] != "running":
        own["interrupted"] = own.pop("running")
    yield "trials", _counted(own, budget) or f"0{budget}: none yet"
    if added := _counted(facts["foreign"]):
        yield "", f"and by other processes {added}"
    if facts["candidates"]:
        yield "choice", f"{facts['candidates']} candidates; choose in the page of: tuner dashboard"
    for best in facts["best"]:
        yield "best", f"trial {best['trial']}: {figure(best['values'])}"
        for name, value in best["params"].items():
            yield "", f"{name} = {figure(value)}"
    if facts["test"]:
        yield "test", figure(facts["test"])
    for failure in facts["failures"][:MOST_FAILURES]:
        why = ": ".join(word for word in (failure["reason"], failure["error"]) if word)
        yield "failed", f"trial {failure['trial']}: {why}"
    if len(facts["failures"]) > MOST_FAILURES:
        yield "", f"and {len(facts['failures']) - MOST_FAILURES} more; --json lists all"
    for kind, states in facts["findings"].items():
        yield "found", f"{kind}: {_where(states)}"
    for line in facts["notes"]:
        yield "note", line
    yield "database", facts["storage"]
    yield "artifacts", facts["artifacts"]


def _counted(trials: Mapping[str, int], budget: str = "") -> str:
    states = ", ".join(f"{n} {state}" for state, n in trials.items() if n)
    return f"{sum(trials.values())}{budget}: {states}" if states else ""


def _where(states: Mapping[str, list[int]]) -> str:
    """In which trials something was found, by how they ended."""
    parts = []
    for state, numbers in sorted(states.items()):
        named = ", ".join(map(str, numbers[:MOST_NUMBERS]))
        more = ", ..." if len(numbers) > MOST_NUMBERS else ""
        word = _STATE_OF.get(state.lower(), state.lower())
        parts.append(f"{len(numbers)} {word} (trial{'s' * (len(numbers) > 1)} {named}{more})")
    return ", ".join(parts)
