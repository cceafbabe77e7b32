"""What a study is asked to be: one validated value, from YAML, options or keyword arguments.

Importing this module imports neither torch nor Optuna, so that `tuner --help` stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_serializer

from search_spaces.plain_yaml import YamlError, load_yaml
from tuner.checks import (
    axes,
    choice,
    columns,
    data_source,
    database_url,
    flag,
    listed,
    named,
    number,
    share,
    study_name,
    text,
    whole,
)
from tuner.credentials import behind_user, without_user
from tuner.errors import InputError
from tuner.import_strings import import_objective, signature_problem
from tuner.seeds import derive
from tuner.spec_changes import CHANGEABLE, difference
from tuner.wording import shown, unknown
from tuner.yaml_lines import with_lines

__all__ = [
    "CHANGEABLE",
    "DEFAULT_STORAGE",
    "DataSpec",
    "ObjectiveSpec",
    "PrunerSpec",
    "SamplerSpec",
    "Spec",
    "SpecError",
    "difference",
    "import_objective",
    "read_spec",
    "signature_problem",
    "spec_from_mapping",
    "with_lines",
]

DEFAULT_STORAGE = "sqlite:///tuner.db"
SEED_END = 2**63

_TEXT_KEYS = frozenset(
    {
        *("study", "trainer", "objective", "data", "target", "task", "value"),
        *("ray_address", "artifacts", "tensorboard", "mlflow", "storage"),
    }
)
_IMPORT_REFUSED = (
    "must not be an import string in a file, since importing is executing; "
    "give it on the command line or from Python"
)

Task = Literal["auto", "classification", "regression", "density"]
Seed = Annotated[int, BeforeValidator(whole(0, SEED_END))]
OptionalSeed = Annotated[int | None, BeforeValidator(whole(0, SEED_END, null=True))]
OptionalText = Annotated[str | None, BeforeValidator(text(null=True))]
OptionalCount = Annotated[int | None, BeforeValidator(whole(1, null=True))]
OptionalSeconds = Annotated[float | None, BeforeValidator(number(above=0, null=True))]
Seconds = Annotated[float, BeforeValidator(number(above=0))]
AutoCount = Annotated[int | Literal["auto"], BeforeValidator(whole(1, auto=True))]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(_Part):
    """Which data: a name of the table, a file, or a directory of IDX files; and how it is split.

    Attributes:
        time: The column of times that makes the rows of a file a series.
        window: Rows of a series that are to be seen.
        horizon: Rows of a series to look ahead.
        drop: Columns of a file that are left out.
        seed: Of the split; None derives it from the study's seed.
    """

    name: OptionalText = None
    file: OptionalText = None
    idx: OptionalText = None
    time: OptionalText = None
    window: OptionalCount = None
    horizon: OptionalCount = None
    drop: Annotated[tuple[str, ...] | None, BeforeValidator(columns)] = None
    seed: OptionalSeed = None

    @property
    def source(self) -> dict[str, Any]:
        """The keys that say what the data is, with their values; the seed is left out."""
        return {key: value for key, value in self if value is not None and key != "seed"}

    @property
    def label(self) -> str:
        """A short word for it, of which the names of studies are made."""
        return self.name or Path(self.file or self.idx or "data").stem

    @model_serializer
    def _plain(self) -> dict[str, Any]:
        return {key: value for key, value in self if value is not None}


class ObjectiveSpec(_Part):
    """A figure to optimise; without a direction it is the trainer's own (or `minimize`)."""

    name: Annotated[str, BeforeValidator(text())]
    direction: Annotated[
        Literal["minimize", "maximize"] | None,
        BeforeValidator(choice("minimize", "maximize", null=True)),
    ] = None


class SamplerSpec(_Part):
    """Who proposes parameters; `options` are checked against its table when a spec is resolved."""

    name: Annotated[str, BeforeValidator(text())]
    seed: OptionalSeed = None
    options: dict[str, Any] = {}

    @model_serializer
    def _plain(self) -> dict[str, Any]:
        seed = {} if self.seed is None else {"seed": self.seed}
        return {"name": self.name, **seed, **self.options}


class PrunerSpec(_Part):
    """Who stops trials early; `options` are checked against its table when a spec is resolved."""

    name: Annotated[str, BeforeValidator(text())]
    options: dict[str, Any] = {}

    @model_serializer
    def _plain(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


class Spec(_Part):
    """One study as asked for. The keys, their meaning and defaults are those of a spec file.

    `None` stands for a default that depends on the trainer until `tuner.resolve` fills it in.
    """

    study: Annotated[str | None, BeforeValidator(study_name)] = None
    trainer: OptionalText = None
    objective: OptionalText = None
    data: Annotated[DataSpec | None, BeforeValidator(data_source)] = None
    target: OptionalText = None
    task: Annotated[Task, BeforeValidator(choice(*get_args(Task)))] = "auto"
    epochs: OptionalCount = None
    trials: Annotated[int, BeforeValidator(whole(1, 2**31))] = 100
    time_limit_s: OptionalSeconds = None
    target_value: Annotated[float | None, BeforeValidator(number(null=True))] = None
    patience_trials: OptionalCount = None
    space: Annotated[dict[str, Any] | None, BeforeValidator(axes)] = None
    objectives: Annotated[tuple[ObjectiveSpec, ...], BeforeValidator(listed)] = ()
    preference: Annotated[int | None, BeforeValidator(whole(2, 17, null=True))] = None
    value: Annotated[
        Literal["last", "best"] | None, BeforeValidator(choice("last", "best", null=True))
    ] = None
    seed: Seed = 0
    sampler: Annotated[SamplerSpec, BeforeValidator(named("seed"))] = SamplerSpec(name="tpe")
    pruner: Annotated[PrunerSpec | None, BeforeValidator(named(null=True))] = None
    lanes: AutoCount = "auto"
    slots: AutoCount = "auto"
    gpus_per_lane: Annotated[float | Literal["auto"], BeforeValidator(share)] = "auto"
    cpus_per_lane: Seconds = 1.0
    ray_address: OptionalText = None
    max_retries: Annotated[int, BeforeValidator(whole(0))] = 2
    trial_timeout_s: OptionalSeconds = None
    stop_hopeless: Annotated[bool, BeforeValidator(flag)] = True
    checkpoint_every_s: Seconds = 30.0
    lease_s: Seconds = 30.0
    samples: Annotated[bool, BeforeValidator(flag)] = True
    artifacts: OptionalText = None
    tensorboard: OptionalText = None
    mlflow: OptionalText = None
    storage: Annotated[str, BeforeValidator(database_url)] = DEFAULT_STORAGE

    @property
    def sampler_seed(self) -> int:
        """What the sampler's randomness derives from."""
        return derive(self.seed, "sampler") if self.sampler.seed is None else self.sampler.seed

    @property
    def split_seed(self) -> int:
        """What the split into training, validation and test part derives from."""
        own = self.data.seed if self.data else None
        return derive(self.seed, "split") if own is None else own

    def to_plain(self) -> dict[str, Any]:
        """What JSON can hold, and `spec_from_mapping` turns back into this spec.

        The storage is left out: its URL may hold a password, and a study is stored where it is.
        So is the user, with a password, of an MLflow server.
        """
        plain = self.model_dump(mode="json", exclude={"storage"})
        plain["mlflow"] = self.mlflow and without_user(self.mlflow)
        return plain


class SpecError(InputError):
    """Mistakes in keys of a spec.

    Attributes:
        wrong: Top keys whose values cannot be used.
        rest: The spec without them.
    """

    def __init__(
        self, problems: Iterable[str], plain: Mapping[str, Any], wrong: Iterable[str]
    ) -> None:
        super().__init__(problems)
        self.wrong = frozenset(wrong)
        self._usable = {key: value for key, value in plain.items() if key not in self.wrong}

    @property
    def rest(self) -> Spec:
        """Valid, since keys are checked one by one."""
        return spec_from_mapping(self._usable)


def spec_from_mapping(mapping: Mapping[str, Any]) -> Spec:
    """The spec that a plain mapping describes, keys as in a spec file.

    Raises:
        SpecError: Names every mistake by its path.
    """
    plain = dict(mapping)
    problems = _pull_target(plain)
    wrong = {"target"} if problems else set()
    try:
        spec = Spec.model_validate(plain)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems += [_sentence(details) for details in found]
        wrong |= {str(details["loc"][0]) for details in found}
    if problems:
        raise SpecError(problems, plain, wrong)
    return spec


def read_spec(
    path: Path | None,
    options: Mapping[str, object] | None = None,
    sets: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Spec:
    """The spec of a file and the options given beside it.

    Args:
        path: A YAML file, or None.
        options: Values by key; they override the file. None means not given; text is read as
            YAML where the key holds no text.
        sets: `path=value` each, for anything nested; the value is YAML. They override the options.
        environment: Where `TUNER_STORAGE` is looked up; it overrides only the default.

    Raises:
        InputError: The file cannot be read.
        SpecError: Names every mistake, those of the file with its line.
    """
    plain = _read_file(path) if path else {}
    refused = set(_imports_in_file(plain))
    problems = [f"{key}: {_IMPORT_REFUSED}" for key in sorted(refused)]
    plain.setdefault("storage", environment.get("TUNER_STORAGE") or DEFAULT_STORAGE)
    given = {key: value for key, value in (options or {}).items() if value is not None}
    overridden = set(given)
    for key, value in given.items():
        is_yaml = isinstance(value, str) and key not in _TEXT_KEYS
        plain[key] = _yaml(str(value), f"--{key.replace('_', '-')}", problems) if is_yaml else value
    if "target" in given and isinstance(plain.get("data"), Mapping):
        plain["data"] = {key: value for key, value in plain["data"].items() if key != "target"}
    for entry in sets:
        overridden.add(_apply_set(plain, entry, problems))
    try:
        spec = spec_from_mapping(plain)
    except SpecError as error:
        problems += error.problems
        refused |= error.wrong
    if problems:
        raise SpecError(with_lines(problems, path, overridden), plain, refused)
    return spec


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: must be UTF-8 text, got byte {error.start} that is not"
        ) from error
    except YamlError as error:
        raise InputError(str(error)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys with values, got {shown(content)}")
    return content


def _imports_in_file(plain: Mapping[str, Any]) -> Iterable[str]:
    if plain.get("objective") is not None:
        yield "objective"
    if ":" in str(plain.get("trainer", "")):
        yield "trainer"


def _yaml(value: str, name: str, problems: list[str]) -> Any:
    try:
        return load_yaml(value, name)
    except YamlError as error:
        problems.append(str(error))
        return value


def _apply_set(plain: dict[str, Any], entry: str, problems: list[str]) -> str:
    """Sets the value of `a.b=value` in `plain` and returns the top key."""
    path, equals, value = entry.partition("=")
    *parents, last = path.strip().split(".")
    top = (parents or [last])[0]
    if not equals or not all([*parents, last]):
        problems.append(f"--set: must be path=value, got {shown(entry)}")
        return top
    inner = plain
    for step in parents:
        below = inner.get(step)
        if isinstance(below, str):
            below = data_source(below) if step == "data" else {"name": below}
        elif below is not None and not isinstance(below, dict):
            problems.append(f"--set {path}: {step} must hold keys, got {shown(below)}")
            return top
        inner[step] = dict(below or {})
        inner = inner[step]
    inner[last] = _yaml(value, f"--set {path}", problems)
    return top


def _pull_target(plain: dict[str, Any]) -> list[str]:
    """Moves `data.target` to `target`, where the spec has it; a line if both differ."""
    data = plain.get("data")
    if not isinstance(data, Mapping) or "target" not in data:
        return []
    inner = data["target"]
    plain["data"] = {key: value for key, value in data.items() if key != "target"}
    outer = plain.setdefault("target", inner)
    if outer is None:
        plain["target"] = inner
    elif outer != inner:
        return [f"target: must be the same as data.target {shown(inner)}, got {shown(outer)}"]
    return []


def _sentence(error: Mapping[str, Any]) -> str:
    where = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in error["loc"])
    where = where.removeprefix(".")
    if error["type"] == "extra_forbidden":
        key = error["loc"][-1]
        known = _KEYS.get(error["loc"][0], ()) if len(error["loc"]) > 1 else Spec.model_fields
        return unknown(where, "key", key, tuple(known))
    if error["type"] == "missing":
        return f"{where}: must be given"
    cause, given = error.get("ctx", {}).get("error"), error["input"]
    got = shown(behind_user(given) if where == "storage" and isinstance(given, str) else given)
    if isinstance(cause, ValueError):
        holds, *hint = cause.args
        end = f"; {hint[0]}" if hint else ""
        return f"{where}: {holds}, got {got}{end}"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {got}"


_KEYS: dict[int | str, tuple[str, ...]] = {
    "data": (*DataSpec.model_fields, "target"),
    "objectives": tuple(ObjectiveSpec.model_fields),
}
