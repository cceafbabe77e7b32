"""An ordinary torch module, tuned: trials of one architecture train together.

Run it with `python examples/fused.py`, or from this folder with
`PYTHONPATH=. tuner launch --trainer fused:trainer --data digits --trials 100`.
"""

from typing import Any

from torch import nn
from torch.nn import functional

import tuner
from search_spaces import Categorical, Float, Space

SPACE = Space(
    learning_rate=Float(1e-4, 1e-1, log=True),
    batch_size=Categorical([32, 64]),
    channels=Categorical([4, 8]),
    dropout=Float(0.0, 0.5),
)


def build_model(params: dict[str, Any], data: Any) -> nn.Module:
    """A small convolutional network for pictures of one channel."""
    _, height, width = data.inputs
    n_channels = params["channels"]
    return nn.Sequential(
        nn.Conv2d(1, n_channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(params["dropout"]),
        nn.Linear(n_channels * (height // 2) * (width // 2), data.n_outputs),
    )


trainer = tuner.fused(build_model, functional.cross_entropy, SPACE)


if __name__ == "__main__":
    study = tuner.launch(
        trainer, data="digits", epochs=5, trials=20, storage="sqlite:///studies.db"
    )
    print(study.best_trial.value, study.best_trial.params, study.test)
