"""Hides where a study's records come from behind one method per figure, for notebooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuner.report.facts import UndrawableError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from tuner.report.data import StudyRecord
    from tuner.report.drawing import Drawing
    from tuner.report.parameter_data import Evaluator


class Plots:
    """Figures of one study, each drawn from the study as it is at the call.

    A figure that cannot be drawn is an empty one that says why.

    Args:
        record_source: Returns the study's records; called once per figure.
    """

    def __init__(self, record_source: Callable[[], StudyRecord]) -> None:
        self._record_source = record_source

    def history(self, objective: int = 0) -> Figure:
        """Values by trial number with the best so far."""
        from tuner.report import figures

        return self._figure(lambda study: figures.history(study, objective))

    def curves(self, metric: str | None = None, objective: int = 0) -> Figure:
        """Learning curves of the objective, or of another metric by name."""
        from tuner.report import figures

        return self._figure(lambda study: figures.curves(study, metric, objective))

    def importance(self, evaluator: Evaluator = "ped_anova") -> Figure:
        """Importance of the parameters, by `ped_anova` or `fanova`."""
        from tuner.report import parameter_figures

        return self._figure(lambda study: parameter_figures.importance(study, evaluator))

    def parallel(self, objective: int = 0) -> Figure:
        """Complete trials as lines over the parameters."""
        from tuner.report import parameter_figures

        return self._figure(lambda study: parameter_figures.parallel(study, objective))

    def slices(self, objective: int = 0) -> Figure:
        """The value against each parameter."""
        from tuner.report import parameter_figures

        return self._figure(lambda study: parameter_figures.slices(study, objective))

    def timeline(self) -> Figure:
        """Trials in time, by lane."""
        from tuner.report import figures

        return self._figure(figures.timeline)

    def lanes(self) -> Figure:
        """Rows in training over time, by lane."""
        from tuner.report import lane_figures

        return self._figure(lane_figures.fills)

    def time_use(self) -> Figure:
        """Where the time of each lane went."""
        from tuner.report import lane_figures

        return self._figure(lane_figures.time_use)

    def stacks(self) -> Figure:
        """What separated rows from each other."""
        from tuner.report import lane_figures

        return self._figure(lane_figures.stacks)

    def pareto(self) -> Figure:
        """Two objectives against each other with the Pareto front."""
        from tuner.report import figures

        return self._figure(figures.pareto)

    def _figure(self, draw: Callable[[StudyRecord], Drawing]) -> Figure:
        from tuner.report import drawing

        try:
            return draw(self._record_source()).titled()
        except UndrawableError as reason:
            return drawing.empty(str(reason))
