"""Latency by a clock that the test winds: how often a model is called, and what is made of it."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.call import ModelCall
from pytest_flopbudget.measure.profiled_call import profiled_call
from pytest_flopbudget.measure.timing import latency as latency_module
from pytest_flopbudget.measure.timing import memory_growth
from pytest_flopbudget.measure.timing import stopwatch as stopwatch_module
from pytest_flopbudget.measure.timing.latency import (
    MEMORY_GREW,
    MOST_STANDING,
    NEVER_EXCLUSIVE,
    Latency,
    Timing,
    time_call,
)
from pytest_flopbudget.measure.timing.layer_times import OwnTimes
from pytest_flopbudget.measure.timing.memory_growth import MOST_GROWTH
from pytest_flopbudget.measure.timing.sampling import ENOUGH_ROUNDS
from pytest_flopbudget.measure.timing.stopwatch import Stopwatch
from pytest_flopbudget.measure.timing.warm_up import LEAST_WARM_UP, MOST_WARM_UP, warm_up
from tests.measure.helpers import Fn, mlp, x
from tests.measure.timing.fake_time import FakeClock, FakeDevice, Timed

if TYPE_CHECKING:
    from collections.abc import Iterator

BRIEF: dict[str, Any] = {"budget_ms": 1e9, "may_be_stored": False}  # ends though no time passes


@pytest.fixture(params=[FakeClock, FakeDevice])
def clock(request: pytest.FixtureRequest) -> FakeClock:
    """A host, and a device that works on its own."""
    made: FakeClock = request.param()
    return made


@pytest.fixture(autouse=True)
def uncontended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine does, nothing waits for a core or for others unless a test says so."""
    waits(monkeypatch, repeat(0))
    monkeypatch.setattr(
        latency_module, "exclusive_timing", lambda **_: nullcontext(enter_result=True)
    )


def waits(monkeypatch: pytest.MonkeyPatch, total_ns: Iterator[int]) -> None:
    monkeypatch.setattr(stopwatch_module, "waited_ns", lambda *, every_thread: next(total_ns))


def timed(model: nn.Module, clock: FakeClock, *, training: bool = False, **timing: Any) -> Latency:
    call = ModelCall((x(1),), {}, training)
    with profiled_call(model, call) as profiled:
        return time_call(profiled, clock, Timing(**timing))


def test_the_third_fastest_round_is_the_latency(clock: FakeClock) -> None:
    rounds = [10.0, 30.0, 20.0, 10.0, 15.0]
    model = Timed(clock, chain([10.0] * LEAST_WARM_UP, [99.0], rounds, repeat(20.0)))
    found = timed(model, clock, budget_ms=15.0, may_be_stored=False)
    assert (found.total_ms, found.rounds) == (15.0, 5)
    assert (found.median_ms, found.spread_ms) == (15.0, 15.0)
    assert found.unreliable_reason == ""


def test_a_value_within_its_budget_stops_at_once(clock: FakeClock) -> None:
    found = timed(Timed(clock, repeat(10.0)), clock, budget_ms=10.0, may_be_stored=False)
    assert (found.total_ms, found.rounds) == (10.0, ENOUGH_ROUNDS)


@pytest.mark.parametrize(
    ("budget_ms", "spent_s"),
    [
        (9.0, 3.0),  # over by more than 5 %: 3 s of 10
        (9.9, 7.5),  # over by less: all the time that rounds have
    ],
)
def test_a_value_over_its_budget_is_measured_for_longer(
    clock: FakeClock, budget_ms: float, spent_s: float
) -> None:
    found = timed(Timed(clock, repeat(10.0)), clock, budget_ms=budget_ms, may_be_stored=False)
    warm_up_s = (LEAST_WARM_UP + 1) * 0.01
    assert found.rounds == pytest.approx((spent_s - warm_up_s) / 0.01, abs=2)


def test_a_slow_phase_is_waited_out(clock: FakeClock) -> None:
    slow = [20.0] * 200  # 4 s
    model = Timed(clock, chain([10.0] * (LEAST_WARM_UP + 1), slow, repeat(10.0)))
    found = timed(model, clock, budget_ms=12.5, may_be_stored=False)
    assert (found.total_ms, found.rounds) == (20.0, 148)  # red: nothing disturbed those rounds


def test_a_disturbed_phase_is_waited_out(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds that waited for a core cannot make a model red."""
    slow = 200
    waited = [0] * 2 * (LEAST_WARM_UP + 1) + [10_000_000 * n for n in range(slow) for _ in (0, 1)]
    waits(monkeypatch, chain(_differences(waited, slow), repeat(10_000_000 * slow)))
    times = chain([10.0] * (LEAST_WARM_UP + 1), [20.0] * slow, repeat(10.0))
    found = timed(Timed(clock, times), clock, budget_ms=12.5, may_be_stored=False)
    assert (found.total_ms, found.rounds, found.uncontended) == (10.0, slow + 3, 3)


def _differences(waited: list[int], slow: int) -> Iterator[int]:
    """Let the counter rise by 10 ms within each slow round, and not between rounds."""
    warm = 2 * (LEAST_WARM_UP + 1)
    yield from waited[:warm]
    for number in range(slow):
        yield 10_000_000 * number
        yield 10_000_000 * (number + 1)


def test_a_machine_that_is_always_busy(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    waits(monkeypatch, iter(range(0, 10**15, 10_000_000)))
    found = timed(Timed(clock, repeat(20.0)), clock, budget_ms=10.0, may_be_stored=False)
    assert found.uncontended == 0
    assert (
        found.unreliable_reason
        == f"the machine was busy: 0 of {found.rounds} rounds were uncontended"
    )
    assert clock.now < 9.2e9


def test_what_is_stored_is_measured_until_it_is_settled(clock: FakeClock) -> None:
    found = timed(Timed(clock, repeat(10.0)), clock, budget_ms=1000.0, may_be_stored=True)
    assert found.rounds == pytest.approx(200, abs=10)  # 2 s


# Warm-up.


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ([10.0], LEAST_WARM_UP + 1),  # the first, and three that are no faster
        ([90.0, 50.0, 10.0], LEAST_WARM_UP + 3),
        ([10.0, 9.6, 9.6], LEAST_WARM_UP + 1),  # faster by no more than 5 %
        ([10.0 * 0.9**n for n in range(40)], MOST_WARM_UP),
        ([600.0, 600.0], 2),  # a tenth of 10 s
    ],
)
def test_warm_up_lasts_until_nothing_is_faster(
    clock: FakeClock, times: list[float], calls: int
) -> None:
    model = Timed(clock, chain(times, repeat(times[-1])))
    call = ModelCall((x(1),), {}, training=False)
    with profiled_call(model, call) as profiled:
        warm_up(Stopwatch(profiled, clock, limit_s=10.0))
    assert model.calls == calls


def test_a_call_longer_than_the_limit_is_one_warm_up_and_one_round(clock: FakeClock) -> None:
    model = Timed(clock, repeat(12_000.0))
    found = timed(model, clock, budget_ms=1e6, may_be_stored=False)
    assert model.calls == 2
    assert (found.rounds, found.spread_ms, found.own) == (1, 0.0, None)
    assert found.unreliable_reason == "one call takes 12.0 s, longer than the time limit of 10 s"


@pytest.mark.parametrize("budget_ms", [None, 0.5, 1e6])
@pytest.mark.parametrize("ms", [1.0, 50.0, 900.0, 4000.0])
def test_the_time_limit_holds(clock: FakeClock, ms: float, budget_ms: float | None) -> None:
    model = Timed(clock, repeat(ms))
    timed(model, clock, budget_ms=budget_ms, limit_s=3.0)
    assert clock.now / 1e9 <= 3.0 + 2 * ms / 1000


def test_50_ms_within_its_budget_take_less_than_2_s(clock: FakeClock) -> None:
    timed(Timed(clock, repeat(50.0)), clock, budget_ms=60.0, may_be_stored=False)
    assert clock.now / 1e9 < 1.5


# Forward and backward, and compiled models.


def test_forward_and_backward(clock: FakeClock) -> None:
    found = timed(Timed(clock, repeat(3.0), backward_ms=5.0), clock, training=True)
    assert (found.forward_ms, found.backward_ms, found.total_ms) == (3.0, 5.0, 8.0)
    assert found.own == OwnTimes([3.0], [5.0], {0})


def test_a_call_that_compiles_is_told_apart(clock: FakeClock) -> None:
    model = Timed(clock, chain([30_000.0], repeat(10.0)))
    found = timed(model, clock, compiled=True, budget_ms=10.0, may_be_stored=False)
    assert (found.compile_ms, found.total_ms, found.unreliable_reason) == (30_000.0, 10.0, "")


def test_the_device_is_waited_for_once_a_call(clock: FakeClock) -> None:
    model = Timed(clock, repeat(3.0))
    timed(model, clock)
    assert clock.settled == model.calls


# Around it.


def test_beside_others_that_never_end(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        latency_module, "exclusive_timing", lambda **_: nullcontext(enter_result=False)
    )
    assert timed(Timed(clock, repeat(3.0)), clock).unreliable_reason == NEVER_EXCLUSIVE


def test_which_phases_are_told(clock: FakeClock) -> None:
    told: list[str] = []
    timed(
        Timed(clock, repeat(10.0)),
        clock,
        budget_ms=10.0,
        may_be_stored=False,
        compiled=True,
        progress=told.append,
    )
    assert told == [
        "waiting for other processes that time a model",
        "compiling",
        "warming up",
        *(f"timing, {n} rounds" for n in range(1, ENOUGH_ROUNDS + 1)),
        "timing layers",
    ]


@pytest.mark.usefixtures("brief_timing")
def test_hooks_of_the_model_itself_stay() -> None:
    model, seen = mlp(), []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    profile_model(model, x(4, 8), metrics=("latency",))
    assert len(model[0]._forward_hooks) == 1
    assert len(seen) == 4  # counting, warm-up, a round, and one for the layers


def test_a_model_that_keeps_memory_of_each_call_ends_its_rounds(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Timed(clock, repeat(1.0))
    monkeypatch.setattr(memory_growth, "held_bytes", lambda _: model.calls * (MOST_GROWTH // 10))
    found = timed(model, clock)
    assert (found.rounds, found.unreliable_reason) == (11 - LEAST_WARM_UP, MEMORY_GREW)
    assert model.calls == 12  # the first one and ten that grow by a tenth each, and one more
    assert found.own is None


def test_a_model_that_keeps_memory_from_its_first_calls_on_is_timed_once(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Timed(clock, repeat(1.0))
    monkeypatch.setattr(memory_growth, "held_bytes", lambda _: model.calls * 2 * MOST_GROWTH)
    assert timed(model, clock).rounds == 1
    assert model.calls == 3


def test_rounds_that_take_no_time_end_in_an_error(clock: FakeClock) -> None:
    model = Timed(clock, repeat(0.0))
    with pytest.raises(MeasureError, match=r"^the clock stands still, so no latency"):
        timed(model, clock)
    assert model.calls == MOST_STANDING + LEAST_WARM_UP + 1


def test_threads_that_forward_sets_are_told() -> None:
    model = Fn(lambda rows: torch.set_num_threads(3) or rows * 2)
    found = timed(model, FakeClock(), threads=1, **BRIEF)
    assert found.threads == 3
    assert found.unreliable_reason == "forward changes the number of threads: 1, then 3"


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_while_timing(threads: int) -> None:
    seen: set[int] = set()
    model = Fn(lambda rows: seen.add(torch.get_num_threads()) or rows * 2)
    before = torch.get_num_threads()
    timed(model, FakeClock(), threads=threads, **BRIEF)
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
        timed(Fn(forward), FakeClock(), **BRIEF)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == {False}


def test_threads_and_collector_after_an_exception() -> None:
    def forward(rows: Tensor) -> Tensor:
        raise KeyboardInterrupt(rows)

    before = torch.get_num_threads(), gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        timed(Fn(forward), FakeClock(), threads=before[0] + 1, **BRIEF)
    assert (torch.get_num_threads(), gc.isenabled()) == before


# In a profile.

briefly = pytest.mark.usefixtures("brief_timing")


@briefly
def test_in_a_profile() -> None:
    profile = profile_model(mlp(), x(4, 8), metrics=("params", "gflops", "latency"))
    assert profile.latency_ms is not None
    assert profile.latency_ms > 0
    assert profile.latency_spread_ms is not None
    assert (profile.rounds or 0) >= 1
    assert profile.latency_median_ms >= profile.latency_ms
    assert 0 <= profile.uncontended_rounds <= profile.rounds
    assert profile[""].latency_ms == pytest.approx(
        sum(layer.own_latency_ms or 0 for layer in profile.layers)
    )
    assert profile.environment is not None
    assert (profile.environment.device, profile.environment.threads) == ("cpu", 1)
    assert (profile.forward_latency_ms, profile.backward_latency_ms) == (None, None)
    assert profile.not_measured == {}


@briefly
def test_a_model_that_sets_its_threads_is_timed_in_the_environment_that_this_makes() -> None:
    before = torch.get_num_threads()
    model = Fn(lambda rows: torch.set_num_threads(3) or rows * 2)
    profile = profile_model(model, x(4, 8), metrics=("latency",))
    assert profile.environment is not None
    assert profile.environment.threads == 3
    assert "threads" not in profile.unreliable_reason
    assert torch.get_num_threads() == before


@briefly
def test_threads_that_change_with_each_call_are_unreliable() -> None:
    numbers = count(2)
    model = Fn(lambda rows: torch.set_num_threads(next(numbers)) or rows * 2)
    reason = profile_model(model, x(4, 8), metrics=("latency",)).unreliable_reason
    assert reason.startswith("forward changes the number of threads: ")


@briefly
def test_in_a_profile_of_training() -> None:
    profile = profile_model(mlp(), x(4, 8), mode="training", metrics=("latency",))
    assert profile.forward_latency_ms is not None
    assert profile.backward_latency_ms is not None
    assert min(profile.forward_latency_ms, profile.backward_latency_ms) > 0


@briefly
def test_without_latency() -> None:
    profile = profile_model(mlp(), x(4, 8))
    assert (profile.latency_ms, profile.rounds, profile.environment) == (None, None, None)
    assert {layer.latency_ms for layer in profile.layers} == {None}


@briefly
def test_weights_on_meta_have_no_latency() -> None:
    model = nn.Linear(8, 8, device="meta")
    profile = profile_model(model, x(4, 8, device="meta"), metrics=("gflops", "latency"))
    assert (profile.flops, profile.latency_ms) == (2 * 4 * 8 * 8, None)
    assert "meta" in profile.not_measured["latency"]


@briefly
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


@briefly
def test_timing_calls_the_model_with_the_mode_asked_for() -> None:
    flags: set[tuple[bool, bool]] = set()
    model = Fn(
        lambda self, rows: flags.add((self.training, torch.is_grad_enabled())) or self.layer(rows),
        layer=nn.Linear(8, 8),
    )
    profile_model(model, x(4, 8), metrics=("latency",))
    assert flags == {(False, False)}


@briefly
def test_a_model_that_takes_things_out_of_its_input_is_timed() -> None:
    model = Fn(lambda self, batch: self.layer(batch.pop("rows")), layer=nn.Linear(8, 8))
    profile = profile_model(model, ({"rows": x(4, 8)},), metrics=("latency",))
    assert profile.latency_ms is not None


@briefly
def test_every_round_gets_the_values_of_the_inputs() -> None:
    seen: list[float] = []

    def forward(rows: Tensor) -> Tensor:
        if not rows.is_meta:
            seen.append(float(rows.sum()))
        return rows.add_(1)

    profile_model(Fn(forward), torch.ones(2), metrics=("latency",))
    assert torch.tensor(seen).isfinite().all()


@briefly
@pytest.mark.parametrize("metrics", [("memory",), ("latency", "memory")])
def test_a_cache_in_the_model_does_not_grow_with_the_rounds(
    monkeypatch: pytest.MonkeyPatch, metrics: tuple[str, ...]
) -> None:
    """What a round finds, and what it weighs, does not depend on how many there were."""
    monkeypatch.setattr("pytest_flopbudget.measure.timing.warm_up.MOST_WARM_UP", 20)
    sizes: set[int] = set()

    def forward(self: Any, rows: Tensor) -> Tensor:
        self.cache = [*self.cache, rows.clone()]
        if not rows.is_meta:
            sizes.add(len(self.cache))
        return torch.cat(self.cache)

    model = Fn(forward, layer=nn.Identity())
    model.cache = []
    profile = profile_model(model, x(4, 8), metrics=metrics)
    assert sizes <= {1, 2}
    assert profile.memory_bytes == 4 * 8 * 4 * (1 + 2)  # one more in the cache, and both together
    assert model.cache == []
