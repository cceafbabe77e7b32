"""Text from a trained network that names the next character: one beginning, many characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trials.contract import Row, RowState
from trials.data import Part
from trials.data.sequences import encoded
from trials.stacked.network import Stack
from trials.stacked.noise import generator
from trials.stacked.sequences import SequenceTrainer
from trials.stacked.supervised_family import SupervisedFamily
from trials.stacked.workspace import Workspace

if TYPE_CHECKING:
    from trials.data.dataset import Floats

_N_BATCH = 8
"""Points of a batch, of which all but the first are padding."""


def continued(
    trainer: SequenceTrainer[Any],
    state: RowState,
    params: Mapping[str, Any],
    beginning: str,
    n: int,
    seed: int = 0,
) -> str:
    """`n` characters that follow on `beginning`, each drawn with the probability that it is given.

    Args:
        trainer: On data of kind "sequences" whose classes are characters, such as `sentences`.
        state: A row of it, trained.
        params: Of the row.
        beginning: What is there already; short of a window it is filled up with spaces before it.
        n: Characters that are wanted.
        seed: Of the draws.

    Raises:
        ValueError: `beginning` has a character that is no class.
    """
    letters, n_seen = list(trainer.task.data.classes), trainer.task.inputs.shape[0]
    strays = sorted(set(beginning) - set(letters))
    if strays:
        known = "".join(letters)
        raise ValueError(f"beginning: must be of the characters {known!r}, got {strays[0]!r}")
    answers, rng = _answers(trainer, state, params), generator(seed, "text")
    text = beginning
    for _ in range(n):
        seen = encoded(text[-n_seen:].rjust(n_seen), letters)
        chances = answers(seen[None])[: len(letters)].softmax(0)
        text += letters[int(torch.multinomial(chances, 1, generator=rng))]
    return text[len(beginning) :]


def _answers(
    trainer: SequenceTrainer[Any], state: RowState, params: Mapping[str, Any]
) -> Callable[[Floats], Tensor]:
    """From one window of characters, (1, T, C), to what the row says of the next, (C,)."""
    family, row, task = SupervisedFamily(trainer), Row(0, params, 0, 1), trainer.task
    settings = family.settings(row)
    rounded = trainer.rounded(settings)
    with family.mode():
        vector = family.restore(row, state)["parameters"].unsqueeze(0)
        layout, workspace = trainer.padded_layout(rounded), Workspace(task.device, task.dtype)
        stack = Stack([settings], rounded, layout, vector, torch.zeros_like(vector), workspace)
        network = trainer.network(stack, _N_BATCH)
    x = vector.new_zeros(1, _N_BATCH, *task.inputs.padded)
    out = vector.new_zeros(1, _N_BATCH, task.n_outputs_padded)

    def answer(seen: Floats) -> Tensor:
        points = task.scaled(Part(seen, None), settings.input_scaling)
        x[:, :1, :, : points.shape[2]] = points
        with family.mode():
            return network.forward(x, None, out, is_training=False)[0, 0].double().cpu()

    return answer
