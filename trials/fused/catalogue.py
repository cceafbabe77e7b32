"""Which trials have modules that are built alike, found once for each set of their parameters."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from trials.contract import Row
from trials.fused.dropping import rates
from trials.fused.errors import ModelError
from trials.fused.likeness import likeness
from trials.fused.model import Findings
from trials.fused.recipe import Recipe
from trials.fused.task import FusedTask
from trials.fused.tensors import Tensors
from trials.fused.trying import Trying
from trials.stacked.noise import generator

_log = logging.getLogger(__name__)


class Blueprint:
    """Modules of one likeness, and equal to itself alone.

    Args:
        catalogue: Builds them.
        params: Of the first trial that had one.
        module: Its.
    """

    def __init__(self, catalogue: Catalogue, params: Mapping[str, Any], module: nn.Module) -> None:
        self._catalogue, self._params = catalogue, dict(params)
        self.tensors = Tensors.of(module)
        """Where their tensors lie."""

    @cached_property
    def findings(self) -> Findings:
        """What a run showed, made when it is first wanted.

        Raises:
            ModelError: They cannot be trained.
        """
        catalogue = self._catalogue
        trying = Trying(
            lambda: catalogue.build(self._params, 0),
            catalogue.recipe.loss,
            catalogue.task,
            self.tensors,
            catalogue.recipe.settings(self._params).input_scaling,
        )
        findings = trying.findings()
        if findings.reason is not None:
            catalogue.note(findings.reason)
        return findings


@dataclass(frozen=True)
class Entry:
    """What is known of the module of some trials.

    Attributes:
        blueprint: Shared with all modules that are built alike.
        rates: Of its dropout modules, in order.
    """

    blueprint: Blueprint
    rates: tuple[float, ...]


class Catalogue:
    """The modules of a recipe on some data.

    Attributes:
        notes: Why trials are not stacked, a sentence each.
    """

    def __init__(self, recipe: Recipe, task: FusedTask) -> None:
        self.recipe, self.task = recipe, task
        self.notes: tuple[str, ...] = ()
        self._entries: dict[Hashable, Entry | ModelError] = {}
        self._blueprints: dict[Hashable, Blueprint] = {}

    def build(self, params: Mapping[str, Any], seed: int) -> nn.Module:
        """The module of a trial that starts from `seed`; ModelError where there is none."""
        own = self.recipe.model_params(params)
        drawn = generator(seed, "weights").initial_seed()
        module = self.recipe.build(own, self.task.shape, drawn)
        return module.to(device=self.task.device, dtype=self.task.dtype)

    def entry(self, params: Mapping[str, Any]) -> Entry | ModelError:
        """What is known of a trial's module, or why it cannot be built."""
        own = self.recipe.model_params(params)
        key = tuple((name, type(value), value) for name, value in sorted(own.items()))
        if key not in self._entries:
            try:
                self._entries[key] = self._new_entry(params)
            except ModelError as error:
                self._entries[key] = error
        return self._entries[key]

    def _new_entry(self, params: Mapping[str, Any]) -> Entry:
        module = self.build(params, 0)
        found = rates(module)
        if any(rate >= 1.0 for rate in found):
            raise ModelError(f"build_model: rates of dropout must be below 1, got {max(found)}")
        alike = likeness(module)
        if alike not in self._blueprints:
            self._blueprints[alike] = Blueprint(self, params, module)
        return Entry(self._blueprints[alike], found)

    def rates(self, row: Row) -> tuple[float, ...]:
        """The rates of dropout of a row whose module could be built."""
        entry = self.entry(row.params)
        assert isinstance(entry, Entry)
        return entry.rates

    def note(self, reason: str) -> None:
        """People can see the reason; it is logged once."""
        if reason not in self.notes:
            self.notes += (reason,)
            _log.info("%s", reason)
