"""What another process computes is uncounted, and the model's processes end."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_modes
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.usefixtures("brief_timing"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

ONCE = 2 * 2 * 4 * 4


def gram(rows: Tensor) -> Tensor:
    return rows @ rows.T


def in_a_pool(rows: Tensor) -> Any:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map_async(gram, [rows]).get(timeout=60)[0]


def in_a_child(rows: Tensor) -> Any:
    child = os.fork()
    if child == 0:
        gram(rows)
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    return rows


def sent(rows: Tensor) -> Any:
    """Send a tensor as to a pool that runs already."""
    ForkingPickler.dumps(("task", (rows,)))
    return rows


def sent_as_array(rows: Tensor) -> Any:
    ForkingPickler.dumps({"rows": rows.numpy()})
    return rows


WAYS: dict[str, Callable[[Tensor], Any]] = {
    "pool": in_a_pool,
    "fork": in_a_child,
    "sent": sent,
    "array": sent_as_array,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_another_process_computes(way: Callable[[Tensor], Any]) -> None:
    before = dict(ForkingPickler._extra_reducers)  # type: ignore[attr-defined]
    inside = Fn(lambda rows: way(rows.detach()))
    profile = profile_model(nn.Sequential(nn.Linear(4, 4), inside), x(2, 4))
    assert (profile.flops, {u.operator for u in profile.uncounted}) == (ONCE, {"outside::process"})
    assert {u.path for u in profile.uncounted} == {"1"}
    assert ForkingPickler._extra_reducers == before  # type: ignore[attr-defined]


def test_a_process_that_is_started_between_counts_is_no_matter() -> None:
    profile_model(nn.Linear(4, 4), x(2, 4))
    assert in_a_pool(torch.ones(2, 4)).tolist() == [[4, 4], [4, 4]]
    assert np.array_equal(ForkingPickler.loads(ForkingPickler.dumps(np.ones(3))), np.ones(3))


def test_the_rounds_of_timing_end_too() -> None:
    profile = profile_model(Fn(in_a_pool), torch.ones(2, 4), metrics=["latency", "memory"])
    assert profile.latency_ms is not None


def test_what_others_register_meanwhile_stays() -> None:
    class New:
        pass

    def forward(rows: Tensor) -> Tensor:
        ForkingPickler.register(New, lambda new: (New, ()))
        return rows

    reducers = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    try:
        profile_model(Fn(forward), x(2, 4))
        assert New in reducers
    finally:
        reducers.pop(New, None)


def test_a_child_keeps_the_modes_that_were_there_before() -> None:
    def forward(rows: Tensor) -> Tensor:
        child = os.fork()
        if child == 0:
            os._exit(0 if torch.empty(1).is_meta and len(dispatch_modes()) == 0 else 1)
        assert os.waitpid(child, 0) == (child, 0)
        return rows

    with torch.device("meta"):
        profile_model(Fn(forward), x(2, 4))
