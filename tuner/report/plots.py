"""Hides where a study's records come from behind one method per figure, for notebooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_spaces import errors
from tuner.errors import InputError
from tuner.report.facts import UndrawableError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from tuner.report.data import StudyRecord
    from tuner.report.drawing import Drawing
    from tuner.report.importance_data import Evaluator


class Plots:
    """Figures of one study, each drawn from the study as it is at the call.

    A figure that cannot be drawn is an empty one that says why.

    Args:
        record_source: Returns the study's records; called once per figure.
        n_letters: Letters on a line of a caption; None for those of a wide page.
    """

    def __init__(
        self, record_source: Callable[[], StudyRecord], n_letters: int | None = None
    ) -> None:
        self._record_source = record_source
        self._n_letters = n_letters

    def history(self, objective: int = 0) -> Figure:
        """Values by trial number with the best so far."""
        from tuner.report import figures

        return self._figure(lambda study: figures.history(study, objective))

    def curves(self, metric: str | None = None, objective: int = 0) -> Figure:
        """Learning curves of the objective, or of another metric by name."""
        from tuner.report import figures

        return self._figure(lambda study: figures.curves(study, metric, objective))

    def importance(
        self, evaluator: Evaluator = "ped_anova", objective: int | None = None
    ) -> Figure:
        """Importance of the parameters, by `ped_anova` or `fanova`, for one objective or all."""
        from tuner.report import parameter_figures

        return self._figure(lambda study: parameter_figures.importance(study, evaluator, objective))

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
        from tuner.report import front_figures

        return self._figure(front_figures.pareto)

    def hypervolume(self) -> Figure:
        """How much the Pareto front commands, by trial."""
        from tuner.report import front_figures

        return self._figure(front_figures.volumes)

    def contours(self, objective: int = 0) -> Figure:
        """The smoothed rank over pairs of the most important parameters."""
        from tuner.report import pair_figures

        return self._figure(lambda study: pair_figures.contours(study, objective))

    def ranks(self, objective: int = 0) -> Figure:
        """The rank of every trial over pairs of the most important parameters."""
        from tuner.report import pair_figures

        return self._figure(lambda study: pair_figures.ranks(study, objective))

    def distribution(self, objective: int = 0) -> Figure:
        """The share of complete trials at or below each value."""
        from tuner.report import spread_figures

        return self._figure(lambda study: spread_figures.distribution([study], objective))

    def space(self) -> Figure:
        """The space as given, as searched, and where the best trials lie."""
        from tuner.report import space_figures

        return self._figure(space_figures.ranges)

    def save(self, name: str, path: str | Path, *arguments: Any) -> Path:
        """The path of a PNG or SVG file of one figure.

        Args:
            name: Of a figure, such as `history`.
            path: Where to write, ending in .png or .svg.
            arguments: Of the figure's method.

        Raises:
            InputError: No such figure, another ending, or no Chromium to draw it.
            OSError: The file cannot be written.
        """
        from tuner.report.images import write_image

        if name not in figure_names():
            raise InputError(f"figure: {errors.unknown('figure', name, sorted(figure_names()))}")
        return write_image(getattr(self, name)(*arguments), path)

    def _figure(self, draw: Callable[[StudyRecord], Drawing]) -> Figure:
        from tuner.report import drawing

        try:
            drawn = draw(self._record_source())
            return drawn.titled(self._n_letters or drawing.CAPTION_LETTERS)
        except UndrawableError as reason:
            return drawing.empty(str(reason))


def figure_names() -> list[str]:
    """The names of the figures that a study has."""
    return [name for name in vars(Plots) if not name.startswith("_") and name != "save"]
