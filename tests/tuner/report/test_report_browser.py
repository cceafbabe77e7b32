"""The page in a real browser: figures are drawn, nothing complains, nothing is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import report_samples
from chromium import DRAWN, PATH, Chromium, Seen

from tuner.report import StudyRecord, TrialRecord, facts, write_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PATH is None, reason="no Chromium on the path; `make browser` installs it"),
]
LOSS = (("loss", "minimize", ""),)
STUDIES = {
    "mlp": report_samples.mlp_study,
    "gan": lambda: facts.judged_by(report_samples.two_objectives(), 0),
    "two objectives": report_samples.two_objectives,
    "hostile": report_samples.hostile,
    "large": lambda: report_samples.mlp_study(10_000),
    "empty": lambda: StudyRecord("nothing", LOSS),
    "failures": lambda: StudyRecord(
        "failed",
        LOSS,
        tuple(
            TrialRecord(n, "FAIL", None, {"x": n}, reason="error: bad <shape>", error="<boom>")
            for n in range(12)
        ),
    ),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all pages."""
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def bare(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The page of an empty study: what Plotly costs before it draws anything."""
    path = write_report([StudyRecord("bare", LOSS)], tmp_path_factory.mktemp("bare") / "r.html")
    browser.visit(path.as_uri())  # what the browser keeps from now on
    return browser.visit(path.as_uri())


def picture(word: str) -> Path | None:
    """Where a screenshot is wanted: in the folder TUNER_SCREENSHOTS."""
    folder = os.environ.get("TUNER_SCREENSHOTS")
    return Path(folder) / f"{word}.png" if folder else None


@pytest.mark.parametrize("word", STUDIES)
def test_the_browser_draws_every_figure(
    word: str, browser: Chromium, bare: Seen, tmp_path: Path
) -> None:
    """All figures are drawn; no error of script or policy; no request leaves the page.

    The largest, of 10,000 trials, costs the processor at most four pages without a figure, 0.8 s
    each on two cores of 2.5 GHz (2026-11): under 5 s whatever else the machine does.
    """
    path = write_report([STUDIES[word]()], tmp_path / "report.html")
    seen = browser.visit(path.as_uri(), picture=picture(word))
    n_places = path.read_text("utf-8").count('<div class="plot"')
    assert n_places > 0 or word in ("empty", "failures")
    assert seen.answer == {
        "drawn": n_places,
        "failed": 0,
        "places": n_places,
        "pictures": n_places,
    }
    assert seen.complaints == []
    assert seen.requests == []
    assert seen.cpu_s < 4 * bare.cpu_s


CHOOSE = """(async () => {
  await DRAWN;
  const seen = () => [...document.querySelectorAll("[data-objective]")]
    .filter((part) => part.getClientRects().length).map((part) => part.id);
  const before = seen();
  document.querySelector(".chooser input[value='1']").click();
  const plot = document.getElementById("s0-contours-1-plot");
  const fits = () => Math.abs(plot.querySelector(".main-svg").clientWidth - plot.clientWidth) <= 1;
  for (let n = 0; n < 400 && !fits(); n++) await new Promise((done) => setTimeout(done, 50));
  return { before, after: seen(), fits: fits() };
})()"""


def test_the_reader_chooses_the_objective(browser: Chromium, tmp_path: Path) -> None:
    """Figures that judge by one objective are seen for the chosen one, as wide as their card."""
    path = write_report([report_samples.two_objectives()], tmp_path / "report.html")
    seen = browser.visit(path.as_uri(), CHOOSE.replace("DRAWN", DRAWN), picture=picture("chosen"))
    words = ("contours", "ranks", "parallel", "matters", "distribution", "slices")
    assert seen.answer["before"] == [f"s0-{word}-0" for word in words]
    assert seen.answer["after"] == [f"s0-{word}-1" for word in words]
    assert seen.answer["fits"]
    assert (seen.complaints, seen.requests) == ([], [])


def test_the_browser_draws_compared_studies(browser: Chromium, tmp_path: Path) -> None:
    """Two studies on one page are drawn on a narrow screen as well."""
    studies = [report_samples.mlp_study(), report_samples.mlp_study(150, seed=3, name="other")]
    path = write_report(studies, tmp_path / "report.html")
    seen = browser.visit(path.as_uri(), size=(390, 800), picture=picture("compared"))
    assert seen.answer["failed"] == 0
    assert seen.answer["pictures"] == seen.answer["places"] > 20
    assert (seen.complaints, seen.requests) == ([], [])


def test_a_page_that_asks_or_complains_is_noticed(browser: Chromium, tmp_path: Path) -> None:
    """The browser of these tests sees a request and an error where there are some."""
    page = tmp_path / "bad.html"
    page.write_text("<img src='other.png'><script>throw new Error('broken')</script>")
    seen = browser.visit(page.as_uri(), wait_for="1")
    assert [url.rpartition("/")[2] for url in seen.requests] == ["other.png"]
    assert any("broken" in complaint for complaint in seen.complaints)
