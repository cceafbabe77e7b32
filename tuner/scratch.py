"""Studies in memory for what needs one for a moment; nobody is told of them."""

from __future__ import annotations

from typing import Any

import optuna


def scratch_study(**options: Any) -> optuna.Study:
    """`optuna.create_study(**options)`, without its line on standard error."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(**options)
    finally:
        optuna.logging.set_verbosity(verbosity)
