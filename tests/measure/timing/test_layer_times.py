"""Own times of layers: exact by a clock that the test winds, forward and backward, and no hooks."""

from __future__ import annotations

import copy
import pickle
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.utils.checkpoint import checkpoint

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.call import ModelCall
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.measure.profiled_call import profiled_call
from pytest_flopbudget.measure.timing.latency import Timing, time_call
from pytest_flopbudget.measure.timing.layer_timer import LayerTimer
from pytest_flopbudget.measure.timing.layer_times import typical
from tests.measure.helpers import Fn, mlp, x
from tests.measure.timing.fake_time import FakeClock, FakeDevice, Passing, Timed

pytestmark = pytest.mark.usefixtures("exclusive_at_once")
if TYPE_CHECKING:
    from collections.abc import Callable

Times = dict[str, tuple[float, float]]


@pytest.fixture(params=[FakeClock, FakeDevice])
def clock(request: pytest.FixtureRequest) -> FakeClock:
    """A host, and a device that works on its own."""
    made: FakeClock = request.param()
    return made


def own_times(model: nn.Module, clock: FakeClock, *, training: bool = False) -> Times:
    """Give the own forward and backward time of each layer in milliseconds."""
    call = ModelCall((x(1, requires_grad=training),), {}, training)
    with profiled_call(model, call) as profiled:
        found = time_call(profiled, clock, Timing(budget_ms=1e9, may_be_stored=False))
    assert found.own is not None
    times = zip(found.own.forward_ms, found.own.backward_ms, strict=True)
    return dict(zip(profiled.layers.paths, times, strict=True))


class Parent(nn.Module):
    """1 ms before its child, which takes 5 ms and 7 ms backward, and 2 ms after it; 3 backward."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.child = Timed(clock, repeat(5.0), backward_ms=7.0)
        self.weight = nn.Parameter(torch.ones(1))
        self._work = lambda ms: clock.work(ms)

    def forward(self, rows: Tensor) -> Tensor:
        self._work(1)
        rows = self.child(rows)
        self._work(2)
        return Passing.apply(rows, self.weight, lambda: self._work(3))


def test_own_times(clock: FakeClock) -> None:
    model = nn.Sequential(Parent(clock), Timed(clock, repeat(7.0)))
    assert own_times(model, clock) == {"": (0, 0), "0": (3, 0), "0.child": (5, 0), "1": (7, 0)}


def test_own_times_of_training(clock: FakeClock) -> None:
    model = nn.Sequential(Parent(clock), Timed(clock, repeat(7.0), backward_ms=11.0))
    times = own_times(model, clock, training=True)
    assert times == {"": (0, 0), "0": (3, 3), "0.child": (5, 7), "1": (7, 11)}


def test_a_layer_that_runs_twice(clock: FakeClock) -> None:
    layer = Timed(clock, repeat(2.0), backward_ms=3.0)
    times = own_times(nn.Sequential(layer, layer), clock, training=True)
    assert times == {"": (0, 0), "0": (4, 6)}


def test_what_runs_again_in_backward_is_time_of_backward(clock: FakeClock) -> None:
    layer = Timed(clock, repeat(2.0), backward_ms=3.0)
    model = Fn(lambda self, rows: checkpoint(self.layer, rows, use_reentrant=False), layer=layer)
    assert own_times(model, clock, training=True) == {"": (0, 0), "layer": (2, 5)}


def test_a_layer_that_raises_is_no_longer_timed(clock: FakeClock) -> None:
    def broken(rows: Tensor) -> Tensor:
        clock.work(4)
        raise ValueError(rows)

    def forward(self: Any, rows: Tensor) -> Tensor:
        try:
            self.layer(rows)
        except ValueError:
            clock.work(1)
        return rows

    model = Fn(forward, layer=Fn(broken))
    assert own_times(model, clock) == {"": (1, 0), "layer": (4, 0)}


def test_slow_rounds_do_not_count(clock: FakeClock) -> None:
    plain = 4 + 5  # warm-up and rounds
    times = chain([2.0] * plain, cycle([100.0, 100.0, 2.0, 100.0, 100.0]))
    model = nn.Sequential(Timed(clock, times))
    assert own_times(model, clock) == {"": (0, 0), "0": (2, 0)}


@pytest.mark.parametrize(
    ("rounds", "times"),
    [
        ([[1, 2]], [1, 2]),
        ([[9, 2], [1, 9], [3, 4], [3, 4], [3, 4]], [1, 2]),  # each layer has its own good rounds
        ([[9, 9], [1, 2], [3, 4], [3, 4], [3, 4], [3, 4]], [3, 4]),
        ([[1, 1], [2, 2], *[[9, 9]] * 8], [2, 2]),
        ([], []),
    ],
)
def test_a_fifth_of_the_rounds_is_good_for_a_layer(
    rounds: list[list[float]], times: list[float]
) -> None:
    assert typical(rounds) == times


# What a model sees of it.


def test_no_layer_sees_a_hook(clock: FakeClock) -> None:
    """A hook would let layers with a fused path take another one."""
    seen: set[tuple[bool, int]] = set()

    def forward(self: Any, rows: Tensor) -> Tensor:
        hooks = len(self._forward_hooks) + len(self.layer._forward_pre_hooks)
        seen.add(("_call_impl" in vars(self.layer), hooks + len(self.layer._forward_hooks)))
        return self.layer(rows)

    model = Fn(forward, layer=nn.Linear(1, 1))
    own_times(model, clock)
    assert seen == {(False, 0), (True, 0)}
    assert "_call_impl" not in vars(model.layer)


def test_the_fused_path_of_an_encoder_layer_is_what_is_timed() -> None:
    calls: list[str] = []
    model = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    original = torch._transformer_encoder_layer_fwd

    def spy(*args: Any, **kwargs: Any) -> Tensor:
        calls.append("fused")
        return original(*args, **kwargs)

    layer_timer = LayerTimer(Layers(model), FakeClock(), training=False)
    with pytest.MonkeyPatch.context() as patch, layer_timer.intercepting(), torch.no_grad():
        patch.setattr(torch, "_transformer_encoder_layer_fwd", spy)
        model(x(1, 4, 8))
    assert calls == ["fused"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_stays_behind_after_an_exception(error: type[BaseException]) -> None:
    model = mlp()
    layer_timer = LayerTimer(Layers(model), FakeClock(), training=True)
    with pytest.raises(error), layer_timer.intercepting():
        output = model(x(4, 8))
        layer_timer.end_forward(output)
        raise error
    assert all("_call_impl" not in vars(module) for module in model.modules())
    output.sum().backward()  # no mark is made any more
    assert len(layer_timer.backward._marks) == 1


def test_what_an_instance_had_in_the_place_of_a_call_is_put_back() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    patched = model[0]._call_impl
    model[0].__dict__["_call_impl"] = patched
    with LayerTimer(Layers(model), FakeClock(), training=False).intercepting():
        assert vars(model[0])["_call_impl"] is not patched
    assert vars(model[0])["_call_impl"] is patched


def test_layers_below_a_compiled_one_are_not_intercepted(clock: FakeClock) -> None:
    """Compiled code guards what its modules have: to touch them would compile them again."""
    touched: set[bool] = set()

    class Compiled(OptimizedModule):
        _super_module_initialized = False  # what its own initializer, which compiles, begins with

        def __init__(self, original: nn.Module) -> None:
            nn.Module.__init__(self)
            self._modules["_orig_mod"] = original

        def forward(self, rows: Tensor) -> Tensor:
            touched.add("_call_impl" in vars(self._orig_mod[0]))
            return self._orig_mod(rows)

    model = nn.Sequential(Compiled(nn.Sequential(Timed(clock, repeat(2.0)))))
    times = own_times(model, clock)
    assert times == {"": (0, 0), "0": (2, 0), "0._orig_mod": (0, 0), "0._orig_mod.0": (0, 0)}
    assert touched == {False}


def test_a_layer_that_another_one_computes_has_no_time_of_its_own() -> None:
    """Nobody knows how long it takes: that is not nothing."""
    model = nn.TransformerEncoderLayer(8, 2, batch_first=True)
    profile = profile_model(nn.Sequential(model), x(1, 4, 8), metrics=("latency",))
    times = {layer.path: layer.latency_ms for layer in profile.layers}
    assert times["0"]
    assert times[""]
    assert times["0.linear1"] is None
    assert profile["0.linear1"].own_latency_ms is None


def test_a_container_has_the_time_of_what_it_holds() -> None:
    model = Fn(lambda self, rows: self.layers[0](rows), layers=nn.ModuleList([nn.Linear(1, 1)]))
    profile = profile_model(model, x(1, 1), metrics=("latency",))
    assert profile["layers"].own_latency_ms is None
    assert profile["layers"].latency_ms == profile["layers.0"].own_latency_ms


def by_pickle(layer: nn.Module) -> nn.Module:
    copied_layer: nn.Module = pickle.loads(pickle.dumps(layer))  # noqa: S301 - of this very process
    return copied_layer


@pytest.mark.parametrize("copied", [copy.deepcopy, by_pickle])
def test_a_copy_of_a_layer_runs_itself(copied: Callable[[nn.Module], nn.Module]) -> None:
    """A model may copy a layer in forward: the copy has weights of its own."""
    outputs: list[float] = []

    def forward(self: Any, rows: Tensor) -> Tensor:
        copied_layer = copied(self.layer)
        with torch.no_grad():
            for parameter in copied_layer.parameters():
                parameter.zero_()
        outputs.append(float(copied_layer(rows).detach().sum()))
        return self.layer(rows)

    model = Fn(forward, layer=nn.Linear(1, 1))
    with LayerTimer(Layers(model), FakeClock(), training=False).intercepting():
        model(torch.ones(1, 1))
    assert outputs == [0.0]


def test_replicas_of_layers_are_not_intercepted() -> None:
    class Parallel(nn.DataParallel):
        def __init__(self, module: nn.Module) -> None:
            nn.Module.__init__(self)
            self.module, self.device_ids = module, [0, 1]

    seen: list[str] = []
    inner = Fn(lambda rows: seen.extend(vars(inner)) or rows)
    parallel = Parallel(inner)
    with LayerTimer(Layers(nn.Sequential(parallel)), FakeClock(), training=False).intercepting():
        assert "_call_impl" in vars(parallel)
        inner(x(1))
    assert "_call_impl" not in seen
