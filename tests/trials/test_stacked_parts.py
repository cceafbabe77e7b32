"""The parts of the stacked core by themselves: noise, initial weights, schedules, batches."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.batches import Order, pieces
from trials.stacked.dropout import Dropout
from trials.stacked.initializers import INITIALIZERS, draw_weight
from trials.stacked.layout import Layout, whole_lanes, width_bucket
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold, normal_tape
from trials.stacked.optimizers import Rule, Updates
from trials.stacked.schedules import SCHEDULES
from trials.stacked.workspace import Workspace

QUICK = settings(max_examples=30, deadline=None)


@QUICK
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
def test_tapes_do_not_depend_on_the_length_of_pieces(first, second, n_batch, width):
    """Drawing steps in two pieces gives the numbers of drawing them at once."""
    for tape in (keep_tape, normal_tape):
        whole = tape(generator(5, "x", 1), first + second, (n_batch, width))
        rng = generator(5, "x", 1)
        parts = [tape(rng, n, (n_batch, width)) for n in (first, second)]
        assert torch.equal(whole, torch.cat(parts))


def test_generators_differ_by_seed_purpose_and_epoch():
    """Each of the three arguments changes the stream; equal arguments do not."""
    streams = [
        tuple(torch.rand(4, generator=generator(*arguments)).tolist())
        for arguments in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1), (1, "a", 0))
    ]
    assert len(set(streams)) == 4
    assert streams[0] == streams[-1]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.95])
def test_dropout_rate(rate):
    """The share of dropped units is the rate, within four deviations."""
    tape = keep_tape(generator(3, "dropout"), 10, (100, 100))
    dropped = float((tape >= keep_threshold(rate)).double().mean())
    assert abs(dropped - rate) <= 4 * math.sqrt(rate * (1 - rate) / 1e5) + 2**-15


def test_masks_hide_padding_and_keep_the_mean():
    """Padded units are always zero, kept units are scaled, rows without dropout are all ones."""
    dropout = Dropout([0.5, 0.0], [1, 2], [20, 9], 2, 32, True, torch.zeros(1))
    dropout.begin([0, 0])
    piece = next(pieces(64, 16, 100))
    for layers in dropout.masks(piece):
        for mask in layers:
            assert mask.shape == (2, 16, 32)
            assert set(mask[0, :, :20].unique().tolist()) == {0.0, 2.0}
            assert not mask[0, :, 20:].any()
            assert torch.equal(mask[1], (torch.arange(32) < 9).float().expand(16, 32))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializer_statistics(name):
    """Mean zero and the stated deviation; uniform draws stay within their bound."""
    n_in, n_out = 300, 200
    weight = draw_weight(name, n_in, n_out, generator(1, "weights"))
    kind, scale = INITIALIZERS[name]
    spread = scale(n_in, n_out)
    deviation = spread / math.sqrt(3) if kind == "uniform" else spread
    assert weight.shape == (n_out, n_in)
    assert abs(float(weight.mean())) < 4 * deviation / math.sqrt(n_in * n_out)
    assert float(weight.std()) == pytest.approx(deviation, rel=0.02)
    if kind == "uniform":
        assert float(weight.abs().max()) <= spread


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("xavier_uniform", torch.nn.init.xavier_uniform_),
        ("xavier_normal", torch.nn.init.xavier_normal_),
        ("he_uniform", lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu")),
        ("he_normal", lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu")),
    ],
)
def test_initializers_spread_as_torch_does(name, reference):
    """Deviations agree with torch.nn.init for the same fans."""
    ours = draw_weight(name, 300, 200, generator(1, "weights"))
    theirs = reference(torch.empty(200, 300))
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.03)


@QUICK
@given(st.sampled_from(list(SCHEDULES)), st.integers(1, 300))
def test_schedules_stay_positive(name, epochs):
    """Every factor of every schedule is in (0, 1]."""
    assert all(0 < SCHEDULES[name](epoch, epochs) <= 1 for epoch in range(epochs))


def test_schedules_by_hand():
    """Factors of ten epochs at places that can be worked out by hand."""
    assert [SCHEDULES["step"](e, 8) for e in (0, 3, 4, 5, 6, 7)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )
    assert SCHEDULES["exponential"](5, 10) == pytest.approx(0.1)
    assert SCHEDULES["cosine"](5, 10) == pytest.approx(0.5)
    assert SCHEDULES["cosine"](0, 10) == 1.0
    assert [SCHEDULES["warmup_cosine"](e, 20) for e in (0, 1, 2)] == pytest.approx(
        [1 / 3, 2 / 3, 1]
    )
    assert SCHEDULES["warmup_cosine"](11, 20) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_torch(name):
    """Values and gradients are those of torch and autograd, from the output alone."""
    reference = {
        "linear": lambda x: x * 1.0,
        "hard_tanh": functional.hardtanh,
        "leaky_relu": functional.leaky_relu,
        "softplus": functional.softplus,
    }.get(name) or getattr(torch, name)
    x = torch.linspace(-6, 6, 241, dtype=torch.float64)[1:] + 1e-3
    x.requires_grad_()
    expected = reference(x)
    expected.sum().backward()
    output, gradient = x.detach().clone(), torch.ones_like(x)
    ACTIVATIONS[name].apply_(output)
    ACTIVATIONS[name].backward_(gradient, output)
    torch.testing.assert_close(output, expected.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, x.grad, rtol=0, atol=1e-12)
    assert (float(reference(torch.zeros(1))) != 0) == ACTIVATIONS[name].moves_zero


def test_spans_cover_rows_in_order():
    """Neighbours of one activation form one span."""
    found = spans(["relu", "relu", "tanh", "relu"])
    assert [(s.start, s.stop) for s, _ in found] == [(0, 2), (2, 3), (3, 4)]
    assert [a for _, a in found] == [ACTIVATIONS[n] for n in ("relu", "tanh", "relu")]


@QUICK
@given(st.integers(1, 200), st.integers(1, 70), st.integers(1, 10**7))
def test_pieces_cover_every_point_once(n_points, batch_size, numbers):
    """Whatever memory a piece may take, steps follow each other and each point is used once."""
    order, steps, seen = Order([7], [0], n_points), 0, []
    for piece in pieces(n_points, batch_size, numbers):
        assert piece.first == steps
        steps += piece.n_steps
        chosen = order.take(piece)
        assert chosen.shape == (piece.n_steps, 1, piece.n_batch)
        assert (chosen[:, :, piece.n_points :] == n_points).all()
        seen += chosen[:, 0, : piece.n_points].flatten().tolist()
    assert steps == -(-n_points // min(batch_size, n_points))
    assert seen == data_order(7, 0, n_points).tolist()


@QUICK
@given(st.lists(st.integers(1, 20), min_size=2, max_size=4))
def test_layout_round_trip(widths):
    """Unpacking a packed row gives the same named tensors; the rest of the row is zero."""
    layout = Layout(tuple(whole_lanes(width) for width in widths))
    tensors = {n: torch.randn(s) for n, s in layout.shapes(widths).items()}
    row = layout.pack(tensors)
    assert row.shape == (layout.size,)
    assert int((row != 0).sum()) == sum(t.numel() for t in tensors.values())
    found = layout.unpack(row, widths)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_buckets_are_powers_of_their_factor():
    """Widths go into the smallest bucket that holds them."""
    assert [width_bucket(w) for w in (1, 16, 17, 64, 65)] == [16, 16, 32, 64, 128]
    assert [width_bucket(w, 4) for w in (16, 17, 64, 65)] == [16, 64, 64, 256]


RULES = [
    Rule("sgd", 0.1),
    Rule("sgd", 0.05, momentum=0.9),
    Rule("sgd", 0.05, momentum=0.9, nesterov=True),
    Rule("adam", 0.01),
    Rule("adam", 0.02, beta1=0.5, beta2=0.9, epsilon=1e-3),
]


def test_rows_follow_torch_optimizers_side_by_side():
    """Five rows of three families move as five torch optimizers do, over 20 steps."""
    rng = torch.Generator().manual_seed(4)
    start = torch.randn(5, 7, generator=rng, dtype=torch.float64)
    gradients = torch.randn(20, 5, 7, generator=rng, dtype=torch.float64)
    ours = start.clone()
    gradient, first, second, scratch = (torch.zeros_like(start) for _ in range(4))
    updates = Updates(RULES, ours, gradient, first, second, scratch)
    for epoch in range(2):
        updates.begin([1.0] * 5, [10 * epoch] * 5, 10)
        for step in range(10):
            gradient.copy_(gradients[10 * epoch + step])
            updates.step(step)
    for k, rule in enumerate(RULES):
        parameter = start[k].clone().requires_grad_()
        if rule.optimizer == "adam":
            betas = (rule.beta1, rule.beta2)
            optimizer = torch.optim.Adam([parameter], rule.learning_rate, betas, rule.epsilon)
        else:
            optimizer = torch.optim.SGD(
                [parameter], rule.learning_rate, rule.momentum, nesterov=rule.nesterov
            )
        for step in range(20):
            parameter.grad = gradients[step, k].clone()
            optimizer.step()
        torch.testing.assert_close(ours[k], parameter.detach(), rtol=1e-12, atol=1e-12)


def test_workspace_reuses_memory():
    """A smaller request gets the memory of the larger one before it; names do not share."""
    workspace = Workspace(torch.device("cpu"), torch.float32)
    large = workspace.take("a", 4, 8)
    assert workspace.take("a", 2, 8).data_ptr() == large.data_ptr()
    assert workspace.take("b", 2, 8).data_ptr() != large.data_ptr()
    assert workspace.take("a", 100).shape == (100,)
