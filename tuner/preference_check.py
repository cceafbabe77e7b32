"""Whether a person can judge the trials of a spec, and the defaults of one that they judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trials.contract import Generative
from tuner.algorithms import SAMPLERS, SAMPLERS_OF_CHOICES
from tuner.spec import PrunerSpec, SamplerSpec
from tuner.wording import shown

if TYPE_CHECKING:
    from trials.contract import Trainer
    from tuner.spec import Spec

_VALUE_RULES = ("target_value", "patience_trials")


def preferred_algorithms(spec: Spec) -> dict[str, Any]:
    """Sampler and pruner of a spec whose trials a person judges, where it names none."""
    if spec.preference is None:
        return {}
    is_named = "sampler" in spec.model_fields_set
    sampler = spec.sampler if is_named else SamplerSpec(name="preference")
    return {"sampler": sampler, "pruner": spec.pruner or PrunerSpec(name="none")}


def preference_problems(spec: Spec, filled: Spec | None, trainer: Trainer | None) -> list[str]:
    """What keeps a person from judging the trials.

    Args:
        spec: As read.
        filled: With its defaults; None where other mistakes left that and the trainer unknown.
        trainer: None for a function.
    """
    sampler = (filled or spec).sampler
    if spec.preference is None:
        needs = "must be another one unless preference says how many candidates a person judges"
        return [f"sampler.name: {needs}, got preference"] if sampler.name == "preference" else []
    where = "where a person judges"
    problems = []
    if spec.preference > spec.trials:
        problems.append(f"preference: must be at most trials={spec.trials}, got {spec.preference}")
    is_named = "sampler" in spec.model_fields_set and sampler.name in SAMPLERS
    if is_named and sampler.name not in SAMPLERS_OF_CHOICES:
        able = ", ".join(SAMPLERS_OF_CHOICES[:-1]) + f" or {SAMPLERS_OF_CHOICES[-1]}"
        problems.append(f"sampler.name: must be {able} {where}, got {shown(sampler.name)}")
    if spec.pruner is not None and spec.pruner.name != "none":
        problems.append(f"pruner.name: must be none {where}, got {shown(spec.pruner.name)}")
    for key in _VALUE_RULES:
        if (given := getattr(spec, key)) is not None:
            problems.append(f"{key}: must be null {where}, got {shown(given)}")
    if len(spec.objectives) > 1:
        names = [objective.name for objective in spec.objectives]
        problems.append(f"objectives: must be one figure {where}, got {shown(names)}")
    if filled is not None and not isinstance(trainer, Generative):
        got = "a function" if trainer is None else f"trainer {trainer.name}"
        must = "must be null for what makes no samples that a person could look at"
        problems.append(f"preference: {must}, got {spec.preference} with {got}")
    return problems
