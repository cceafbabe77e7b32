"""How often discriminators are right, from logits."""

import torch

from trials.gans.accuracy import accuracies


def test_accuracy_of_logits_by_hand():
    """Real points are above 0, generated ones below; padding and other lanes do not count."""
    logits = torch.zeros(1, 1, 8, 16)
    logits[0, 0, :, 0] = torch.tensor([1.0, -1.0, 2.0, 9.0, -1.0, 3.0, -2.0, -9.0])
    logits[0, 0, :, 1] = 7.0
    told = accuracies(logits, 3)
    assert told["accuracy_real"].tolist() == [[[1.0, 0.0, 1.0]]]
    assert told["accuracy_generated"].tolist() == [[[1.0, 0.0, 1.0]]]
