"""How a stretch of a lane's time lies in a row of our table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tuner.stretch import Stretch


def to_row(stretch: Stretch) -> dict[str, Any]:
    """As the table has it: what stacks there were becomes one text."""
    row = asdict(stretch)
    stacks, turns = row.pop("stacks"), row.pop("stack_turns")
    return row | {"stacks_json": json.dumps([stacks, turns])}


def from_row(row: Mapping[str, Any]) -> Stretch:
    """The stretch that `to_row` made the row of."""
    stacks, turns = json.loads(row["stacks_json"])
    columns = {name: value for name, value in row.items() if name not in {"id", "stacks_json"}}
    return Stretch(**columns, stacks=stacks, stack_turns=turns)
