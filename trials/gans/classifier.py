"""The judge of generated images: a small classifier, trained once on the data they imitate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trials.data import DataError, Dataset, Part
from trials.state_file import read_state, write_state

if TYPE_CHECKING:
    from trials.contract import RowState

N_FEATURES = 64
"""F, the units before the last layer."""

N_STEPS = 600
"""Steps of a classifier's training."""

_FORM = "conv8-conv16-conv32-linear64, adam 2e-3 cosine, batch 64"
"""What is trained and how; part of a classifier's name, so that a change is not mixed with it."""

_CHANNELS = (8, 16, 32)
_N_BATCH = 64
_LEARNING_RATE = 2e-3
_N_TOGETHER = 1024
_SCALING = ("shift", "scale")


@dataclass(frozen=True)
class Form:
    """What a classifier looks at and tells apart.

    Attributes:
        image: Channels, height and width.
        n_classes: C.
    """

    image: tuple[int, int, int]
    n_classes: int


class Classifier:
    """A trained classifier: the features it sees in images, and the classes it takes them for.

    Args:
        form: What it looks at.
        state: Its tensors, as `train` made them.
        device: Where it computes.
    """

    def __init__(
        self, form: Form, state: RowState, device: str | torch.device | None = None
    ) -> None:
        self._form = form
        self._state = dict(state)
        self._shift, self._scale = state["shift"].to(device), state["scale"].to(device)
        self._network = _Network(form)
        self._network.load_state_dict({k: v for k, v in state.items() if k not in _SCALING})
        self._network.to(device).eval()

    @property
    def n_classes(self) -> int:
        """C, the classes it tells apart."""
        return self._form.n_classes

    @property
    def state(self) -> RowState:
        """Its tensors on the CPU."""
        return dict(self._state)

    def on(self, device: str | torch.device) -> Classifier:
        """The same classifier, computing on `device`."""
        return Classifier(self._form, self._state, device)

    @torch.inference_mode()
    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features and likeliest class of `images`.

        Args:
            images: Shape (N, channels, h, w), in the unit of the data, on its device.

        Returns:
            Features, float32, shape (N, F); classes, int64, shape (N,).
        """
        features, classes = [], []
        for first in range(0, len(images), _N_TOGETHER):
            part = images[first : first + _N_TOGETHER].float()
            seen = self._network.features((part - self._shift) / self._scale)
            features.append(seen)
            classes.append(self._network.last(seen).argmax(1))
        return torch.cat(features), torch.cat(classes)

    def accuracy(self, part: Part) -> float:
        """Share of the images of `part` whose class it tells."""
        x, y = _images(part)
        return float((self.judge(x.to(self._shift.device))[1].cpu() == y).double().mean())


class _Network(nn.Module):
    """Three convolutions, two of them of stride 2, and two dense layers."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        channels, height, width = form.image
        first, second, third = _CHANNELS
        quarters = -(-height // 4) * -(-width // 4)
        self.body = nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(quarters * third, N_FEATURES),
            nn.ReLU(),
        )
        self.last = nn.Linear(N_FEATURES, form.n_classes)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, shape (N, F)."""
        seen: Tensor = self.body(images)
        return seen


class Classifiers:
    """Classifiers by their data: each is trained when it is first asked for.

    Args:
        folder: Where they are kept, and looked for first; None for in memory alone.
        n_steps: Steps of their training.
    """

    def __init__(self, folder: Path | None = None, n_steps: int = N_STEPS) -> None:
        self._folder, self._n_steps = folder, n_steps
        self._known: dict[str, Classifier] = {}

    def of(self, data: Dataset, seed: int = 0) -> Classifier:
        """The classifier of `data`, on the CPU.

        Args:
            data: Images with classes; it learns from their training part.
            seed: What its weights and the order of images are functions of.

        Raises:
            DataError: The data are not images with classes.
            OSError: The folder cannot be read or written.
        """
        name = _name(data, seed, self._n_steps)
        if name not in self._known:
            self._known[name] = Classifier(form_of(data), self._state(name, data, seed))
        return self._known[name]

    def _state(self, name: str, data: Dataset, seed: int) -> RowState:
        if self._folder is None:
            return train(data, seed, self._n_steps)
        path = self._folder / f"classifier-{name[:32]}.safetensors"
        if path.exists():
            return read_state(path)
        state = train(data, seed, self._n_steps)
        write_state(path, state)
        return state


@cache
def classifiers(folder: Path | None = None) -> Classifiers:
    """The classifiers of this process that are kept in `folder`, the same at every call."""
    return Classifiers(folder)


def train(data: Dataset, seed: int, n_steps: int = N_STEPS) -> RowState:
    """The tensors of a classifier fitted to the training part of `data`.

    The same seed and number of threads give the same tensors.

    Raises:
        DataError: The data are not images with classes.
    """
    form = form_of(data)
    rng = torch.Generator().manual_seed(seed)
    x, y = _images(data.train)
    shift, scale = x.mean(), x.std().clamp(min=1e-6)
    x = (x - shift) / scale
    network = _Network(form)
    _initialise(network, rng)
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_steps):
        chosen = torch.randint(len(x), (_N_BATCH,), generator=rng)
        loss = functional.cross_entropy(network.last(network.features(x[chosen])), y[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return state | {"shift": shift.clone(), "scale": scale.clone()}


def _initialise(network: _Network, rng: torch.Generator) -> None:
    """Draws the weights by `rng` alone, for rectified units; biases are zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def form_of(data: Dataset) -> Form:
    """What a classifier of `data` looks at.

    Raises:
        DataError: The data are not images with classes.
    """
    if data.kind != "images" or data.n_classes < 2:
        raise DataError(
            f"data '{data.name}': must be images of two or more classes to train a classifier, "
            f"got {data.kind} with {data.n_classes} classes"
        )
    channels, height, width = data.shape
    return Form((channels, height, width), data.n_classes)


def _name(data: Dataset, seed: int, n_steps: int) -> str:
    """A digest of all that the classifier depends on.

    The fingerprint does not tell how the data is split, so the images learnt from go in too.
    """
    facts = f"{_FORM}/{form_of(data)}/{seed}/{n_steps}/{data.fingerprint}"
    digest = hashlib.sha256(facts.encode())
    digest.update(np.ascontiguousarray(data.train.x).tobytes())
    return digest.hexdigest()


def _images(part: Part) -> tuple[Tensor, Tensor]:
    """Images float32 (N, channels, h, w) and classes int64 (N,)."""
    return torch.as_tensor(part.x).float(), torch.as_tensor(part.y).long()
