"""The vectorised logarithm of the normal distribution that TPE uses."""

from __future__ import annotations

import numpy as np
from optuna.samplers._tpe import _truncnorm

from tuner.algorithms import truncated_normal


def test_it_is_optunas_to_rounding(monkeypatch):
    """From the far left tail to the far right, both give the same logarithm."""
    x = np.concatenate([np.linspace(-300, -20, 200), np.linspace(-20, 40, 500)])
    expected = np.array([_truncnorm._log_ndtr_single(float(a)) for a in x])
    monkeypatch.setattr(_truncnorm, "_log_ndtr", None)
    truncated_normal.vectorise()
    np.testing.assert_allclose(_truncnorm._log_ndtr(x), expected, rtol=1e-12, atol=1e-15)
