"""Figures as PNG and SVG files."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import PATH

from tuner.errors import InputError
from tuner.report import Plots, StudyRecord
from tuner.report.images import find_browser, write_image
from tuner.report.plots import figure_names


@pytest.mark.browser
@pytest.mark.skipif(PATH is None, reason="no Chromium on the path; `make browser` installs it")
@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG\r\n"), ("svg", b"<svg class=")])
def test_a_figure_becomes_a_picture(
    ending: str, start: bytes, hostile: StudyRecord, tmp_path: Path
) -> None:
    """Chromium draws it, whatever its labels say, and nothing else is left in the folder."""
    path = Plots(lambda: hostile).save("slices", tmp_path / f"slices.{ending}")
    content = path.read_bytes()
    assert content.startswith(start)
    assert len(content) > 5000
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_mistakes_are_one_line(mlp: StudyRecord, tmp_path: Path) -> None:
    """Another ending and an unknown figure are refused before anything is drawn."""
    plots = Plots(lambda: mlp)
    with pytest.raises(InputError, match=r"must end in \.png or \.svg, got 'a\.gif'"):
        write_image(plots.history(), tmp_path / "a.gif")
    with pytest.raises(InputError, match="unknown figure 'histroy'; did you mean 'history'"):
        plots.save("histroy", tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_it_says_what_to_install() -> None:
    """No Chromium on the path is a line with the command that installs one."""
    with pytest.raises(InputError, match="`make browser` installs one"):
        find_browser(lambda _: None)
    assert find_browser(lambda name: f"/bin/{name}") == "/bin/chromium"


def test_every_figure_has_a_name() -> None:
    """The names are the methods that draw, nothing else, and each is in the page about them."""
    page = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    assert [name for name in figure_names() if f"`study.plot.{name}()`" not in page] == []
    assert {"history", "contours", "space", "hypervolume"} <= set(figure_names())
    assert "save" not in figure_names()
