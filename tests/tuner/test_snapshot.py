"""What those who watch a study are told of it."""

from __future__ import annotations

import tuner
from tuner.messages import Snapshot


def test_lanes_tell_their_memory_and_speed_and_the_study_its_end(url: str) -> None:
    """Once a lane has trained; at the end no time is left."""
    seen: list[Snapshot] = []
    tuner.launch(
        "mlp",
        data="iris",
        trials=8,
        epochs=4,
        space={"layers": 1, "units": 8, "batch_size": 32},
        storage=url,
        inline=True,
        on_progress=seen.append,
    )
    assert seen[-1].eta_s == 0.0
    (lane,) = seen[-1].lanes
    assert lane.memory_bytes > 20 * 2**20
    in_use = [(lane.n_rows, lane.n_slots) for moment in seen for lane in moment.lanes]
    assert all(n_rows <= n_slots for n_rows, n_slots in in_use)


def test_a_time_limit_bounds_the_time_left(url: str) -> None:
    """Also while nothing has ended yet."""
    seen: list[Snapshot] = []
    tuner.launch(
        lambda trial: trial.suggest_float("x", 0.0, 1.0),
        trials=3,
        time_limit_s=1000.0,
        storage=url,
        inline=True,
        on_progress=seen.append,
    )
    assert seen[-1].eta_s == 0.0
    assert all(moment.eta_s is not None for moment in seen)
    assert all(moment.eta_s <= 1000.0 - moment.elapsed_s + 1e-6 for moment in seen[:-1])  # type: ignore[operator]
