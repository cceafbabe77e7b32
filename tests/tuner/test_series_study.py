"""Studies of series: what a spec says of them, and what a study does with the user's own table."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuner
from tuner.errors import InputError
from tuner.spec import spec_from_mapping


def table(folder: Path) -> Path:
    """A table of 120 days whose number rises with a weekly wave."""
    path = folder / "sales.csv"
    days = [f"{n},{100 + n + 20 * (n % 7 == 5)}" for n in range(120)]
    path.write_text("\n".join(["day,sold", *days]) + "\n")
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "digits", "time": "t"}, "data: must have a file, whose column time is"),
        ({"file": "t.csv", "window": 3}, "data: must have time, the column of times, with window"),
        ({"file": "t.csv", "time": "t", "horizon": 0}, "data.horizon: must be at least 1, got 0"),
    ],
)
def test_wrong_keys_of_a_series_are_refused(data: dict[str, object], message: str) -> None:
    """A column of time is in a file; window and horizon go with it."""
    with pytest.raises(InputError, match=message):
        spec_from_mapping({"trainer": "rnn", "data": data})


def test_a_spec_of_a_series_gives_itself_again() -> None:
    """Time, window and horizon are part of the data and are stored with it."""
    data = {"file": "t.csv", "target": "y", "time": "t", "window": 12, "horizon": 2}
    spec = spec_from_mapping({"trainer": "rnn", "data": data})
    assert spec_from_mapping(spec.to_plain()) == spec
    assert spec.data is not None
    assert spec.data.source == {"file": "t.csv", "time": "t", "window": 12, "horizon": 2}


def test_a_study_learns_the_season_of_a_table(tmp_path: Path) -> None:
    """With the right lag the wave is foretold; test figures are those of the fit to all before."""
    study = tuner.launch(
        "rnn",
        data={"file": str(table(tmp_path)), "target": "sold", "time": "day", "window": 7},
        space={"seasonal_lag": {"choices": [0, 7]}, "cell": "gru", "units": 8, "batch_size": 32},
        trials=12,
        epochs=4,
        storage=f"sqlite:///{tmp_path}/study.db",
        inline=True,
    )
    best = study.best_trial
    assert best.params["window"] == 7
    assert best.params["seasonal_lag"] == 7
    assert best.value < 30
    assert study.test["test_rmse"] < 8
    folder = study.save_best(tmp_path / "best")[0].folder
    assert (folder / "weights.safetensors").exists()
