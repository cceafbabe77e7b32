"""Memory that steps use again and again."""

import torch

from trials.stacked.workspace import Workspace


def test_workspace_reuses_memory():
    """A smaller request gets the memory of the larger one before it; names do not share."""
    workspace = Workspace(torch.device("cpu"), torch.float32)
    large = workspace.take("a", 4, 8)
    assert workspace.take("a", 2, 8).data_ptr() == large.data_ptr()
    assert workspace.take("b", 2, 8).data_ptr() != large.data_ptr()
    assert workspace.take("a", 100).shape == (100,)
