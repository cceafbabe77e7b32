"""What the tuner needs of training code: trainers, cohorts of rows, and their progress.

A trainer knows one family of models. It trains trials in cohorts: trials of equal *structure*
share stacked tensors whose index 0 is the trial's row. A cohort knows nothing of studies,
samplers or databases.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeAlias,
    runtime_checkable,
)

if TYPE_CHECKING:
    from torch import Tensor

    from search_spaces import Space

Direction = Literal["minimize", "maximize"]

RowState: TypeAlias = "dict[str, Tensor]"
"""One row at the end of an epoch: contiguous CPU tensors by name, without pickle (safetensors)."""


@dataclass(frozen=True)
class Objective:
    """A figure that a trainer reports after every epoch and that a study may optimise.

    Attributes:
        name: As in the spec.
        direction: In which it is good.
        unit: Of the figure.
        is_timed: A clock measures it: no other run has quite the same figure.
    """

    name: str
    direction: Direction
    unit: str = ""
    is_timed: bool = False


def costs(values: Sequence[float], directions: Sequence[Direction]) -> tuple[float, ...]:
    """`values` so that less is better; of two tuples the lesser is better by the first objective
    in which they differ.
    """
    pairs = zip(values, directions, strict=True)
    return tuple(-value if direction == "maximize" else value for value, direction in pairs)


@dataclass(frozen=True)
class Row:
    """One trial as a cohort sees it.

    Attributes:
        key: Identifies the row within its lane.
        params: Value of every active axis of the trainer's space.
        seed: What initial weights, data order and noise are functions of, in [0, 2**63).
        epochs: Most resource the trial may use; learning-rate schedules span it.
    """

    key: int
    params: Mapping[str, Any]
    seed: int
    epochs: int


@dataclass(frozen=True)
class Finding:
    """What a trainer recognised in a row's training, told to the study with the epoch.

    Attributes:
        kind: A short name, the same for every trial that it shows in, such as "mode collapse".
        text: What was seen, with its figures: a sentence for people.
        is_hopeless: Training on cannot mend it; the tuner ends the trial with the kind as reason.
    """

    kind: str
    text: str
    is_hopeless: bool = False


@dataclass(frozen=True)
class Progress:
    """What one row measured at the end of an epoch.

    Attributes:
        key: The row.
        epoch: Epochs the row has completed, from 1.
        metrics: Every objective of the trainer by name, but those of `Measuring` that nobody
            asked for, and any further figures. Values may be non-finite; the row is then not
            advanced usefully again and the tuner ends it.
        findings: What shows at the end of this epoch; a kind may be told again, the study keeps
            its first epoch. A function of the row's own history, also after a checkpoint.
        is_final: No later epoch would change the row: it has stopped by its own rule, and its
            trial ends here as at its last epoch. A row that is advanced all the same rests.
    """

    key: int
    epoch: int
    metrics: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    is_final: bool = False


class Cohort(Protocol):
    """Rows of one structure that train together.

    A row's result is a function of its `Row` alone, and so are the widths that it is padded to:
    neighbours, order of admission and checkpoints never change a bit of it on one CPU. Rows that
    cannot be stacked are in blocks of their own.
    """

    @property
    def keys(self) -> Collection[int]:
        """The rows now training."""

    @property
    def blocks(self) -> Mapping[str, int]:
        """How many rows are stacked together, by what separates them from the others.

        Keys read like "batch_size=32 units<=64"; the counts add up to the number of rows.
        """

    def admit(self, rows: Sequence[Row], states: Mapping[int, RowState] | None = None) -> None:
        """Adds rows; those with an entry in `states` (by key) go on from it, others start anew.

        Raises:
            ValueError: A key is present already, or a state does not fit the row.
        """

    def advance(self) -> list[Progress]:
        """Trains every row for one epoch and returns what each measured."""

    def evict(self, keys: Collection[int]) -> None:
        """Removes rows; unknown keys raise KeyError and nothing is removed."""

    def save(self, key: int) -> RowState:
        """The row's weights, optimizer state and epoch, enough to go on bitwise alike."""


class Divisible(Cohort, Protocol):
    """A cohort whose blocks may train at different times, as those of all stacked trainers do.

    A lane can then train some while it waits for what becomes of the others.
    """

    def block_of(self, key: int) -> str:
        """The block that the row is in: a key of `blocks`."""

    def advance(self, blocks: Collection[str] | None = None) -> list[Progress]:
        """As `Cohort.advance`, for the rows of those blocks alone; None takes all."""


class Trainer(Protocol):
    """Our code for one family of models, wrapped as an objective.

    A trainer is built as `Trainer(data, device=...)`, where `data` is a `trials.data.Dataset`,
    and raises `trials.data.DataError` when the data is of a kind it cannot train on.
    """

    name: ClassVar[str]
    default_epochs: ClassVar[int]
    default_value: ClassVar[Literal["last", "best"]]
    default_data: ClassVar[str]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""

    @property
    def space(self) -> Space:
        """The ready space; a spec may override its axes and add others of `domain`."""

    @property
    def domain(self) -> Space:
        """Every axis there is, with all the values it may take; no conditions."""

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials whose structures are equal can share a cohort."""

    def cohort(self, structure: Hashable) -> Cohort:
        """An empty cohort for that structure."""

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """The row's weights without padding, under the names of the equivalent torch.nn model."""

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """Figures on the test part, to be looked at once, for the best trial."""


@runtime_checkable
class Measuring(Protocol):
    """A trainer that measures some of its objectives only where they are asked for.

    They cost time in every epoch, or room in the study database.
    """

    def measure(self, names: Collection[str]) -> None:
        """Cohorts that are made from now on report the objectives of these names too.

        Raises:
            trials.data.DataError: The data has not what one of them needs.
        """


def ask_for(trainer: Trainer, objectives: Collection[Objective]) -> None:
    """`trainer` measures these of its objectives from now on, and perhaps others.

    Raises:
        trials.data.DataError: The data has not what one of them needs.
    """
    if isinstance(trainer, Measuring):
        trainer.measure([objective.name for objective in objectives])


@runtime_checkable
class Generative(Trainer, Protocol):
    """A trainer whose models make samples like the data."""

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """What the row's model makes of one fixed latent batch, the same for every row and epoch.

        Returns:
            In the unit of the data, on the CPU, shape (N, *shape of a sample).
        """
