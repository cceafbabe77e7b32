"""Learning-rate schedules against those of torch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from trials.stacked.schedules import SCHEDULES


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(SCHEDULES)), st.integers(1, 300))
def test_factors_stay_positive(name, epochs):
    """Every factor of every schedule is in (0, 1]."""
    assert all(0 < SCHEDULES[name](epoch, epochs) <= 1 for epoch in range(epochs))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("constant", lambda o: lr_scheduler.ConstantLR(o, 1.0)),
        ("step", lambda o: lr_scheduler.MultiStepLR(o, [10, 15])),
        ("exponential", lambda o: lr_scheduler.ExponentialLR(o, 0.01 ** (1 / 20))),
        ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 20)),
        (
            "warmup_cosine",
            lambda o: lr_scheduler.SequentialLR(
                o,
                [
                    lr_scheduler.LinearLR(o, 1 / 3, total_iters=2),
                    lr_scheduler.CosineAnnealingLR(o, 18),
                ],
                [2],
            ),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
def test_factors_equal_those_of_torch(name, reference):
    """The rate of each of 20 epochs is what torch's scheduler sets, warm-up included."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = reference(optimizer)
    for epoch in range(20):
        assert SCHEDULES[name](epoch, 20) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_short_runs_by_hand():
    """Steps fall at whole epochs, and a warm-up never lasts longer than the run."""
    assert [SCHEDULES["step"](e, 5) for e in range(5)] == pytest.approx([1, 1, 1, 0.1, 0.01])
    assert SCHEDULES["warmup_cosine"](0, 1) == pytest.approx(0.5)
    assert SCHEDULES["cosine"](0, 1) == 1.0
    assert SCHEDULES["cosine"](7, 5) == SCHEDULES["cosine"](4, 5)
