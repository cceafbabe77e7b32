"""How well discriminators tell real samples from generated ones."""

from __future__ import annotations

from torch import Tensor


def accuracies(logits: Tensor, n_points: int) -> dict[str, Tensor]:
    """Whether each point was told rightly, 1 or 0, shape (steps, K, points).

    Args:
        logits: Of real points in the first half and generated ones in the second, shape
            (steps, K, 2 B, lanes), the answer in lane 0; above 0 for real.
        n_points: Points of each half that count; those after are padding.

    Returns:
        `accuracy_real` and `accuracy_generated`.
    """
    n_batch = logits.shape[2] // 2
    real = logits[:, :, :n_points, 0] > 0
    generated = logits[:, :, n_batch : n_batch + n_points, 0] < 0
    return {"accuracy_real": real.float(), "accuracy_generated": generated.float()}
