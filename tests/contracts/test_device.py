"""What every trainer promises a GPU: the figures of the host, and a host that does not wait."""

import pytest
import torch
from pretended_gpu import CPU, GPU, PretendedGPU
from small_trainers import small_trainer
from test_cohorts import FURTHER, bits, curves, mixed_rows

from trials import TRAINERS
from trials.contract import Generative, Row, ask_for
from trials.stacked import batches

N_POINTS = 48
EVERY = [*((name, "") for name in TRAINERS), *FURTHER]
SHARES = (
    *("dropout", "dropconnect", "max_norm", "sparsity_weight", "l1", "l2", "noise_level"),
    *("label_flips", "instance_noise", "gradient_penalty"),
)
"""Axes of which each adds something to a step."""


def story(name, data_name, **where):
    """All that five rows show: some come late, one goes on elsewhere from its state, one leaves."""
    trainer = small_trainer(name, N_POINTS, data_name, **where)
    if not isinstance(trainer, Generative):  # else a classifier of images would be trained first
        ask_for(trainer, [objective for objective in trainer.objectives if not objective.is_timed])
    rows = mixed_rows(trainer, 3, 5)
    first, second = (trainer.cohort(trainer.structure(rows[0].params)) for _ in range(2))
    first.admit(rows[:3])
    found = curves(first, 1)
    state = first.save(0)
    second.admit(rows[3:])
    second.admit(rows[:1], {0: state})
    second.evict([4])
    found |= curves(second, 1)
    state, params = second.save(0), rows[0].params
    figures = {name: value.hex() for name, value in trainer.test(state, params).items()}
    made = {"samples": trainer.samples(state, params)} if isinstance(trainer, Generative) else {}
    return found, bits(state), bits(trainer.weights(state, params) | made), figures


@pytest.mark.parametrize(("name", "data_name"), EVERY)
def test_a_device_of_its_own_changes_no_bit(name, data_name):
    """Rows begin, train, are measured, moved and tested on another device as on the host."""
    expected = story(name, data_name, device=CPU)
    with PretendedGPU():
        found = story(name, data_name, device=GPU)
    assert found == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize(("name", "data_name"), EVERY)
def test_a_gpu_agrees_with_the_host(name, data_name):
    """In float64 every figure of a GPU is that of the host but for rounding."""
    on_host, on_gpu = (
        story(name, data_name, device=torch.device(kind), dtype=torch.float64)
        for kind in ("cpu", "cuda")
    )
    for expected, found in zip(on_host[0].values(), on_gpu[0].values(), strict=True):
        assert found.keys() == expected.keys()
        for figure, value in found.items():
            wanted = pytest.approx(float.fromhex(expected[figure]), rel=1e-6, nan_ok=True)
            assert float.fromhex(value) == wanted, figure


@pytest.mark.parametrize("name", TRAINERS)
def test_only_an_epoch_waits(name, monkeypatch):
    """Neither rows nor steps add a wait, nor pieces of an epoch that are drawn one by one."""
    counts = []
    with PretendedGPU() as gpu:
        trainer = small_trainer(name, N_POINTS, device=GPU)
        for batch_size, n_rows in ((12, 2), (3, 4)):
            params = {"batch_size": batch_size}
            params |= {"layers": 1} if "layers" in trainer.domain else {}
            params |= {axis: 0.3 for axis in SHARES if axis in trainer.domain}
            cohort = trainer.cohort(trainer.structure(params))
            cohort.admit([Row(key, params, key, 2) for key in range(n_rows)])
            cohort.advance()
            gpu.waits.clear()
            cohort.advance()
            counts.append(sorted(gpu.waits))
            monkeypatch.setattr(batches, "MOST_BYTES", 1)  # each step is a piece of its own
    assert counts[0] == counts[1]
