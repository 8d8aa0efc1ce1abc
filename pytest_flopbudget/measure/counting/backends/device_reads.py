"""Device reads: a model that runs on meta tensors asks for their device, and gets the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.external_tensors import LEAVING, UnreadableTensors
from pytest_flopbudget.measure.hardware.devices import CPU, META, is_named
from pytest_flopbudget.measure.torch_internals.flags import autocast_is_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_flopbudget.measure.counting.external_tensors import Note


def _kind_of(tensor: torch.Tensor, device: torch.device) -> str:
    kind = "torch." if device == CPU else f"torch.{device.type}."
    return torch.Tensor.type(tensor).replace("torch.meta.", kind)


def _index(_tensor: torch.Tensor, device: torch.device) -> int:
    return -1 if device.index is None else device.index


def _is_of(kind: str) -> Callable[[torch.Tensor, torch.device], bool]:
    return lambda _tensor, device: device.type == kind


KINDS = ("cpu", "cuda", "ipu", "maia", "meta", "mps", "mtia", "vulkan", "xla", "xpu")
READS: dict[Any, Callable[[torch.Tensor, torch.device], Any]] = {  # what a tensor there answers
    torch.Tensor.device.__get__: lambda _tensor, device: device,
    torch.Tensor.get_device: _index,
    torch.get_device: _index,
    torch.Tensor.type: _kind_of,
    **{
        getattr(torch.Tensor, f"is_{kind}").__get__: _is_of(kind)
        for kind in KINDS
        if hasattr(torch.Tensor, f"is_{kind}")
    },
}
MOVES: dict[Any, torch.device | None] = {  # where to, if their name says it
    torch.Tensor.to: None,
    torch.Tensor.cpu: CPU,
    torch.Tensor.cuda: torch.device("cuda"),
}
FROM_VALUES = frozenset({torch.tensor, torch.as_tensor, torch.asarray})
HANDLED = READS.keys() | MOVES.keys() | LEAVING


class AmbiguousDeviceError(MeasureError):
    """Several devices are in use, and tensors on meta do not tell which of them they are for."""


class AutocastError(MeasureError):
    """Autocast is on, which leaves tensors on meta as they are."""


class MetaTensors(UnreadableTensors):
    """Answers where tensors on meta would lie, and takes that device for meta where it is named.

    What the functions of torch do inside, and what backward runs, sees the tensors as they are.
    """

    def __init__(
        self,
        known: Iterable[torch.Tensor],
        note: Note,
        note_failure: Callable[[Exception], None],
        devices: set[torch.device],
    ) -> None:
        super().__init__(known, note, note_failure)
        self._devices = devices  # where the tensors would lie

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function, or answer for it."""
        if self.dtypes_matter and autocast_is_on():
            error = AutocastError("tensors on meta keep the dtypes that autocast would change")
            self._note_failure(error)
            raise error
        if "device" not in kwargs and func not in HANDLED:
            return func(*args, **kwargs)
        if func in READS and len(args) == 1 and not kwargs:
            return self._answer(func, args[0])
        if func in FROM_VALUES:
            return self._from_values(func, args, kwargs)
        if func in MOVES:
            func, args, kwargs = self._move(func, args, kwargs)
        elif "device" in kwargs:
            kwargs = kwargs | {"device": self._place(kwargs["device"])}
        return super().call(func, args, kwargs)

    def _answer(self, func: Any, tensor: torch.Tensor) -> Any:
        """Return what a tensor on meta would answer; others answer themselves."""
        if not tensor.is_meta or META in self._devices:
            return func(tensor)
        if len(self._devices) > 1:
            self._note_failure(AmbiguousDeviceError(f"one of {sorted(map(str, self._devices))}"))
        return READS[func](tensor, next(iter(self._devices), CPU))

    def _place(self, named: Any) -> Any:
        """Return meta for the device of the model, which needs not be there; others as named."""
        if named is None or len(self._devices) > 1:
            return named
        device, own = torch.device(named), next(iter(self._devices), CPU)
        if device == META != own:
            self._note_failure(AmbiguousDeviceError("the model puts tensors on meta itself"))
        return META if is_named(own, device) else device

    def _from_values(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Make a tensor of numbers: the values of one that is made on meta are lost."""
        device = kwargs.get("device")
        if device is None or self._place(device) != META or is_named(CPU, torch.device(device)):
            return func(*args, **kwargs)
        return func(*args, **kwargs | {"device": CPU}).to(META)

    def _move(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return the call that moves a tensor: one that would lie there already stays."""
        tensor, *rest = args
        if MOVES[func] is not None:
            if rest or "device" in kwargs or self._place(MOVES[func]) != META:
                return func, args, kwargs
            func, rest = torch.Tensor.to, [MOVES[func]]
        is_there = not tensor.is_meta and tensor.device in self._devices
        if rest and isinstance(rest[0], str | int | torch.device) and not is_there:
            rest[0] = self._place(rest[0])
        elif "device" in kwargs and not is_there:
            kwargs = kwargs | {"device": self._place(kwargs["device"])}
        return func, (tensor, *rest), kwargs
