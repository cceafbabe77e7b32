"""Hides how trials are spelled in rows of Optuna's tables, and how rows are read back as trials."""

from __future__ import annotations

import copy
import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, String, Table, select, type_coerce

from tuner.errors import InputError
from tuner.storage.tables import NAME_LENGTH, OptunaSchema

Row = dict[str, Any]

_NON_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_PLAIN = (str, int, float, bool, type(None))
_INT32 = 2**31


def storable(text: str) -> str:
    """`text` as every database takes it: NUL and what is no Unicode are spelled out."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def trial_id_of(trial: FrozenTrial) -> int:
    """The trial's key. Optuna's storages and samplers read it from this private name too."""
    return trial._trial_id


def new_trial(
    trial_id: int, number: int, template: FrozenTrial | None, now: datetime
) -> FrozenTrial:
    """A RUNNING trial, or a copy of `template`, under the given key and number."""
    if template is None:
        return FrozenTrial(
            number, TrialState.RUNNING, None, now, None, {}, {}, {}, {}, {}, trial_id
        )
    return FrozenTrial(
        number,
        template.state,
        None,
        _local(template.datetime_start),
        _local(template.datetime_complete),
        dict(template.params),
        dict(template.distributions),
        json.loads(json.dumps(template.user_attrs)),
        json.loads(json.dumps(template.system_attrs)),
        dict(template.intermediate_values),
        trial_id,
        values=None if template.values is None else list(template.values),
    )


def revise(trial: FrozenTrial) -> FrozenTrial:
    """A shallow copy to change by replacing its attributes; five times faster than `copy`."""
    twin = FrozenTrial.__new__(FrozenTrial)
    twin.__dict__.update(trial.__dict__)
    return twin


def copy_trial(trial: FrozenTrial) -> FrozenTrial:
    """A copy that the caller may change; distributions are shared, since nobody changes them."""
    twin = revise(trial)
    twin.params = dict(trial.params)
    twin.distributions = dict(trial.distributions)
    twin.user_attrs = copy.deepcopy(trial.user_attrs)
    twin.system_attrs = copy.deepcopy(trial.system_attrs)
    twin.intermediate_values = dict(trial.intermediate_values)
    twin.values = None if trial.values is None else list(trial.values)
    return twin


def with_state(
    trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
) -> FrozenTrial:
    """The trial in another state from now on, with these values if it has any."""
    changed = revise(trial)
    changed.state = state
    if values is not None:
        changed.values = [float(value) for value in values]
    if state == TrialState.RUNNING:
        changed.datetime_start = datetime.now()
    if state.is_finished():
        # A clock that was set back gives no negative duration.
        changed.datetime_complete = max(datetime.now(), trial.datetime_start or datetime.min)
    return changed


def check_name(where: str, name: str) -> str:
    """`name`, which every database can hold.

    Raises:
        InputError: It is too long, or has a character that SQL text cannot hold.
    """
    if len(name) > NAME_LENGTH:
        raise InputError(f"{where}: must have at most {NAME_LENGTH} characters, got {len(name)}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{where}: must be valid Unicode, got {name!a}") from None
    if "\x00" in name:
        raise InputError(f"{where}: must not contain the character NUL, got {name!a}")
    return name


def check_template(template: FrozenTrial) -> None:
    """Every name in the template is one that the database can hold; raises InputError."""
    for name in template.params:
        check_name("parameter", name)
    for key in (*template.user_attrs, *template.system_attrs):
        check_name("attribute", key)


def check_step(step: int, dialect: str) -> int:
    """`step` as a plain integer that the column of this database holds.

    Raises:
        InputError: It is out of range.
    """
    limit = 2**63 if dialect == "sqlite" else _INT32
    if not -limit <= step < limit:
        raise InputError(f"report: step must be between {-limit} and {limit - 1}, got {step}")
    return int(step)


def encode_attribute(value: Any) -> tuple[str, Any]:
    """The JSON text of an attribute, and the value as it will be read from that text."""
    text = json.dumps(value)
    return text, value if type(value) in _PLAIN else json.loads(text)


def encode_time(value: datetime | None) -> datetime | None:
    """Local time as Optuna stores it: UTC without a zone."""
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def encode_value(value: float) -> tuple[float | None, str]:
    """What the pair of columns for a number holds: the number if it is finite, and its kind."""
    if math.isfinite(value):
        return float(value), "FINITE"
    if math.isnan(value):
        return None, "NAN"
    return None, "INF_POS" if value > 0 else "INF_NEG"


def decode_value(value: float | None, kind: str) -> float:
    """The inverse of `encode_value`."""
    if kind != "FINITE":
        return _NON_FINITE[kind]
    assert value is not None
    return value


def param_row(trial_id: int, name: str, value: float, distribution: BaseDistribution) -> Row:
    """A row of `trial_params`; `value` is the internal representation."""
    return {
        "trial_id": trial_id,
        "param_name": name,
        "param_value": float(value),
        "distribution_json": _to_json(distribution),
    }


def _to_json(distribution: BaseDistribution) -> str:
    known = _texts.get(id(distribution))
    if known is not None and known[0] is distribution:
        return known[1]
    if len(_texts) >= _MOST_TEXTS:
        _texts.clear()
    # Choices are not told apart by equality: 1 equals True.
    is_range = not isinstance(distribution, CategoricalDistribution)
    text = _range_to_json(distribution) if is_range else distribution_to_json(distribution)
    _texts[id(distribution)] = distribution, text
    return text


_texts: dict[int, tuple[BaseDistribution, str]] = {}
"""Distributions with their JSON; as long as one is in here, nothing else has its identity."""

_MOST_TEXTS = 1024


@functools.lru_cache(maxsize=1024)
def _range_to_json(distribution: BaseDistribution) -> str:
    return distribution_to_json(distribution)


def value_row(trial_id: int, objective: int, value: float) -> Row:
    """A row of `trial_values`."""
    number, kind = encode_value(value)
    return {"trial_id": trial_id, "objective": objective, "value": number, "value_type": kind}


def intermediate_row(trial_id: int, step: int, value: float) -> Row:
    """A row of `trial_intermediate_values`."""
    number, kind = encode_value(value)
    return {
        "trial_id": trial_id,
        "step": step,
        "intermediate_value": number,
        "intermediate_value_type": kind,
    }


def template_rows(
    tables: OptunaSchema, trial_id: int, template: FrozenTrial
) -> Iterable[tuple[Table, Row]]:
    """Every row below the trial's own that stores what `template` holds."""
    for name, value in template.params.items():
        distribution = template.distributions[name]
        internal = distribution.to_internal_repr(value)
        yield tables.trial_params, param_row(trial_id, name, internal, distribution)
    for objective, value in enumerate(template.values or ()):
        yield tables.trial_values, value_row(trial_id, objective, value)
    for step, value in template.intermediate_values.items():
        yield tables.trial_intermediate_values, intermediate_row(trial_id, step, value)
    for key, value in template.user_attrs.items():
        yield tables.trial_user_attributes, attribute_row(trial_id, key, json.dumps(value))
    for key, value in template.system_attrs.items():
        yield tables.trial_system_attributes, attribute_row(trial_id, key, json.dumps(value))


def attribute_row(trial_id: int, key: str, text: str) -> Row:
    """A row of a table of trial attributes."""
    return {"trial_id": trial_id, "key": key, "value_json": text}


def read_trials(
    connection: Connection, tables: OptunaSchema, which: ColumnElement[bool]
) -> list[FrozenTrial]:
    """The trials whose row fulfils `which`, in order of their keys, in seven statements."""
    trials = tables.trials
    rows = connection.execute(select(trials).where(which).order_by(trials.c.trial_id)).all()
    if not rows:
        return []
    chosen = select(trials.c.trial_id).where(which)

    def below(table: Table, order: str) -> Mapping[int, list[Any]]:
        found: dict[int, list[Any]] = defaultdict(list)
        statement = select(table).where(table.c.trial_id.in_(chosen)).order_by(table.c[order])
        for row in connection.execute(statement).all():
            found[row.trial_id].append(row)
        return found

    params = below(tables.trial_params, "param_id")
    values = below(tables.trial_values, "objective")
    steps = _read_steps(connection, tables.trial_intermediate_values, chosen)
    user = below(tables.trial_user_attributes, "trial_user_attribute_id")
    system = below(tables.trial_system_attributes, "trial_system_attribute_id")
    return [
        _trial(
            row,
            params[row.trial_id],
            values[row.trial_id],
            steps[row.trial_id],
            user[row.trial_id],
            system[row.trial_id],
        )
        for row in rows
    ]


def _read_steps(
    connection: Connection, table: Table, chosen: Select[tuple[int]]
) -> Mapping[int, dict[int, float]]:
    """Step -> value of each chosen trial; most rows of a study are of this kind."""
    columns = table.c
    kind = type_coerce(columns.intermediate_value_type, String)
    statement = (
        select(columns.trial_id, columns.step, columns.intermediate_value, kind)
        .where(columns.trial_id.in_(chosen))
        .order_by(columns.trial_id, columns.step)
    )
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for trial_id, step, value, name in connection.execute(statement).all():
        found[trial_id][step] = decode_value(value, name)
    return found


def _trial(
    row: Any,
    params: Sequence[Any],
    values: Sequence[Any],
    steps: dict[int, float],
    user: Sequence[Any],
    system: Sequence[Any],
) -> FrozenTrial:
    distributions = {p.param_name: _distribution(p.distribution_json) for p in params}
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[decode_value(v.value, v.value_type.name) for v in values] or None,
        datetime_start=_from_utc(row.datetime_start),
        datetime_complete=_from_utc(row.datetime_complete),
        params={
            p.param_name: distributions[p.param_name].to_external_repr(p.param_value)
            for p in params
        },
        distributions=distributions,
        user_attrs={a.key: json.loads(a.value_json) for a in user},
        system_attrs={a.key: json.loads(a.value_json) for a in system},
        intermediate_values=steps,
        trial_id=row.trial_id,
    )


def read_directions(
    connection: Connection, tables: OptunaSchema, which: ColumnElement[bool]
) -> dict[int, list[StudyDirection]]:
    """Directions by study, in order of the objectives."""
    table = tables.study_directions
    found: dict[int, list[StudyDirection]] = defaultdict(list)
    for row in connection.execute(select(table).where(which).order_by(table.c.objective)):
        found[row.study_id].append(row.direction)
    return found


def read_attributes(
    connection: Connection, table: Table, which: ColumnElement[bool]
) -> dict[int, dict[str, Any]]:
    """Attributes by study, from one of the two tables of study attributes."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in connection.execute(select(table).where(which)):
        found[row.study_id][row.key] = json.loads(row.value_json)
    return found


@functools.lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    return json_to_distribution(text)


def _local(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is None:
        return value
    return value.astimezone().replace(tzinfo=None)


def _from_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
