"""Where the tensors of a network lie in a row."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.stacked.layout import Layout, Part, chain, linear, whole_lanes, width_bucket

QUICK = settings(max_examples=30, deadline=None)
WIDTHS = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def tensors_of(layout, seed=0):
    """Random tensors without zeros, as torch stores them."""
    rng = torch.Generator().manual_seed(seed)
    return {n: torch.rand(s, generator=rng) + 0.5 for n, s in layout.shapes.items()}


@QUICK
@given(WIDTHS)
def test_round_trip(widths):
    """Unpacking a packed row gives the same named tensors; the rest of the row is zero."""
    true, padded = chain(3, widths), chain(3, [whole_lanes(width) for width in widths])
    tensors = tensors_of(true)
    row = padded.pack(tensors, true)
    assert row.shape == (padded.size,)
    assert int((row != 0).sum()) == sum(t.numel() for t in tensors.values())
    found = padded.unpack(row, true)
    assert list(found) == list(tensors)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@QUICK
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4))
def test_a_shallow_row_lies_together_in_the_room_for_a_deep_one(width, depth, more):
    """Its numbers fill one range of columns, weights first; layers are matched from the top."""
    padded = whole_lanes(width)
    true = chain(3, [5, *[width] * depth, 2])
    room = chain(3, [16, *[padded] * (depth + more), 16])
    tensors = tensors_of(true)
    row = room.pack(tensors, true)
    columns = room.columns(true)
    assert columns.start % 64 == columns.stop % 64 == 0
    assert columns.start >= more * padded**2 // 64 * 64
    assert int((row[columns] != 0).sum()) == sum(t.numel() for t in tensors.values())
    assert not row[: columns.start].any()
    assert not row[columns.stop :].any()
    n_weights = sum(t.numel() for n, t in tensors.items() if "weight" in n)
    assert int((row[: room.n_weights] != 0).sum()) == n_weights
    last = room.views(row.unsqueeze(0))[f"{3 * (depth + more)}.weight"]
    assert torch.equal(last[0, :width, :2], tensors[f"{3 * depth}.weight"].t())
    assert all(torch.equal(t, tensors[n]) for n, t in room.unpack(row, true).items())


def test_a_row_of_full_depth_takes_the_whole_room():
    """There is nothing to leave out for a row as deep as the room."""
    layout = chain(3, [16, 32, 32, 16])
    assert layout.columns(layout) == slice(0, layout.size)


def gates(n_units, n_inputs):
    """A weight of four gates that torch joins, stored with the inputs first."""
    return Layout((Part("weight", (4, n_units, n_inputs), (2, 0, 1), (2, 1)),))


def test_joined_dimensions_are_padded_one_by_one():
    """Each of four gates that torch keeps in one dimension gets padding of its own."""
    true, padded = gates(3, 5), gates(16, 16)
    assert true.shapes == {"weight": (12, 5)}
    weight = tensors_of(true)["weight"]
    row = padded.pack({"weight": weight}, true)
    view = padded.views(row.unsqueeze(0))["weight"]
    assert view.shape == (1, 16, 4, 16)
    assert torch.equal(view[0, :5, :, :3], weight.view(4, 3, 5).permute(2, 0, 1))
    assert torch.equal(padded.unpack(row, true)["weight"], weight)
    as_torch = padded.parts[0].as_torch(view)
    assert as_torch.shape == (1, 64, 16)
    assert torch.equal(as_torch.view(4, 16, 16)[:, :3, :5], weight.view(4, 3, 5))


def test_padding_is_for_parameters():
    """Parameters beyond the true shape have the value that the part says, their moments zero."""
    true, padded = (Layout(tuple(linear("x", 2, n, -7.0))) for n in (3, 16))
    tensors = tensors_of(true)
    for is_parameters, value in ((True, -7.0), (False, 0.0)):
        row = padded.pack(tensors, true, is_parameters=is_parameters)
        bias = padded.views(row.unsqueeze(0))["x.bias"][0]
        assert (bias[3:] == value).all()
        assert torch.equal(bias[:3], tensors["x.bias"])


def test_buckets_are_powers_of_their_factor():
    """Widths go into the smallest bucket that holds them."""
    assert [width_bucket(w) for w in (1, 16, 17, 64, 65)] == [16, 16, 32, 64, 128]
    assert [width_bucket(w, 4) for w in (16, 17, 64, 65)] == [16, 64, 64, 256]
