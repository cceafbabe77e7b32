"""The perceptron as a trainer: its axes and defaults, and the epoch of a stacked cohort."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from search_spaces import Categorical, Float, Int, Space
from search_spaces.deep_networks import MLP as SPACE
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.data.scaling import ScalingKind
from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.batches import Order, pieces
from trials.stacked.cohort import StackedCohort, Vectors, by_row, fitted
from trials.stacked.dropout import Dropout
from trials.stacked.initializers import INITIALIZERS, draw_perceptron
from trials.stacked.layout import Layout, width_bucket
from trials.stacked.noise import generator
from trials.stacked.optimizers import FAMILIES, Rule, Updates
from trials.stacked.perceptron import Perceptron, Views
from trials.stacked.schedules import SCHEDULES
from trials.stacked.settings import settings_of
from trials.stacked.supervised import Examples, Task
from trials.stacked.workspace import Workspace

_MOST_EVALUATED = 2**18
"""Numbers of one layer that one row may hold while it is evaluated; sets the piece of points."""


@dataclass(frozen=True)
class Settings:
    """The axes of a perceptron; those a trial does not name have these values.

    The penalty is l1 * sum |w| + l2 / 2 * sum w**2 over weights, not biases.
    """

    learning_rate: float = 0.01
    optimizer: str = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    units: int = 64
    layers: int = 2
    batch_size: int = 32
    activation: str = "relu"
    initializer: str = "he_uniform"
    schedule: str = "constant"
    input_scaling: ScalingKind = "standardize"

    @property
    def rule(self) -> Rule:
        """The optimizer's part."""
        return Rule(**{field.name: getattr(self, field.name) for field in fields(Rule)})


DOMAIN = Space(
    learning_rate=Float(1e-12, 1e6),
    optimizer=Categorical(FAMILIES),
    momentum=Float(0.0, 1.0),
    nesterov=Categorical((False, True)),
    beta1=Float(0.0, 0.999999),
    beta2=Float(0.0, 0.999999),
    epsilon=Float(1e-30, 1.0),
    dropout=Float(0.0, 0.99),
    l1=Float(0.0, 1e6),
    l2=Float(0.0, 1e6),
    units=Int(1, 16384),
    layers=Int(0, 64),
    batch_size=Int(1, 2**20),
    activation=Categorical(tuple(ACTIVATIONS)),
    initializer=Categorical(tuple(INITIALIZERS)),
    schedule=Categorical(tuple(SCHEDULES)),
    input_scaling=Categorical(get_args(ScalingKind)),
)
"""What may be asked for, far beyond what is worth trying."""


@dataclass(frozen=True)
class Shape:
    """The structure of a perceptron.

    Attributes:
        layers: Hidden layers.
        width: Units of each hidden layer with padding.
        batch_size: Points per step.
    """

    layers: int
    width: int
    batch_size: int


class MLP:
    """Perceptron for tables and flattened images: classification and regression."""

    name: ClassVar[str] = "mlp"
    default_epochs: ClassVar[int] = 20
    default_value: ClassVar[Literal["last", "best"]] = "last"
    default_data: ClassVar[str] = "breast_cancer"

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._task = Task(data, torch.device(device), dtype)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        return self._task.objectives

    @property
    def space(self) -> Space:
        """The ready space."""
        return SPACE

    @property
    def domain(self) -> Space:
        """Every axis of `Settings` with all its values."""
        return DOMAIN

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, batch size and bucket of units can share a cohort."""
        settings = settings_of(Settings, params)
        return Shape(settings.layers, width_bucket(settings.units), settings.batch_size)

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure."""
        assert isinstance(structure, Shape)
        return StackedCohort(_Family(self._task, structure))

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights by the names of Sequential(Linear, activation, Dropout, ..., Linear)."""
        row = Row(0, params, 0, 1)
        return _Family(self._task, self.structure(params)).tensors(row, state, "parameters")

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part; the loss is called test_loss."""
        row = Row(0, params, 0, 1)
        family = _Family(self._task, self.structure(params))
        with torch.inference_mode():
            stack = {k: v.unsqueeze(0) for k, v in family.restore(row, state).items()}
            examples = Examples(self._task, self._task.data.test)
            figures = family.training([row], stack).evaluate(examples)
        return {name.replace("validation", "test"): float(value) for name, value in figures.items()}


class _Family:
    """Perceptrons of one `Shape` on one task."""

    def __init__(self, task: Task, shape: Shape) -> None:
        self.task = task
        self.shape = shape
        hidden = (shape.width,) * shape.layers
        self.layout = Layout((task.n_inputs_padded, *hidden, task.n_outputs_padded))
        self.workspace = Workspace(task.device, task.dtype)

    def widths(self, row: Row) -> tuple[int, ...]:
        """The row's true widths."""
        settings = settings_of(Settings, row.params)
        assert settings.units <= self.shape.width
        hidden = (settings.units,) * settings.layers
        return (self.task.n_inputs, *hidden, self.task.n_outputs)

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        rng = generator(row.seed, "weights")
        initializer = settings_of(Settings, row.params).initializer
        tensors = draw_perceptron(self.layout, self.widths(row), initializer, rng, self.task.dtype)
        parameters = self._packed(tensors)
        zeros = torch.zeros_like(parameters)
        return {"parameters": parameters, "first_moment": zeros, "second_moment": zeros}

    def _packed(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Padded parameters in which padded outputs can never be chosen."""
        parameters = self.layout.pack(tensors).to(self.task.device)
        output = self.layout.biases(parameters.unsqueeze(0))[-1]
        output[..., self.task.n_outputs :] = self.task.loss.padding
        return parameters

    def tensors(self, row: Row, state: RowState, prefix: str) -> dict[str, Tensor]:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self.layout.shapes(self.widths(row))
        like = torch.empty(0, device="cpu", dtype=self.task.dtype)
        return fitted(row, state, prefix, shapes, like)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {"parameters": self._packed(self.tensors(row, state, "parameters"))}
        for name in ("first_moment", "second_moment"):
            vectors[name] = self.layout.pack(self.tensors(row, state, name)).to(self.task.device)
        return vectors

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        return {
            f"{name}.{part}": tensor
            for name, vector in vectors.items()
            for part, tensor in self.layout.unpack(vector, self.widths(row)).items()
        }

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Optimizers come in the order of `Updates`, activations next to their like."""
        settings = settings_of(Settings, row.params)
        return settings.rule.rank, settings.activation

    def training(self, rows: Sequence[Row], stack: Vectors) -> _Training:
        """Training of `rows`, in place on `stack`."""
        return _Training(self, rows, stack)


class _Training:
    """Rows of one cohort in a fixed order, ready to train."""

    def __init__(self, family: _Family, rows: Sequence[Row], stack: Vectors) -> None:
        self._family, self._rows = family, rows
        self._task, self._shape = family.task, family.shape
        self._settings = settings = [settings_of(Settings, row.params) for row in rows]
        self._take = family.workspace.take
        self._parameters = parameters = stack["parameters"]
        self._gradient = self._take("gradient", *parameters.shape)
        self._scratch = self._take("scratch", *parameters.shape)
        self._views = Views(family.layout, parameters)
        self._gradient_views = Views(family.layout, self._gradient)
        self._updates = Updates(
            [s.rule for s in settings],
            parameters,
            self._gradient,
            stack["first_moment"],
            stack["second_moment"],
            self._scratch,
        )
        self._spans = spans([s.activation for s in settings])
        self._dropout = Dropout(
            [s.dropout for s in settings],
            [row.seed for row in rows],
            [s.units for s in settings],
            family.shape.layers,
            family.shape.width,
            any(ACTIVATIONS[s.activation].moves_zero for s in settings),
            parameters,
        )
        self._l1, self._l2 = (self._penalty(name) for name in ("l1", "l2"))
        self._networks: dict[int, Perceptron] = {}

    def _penalty(self, name: str) -> Tensor | None:
        """The coefficients of a penalty, shape (K, 1); None where no row has it."""
        values = [getattr(s, name) for s in self._settings]
        if not any(values):
            return None
        return torch.tensor(values, dtype=torch.float64).unsqueeze(1).to(self._parameters)

    def _network(self, n_batch: int) -> Perceptron:
        """The perceptrons for batches of that size."""
        if n_batch not in self._networks:
            layout, workspace = self._family.layout, self._family.workspace
            self._networks[n_batch] = Perceptron(
                layout, len(self._rows), n_batch, self._spans, workspace, "mlp"
            )
        return self._networks[n_batch]

    def _kinds(self, examples: Examples) -> Tensor:
        """Which scaled copy of `examples` each row sees, int64, shape (K,)."""
        kinds = [examples.kind(s.input_scaling) for s in self._settings]
        return torch.tensor(kinds, device=self._task.device)

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, loss, layout = self._task.train, self._task.loss, self._family.layout
        n_rows, n_inputs, n_outputs = len(self._rows), layout.widths[0], layout.widths[-1]
        copies = self._kinds(train).unsqueeze(1) * train.n_padded
        points = train.x.flatten(0, 1)
        order = Order([row.seed for row in self._rows], epochs, train.n_points)
        self._dropout.begin(epochs)
        n_steps = -(-train.n_points // self._shape.batch_size)
        self._updates.begin(self._factors(epochs), [e * n_steps for e in epochs], n_steps)
        numbers = n_rows * (n_inputs + 2 * n_outputs + self._shape.layers * self._shape.width)
        losses = []
        for piece in pieces(train.n_points, self._shape.batch_size, numbers):
            size = (piece.n_steps, n_rows, piece.n_batch)
            chosen = order.take(piece).to(self._task.device)
            x = points.index_select(0, (chosen + copies).flatten()).view(*size, n_inputs)
            y = train.targets.index_select(0, chosen.flatten()).view(*size, n_outputs)
            outputs = self._take("outputs", *size, n_outputs)
            slope = self._take("slope", *size[1:], n_outputs)
            weight = piece.weight(n_outputs, self._task.n_outputs, x)
            network = self._network(piece.n_batch)
            masks = self._dropout.masks(piece)
            for step in range(piece.n_steps):
                network.forward(x[step], self._views, masks[step], outputs[step])
                loss.gradient(outputs[step], y[step], slope).mul_(weight)
                network.backward(slope, self._views, masks[step], self._gradient_views, self._l2)
                self._add_l1()
                self._updates.step(piece.first + step)
            seen = loss.values(outputs, y)[:, :, : piece.n_points]
            losses.append(seen.transpose(0, 1).reshape(n_rows, -1))
        figures = self.evaluate(self._task.validation)
        figures["train_loss"] = torch.cat(losses, 1).double().mean(1) * self._task.scale**2
        return by_row(figures)

    def _factors(self, epochs: Sequence[int]) -> list[float]:
        """Each row's factor of the learning rate."""
        return [
            SCHEDULES[s.schedule](epoch, row.epochs)
            for s, row, epoch in zip(self._settings, self._rows, epochs, strict=True)
        ]

    def _add_l1(self) -> None:
        """Adds l1 * sign(w) to the gradient of the weights."""
        if self._l1 is not None:
            n = self._family.layout.n_weights
            signs = torch.sign(self._parameters[:, :n], out=self._scratch[:, :n])
            self._gradient[:, :n].addcmul_(signs, self._l1)

    def evaluate(self, examples: Examples) -> dict[str, Tensor]:
        """The objectives of every row on `examples`, each of shape (K,)."""
        widths = self._family.layout.widths
        most = min(examples.n_padded, max(8, _MOST_EVALUATED // max(widths) // 8 * 8))
        kinds = self._kinds(examples)
        losses, hits = [], []
        for start in range(0, examples.n_padded, most):
            part = slice(start, min(start + most, examples.n_padded))
            x = examples.x[:, part].index_select(0, kinds)
            outputs = self._take("evaluated", *x.shape[:2], widths[-1])
            self._network(x.shape[1]).forward(x, self._views, self._dropout.resting, outputs)
            targets = examples.targets[part]
            losses.append(self._task.loss.values(outputs, targets))
            hits.append(outputs.argmax(-1) == targets.argmax(-1))
        return self._task.figures(examples, torch.cat(losses, 1), torch.cat(hits, 1))
