"""The Optuna dashboard over our database in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import report_samples
from chromium import PATH, Chromium
from dashboard_server import Dashboard, serving

import tuner
from tuner.dashboard_notes import tell_each
from tuner.storage import open_storage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PATH is None, reason="no Chromium on the path; `make browser` installs it"),
]
GREEN = report_samples.DOT
NAMES = {"plain": "told", "odd": '<img src=x onerror=alert(1)> & "quotes"'}
UNTIL = """new Promise((done) => {
  const wanted = %s;
  const look = () => {
    const text = document.body.innerText;
    if (wanted.every((word) => text.includes(word)) && document.querySelectorAll("%s").length >= %d)
      return done({ title: document.title, drawn: document.querySelectorAll(".main-svg").length });
    setTimeout(look, 50);
  };
  setTimeout(() => done(document.body.innerText.slice(0, 2000)), 60000);
  look();
})"""


def objective(trial: optuna.Trial) -> float:
    """Three steps towards the value; some fail, some are pruned, each says something."""
    x = trial.suggest_float("x", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["<b>bold</b>", "plain"])
    trial.set_user_attr("remark", "seen by all")
    if x > 0.9:
        raise ValueError("x is too large")
    for step in range(1, 4):
        trial.report(x + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x + (kind == "plain")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Two studies of 20 trials with notes, figures and a picture of the best trial."""
    url = f"sqlite:///{tmp_path_factory.mktemp('told') / 'tuner.db'}"
    given = {"sampler": {"name": "random"}, "pruner": {"name": "median"}}
    for name in NAMES.values():
        tuner.launch(objective, trials=20, storage=url, inline=True, study=name, **given)
    storage = open_storage(url)
    assert dict(tell_each(storage, url)) == dict.fromkeys(NAMES.values(), True)
    storage.close()
    with serving(url) as served:
        file = {"file": GREEN, "filename": "green.png"}
        study = served.studies()["told"]
        assert served.ask("POST", f"/api/artifacts/{study}", file)[0] == 201
        yield served


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all pages."""
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


def wait_for(*words: str, parts: str = "body", n_parts: int = 1) -> str:
    """Waits until the words and so many parts of the page are there."""
    return UNTIL % (list(words), parts, n_parts)


OURS = ("Parameter importance", "Contours", "Space as given and as searched")
PAGES = {
    "list": ("", wait_for(*NAMES.values())),
    "study": (
        "/studies/{study}",
        wait_for(
            "History", "Intermediate values", "green.png", *OURS, parts=".main-svg", n_parts=7
        ),
    ),
    "trials": ("/studies/{study}/trials", wait_for("Trial 0", "seen by all", "<b>bold</b>")),
    "best": (
        "/studies/{study}/trials?numbers={best}",
        wait_for("The best trial of the study.", "remark"),
    ),
    "note": ("/studies/{study}/note", wait_for("tuner resume", "Best: trial {best}")),
    "analytics": (
        "/studies/{study}/analytics",
        wait_for("Empirical Distribution", parts=".main-svg", n_parts=4),
    ),
    "odd": ("/studies/{odd}", wait_for("onerror=alert(1)", *OURS, parts=".main-svg", n_parts=7)),
}


@pytest.mark.parametrize("word", PAGES)
def test_the_dashboard_shows_our_studies(
    word: str, dashboard: Dashboard, browser: Chromium
) -> None:
    """What we wrote is there, nothing complains, and no request leaves the machine."""
    path, wanted = PAGES[word]
    ids = dashboard.studies()
    trials = dashboard.trials(NAMES["plain"]).values()
    complete = [trial for trial in trials if trial["state"] == "Complete"]
    best = min(complete, key=lambda trial: float(trial["values"][0]))["number"]
    path = path.format(study=ids[NAMES["plain"]], odd=ids[NAMES["odd"]], best=best)
    wanted = wanted.replace("{best}", str(best))
    folder = os.environ.get("TUNER_SCREENSHOTS")
    picture = Path(folder) / f"dashboard-{word}.png" if folder else None
    seen = browser.visit(dashboard.address + path, wanted, picture=picture)
    assert isinstance(seen.answer, dict), seen.answer
    assert seen.complaints == []
    home = f"http://127.0.0.1:{dashboard.port}/"
    assert [url for url in seen.requests if not url.startswith(home)] == []
