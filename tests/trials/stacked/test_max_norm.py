"""Limits of the weights into a unit."""

import pytest
import torch

from trials.contract import Row
from trials.networks.cnn import CNN
from trials.networks.mlp import MLP
from trials.stacked.layout import Layout, Part
from trials.stacked.max_norm import MaxNorm


def test_lengths_are_those_of_torch_renorm():
    """Each unit's weights are as torch.renorm leaves them, whatever their order in memory."""
    parts = (
        Part("a", (5, 7), order=(1, 0)),
        Part("b", (6, 2, 3, 3)),
        Part("c", (4, 3, 2, 2), order=(1, 2, 3, 0), joined=(1, 3)),
        Part("bias", (9,), start=0.0),
    )
    layout, rng = Layout(parts), torch.Generator().manual_seed(0)
    stack = torch.randn(3, layout.size, generator=rng, dtype=torch.float64)
    before = stack.clone()
    MaxNorm([0.0, 1.5, 3.0], layout, stack).apply()
    assert torch.equal(stack[0], before[0])
    for k, limit in ((1, 1.5), (2, 3.0)):
        found, given = layout.unpack(stack[k], layout), layout.unpack(before[k], layout)
        for part in parts[:3]:
            expected = torch.renorm(given[part.name], 2, 0, limit)
            torch.testing.assert_close(found[part.name], expected, rtol=1e-6, atol=0)
        assert torch.equal(found["bias"], given["bias"])


def test_a_weight_of_zeros_or_without_limit_stays():
    """Nothing is divided by a length of zero, nor changed in a row without a limit."""
    layout = Layout((Part("a", (2, 3)),))
    stack = torch.zeros(2, layout.size)
    stack[1, 0] = torch.inf
    MaxNorm([1.0, 0.0], layout, stack).apply()
    assert not stack[0].any()
    assert stack[1, 0] == torch.inf
    assert not stack[1, 1:].any()


@pytest.mark.parametrize(("kind", "data"), [(MLP, "classes_data"), (CNN, "images_data")])
def test_a_trained_row_keeps_its_limit(kind, data, request):
    """After training no unit's weights are longer than the limit, and some are as long."""
    trainer = kind(request.getfixturevalue(data))
    params = {"units": 12, "layers": 2, "batch_size": 16, "learning_rate": 0.1, "max_norm": 0.4}
    free = params | {"max_norm": 0.0}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, 3), Row(1, free, 3, 3)])
    for _ in range(3):
        cohort.advance()
    lengths = [
        torch.cat([w.flatten(1).norm(dim=1) for w in weights.values() if w.ndim > 1])
        for weights in (trainer.weights(cohort.save(key), params) for key in (0, 1))
    ]
    assert lengths[0].max() == pytest.approx(0.4, rel=1e-6)
    assert lengths[1].max() > 0.8
