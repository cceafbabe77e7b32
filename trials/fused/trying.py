"""A module run on a few points: what is wrong with it, and whether rows of it can be stacked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trials.data.scaling import ScalingKind
from trials.fused.dropping import Tape, hand_dropout
from trials.fused.errors import ModelError
from trials.fused.mapping import Mapper, OneByOne, Together
from trials.fused.model import Findings, RowModel
from trials.fused.recipe import Loss
from trials.fused.task import FusedTask
from trials.fused.tensors import Tensors

_N_ROWS, _N_POINTS = 3, 4
_RELATIVE, _ABSOLUTE = 1e-3, 1e-5


@dataclass
class _Watch:
    """What goes on in a module while it runs.

    Attributes:
        active: Submodules that have begun and not ended, the innermost last.
        largest: Numbers of the largest output.
    """

    active: list[nn.Module] = field(default_factory=list)
    largest: int = 0

    def begin(self, module: nn.Module, _inputs: Any) -> None:
        """A submodule is called."""
        self.active.append(module)

    def end(self, _module: nn.Module, _inputs: Any, outputs: Any) -> None:
        """A submodule returns."""
        self.active.pop()
        if isinstance(outputs, Tensor):
            self.largest = max(self.largest, outputs.numel())


@contextmanager
def _watched(module: nn.Module) -> Iterator[_Watch]:
    watch = _Watch()
    handles = [
        handle
        for child in module.modules()
        for handle in (
            child.register_forward_pre_hook(watch.begin),
            child.register_forward_hook(watch.end),
        )
    ]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


class Trying:
    """Runs on a few training points.

    Args:
        build: A new module every time, always the same one.
        loss: The user's.
        task: What is learnt.
        tensors: Of the module.
        scaling: Of the inputs.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        loss: Loss,
        task: FusedTask,
        tensors: Tensors,
        scaling: ScalingKind,
    ) -> None:
        self._build, self._loss, self._task, self._tensors = build, loss, task, tensors
        self._scaling = scaling
        self._points = torch.arange(_N_ROWS * _N_POINTS) % task.train.n_points

    def findings(self) -> Findings:
        """What there is to know.

        Raises:
            ModelError: The module or the loss fails, or returns what cannot be learnt from.
        """
        module = self._build()
        plain = RowModel(module, self._loss, None)
        output_shape, n_numbers = self._plain_run(module, plain)
        handed = self._build()
        tape = hand_dropout(handed)
        model = RowModel(handed, self._loss, tape)
        expected = self._row_by_row(handed, model, _N_POINTS, output_shape)
        reason = self._reason(handed, model, tape, output_shape, expected)
        if reason is not None:
            return Findings(plain, reason, (), output_shape, n_numbers)
        calls = tuple((site, n // _N_POINTS) for site, n in tape.calls)
        return Findings(model, None, calls, output_shape, n_numbers)

    def _plain_run(self, module: nn.Module, plain: RowModel) -> tuple[tuple[int, ...], int]:
        """Output shape of a point, and numbers of the largest output for a point."""
        trees, answers = self._arguments(module, 1, _N_POINTS)
        one = OneByOne(self._task.device)
        try:
            with torch.enable_grad(), _watched(module) as watch:
                outputs = one(plain.training_outputs, *trees, ())
        except Exception as error:
            raise ModelError(f"build_model: its module failed: {_described(error)}") from error
        shape = tuple(outputs.shape[1:])
        problem = self._task.output_problem(shape, _N_POINTS)
        if problem is not None:
            raise ModelError(f"build_model: its module must return {problem}")
        self._check_loss(plain, outputs[0], self._task.targets(answers[0], shape[1:]))
        return shape[1:], -(-watch.largest // _N_POINTS)

    def _check_loss(self, plain: RowModel, outputs: Tensor, y: Tensor) -> None:
        try:
            with torch.enable_grad():
                loss = plain.loss(outputs, y)
        except Exception as error:
            facts = f"outputs {_kind(outputs)} and targets {_kind(y)}"
            raise ModelError(f"loss: failed on {facts}: {_described(error)}") from error
        if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
            got = _kind(loss) if isinstance(loss, Tensor) else type(loss).__name__
            raise ModelError(f"loss: must return one number as a tensor of shape (), got {got}")
        if not loss.requires_grad:
            raise ModelError("loss: must depend on the outputs, got a number without gradient")

    def _arguments(
        self, module: nn.Module, n_rows: int, n_points: int
    ) -> tuple[tuple[Any, ...], Tensor]:
        """Parameters, buffers and points of rows that are all `module`; and the answers."""
        points = self._points.view(_N_ROWS, _N_POINTS)[:n_rows, :n_points]
        kinds = self._task.train.kinds([self._scaling] * n_rows)
        x, answers = self._task.train.chosen(points.unsqueeze(0).to(self._task.device), kinds)
        vectors = {
            name: vector.expand(n_rows, -1).clone()
            for name, vector in self._tensors.begin(module).items()
        }
        parameters, buffers = self._tensors.views(vectors)
        leaves = {name: view.detach().requires_grad_() for name, view in parameters.items()}
        apart = {name: buffer.contiguous() for name, buffer in buffers.items()}
        return (leaves, apart, x[0]), answers[0, :, :, 0]

    def _row_by_row(
        self, handed: nn.Module, model: RowModel, n_points: int, output_shape: tuple[int, ...]
    ) -> Sequence[Tensor]:
        """A step of rows that train one at a time, as all can whose module is sound."""
        one = OneByOne(self._task.device)
        try:
            return self._step(handed, model, one, output_shape, n_points)
        except Exception as error:
            raise ModelError(f"build_model: its module failed: {_described(error)}") from error

    def _reason(
        self,
        handed: nn.Module,
        model: RowModel,
        tape: Tape,
        output_shape: tuple[int, ...],
        expected: Sequence[Tensor],
    ) -> str | None:
        """Why rows cannot be stacked, one sentence; None where they can."""
        together = Together(self._task.device)
        calls = list(tape.calls)
        self._row_by_row(handed, model, _N_POINTS // 2, output_shape)
        if [(site, 2 * n) for site, n in tape.calls] != calls:
            return _sentence("Dropout", "drops something else than units of points")
        with _watched(handed) as watch, warnings.catch_warnings():
            # where vmap has no rule it may loop over rows within an operation, and only warn
            warnings.filterwarnings("error", message=".*performance drop")
            try:
                found = self._step(handed, model, together, output_shape, _N_POINTS)
            except Exception as error:  # noqa: BLE001 - recorded as the reason
                name = type(watch.active[-1]).__name__ if watch.active else "the loss"
                return _sentence(name, _rule_that_lacks(error))
        for one_row, stacked in zip(expected, found, strict=True):
            if not torch.allclose(one_row, stacked, _RELATIVE, _ABSOLUTE, equal_nan=True):
                return _sentence(type(handed).__name__, "computes something else when stacked")
        return None

    def _step(
        self,
        module: nn.Module,
        model: RowModel,
        mapper: Mapper,
        output_shape: tuple[int, ...],
        n_points: int,
    ) -> Sequence[Tensor]:
        """All that training and measuring compute: gradients, running averages, losses."""
        trees, answers = self._arguments(module, _N_ROWS, n_points)
        y = self._task.targets(answers, output_shape)
        leaves, buffers, x = trees
        with torch.no_grad():
            outputs = mapper(model.prediction, *trees)
            measured = mapper(model.loss, outputs, y)
        with torch.enable_grad():
            losses = mapper(model.training_loss, leaves, buffers, x, y, ())
            gradients = torch.autograd.grad(
                losses.sum(), list(leaves.values()), materialize_grads=True
            )
        averages = [tensor.double() for tensor in buffers.values()]
        return [outputs, measured, losses.detach(), *gradients, *averages]


def _sentence(name: str, why: str) -> str:
    return f"{name} {why}; trials train one at a time"


def _rule_that_lacks(error: Exception) -> str:
    """What stands against stacking, in words."""
    text = str(error)
    if "random" in text:
        return "draws random numbers other than by torch.nn.Dropout"
    if "batching rule" in text.lower():
        return "has no rule for stacking (torch.func.vmap)"
    return f"cannot be stacked by torch.func.vmap ({_described(error)})"


def _described(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
