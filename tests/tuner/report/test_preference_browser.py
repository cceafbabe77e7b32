"""A person's choice between pictures, made in the dashboard's page by a real browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from chromium import PATH, Chromium
from dashboard_server import serving
from stubs import StubTrainer
from torch import Tensor

import tuner
from trials.contract import RowState
from tuner.algorithms.choices import chosen_pairs
from tuner.messages import Snapshot
from tuner.storage import open_storage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PATH is None, reason="no Chromium on the path; `make browser` installs it"),
]
CLICK = """new Promise((done) => {
  const look = () => {
    const pictures = [...document.querySelectorAll("img")].filter((image) => image.naturalWidth);
    const buttons = [...document.querySelectorAll("button")];
    const worst = buttons.filter((button) => /worst/i.test(button.innerText));
    if (pictures.length < 2 || worst.length < 2) return setTimeout(look, 50);
    worst[0].click();
    const told = () => {
      const n = document.querySelectorAll("img").length;
      return n < 2 ? setTimeout(() => done(document.body.innerText), 300) : setTimeout(told, 50);
    };
    told();
  };
  setTimeout(() => done("late: " + document.body.innerText.slice(0, 2000)), 60000);
  look();
})"""


class Shades(StubTrainer):
    """A stub that makes grey images."""

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """Images of x."""
        return torch.full((64, 1, 8, 8), float(params["x"]))


def test_a_click_is_a_choice(url: str, tmp_path: Path) -> None:
    """Both pictures are drawn, a click takes one away, and the page complains of nothing."""

    def leaving(snapshot: Snapshot) -> None:
        if snapshot.n_to_choose == 2 and snapshot.state == "running":
            tuner.load("s", storage=url).request_stop()

    given: dict[str, Any] = {"trials": 2, "preference": 2, "epochs": 1, "data": "digits"}
    given |= {"study": "s", "storage": url, "on_progress": leaving}
    tuner.launch(Shades, inline=True, **given)
    with serving(url) as dashboard, Chromium(tmp_path / "profile") as chromium:
        seen = chromium.visit(dashboard.address + "/studies/1", CLICK)
    assert "Which trial is the worst?" in seen.answer
    assert "Failed" not in seen.answer
    assert seen.complaints == []
    storage = open_storage(url)
    assert chosen_pairs(storage.get_study_system_attrs(1)) == [(1, 0)]
    storage.close()
