"""Iterators among the inputs, or held by the model: each run draws the same, and theirs stay."""

from __future__ import annotations

from itertools import chain, count, cycle, islice
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.iterators import Substitution
from tests.measure.helpers import x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("brief_timing")

ONCE = 2 * 4 * 8 * 8
ROWS = [x(4, 8), x(4, 8), x(4, 8)]


class Summing(nn.Module):
    """A layer on each of the inputs that an iterator gives, with whatever comes with them."""

    def __init__(self, held: Any = None) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.held = held

    def forward(self, given: Any = None) -> Tensor:
        values = list(self.held if given is None else given)
        found = [t for value in values for t in (value if isinstance(value, tuple) else [value])]
        DRAWN.append(len(values))
        return torch.stack([self.layer(t) for t in found if isinstance(t, Tensor)]).sum()


DRAWN: list[int] = []  # what each run drew


def generator() -> Iterator[Tensor]:
    yield from ROWS


ITERATORS: dict[str, tuple[Callable[[], Any], int]] = {
    "list": (lambda: iter(ROWS), 3),
    "the rest": (lambda: _advanced(iter(ROWS)), 2),
    "tuple": (lambda: iter(tuple(ROWS)), 3),
    "reversed": (lambda: reversed(ROWS), 3),
    "dict": (lambda: iter(dict(enumerate(ROWS)).items()), 3),
    "enumerate": (lambda: enumerate(ROWS), 3),
    "zip": (lambda: zip(ROWS, ROWS, strict=True), 6),
    "pairs": (lambda: zip(*[iter(ROWS[:2])] * 2, strict=False), 2),
    "map": (lambda: map(torch.relu, ROWS), 3),
    "filter": (lambda: filter(torch.is_tensor, ROWS), 3),
    "cycle": (lambda: islice(cycle(ROWS), 7), 7),
    "chain": (lambda: chain(ROWS, iter(ROWS)), 6),
    "sentinel": (lambda: iter([None, *ROWS].pop, None), 3),
    "generator": (generator, 3),
    "generator in a zip": (lambda: zip(generator(), count(), strict=False), 3),
}
CANNOT_BE_COPIED = {"generator", "generator in a zip", "sentinel"}


def _advanced(iterator: Any) -> Any:
    next(iterator)
    return iterator


@pytest.mark.parametrize("name", ITERATORS)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_as_an_input(name: str, mode: str) -> None:
    make, products = ITERATORS[name]
    given = make()
    DRAWN.clear()
    metrics = ("gflops", "latency", "memory")
    profile = profile_model(Summing(), given, metrics=metrics, mode=mode)
    forward = profile.forward_flops if mode == "training" else profile.flops
    assert forward == products * ONCE
    assert profile.inputs == (type(given).__name__,)
    assert profile["layer"].calls == products
    assert len(DRAWN) > 3
    assert len(set(DRAWN)) == 1  # each run drew as many
    assert len(list(given)) == (0 if name in CANNOT_BE_COPIED else DRAWN[0])


@pytest.mark.parametrize("name", ITERATORS)
def test_held_by_the_model(name: str) -> None:
    make, products = ITERATORS[name]
    held = make()
    model = Summing(held)
    DRAWN.clear()
    for _ in range(2):
        profile = profile_model(model, metrics=("gflops", "latency", "memory"))
        assert profile.flops == products * ONCE
    assert len(set(DRAWN)) == 1
    assert (model.held is held) == (name not in CANNOT_BE_COPIED)
    assert len(list(model.held)) == DRAWN[0]


def test_an_endless_generator_is_drawn_as_far_as_a_call_draws() -> None:
    def rows() -> Iterator[Tensor]:
        while True:
            yield x(4, 8)
            yielded.append(1)

    class Two(Summing):
        def forward(self, given: Any) -> Tensor:
            return self.layer(next(given)) + self.layer(next(given))

    yielded: list[int] = []
    assert profile_model(Two(), rows(), metrics=("gflops", "latency")).flops == 2 * ONCE
    assert len(yielded) == 1


def test_a_generator_that_nothing_was_drawn_from_stays() -> None:
    held = generator()
    model = Summing(held)
    assert profile_model(model, iter(ROWS)).flops == 3 * ONCE
    assert model.held is held


def test_in_containers_of_inputs_and_in_objects() -> None:
    class Batch:
        def __init__(self) -> None:
            self.rows = iter(ROWS)
            self.more = [generator(), (iter(ROWS),)]

    class Nested(Summing):
        def forward(self, given: Any) -> Tensor:
            batch = given["batch"]
            return super().forward(chain(given["rows"], batch.rows, batch.more[0], *batch.more[1]))

    rows, batch = iter(ROWS), Batch()
    given = {"rows": rows, "batch": batch}
    DRAWN.clear()
    profile = profile_model(Nested(), (given,), metrics=("gflops", "latency", "memory"))
    assert profile.flops == 12 * ONCE
    assert set(DRAWN) == {12}
    assert [len(list(i)) for i in (rows, batch.rows, batch.more[0], *batch.more[1])] == [3] * 4


def test_what_an_iterator_gives_lies_where_the_model_runs() -> None:
    held = iter(ROWS)

    def substitute_of(tensor: Tensor) -> Tensor:
        return tensor.to("meta")

    substitution = Substitution(substitute_of)
    given = [*substitution.of(held), *substitution.of(generator())]
    assert [tensor.device.type for tensor in given] == ["meta"] * 6
    assert next(held) is ROWS[0]
