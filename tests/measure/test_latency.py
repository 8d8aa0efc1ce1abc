"""Latency by a clock that the test winds: medians, rounds, the time limit, and times of layers."""

from __future__ import annotations

import gc
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.call import Call
from pytest_flopbudget.measure.clock import WallClock
from pytest_flopbudget.measure.latency import (
    LAYER_ROUNDS,
    MAX_ROUNDS,
    WARM_UP_CALLS,
    Latency,
    time_call,
)
from pytest_flopbudget.measure.layers import Layers
from tests.measure.helpers import Fn, mlp, x

if TYPE_CHECKING:
    from collections.abc import Iterable

MS = 1_000_000  # nanoseconds


class FakeClock:
    """Time passes only where a test lets it."""

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now

    def pass_ms(self, ms: float) -> None:
        self.now += round(ms * MS)


class Timed(nn.Module):
    """Each call takes the next of the given milliseconds; backward takes its own."""

    def __init__(self, clock: FakeClock, ms: Iterable[float], backward_ms: float = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self._run = clock, iter(ms), backward_ms
        self.calls = 0

    def forward(self, rows: Tensor) -> Tensor:
        clock, ms, backward_ms = self._run
        self.calls += 1
        clock.pass_ms(next(ms))
        output = rows * self.weight
        if output.requires_grad:
            output.register_hook(lambda _: clock.pass_ms(backward_ms))
        return output


def timed(
    model: nn.Module, clock: FakeClock, *, limit_s: float = 1e9, training: bool = False
) -> Latency:
    call = Call((x(1),), {}, training)
    return time_call(model, Layers(model), call, clock, threads=1, limit_s=limit_s)


def test_the_median_and_the_spread_of_rounds() -> None:
    clock = FakeClock()
    rounds = [10.0] * 25 + [20.0] * 25
    model = Timed(clock, chain([99.0] * WARM_UP_CALLS, rounds, repeat(1.0)))
    latency = timed(model, clock)
    assert (latency.total_ms, latency.rounds) == (15.0, 50)
    assert latency.spread_ms == 10.0


def test_how_often_a_model_is_called() -> None:
    clock = FakeClock()
    model = Timed(clock, repeat(1.0))
    latency = timed(model, clock)
    assert model.calls == WARM_UP_CALLS + MAX_ROUNDS + LAYER_ROUNDS
    assert (latency.rounds, latency.total_ms, latency.spread_ms) == (MAX_ROUNDS, 1.0, 0.0)


def test_warm_up_is_thrown_away() -> None:
    clock = FakeClock()
    latency = timed(Timed(clock, chain([1000.0] * WARM_UP_CALLS, repeat(2.0))), clock)
    assert (latency.total_ms, latency.spread_ms) == (2.0, 0.0)


def test_one_slow_round_does_not_move_the_median() -> None:
    clock = FakeClock()
    model = Timed(clock, chain([5.0] * 10, [500.0], repeat(5.0)))
    assert timed(model, clock).total_ms == 5.0


def test_forward_and_backward() -> None:
    clock = FakeClock()
    latency = timed(Timed(clock, repeat(3.0), backward_ms=5.0), clock, training=True)
    assert (latency.forward_ms, latency.backward_ms, latency.total_ms) == (3.0, 5.0, 8.0)


@pytest.mark.parametrize(
    ("limit_s", "warm_ups", "rounds"),
    [
        (1.0, 1, 1),  # a call of 10 s is longer than the limit
        (100.0, 3, 5),  # 3 warm-ups, then rounds until three quarters of 100 s are spent
        (40.0, 1, 2),  # a quarter is spent by the first warm-up
        (41.0, 2, 2),
        (1000.0, 3, 50),
    ],
)
def test_the_time_limit(limit_s: float, warm_ups: int, rounds: int) -> None:
    clock = FakeClock()
    model = Timed(clock, repeat(10_000.0))
    latency = timed(model, clock, limit_s=limit_s)
    assert latency.rounds == rounds
    assert latency.total_ms == 10_000.0
    layer_rounds = model.calls - warm_ups - rounds
    assert 0 <= layer_rounds <= LAYER_ROUNDS
    assert clock.now / 1e9 < limit_s + 10 or model.calls == 2


def test_one_round_has_no_spread() -> None:
    clock = FakeClock()
    latency = timed(Timed(clock, repeat(10_000.0)), clock, limit_s=1.0)
    assert (latency.rounds, latency.spread_ms) == (1, 0.0)


class Parent(nn.Module):
    """1 ms before its child, which takes 5 ms, and 2 ms after it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.child = Timed(clock, repeat(5.0))
        self._clock = clock

    def forward(self, rows: Tensor) -> Tensor:
        self._clock.pass_ms(1)
        rows = self.child(rows)
        self._clock.pass_ms(2)
        return rows


def test_own_times_of_layers() -> None:
    clock = FakeClock()
    model = nn.Sequential(Parent(clock), Timed(clock, repeat(7.0)))
    latency = timed(model, clock)
    times = dict(zip(Layers(model).paths, latency.own_ms, strict=True))
    assert times == {"": 0.0, "0": 3.0, "0.child": 5.0, "1": 7.0}
    assert latency.total_ms == 15.0


def test_a_layer_that_runs_twice() -> None:
    clock = FakeClock()
    layer = Timed(clock, repeat(2.0))
    latency = timed(nn.Sequential(layer, layer), clock)
    assert latency.own_ms == [0.0, 4.0]


def test_own_times_are_medians() -> None:
    clock = FakeClock()
    slow = iter([100.0])
    before = WARM_UP_CALLS + MAX_ROUNDS
    model = nn.Sequential(Timed(clock, chain([2.0] * before, slow, repeat(2.0))))
    assert timed(model, clock).own_ms == [0.0, 2.0]


def test_no_hooks_while_the_whole_model_is_timed() -> None:
    hooks: list[int] = []

    def forward(self: Any, rows: Tensor) -> Tensor:
        hooks.append(len(self._forward_hooks) + len(self.layer._forward_pre_hooks))
        return self.layer(rows)

    model = Fn(forward, layer=nn.Linear(1, 1))
    timed(model, FakeClock())
    whole = WARM_UP_CALLS + MAX_ROUNDS
    assert hooks == [0] * whole + [2] * LAYER_ROUNDS
    assert not model._forward_hooks


def test_hooks_of_the_model_itself_stay() -> None:
    model, seen = mlp(), []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    profile_model(model, x(4, 8), metrics=("latency",))
    assert len(model[0]._forward_hooks) == 1
    assert len(seen) > MAX_ROUNDS


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_while_timing(threads: int) -> None:
    seen: set[int] = set()
    model = Fn(lambda rows: seen.add(torch.get_num_threads()) or rows * 2)
    before = torch.get_num_threads()
    call = Call((x(1),), {}, training=False)
    time_call(model, Layers(model), call, FakeClock(), threads=threads, limit_s=1)
    assert seen == {threads}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_rests_while_timing(*, collects: bool) -> None:
    seen: set[bool] = set()

    def forward(rows: Tensor) -> Tensor:
        seen.add(gc.isenabled())
        return rows * 2

    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        timed(Fn(forward), FakeClock())
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == {False}


def test_threads_and_collector_after_an_exception() -> None:
    def forward(rows: Tensor) -> Tensor:
        raise KeyboardInterrupt(rows)

    before = torch.get_num_threads(), gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        call = Call((x(1),), {}, training=False)
        model = Fn(forward)
        time_call(model, Layers(model), call, FakeClock(), threads=before[0] + 1, limit_s=1)
    assert (torch.get_num_threads(), gc.isenabled()) == before


# In a profile.


def test_in_a_profile() -> None:
    profile = profile_model(mlp(), x(4, 8), metrics=("params", "gflops", "latency"))
    assert profile.latency_ms is not None
    assert profile.latency_ms > 0
    assert profile.latency_spread_ms is not None
    assert 1 <= (profile.rounds or 0) <= MAX_ROUNDS
    assert profile[""].latency_ms == pytest.approx(
        sum(layer.own_latency_ms or 0 for layer in profile.layers)
    )
    assert profile.environment is not None
    assert (profile.environment.device, profile.environment.threads) == ("cpu", 1)
    assert (profile.forward_latency_ms, profile.backward_latency_ms) == (None, None)
    assert profile.not_measured == {}


def test_in_a_profile_of_training() -> None:
    profile = profile_model(mlp(), x(4, 8), mode="training", metrics=("latency",))
    assert profile.forward_latency_ms is not None
    assert profile.backward_latency_ms is not None
    assert min(profile.forward_latency_ms, profile.backward_latency_ms) > 0


def test_without_latency() -> None:
    profile = profile_model(mlp(), x(4, 8))
    assert (profile.latency_ms, profile.rounds, profile.environment) == (None, None, None)
    assert {layer.latency_ms for layer in profile.layers} == {None}


def test_weights_on_meta_have_no_latency() -> None:
    model = nn.Linear(8, 8, device="meta")
    profile = profile_model(model, x(4, 8, device="meta"), metrics=("gflops", "latency"))
    assert (profile.flops, profile.latency_ms) == (2 * 4 * 8 * 8, None)
    assert "meta" in profile.not_measured["latency"]


def test_a_model_that_caches_tensors_is_counted_and_then_timed() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        if self.grid is None or self.grid.shape != rows.shape:
            self.grid = torch.arange(rows.numel(), dtype=rows.dtype).view_as(rows)
        return self.layer(rows + self.grid)

    model = Fn(forward, layer=nn.Linear(8, 8))
    model.grid = None
    profile = profile_model(model, x(4, 8), metrics=("gflops", "latency"))
    assert profile.latency_ms is not None
    assert model.grid is None


def test_timing_calls_the_model_with_the_mode_asked_for() -> None:
    flags: set[tuple[bool, bool]] = set()
    model = Fn(
        lambda self, rows: flags.add((self.training, torch.is_grad_enabled())) or self.layer(rows),
        layer=nn.Linear(8, 8),
    )
    profile_model(model, x(4, 8), metrics=("latency",))
    assert flags == {(False, False)}


def test_a_model_that_takes_things_out_of_its_input_is_timed() -> None:
    model = Fn(lambda self, batch: self.layer(batch.pop("rows")), layer=nn.Linear(8, 8))
    profile = profile_model(model, ({"rows": x(4, 8)},), metrics=("latency",))
    assert profile.latency_ms is not None


def test_every_round_gets_the_values_of_the_inputs() -> None:
    seen: list[float] = []

    def forward(rows: Tensor) -> Tensor:
        if not rows.is_meta:
            seen.append(float(rows.sum()))
        return rows.add_(1)

    profile_model(Fn(forward), torch.ones(2), metrics=("latency",))
    assert torch.tensor(seen).isfinite().all()


# The clock of the machine.


def test_the_wall_clock_does_not_go_back() -> None:
    clock = WallClock(torch.device("cpu"))
    times = [clock.now_ns() for _ in range(100)]
    assert times == sorted(times)


@pytest.mark.parametrize(("device", "waits"), [("cpu", False), ("cuda", True), ("mps", True)])
def test_the_wall_clock_waits_for_an_accelerator(
    monkeypatch: pytest.MonkeyPatch, device: str, *, waits: bool
) -> None:
    waited: list[Any] = []
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    WallClock(torch.device(device)).now_ns()
    assert waited == ([torch.device(device)] if waits else [])
