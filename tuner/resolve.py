"""Whether a spec fits its trainer, data and space, found out before anything is written.

What comes back has every default filled in that depends on them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trials import TRAINERS
from trials.contract import Objective, ask_for
from tuner.algorithms import PRUNERS, PRUNERS_OF_SEVERAL, SAMPLERS
from tuner.algorithms.options import option_problems
from tuner.errors import InputError
from tuner.import_strings import import_user_module
from tuner.preference_check import preference_problems, preferred_algorithms
from tuner.spec import (
    DataSpec,
    ObjectiveSpec,
    PrunerSpec,
    Spec,
    import_objective,
    signature_problem,
)
from tuner.wording import shown, unknown

if TYPE_CHECKING:
    from search_spaces import Space
    from trials.contract import Trainer
    from trials.data import Dataset

LARGEST_GRID = 100_000
"""Combinations that are enumerated; a larger grid is never finished and costs only memory."""

_FUNCTION_OBJECTIVE = Objective("value", "minimize")


@dataclass(frozen=True)
class Resolved:
    """A spec that can run, with what it stands for.

    Attributes:
        spec: Every default filled in, but those that depend on the machine.
        space: None for a define-by-run objective.
        objectives: In the order of the study's directions.
        trainer: None for a function.
        data: None for a function.
        objective: None for a trainer.
        fingerprint: Of the data; None for a function.
        notes: What the data were taken for, and what the trainer says of itself, in lines for
            people.
    """

    spec: Spec
    space: Space | None
    objectives: tuple[Objective, ...]
    trainer: Trainer | None = None
    data: Dataset | None = None
    objective: Callable[..., Any] | None = None
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()


def resolve(
    spec: Spec, objective: Callable[..., Any] | None = None, space: Space | None = None
) -> Resolved:
    """What `spec` stands for, if it can run.

    Args:
        spec: As read.
        objective: A function, or a trainer class, given in place of a name.
        space: A space given in place of `spec.space`.

    Raises:
        InputError: Names every mistake.
    """
    problems: list[str] = []
    if (spec.trainer is not None) + (spec.objective is not None) + (objective is not None) != 1:
        words = [name for name in (spec.trainer, spec.objective) if name is not None]
        given = f"got {shown(words)}" if words else f"got neither; trainers: {', '.join(TRAINERS)}"
        raise InputError(f"trainer: must be given, or an objective, and only one, {given}")
    if space is not None and spec.space is not None:
        problems.append("space: must be given once, got a Space and keys in the spec")
    found: Resolved | None
    if spec.trainer is not None or _is_trainer(objective):
        found = _with_trainer(spec, objective, space, problems)
    else:
        found = _with_function(spec, objective, space, problems)
    problems += algorithm_problems(spec, found)
    if problems or found is None:
        raise InputError(problems)
    return found


def algorithm_problems(spec: Spec, found: Resolved | None) -> list[str]:
    """What is wrong with sampler and pruner; without `found`, so far as they tell by themselves."""
    problems: list[str] = []
    _check_sampler(spec, found, problems)
    _check_pruner(spec, found, problems)
    filled, trainer = (None, None) if found is None else (found.spec, found.trainer)
    return problems + preference_problems(spec, filled, trainer)


def load_trainer(name: str) -> type[Trainer]:
    """The trainer class of that name in the table, or of an import string `module:Class`.

    Raises:
        InputError: There is none, or what is there is no trainer.
    """
    entry = TRAINERS.get(name, name)
    module, colon, attribute = entry.partition(":")
    if not colon:
        raise InputError(unknown("trainer", "trainer", name, TRAINERS))
    is_ours = name in TRAINERS
    home = importlib.import_module(module) if is_ours else import_user_module("trainer", module)
    found = getattr(home, attribute, None)
    if found is None:
        raise InputError(f"trainer: {shown(name)} cannot be imported: {module} has no {attribute}")
    if not _is_trainer(found):
        raise InputError(f"trainer: {shown(name)} must be a trainer class, got {shown(found)}")
    return found  # type: ignore[no-any-return]


def _is_trainer(candidate: object) -> bool:
    return hasattr(candidate, "default_epochs") and hasattr(candidate, "cohort")


def _with_trainer(
    spec: Spec, given: Any, given_space: Space | None, problems: list[str]
) -> Resolved | None:
    try:
        trainer_class = given or load_trainer(spec.trainer or "")
    except InputError as error:
        problems += error.problems
        return None
    data_spec = spec.data or DataSpec(name=trainer_class.default_data)
    loaded = _load(spec, data_spec, problems)
    if loaded is None:
        return None
    data, source = loaded
    trainer = _make_trainer(trainer_class, data, problems)
    if trainer is None:
        return None
    space = _override(trainer, given_space, spec, problems)
    objectives = _choose(trainer.objectives, spec.objectives, problems)
    _ask_for(trainer, objectives, problems)
    filled = spec.model_copy(
        update={
            "data": DataSpec(**{**source, "seed": data_spec.seed}),
            "epochs": spec.epochs or trainer_class.default_epochs,
            "value": spec.value or trainer_class.default_value,
            "pruner": spec.pruner
            or PrunerSpec(name=getattr(trainer_class, "default_pruner", "asha")),
            "space": _plain_space(space, trainer.space),
            "objectives": _stored(objectives),
        }
        | preferred_algorithms(spec)
    )
    return Resolved(
        filled,
        space,
        objectives,
        trainer=trainer,
        data=data,
        fingerprint=data.fingerprint,
        notes=(*data.notes, *getattr(trainer, "notes", ())),
    )


def _with_function(
    spec: Spec, given: Callable[..., Any] | None, space: Space | None, problems: list[str]
) -> Resolved | None:
    takes_report = space is not None or spec.space is not None
    if spec.data is not None or spec.target is not None:
        problems.append("data: must be left out for a function, which loads its own")
    function = given
    if given is None:
        try:
            function = import_objective(spec.objective or "", takes_report)
        except InputError as error:
            problems += error.problems
    else:
        name = getattr(given, "__qualname__", type(given).__name__)
        problem = signature_problem(given, name, takes_report)
        problems += [problem] if problem else []
    if space is None and spec.space is not None:
        space = _space_from(spec.space, problems)
        if space is None:
            return None
    objectives = tuple(
        Objective(wanted.name, wanted.direction or "minimize") for wanted in spec.objectives
    ) or (_FUNCTION_OBJECTIVE,)
    filled = spec.model_copy(
        update={
            "value": spec.value or "last",
            "pruner": spec.pruner or PrunerSpec(name="median" if len(objectives) == 1 else "none"),
            "space": None if space is None else space.to_plain(),
            "objectives": _stored(objectives),
        }
    )
    return Resolved(filled, space, objectives, objective=function)


def _load(
    spec: Spec, data_spec: DataSpec, problems: list[str]
) -> tuple[Dataset, dict[str, Any]] | None:
    """The data, and their source with absolute paths."""
    from trials import data as data_module

    source = data_spec.name or data_spec.source
    try:
        absolute = data_module.resolve(source, spec.target)
        loaded = data_module.load(
            absolute, task=spec.task, target=spec.target, seed=spec.split_seed
        )
    except data_module.DataError as error:
        problems += error.problems
        return None
    plain = {"name": absolute} if isinstance(absolute, str) else dict(absolute)
    plain.pop("target", None)
    return loaded, plain


def _make_trainer(
    trainer_class: type[Trainer], data: Dataset, problems: list[str]
) -> Trainer | None:
    from trials.data import DataError

    build: Callable[..., Trainer] = trainer_class
    try:
        return build(data, device="cpu")
    except DataError as error:
        problems += error.problems
        return None


def _override(trainer: Trainer, given: Space | None, spec: Spec, problems: list[str]) -> Space:
    """The trainer's space with the axes that were asked for; the ready one if they are wrong."""
    from search_spaces import Categorical, SpaceError

    changes = given.to_plain() if given is not None else spec.space
    if not changes:
        return trainer.space
    domain = trainer.domain
    words = {n: axis.choices for n, axis in domain.items() if isinstance(axis, Categorical)}
    completed = _completed(changes, trainer.space.to_plain())
    strays = _strays(completed, domain)
    problems += [problem for found in strays.values() for problem in found]
    rest = {name: plain for name, plain in completed.items() if name not in strays}
    try:
        return trainer.space.override(rest, closed=False, choices=words)
    except SpaceError as error:
        problems += error.problems
        return trainer.space


def _strays(changes: Mapping[str, Any], domain: Space) -> dict[str, list[str]]:
    """Axis -> what of it is beyond a trainer's axes and values, of axes that can be read."""
    from search_spaces import Space, SpaceError
    from search_spaces.domains import outside

    strays = {}
    for name, plain in changes.items():
        free = plain
        if isinstance(plain, Mapping):
            free = {key: value for key, value in plain.items() if key != "when"}
        try:
            found = outside(Space.from_plain({name: free}), domain, "space")
        except SpaceError:
            continue  # the override says what is wrong with it
        if found:
            strays[name] = found
    return strays


def _plain_space(space: Space, ready: Space) -> dict[str, Any]:
    """`space` so that it gives itself again when it is put over `ready`."""
    plain = space.to_plain()
    for name, axis in space.items():
        if name in ready and ready[name].conditions and not axis.conditions:
            own = plain[name]
            own = own if isinstance(own, Mapping) else {"type": "constant", "value": own}
            plain[name] = {**own, "when": None}
    return plain


def _completed(changes: Mapping[str, Any], ready: Mapping[str, Any]) -> dict[str, Any]:
    """`changes`, in which an axis without a type keeps what it does not name of the ready one."""
    completed = dict(changes)
    for name, axis in changes.items():
        own = ready.get(name)
        if isinstance(axis, Mapping) and "type" not in axis and isinstance(own, Mapping):
            completed[name] = {**own, **axis}
    return completed


def _space_from(plain: dict[str, Any], problems: list[str]) -> Space | None:
    from search_spaces import Space, SpaceError

    try:
        return Space.from_plain(plain)
    except SpaceError as error:
        problems += error.problems
        return None


def _choose(
    offered: Sequence[Objective], wanted: Sequence[ObjectiveSpec], problems: list[str]
) -> tuple[Objective, ...]:
    """The wanted ones of a trainer's objectives; its first by default."""
    by_name = {objective.name: objective for objective in offered}
    chosen = []
    for index, entry in enumerate(wanted):
        own = by_name.get(entry.name)
        if own is None:
            problems.append(unknown(f"objectives[{index}]", "objective", entry.name, by_name))
            continue
        chosen.append(replace(own, direction=entry.direction or own.direction))
    return tuple(chosen) or tuple(offered[:1])


def _ask_for(trainer: Trainer, objectives: Sequence[Objective], problems: list[str]) -> None:
    from trials.data import DataError

    try:
        ask_for(trainer, objectives)
    except DataError as error:
        problems += error.problems


def _stored(objectives: Sequence[Objective]) -> tuple[ObjectiveSpec, ...]:
    return tuple(ObjectiveSpec(name=o.name, direction=o.direction) for o in objectives)


def _check_sampler(spec: Spec, found: Resolved | None, problems: list[str]) -> None:
    entry = SAMPLERS.get(spec.sampler.name)
    if entry is None:
        problems.append(unknown("sampler.name", "sampler", spec.sampler.name, SAMPLERS))
        return
    options = spec.sampler.options
    problems += option_problems("sampler", entry, options)
    if options.get("group") and options.get("multivariate") is False:
        problems.append("sampler.group: must be false where multivariate is, got true")
    if spec.sampler.name != "grid" or found is None:
        return
    if found.space is None:
        problems.append("sampler.name: grid must have a space, got a define-by-run objective")
        return
    from search_spaces import SpaceError

    try:
        size = found.space.grid_size()
    except SpaceError as error:
        problems += error.problems
        return
    if size > LARGEST_GRID:
        problems.append(
            f"space: must have at most {LARGEST_GRID} combinations for sampler grid, got {size}"
        )


def _check_pruner(spec: Spec, found: Resolved | None, problems: list[str]) -> None:
    if spec.pruner is not None:
        entry = PRUNERS.get(spec.pruner.name)
        if entry is None:
            problems.append(unknown("pruner.name", "pruner", spec.pruner.name, PRUNERS))
            return
        problems += option_problems("pruner", entry, spec.pruner.options)
    if found is None or found.spec.pruner is None or found.spec.pruner.name == "none":
        return
    name = found.spec.pruner.name
    able = ("none",) if found.trainer is None else PRUNERS_OF_SEVERAL
    if len(found.objectives) > 1 and name not in able:
        words = " or ".join(able)
        problems.append(f"pruner.name: must be {words} with several objectives, got {shown(name)}")
    first = found.spec.pruner.options.get("min_resource", 1)
    epochs = found.spec.epochs
    if name == "hyperband" and epochs is None:
        problems.append("epochs: must be given with pruner hyperband, got null")
    if epochs is not None and isinstance(first, int) and first > epochs:
        problems.append(f"pruner.min_resource: must be at most epochs={epochs}, got {first}")
