"""A function, its inputs and what they move; how the bytes of a case are derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.helpers import Fn, counted_in

if TYPE_CHECKING:
    from collections.abc import Callable

BACKENDS = (MetaBackend, FakeBackend, RealBackend)


@dataclass(frozen=True)
class Case:
    """What a call moves, in bytes, and as how many operators."""

    name: str
    run: Callable[..., Any]  # a model, or a function of the inputs
    inputs: Callable[[], tuple[Any, ...]]
    moved: int
    operators: int = 1
    training: bool = False
    never: tuple[str, ...] = ()  # backends on which it does not run, or is known to differ

    def __str__(self) -> str:
        return self.name


def moved_by(
    run: Callable[..., Any], *inputs: Any, backend: Any = MetaBackend, training: bool = False
) -> tuple[int, int]:
    """Return the bytes and the operators of one call, forward and backward."""
    model = run if isinstance(run, nn.Module) else Fn(run)
    count = counted_in(backend(), model, inputs, training=training, traffic=True)
    traffic = count.traffic
    assert traffic is not None
    return (
        sum(traffic.forward_bytes) + sum(traffic.backward_bytes),
        sum(traffic.forward_operators) + sum(traffic.backward_operators),
    )
