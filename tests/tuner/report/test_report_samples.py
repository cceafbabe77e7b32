"""What generators made, drawn with a slider over the epochs."""

from __future__ import annotations

import numpy as np

from tuner.report import StudyRecord, sample_figures


def test_a_step_of_the_slider_shows_its_own_points(gan: StudyRecord) -> None:
    """Real points are always there; of the frames each step shows one, the last at first."""
    series = gan.samples[0]
    drawing = sample_figures.samples(series, gan)
    assert drawing.title == "trial 8: best"
    traces = drawing.figure.data
    assert [trace.visible for trace in traces] == [True, False, False, True]
    for trace, frame in zip(traces, (series.real, *series.frames), strict=True):
        assert np.column_stack([trace.x, trace.y]).tolist() == frame
    (slider,) = drawing.figure.layout.sliders
    assert [step.label for step in slider.steps] == ["1", "4", "12"]
    assert slider.active == 2
    assert slider.steps[1].args == ("visible", (True, False, True, False))


def test_a_step_of_the_slider_shows_its_own_picture(gan: StudyRecord) -> None:
    """Of pictures each step shows one, and the last is there at first."""
    drawing = sample_figures.samples(gan.samples[1], gan)
    assert [image.visible for image in drawing.figure.layout.images] == [False, True]
    (slider,) = drawing.figure.layout.sliders
    assert slider.steps[0].args == ({"images[0].visible": True, "images[1].visible": False},)


def test_a_stray_point_does_not_hide_the_others(gan: StudyRecord) -> None:
    """The axes hold the middle of all points, not one that is far away or not a number."""
    series = gan.samples[0]
    frames = (*series.frames[:2], [[1e6, 0.0], [float("nan"), 0.5], *series.frames[2]])
    record = type(series)(8, "best", "points", series.epochs, frames, series.real)
    low, high = sample_figures.samples(record, gan).figure.layout.xaxis.range
    assert -2 < low < high < 2
