"""Hides how a study is shown: an HTML report and Plotly figures from plain records.

Importing this package loads neither Plotly nor Optuna; drawing does.
"""

from tuner.report.data import StudyRecord, TrialRecord, frozen_trials, optuna_study
from tuner.report.html import write_report
from tuner.report.notebook import summary
from tuner.report.plots import Plots

__all__ = [
    "Plots",
    "StudyRecord",
    "TrialRecord",
    "frozen_trials",
    "optuna_study",
    "summary",
    "write_report",
]
