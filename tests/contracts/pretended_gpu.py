"""A pretended GPU: tensors that report a device of their own and are computed by the host.

Where no GPU is, it shows what one would show: an operation on tensors of two devices fails, a
copy to the device is a copy, and operations that the host waits for are noted. Figures are those
of the host, bit by bit. The device is called "meta", since torch without CUDA lets no tensor say
that it is on "cuda".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CPU, GPU = torch.device("cpu"), torch.device("meta")

_COPIES = frozenset({"copy_", "_to_copy", "to", "cpu"})
"""May have tensors of two devices."""

_INDEXED = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})
"""May have indices of the host, which are then copied to the device."""

_READS = frozenset(
    {"item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "allclose"}
    | {"_unique2", "unique_dim", "bincount", "histc", "repeat_interleave"}
)
"""The host needs what they compute, or how many there are."""


class Held(Tensor):
    """A tensor on the pretended device; `held` is the memory and where it is computed."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Held:
        """A tensor of the shape of `held`."""
        # A view of a tensor made before inference began must be an ordinary tensor too.
        with torch.inference_mode(False):
            made: Held = Tensor._make_wrapper_subclass(
                cls,
                held.shape,
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                device=GPU,
            )
        made.held = held
        return made

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func`: what it computes says itself which kind of tensor it is."""
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """RuntimeError: only `PretendedGPU` computes."""
        raise RuntimeError(f"{func}: the pretended device is gone")

    def tolist(self) -> Any:
        """The numbers, read by the host; torch refuses to list those of a subclass."""
        return self.cpu().tolist()


class _PythonNumbers(TorchFunctionMode):
    """Tensors and indices from Python's numbers are made by the host and then copied.

    Torch itself would make tensors without numbers of them.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func`."""
        named = dict(kwargs or {})
        if func is Tensor.pin_memory:
            return _pinned(args[0])
        if func in (torch.tensor, torch.as_tensor) and named.get("device") == GPU:
            return func(*args, **(named | {"device": CPU})).to(GPU)
        if func in (Tensor.__getitem__, Tensor.__setitem__) and type(args[0]) is Held:
            args = (args[0], _copied(args[1]), *args[2:])
        return func(*args, **named)


def _pinned(tensor: Tensor) -> Tensor:
    """A copy that a GPU would read while the host goes on."""
    copy = tensor.clone()
    copy.is_pretended_pinned = True  # type: ignore[attr-defined]
    return copy


def _copied(index: Any) -> Any:
    """The index with tensors on the device for lists of numbers."""
    if isinstance(index, tuple):
        return tuple(_copied(part) for part in index)
    return torch.tensor(index).to(GPU) if isinstance(index, list) else index


class _Call:
    """The arguments of one operation, and where its tensors are.

    Attributes:
        name: Of the operation.
        tensors: All of them, in order.
        goes_to: The device that the arguments ask for, if they do.
    """

    def __init__(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> None:
        self.name = func.overloadpacket.__name__
        self.tensors: list[Tensor] = []
        self.goes_to: torch.device | None = None
        self.args = [self._plain(arg) for arg in args]
        self.named = {name: self._plain(arg) for name, arg in named.items()}
        if self.name == "cpu":
            self.goes_to = CPU
        elif self.name == "to" and len(self.tensors) == 2:
            self.goes_to = self.tensors[1].device
        self.was_here = any(type(tensor) is Held for tensor in self.tensors)
        self.is_here = self.was_here if self.goes_to is None else self.goes_to == GPU

    def _plain(self, arg: Any) -> Any:
        """The argument as the host computes with it."""
        if isinstance(arg, Tensor):
            self.tensors.append(arg)
            return arg.held if type(arg) is Held else arg
        if isinstance(arg, (list, tuple)):
            return [self._plain(part) for part in arg]
        if isinstance(arg, torch.device):
            self.goes_to = arg
            return CPU
        return arg

    def result(self, made: Any) -> Any:
        """What was `made`, on the device that it belongs to."""
        if isinstance(made, (list, tuple)):
            return type(made)(self.result(part) for part in made)
        if not isinstance(made, Tensor):
            return made
        same = next((t for t in self.tensors if (t.held if type(t) is Held else t) is made), None)
        if self.was_here == self.is_here and same is not None:
            return same
        if same is not None:
            made = made.clone()
        return Held(made) if self.is_here else made

    @property
    def strangers(self) -> list[Tensor]:
        """Tensors of the host that an operation on the device cannot have."""
        if not self.was_here or self.name in _COPIES:
            return []
        own = self.tensors
        if self.name in _INDEXED:
            own = [self.tensors[0], *self.tensors[-1:]] if "put" in self.name else own[:1]
        return [tensor for tensor in own if type(tensor) is not Held and tensor.dim()]

    @property
    def is_sent(self) -> bool:
        """Whether it copies from pinned memory to the device, and says that nobody waits."""
        flags = [*self.args, *self.named.values()]  # True is only the one for not blocking
        is_pinned = hasattr(self.tensors[0], "is_pretended_pinned")
        return self.is_here and is_pinned and any(flag is True for flag in flags)

    @property
    def is_waited_for(self) -> bool:
        """Whether the host goes on only when the operation is done."""
        kinds = {type(tensor) is Held for tensor in self.tensors}
        if self.name in _COPIES:
            return not self.is_sent and (self.was_here != self.is_here or len(kinds) == 2)
        if self.name in _INDEXED and self.was_here:
            return len(kinds) == 2 or any(tensor.dtype == torch.bool for tensor in self.tensors[1:])
        return self.was_here and self.name in _READS


class PretendedGPU(TorchDispatchMode):
    """While it is entered, the device `GPU` is there.

    Attributes:
        waits: Operations that the host waited for: reads, and copies in either direction but
            those from pinned memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self._numbers = _PythonNumbers()

    def __enter__(self) -> PretendedGPU:
        """The device is there."""
        self._numbers.__enter__()
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The device is gone."""
        super().__exit__(kind, error, trace)
        self._numbers.__exit__(kind, error, trace)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Computes `func` by the host.

        Raises:
            RuntimeError: Its tensors are on two devices, or its generator is not on theirs.
        """
        call = _Call(func, args, kwargs or {})
        if call.is_here and call.named.get("generator") is not None:
            raise RuntimeError(f"{func}: a generator of the host cannot draw on the device")
        if call.strangers:
            shapes = [tuple(tensor.shape) for tensor in call.strangers]
            raise RuntimeError(f"{func}: tensors of two devices; the host has those of {shapes}")
        if call.is_waited_for:
            self.waits.append(str(func))
        return call.result(func(*call.args, **call.named))
