"""Which modules are built alike, so that only their numbers differ and they can be stacked."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from torch import Tensor, nn

from trials.fused.dropping import DROPOUTS

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_TORCHS_OWN = frozenset(vars(nn.Module()))
_HOOKS = tuple(sorted(name for name in _TORCHS_OWN if name.endswith("hooks")))


class _Same:
    """An object that equals itself alone, and that lives as long as somebody compares it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def likeness(module: nn.Module) -> Hashable:
    """Equal for modules that compute the same function of their parameters and buffers.

    Compared are the tree of modules, their classes, the shapes of their tensors, and all other
    attributes: plain values by what they are, anything else by identity. A rate of dropout may
    differ, since it is a number of the row. What is not seen to be equal counts as different.
    """
    return tuple(
        (name, *_node(child)) for name, child in module.named_modules(remove_duplicate=False)
    )


def _node(module: nn.Module) -> tuple[Hashable, ...]:
    free = {"p"} if type(module) in DROPOUTS else set()
    attributes: tuple[Hashable, ...] = tuple(
        (name, _value(value))
        for name, value in vars(module).items()
        if name not in _TORCHS_OWN and name not in free
    )
    hooks = tuple(_value(getattr(module, name)) for name in _HOOKS if getattr(module, name, None))
    parameters = module.named_parameters(recurse=False)
    buffers = module.named_buffers(recurse=False)
    tensors: tuple[Hashable, ...] = tuple(
        (name, tuple(tensor.shape), tensor.dtype, tensor.requires_grad)
        for name, tensor in (*parameters, *buffers)
    )
    return _Same(type(module)), tensors, attributes, hooks


def _value(value: Any) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value), repr(value)
    if isinstance(value, list | tuple):
        return type(value), tuple(_value(item) for item in value)
    if isinstance(value, dict):
        return type(value), tuple((_value(key), _value(item)) for key, item in value.items())
    if isinstance(value, Tensor):
        return _Same(object())  # a number that no checkpoint holds: never known to be equal
    return _Same(value)
