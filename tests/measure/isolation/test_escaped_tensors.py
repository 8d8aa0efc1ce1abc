"""Tensors without values that forward keeps outside of the model are taken out again."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.escaped_tensors import Surroundings
from tests.measure.helpers import Fn

pytestmark = pytest.mark.usefixtures("brief_timing")

Mode = Literal["inference", "training"]
Make = Callable[[int], Tensor]

MAKES: dict[str, Make] = {
    "small": lambda n: torch.ones(n, n).tril(),
    "random": lambda n: torch.rand(n, n),
}
TABLE: dict[int, Tensor] = {}
NESTED: dict[str, Any] = {"masks": {}}
MASK: Tensor | None = None
LISTED: list[Tensor] = []


class Holder:
    from_class: Tensor | None = None

    def __init__(self) -> None:
        self.mask: Tensor | None = None


HOLDER = Holder()


def in_a_dict(n: int, make: Make) -> Tensor:
    if n not in TABLE:
        TABLE[n] = make(n)
    return TABLE[n]


def in_a_nested_dict(n: int, make: Make) -> Tensor:
    return NESTED["masks"].setdefault(n, {"of": (make(n),)})["of"][0]


def in_a_global(n: int, make: Make) -> Tensor:
    global MASK  # noqa: PLW0603 - as models do
    MASK = make(n) if MASK is None else MASK
    return MASK


def in_a_list(n: int, make: Make) -> Tensor:
    LISTED.append(make(n))
    return LISTED[0]


def in_an_object(n: int, make: Make) -> Tensor:
    HOLDER.mask = make(n) if HOLDER.mask is None else HOLDER.mask
    return HOLDER.mask


def in_a_class(n: int, make: Make) -> Tensor:
    Holder.from_class = make(n) if Holder.from_class is None else Holder.from_class
    return Holder.from_class


def in_a_function(n: int, make: Make) -> Tensor:
    if not hasattr(in_a_function, "mask"):
        in_a_function.mask = make(n)  # type: ignore[attr-defined]
    return in_a_function.mask  # type: ignore[attr-defined, no-any-return]


@functools.lru_cache
def in_a_cache(n: int, make: Make) -> Tensor:
    return make(n)


@functools.cache
def in_an_unbounded_cache(n: int, make: Make) -> SimpleNamespace:
    return SimpleNamespace(mask=make(n))


def in_an_object_in_a_cache(n: int, make: Make) -> Tensor:
    mask: Tensor = in_an_unbounded_cache(n, make).mask
    return mask


def enclosing() -> Callable[[int, Make], Tensor]:
    kept: Tensor | None = None

    def in_a_closure(n: int, make: Make) -> Tensor:
        nonlocal kept
        kept = make(n) if kept is None else kept
        return kept

    return in_a_closure


KEEPERS = [
    *(in_a_dict, in_a_nested_dict, in_a_global, in_a_list, in_an_object, in_a_class),
    *(in_a_function, in_a_cache, in_an_object_in_a_cache, enclosing()),
]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """Empty what the keepers have kept in a real call."""
    global MASK  # noqa: PLW0603 - as models do
    yield
    MASK = Holder.from_class = HOLDER.mask = None
    TABLE.clear()
    NESTED["masks"].clear()
    LISTED.clear()
    vars(in_a_function).clear()
    in_a_cache.cache_clear()
    in_an_unbounded_cache.cache_clear()


class Masked(nn.Module):
    def __init__(self, keep: Any, make: Make, *, refuses_meta: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(300, 2)
        self.keep = keep
        self.make = make
        self.refuses_meta = refuses_meta

    def forward(self, rows: Tensor) -> Tensor:
        masked = (rows @ rows.T) * self.keep(len(rows), self.make)
        if self.refuses_meta and (masked.is_meta or not masked.sum().item() < 1e9):
            raise RuntimeError("needs values")
        return self.linear(masked)


@pytest.mark.parametrize("refuses_meta", [False, True], ids=["meta", "real"])
@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())
@pytest.mark.parametrize("keep", KEEPERS, ids=lambda keep: getattr(keep, "__name__", "cache"))
def test_a_mask_that_is_kept(keep: Any, make: Make, refuses_meta: bool) -> None:
    model, rows = Masked(keep, make, refuses_meta=refuses_meta), torch.zeros(300, 4)
    flops = 2 * 300 * 300 * 4 + 2 * 300 * 300 * 2
    assert profile_model(model, rows).flops == flops
    assert unreal() == []
    assert profile_model(model, rows, metrics=("gflops", "latency")).flops == flops
    assert model(rows).device.type == "cpu"


def test_in_training() -> None:
    model, rows = Masked(in_a_cache, MAKES["small"], refuses_meta=False), torch.zeros(300, 4)
    assert profile_model(model, rows, mode="training").flops == 1_440_000
    assert unreal() == []
    model(rows).sum().backward()


def test_an_object_that_nothing_names_loses_the_attribute() -> None:
    owner = SimpleNamespace(name="mine")
    with Surroundings([]).cleaned():
        owner.mask = torch.ones(2, device="meta")
    assert vars(owner) == {"name": "mine"}


def test_what_is_on_meta_from_before_stays() -> None:
    before = {"mask": torch.ones(2, device="meta")}
    with Surroundings([]).cleaned():
        pass
    assert before["mask"].is_meta


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_collection_is_as_before(was_on: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with Surroundings([]).cleaned():
            assert not gc.isenabled()
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()


def unreal() -> list[Tensor]:
    """Return the tensors of the module's own that have no values."""
    gc.collect(2)
    return [
        o for o in gc.get_objects() if type(o) is Tensor and o.is_meta and o.shape == (300, 300)
    ]


def test_what_torch_keeps_for_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.nested._internal import nested_tensor

    monkeypatch.setattr(nested_tensor, "_dummy_instance", None)  # as before its first use

    def forward(rows: Tensor) -> Tensor:
        parts = torch.nested.nested_tensor([rows, rows[:2]], layout=torch.jagged)
        return (parts * 2).values() @ torch.ones(8, 8)

    for _ in range(2):
        assert profile_model(Fn(forward), torch.zeros(3, 8)).flops == 2 * 5 * 8 * 8


def test_a_global_of_a_module_that_is_far_away() -> None:
    far = ModuleType("far")
    source = """
import torch
TABLE = None

def table(n):
    global TABLE
    if TABLE is None:
        TABLE = torch.ones(n, n)
    return TABLE
"""
    exec(source, vars(far))  # noqa: S102
    vars(far)["__spec__"] = None
    hidden = [[[[[far]]]]]  # not within a few steps

    def forward(rows: Tensor) -> Tensor:
        return rows @ hidden[0][0][0][0][0].table(300)  # type: ignore[attr-defined]

    model, rows = Fn(forward), torch.zeros(3, 300)
    for _ in range(2):
        assert profile_model(model, rows).flops == 2 * 3 * 300 * 300
    assert not model(rows).is_meta
