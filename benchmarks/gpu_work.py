"""What `benchmarks/gpu.py` trains: each work as this project's trainer, in plain torch, in vmap."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from trials.contract import Row, Trainer
from trials.data import Dataset, Part
from trials.data.scaling import fit_scaling
from trials.gans.dcgan import DCGAN
from trials.gans.vectors import VectorGAN
from trials.networks.cnn import CNN
from trials.networks.mlp import MLP
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape

Step = Callable[[], None]
Make = Callable[..., Trainer]
Weights = Mapping[str, Tensor]
N_CLASSES, N_VALIDATION = 10, 16


def random_data(shape: tuple[int, ...], n_points: int, has_classes: bool) -> Dataset:
    """Uniform numbers, with random classes or as a density."""
    rng = np.random.default_rng(0)

    def part(n: int) -> Part:
        x = rng.random((n, *shape)).astype(np.float32)
        return Part(x, rng.integers(0, N_CLASSES, n) if has_classes else None)

    return Dataset(
        name="random",
        kind="images" if len(shape) == 3 else "points",
        task="classification" if has_classes else "density",
        train=part(n_points),
        validation=part(N_VALIDATION),
        test=part(N_VALIDATION),
        feature_names=(),
        classes=tuple(map(str, range(N_CLASSES))) if has_classes else (),
        target_name="",
        fingerprint="",
    )


@dataclass
class Work(ABC):
    """One model and how it is trained, on any device, in any precision.

    Attributes:
        name: In the table.
        kind: This project's trainer.
        params: Of a trial; `batch_size` among them.
        shape: Of a point.
    """

    name: str
    kind: Make
    params: dict[str, Any]
    shape: tuple[int, ...]
    has_classes: bool = field(default=True, init=False)

    def data(self, n_points: int) -> Dataset:
        """Random points."""
        return random_data(self.shape, n_points, self.has_classes)

    def rows(self, n_rows: int) -> list[Row]:
        """Trials that differ in seed and learning rate."""
        rate = self.params["learning_rate"]
        return [
            Row(k, self.params | {"learning_rate": rate * (1 + k % 7 / 7)}, k, 10**6)
            for k in range(n_rows)
        ]

    @abstractmethod
    def plain_epoch(self, row: Row, weights: Weights, data: Dataset) -> dict[str, Tensor]:
        """Weights after an epoch of plain torch in float64, on the row's own draws.

        Args:
            row: The trial.
            weights: It starts with them; they say on which device.
            data: What is learnt.
        """

    @abstractmethod
    def plain_step(self, device: torch.device) -> Step:
        """One step of one ordinary model with its ordinary optimizer, on a batch at hand."""

    @abstractmethod
    def vmap_step(self, n_rows: int, device: torch.device) -> Step:
        """One step of as many models by `torch.func.vmap`, on batches at hand."""

    def points(self, device: torch.device, *lead: int) -> Tensor:
        """A batch at hand."""
        return torch.rand(*lead, self.params["batch_size"], *self.shape, device=device)


class _Stacked:
    """K copies of a module whose parameters are stacked, and the optimizer over all of them."""

    def __init__(self, make: Callable[[], nn.Module], n_rows: int, device: torch.device) -> None:
        models = [make().to(device) for _ in range(n_rows)]
        values, _ = stack_module_state(models)
        self.values = {name: value.detach() for name, value in values.items()}
        self._model = models[0]
        leaves = [value.requires_grad_() for value in self.values.values()]
        self._optimizer = torch.optim.Adam(leaves)

    def __call__(self, values: Weights, x: Tensor) -> Tensor:
        """What one row with these values makes of `x`."""
        outputs: Tensor = functional_call(self._model, dict(values), (x,))
        return outputs

    def move(self, slopes: Weights) -> None:
        """One step of the optimizer."""
        for name, value in self.values.items():
            value.grad = slopes[name]
        self._optimizer.step()


class Classifier(Work):
    """A network that learns classes."""

    def model(self) -> nn.Module:
        """The ordinary network, by the names of the trainer's weights."""
        if len(self.shape) == 3 and "channels" in self.params:
            return convolutional(self.shape, self.params)
        units = self.params["units"]
        sizes = [math.prod(self.shape), *[units] * self.params["layers"]]
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Identity()]
        return nn.Sequential(*layers, nn.Linear(units, N_CLASSES))

    def inputs(self, x: Tensor, n_lead: int) -> Tensor:
        """Points as the network wants them."""
        return x if "channels" in self.params else x.flatten(n_lead)

    def plain_epoch(self, row: Row, weights: Weights, data: Dataset) -> dict[str, Tensor]:
        """See `Work`."""
        device = next(iter(weights.values())).device
        model = self.model().double().to(device)
        model.load_state_dict(dict(weights))
        optimizer = torch.optim.Adam(model.parameters(), lr=row.params["learning_rate"])
        scaling = fit_scaling("standardize", data.train.x)
        x = torch.as_tensor(scaling.apply(data.train.x), dtype=torch.float64, device=device)
        y = torch.as_tensor(data.train.y, device=device)
        for points in data_order(row.seed, 0, len(x)).split(row.params["batch_size"]):
            optimizer.zero_grad()
            outputs = model(self.inputs(x[points], 1))
            functional.cross_entropy(outputs, y[points]).backward()
            optimizer.step()
        return model.state_dict()

    def plain_step(self, device: torch.device) -> Step:
        """See `Work`."""
        model = self.model().to(device)
        optimizer = torch.optim.Adam(model.parameters())
        x = self.inputs(self.points(device), 1)
        y = torch.randint(N_CLASSES, (len(x),), device=device)

        def step() -> None:
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        return step

    def vmap_step(self, n_rows: int, device: torch.device) -> Step:
        """See `Work`."""
        stacked = _Stacked(self.model, n_rows, device)
        x = self.inputs(self.points(device, n_rows), 2)
        y = torch.randint(N_CLASSES, x.shape[:2], device=device)

        def loss(values: Weights, x: Tensor, y: Tensor) -> Tensor:
            return functional.cross_entropy(stacked(values, x), y)

        slopes = vmap(grad(loss))
        return lambda: stacked.move(slopes(stacked.values, x, y))


def convolutional(shape: tuple[int, ...], params: Mapping[str, Any]) -> nn.Module:
    """The ordinary network of the trainer `cnn`, with max pooling and ReLU."""
    n_in, height, width = shape
    layers: list[nn.Module] = []
    for block in range(params["layers"]):
        n_out = params["channels"] * 2**block
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        n_in, height, width = n_out, height // 2, width // 2
    layers += [nn.Flatten(), nn.Linear(n_in * height * width, params["units"]), nn.ReLU()]
    return nn.Sequential(*layers, nn.Identity(), nn.Linear(params["units"], N_CLASSES))


def perceptrons(shape: tuple[int, ...], params: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
    """The ordinary players of the trainer `gan`: generator and discriminator."""
    hidden, n_features = [params["units"]] * params["layers"], math.prod(shape)

    def player(widths: list[int]) -> nn.Module:
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU()]
        return nn.Sequential(*layers[:-1])

    return player([params["latent"], *hidden, n_features]), player([n_features, *hidden, 1])


def convolutions(shape: tuple[int, ...], params: Mapping[str, Any]) -> tuple[nn.Module, nn.Module]:
    """The ordinary players of the trainer `dcgan`: generator and discriminator."""
    n_in, height, width = shape
    n_layers, channels = params["layers"], params["channels"]
    widths = [n_in, *(channels * 2**i for i in range(n_layers))]
    judge: list[nn.Module] = []
    for below, above in itertools.pairwise(widths):
        judge += [nn.Conv2d(below, above, 4, 2, 1), nn.LeakyReLU()]
    top = widths[-1], height >> n_layers, width >> n_layers
    maker: list[nn.Module] = [nn.Linear(params["latent"], math.prod(top)), nn.Unflatten(-1, top)]
    for below, above in itertools.pairwise(widths[::-1]):
        maker += [nn.LeakyReLU(), nn.ConvTranspose2d(below, above, 4, 2, 1)]
    judge += [nn.Flatten(), nn.Linear(math.prod(top), 1)]
    return nn.Sequential(*maker), nn.Sequential(*judge)


@dataclass
class Adversaries(Work):
    """A generator and a discriminator.

    Attributes:
        players: Makes the two ordinary networks from a point's shape and the parameters.
    """

    players: Callable[..., tuple[nn.Module, nn.Module]] = perceptrons

    def __post_init__(self) -> None:
        self.has_classes = False

    def pair(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator."""
        return self.players(self.shape, self.params)

    def noise(self, device: torch.device, *lead: int) -> Tensor:
        """Latent points at hand."""
        size = self.params["batch_size"], self.params["latent"]
        return torch.randn(*lead, *size, device=device)

    def draws(self, row: Row, n_points: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Points and latent points of each step, from the row's own generators."""
        tapes = [generator(row.seed, f"{p} latent", 0) for p in ("discriminator", "generator")]
        for points in data_order(row.seed, 0, n_points).split(row.params["batch_size"]):
            shape = padded_batch(len(points)), row.params["latent"]
            noise = [normal_tape(tape, 1, shape)[0, : len(points)].double() for tape in tapes]
            yield points, noise[0], noise[1]

    def plain_epoch(self, row: Row, weights: Weights, data: Dataset) -> dict[str, Tensor]:
        """See `Work`."""
        device = next(iter(weights.values())).device
        maker, judge = (network.double().to(device) for network in self.pair())
        named = {"generator": maker, "discriminator": judge}
        for player, network in named.items():
            mine = {n: w for n, w in weights.items() if n.startswith(player)}
            network.load_state_dict({n.removeprefix(f"{player}."): w for n, w in mine.items()})
        scaling = fit_scaling("standardize", data.train.x)
        x = torch.as_tensor(scaling.apply(data.train.x), dtype=torch.float64, device=device)
        step = adversarial_step(maker, judge, row.params["learning_rate"])
        for points, first, second in self.draws(row, len(x)):
            step(x[points], first.to(device), second.to(device))
        return {
            f"{player}.{name}": tensor
            for player, network in named.items()
            for name, tensor in network.state_dict().items()
        }

    def plain_step(self, device: torch.device) -> Step:
        """See `Work`."""
        maker, judge = (network.to(device) for network in self.pair())
        step = adversarial_step(maker, judge, self.params["learning_rate"])
        x, noise = self.points(device), self.noise(device)
        return lambda: step(x, noise, noise)

    def vmap_step(self, n_rows: int, device: torch.device) -> Step:
        """See `Work`."""
        makers = _Stacked(lambda: self.pair()[0], n_rows, device)
        judges = _Stacked(lambda: self.pair()[1], n_rows, device)
        x, noise = self.points(device, n_rows), self.noise(device, n_rows)

        def judge_loss(judge: Weights, maker: Weights, x: Tensor, noise: Tensor) -> Tensor:
            made = makers(maker, noise).view_as(x)
            likely = functional.softplus(-judges(judge, x)).mean()
            return likely + functional.softplus(judges(judge, made)).mean()

        def maker_loss(maker: Weights, judge: Weights, noise: Tensor) -> Tensor:
            made = makers(maker, noise).view(len(noise), *self.shape)
            return functional.softplus(-judges(judge, made)).mean()

        judge_slopes, maker_slopes = vmap(grad(judge_loss)), vmap(grad(maker_loss))

        def step() -> None:
            judges.move(judge_slopes(judges.values, makers.values, x, noise))
            makers.move(maker_slopes(makers.values, judges.values, noise))

        return step


def adversarial_step(maker: nn.Module, judge: nn.Module, rate: float) -> Callable[..., None]:
    """One step of each ordinary player with its ordinary optimizer, non-saturating."""
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
        for network in (maker, judge)
    ]

    def step(x: Tensor, first: Tensor, second: Tensor) -> None:
        optimizers[1].zero_grad()
        likely = functional.softplus(-judge(x)).mean()
        (likely + functional.softplus(judge(maker(first).detach().view_as(x))).mean()).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        functional.softplus(-judge(maker(second).view_as(x))).mean().backward()
        optimizers[0].step()

    return step


def works(scale: float = 1.0) -> list[Work]:
    """What is measured; `scale` below 1 makes batches and layers smaller, for a trial run."""

    def some(number: int) -> int:
        return max(8, int(number * scale))

    image = (1, 28, 28)
    layers = {"learning_rate": 1e-3, "layers": 2}
    vectors = {"units": some(128), "latent": 16, "batch_size": some(128)}
    return [
        Classifier(
            f"MLP 784-{some(256)}-{some(256)}-10, batch {some(128)}",
            MLP,
            layers | {"units": some(256), "batch_size": some(128)},
            image,
        ),
        Classifier(
            f"CNN 28x28, 16 and 32 channels, batch {some(64)}",
            CNN,
            layers | {"channels": 16, "units": some(64), "batch_size": some(64)},
            image,
        ),
        Adversaries(f"GAN on vectors, batch {some(128)}", VectorGAN, layers | vectors, (2,)),
        Adversaries(
            f"GAN 28x28, {some(32)} and {2 * some(32)} channels, batch {some(64)}",
            DCGAN,
            layers | {"channels": some(32), "latent": 32, "batch_size": some(64)},
            image,
            convolutions,
        ),
    ]
