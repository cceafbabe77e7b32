"""How an epoch is cut into steps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from trials.stacked.batches import Order, pieces
from trials.stacked.noise import data_order


@settings(max_examples=30, deadline=None)
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
