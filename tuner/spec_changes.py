"""Hides which keys of a spec may change between two launches of a study, and how others differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.wording import shown

CHANGEABLE = frozenset(
    {
        *("study", "storage", "artifacts", "trials", "time_limit_s", "target_value"),
        *("patience_trials", "lanes", "slots", "gpus_per_lane", "cpus_per_lane", "ray_address"),
        *("max_retries", "trial_timeout_s", "checkpoint_every_s", "lease_s", "stop_hopeless"),
        *("samples", "tensorboard", "mlflow"),
    }
)
"""Keys that two launches of one study may give differently."""


def difference(stored: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line per value that differs, such as `space.units.high 128, now 256`.

    Args:
        stored: The plain form of a stored spec.
        new: The plain form of the one that is to go on with it. Keys in `CHANGEABLE` are free.
    """
    fixed = [{k: v for k, v in spec.items() if k not in CHANGEABLE} for spec in (stored, new)]
    return _differences(fixed[0], fixed[1], "")


def _differences(stored: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for key in [*stored, *(key for key in new if key not in stored)]:
        before, now = stored.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _differences(before, now, f"{prefix}{key}.")
        elif before != now or isinstance(before, bool) != isinstance(now, bool):
            found.append(f"{prefix}{key} {_short(before)}, now {_short(now)}")
    return found


def _short(value: object) -> str:
    return "not set" if value is None else value if isinstance(value, str) else shown(value)
