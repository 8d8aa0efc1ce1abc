"""Memory: exact peaks of tensors on the CPU, and of an allocator that the test plays.

A float32 is 4 bytes: `x(4, 8)` has 128. The inputs and the model itself never count.
"""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.call import ModelCall
from pytest_flopbudget.measure.hardware.devices import NotMeasuredError
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.measure.memory import meter
from pytest_flopbudget.measure.memory.meter import AllocatorMeter, meter_of
from pytest_flopbudget.measure.memory.peak import measure_peak
from pytest_flopbudget.measure.profiled_call import ProfiledCall
from tests.measure.helpers import Fn, mlp, x

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.profile.model_profile import ModelProfile


pytestmark = pytest.mark.usefixtures("brief_timing")


def memory_profile(model: nn.Module, *args: Any, mode: str = "inference") -> ModelProfile:
    return profile_model(model, args, metrics=("memory",), mode=mode)


def peak(model: nn.Module | Callable[..., Any], *args: Any, mode: str = "inference") -> int:
    profile = memory_profile(model if isinstance(model, nn.Module) else Fn(model), *args, mode=mode)
    assert profile.memory_bytes is not None
    return profile.memory_bytes


def by_layer(profile: ModelProfile) -> dict[str, int | None]:
    return {layer.path: layer.memory_bytes for layer in profile.layers}


ROWS = 4 * 100  # bytes of `x(100)`


@pytest.mark.parametrize(
    ("forward", "rows"),
    [
        (lambda r: r + 1, 1),
        (lambda r: r, 0),
        (lambda r: (r + 1) + 1, 2),  # the first is alive while the second is made
        (lambda r: ((r + 1) + 1) + 1, 2),  # and dead when the third is
        (lambda r: (r + 1, r + 1, r + 1), 3),
        (lambda r: (r + 1).relu_(), 1),
        (lambda r: r.relu_(), 0),
        (lambda r: (r + 1).view(10, 10).t()[2:].expand(3, 8, 10).unsqueeze(0), 1),
        (lambda r: r.view(10, 10).t().reshape(100), 1),  # this one must copy
        (lambda r: r.view(10, 10).reshape(100), 0),
        (lambda r: (r + 1)[:1], 1),  # a view keeps all of it alive
        (lambda r: (r + 1)[:1].clone(), 1 + 1 / 100),
        (lambda r: torch.cat([r, r]), 2),
        (lambda r: r.expand(10, 100).contiguous(), 10),
        (lambda r: r.double(), 2),
        (lambda r: r.half(), 0.5),
        (lambda r: torch.add(r, r, out=torch.empty(0)), 1),  # it is resized
        (lambda r: torch.empty(100).resize_(300), 3),
        # Two tensors of 50 rows are resized by an operator that does not return them.
        (
            lambda r: torch.split_with_sizes_copy(
                r, [50, 50], out=[torch.empty(0), torch.empty(0)]
            ),
            1,
        ),
        (lambda r: sum(row + 1 for row in r.view(10, 10)), 3 / 10),
        (lambda r: torch.tensor([1.0] * 100), 1),
        (lambda r: torch.from_numpy(r.numpy()), 0),  # it lies in the input
        (lambda r: r.to_sparse(), 0),  # of zeros: nothing is in it
        (lambda r: (r + 1).to_sparse(), 1 + 1 + 2),  # values beside indices of 8 bytes
        (lambda r: torch.zeros(100, device="meta"), 0),
    ],
)
def test_what_is_alive_at_the_peak(forward: Callable[[Tensor], Any], rows: float) -> None:
    assert peak(forward, x(100)) == rows * ROWS


def test_a_temporary_that_a_generator_makes() -> None:
    def pieces(rows: Tensor) -> Any:
        for row in rows.view(10, 10):
            yield row * 2  # the loop below holds it while the next one is made

    assert peak(lambda r: [float(piece.sum()) for piece in pieces(r)], x(100)) == 2 * 40


def test_a_linear_layer() -> None:
    assert by_layer(memory_profile(nn.Linear(8, 16), x(4, 8))) == {"": 4 * 16 * 4}


def test_activations_are_freed_as_a_chain_goes_on() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),  # 8 x 16 x 16 floats: 8,192 bytes
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1),  # 8,192 beside its input
        nn.Conv2d(8, 4, 3, padding=1),  # 4,096
    )
    assert by_layer(memory_profile(model, x(1, 3, 16, 16))) == {
        "": 16_384, "0": 8192, "1": 0, "2": 8192, "3": 4096
    }  # fmt: skip


def test_a_layer_has_what_it_needs_itself() -> None:
    """Not what was alive before it, and all that was alive inside of it at once."""
    block = nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 8))  # 1,024 and 128 bytes
    model = Fn(lambda self, r: (r + 1, self.block(r), r + 2), block=block)
    assert by_layer(memory_profile(model, x(4, 8))) == {
        "": 128 + 1024 + 128, "block": 1024 + 128, "block.0": 1024, "block.1": 128
    }  # fmt: skip


def test_a_layer_that_runs_twice_has_the_higher_of_its_peaks() -> None:
    model = Fn(lambda self, r: (self.layer(r[:1]), self.layer(r)), layer=nn.Linear(8, 8))
    assert memory_profile(model, x(4, 8))["layer"].memory_bytes == 128


def test_a_layer_that_calls_itself() -> None:
    class Again(nn.Module):
        def forward(self, rows: Tensor, depth: int = 3) -> Tensor:
            return rows if not depth else self(rows + 1, depth - 1) + 1

    # Each call holds its argument until it returns, the innermost result is the last argument.
    assert by_layer(memory_profile(Again(), x(100)))[""] == 4 * ROWS


def test_a_container_that_never_runs_has_the_highest_of_its_layers() -> None:
    parts = nn.ModuleList([nn.Linear(8, 2), nn.Linear(8, 64)])
    model = Fn(lambda self, r: [part(r) for part in self.parts], parts=parts)
    profile = memory_profile(model, x(4, 8))
    assert profile["parts"].memory_bytes == profile["parts.1"].memory_bytes == 1024


def test_activations_that_a_model_keeps() -> None:
    class Hoarder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Tensor] = []

        def forward(self, rows: Tensor) -> Tensor:
            for _ in range(5):
                rows = rows + 1
                self.seen.append(rows)
            return rows

    model = Hoarder()
    assert peak(model, x(100)) == 5 * ROWS
    assert model.seen == []


def test_what_the_first_call_leaves_for_the_next_is_no_cost_of_a_call() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        if self.grid is None:
            self.grid = torch.arange(100.0)
        return rows + self.grid

    model = Fn(forward, part=nn.Identity())
    model.grid = None
    assert peak(model, x(100)) == ROWS
    assert model.grid is None


def test_fused_attention_on_the_cpu_is_linear() -> None:
    """What is counted is its math form, whose scores alone have 4 x 256 x 256 floats."""
    query = x(1, 4, 256, 16)
    size = 4 * query.numel()
    logsumexp = 4 * 4 * 256
    assert peak(F.scaled_dot_product_attention, query, query, query) == size + logsumexp


def test_the_inside_of_a_fused_encoder_layer_is_seen() -> None:
    """Nothing is hooked, so it runs as one operator, and no layer below it is ever called."""
    model = nn.TransformerEncoderLayer(64, 4, 2048, batch_first=True)
    hidden = 4 * 32 * 2048  # what `linear1` gives
    profile = memory_profile(model, x(2, 16, 64))
    assert hidden < (profile.memory_bytes or 0) < 1.2 * hidden
    assert {layer.memory_bytes for layer in profile.layers[1:]} == {0}


def test_the_inside_of_fused_attention_is_seen() -> None:
    model = nn.MultiheadAttention(64, 4, batch_first=True)
    scores = 4 * 4 * 256 * 256
    assert peak(model, *[x(1, 256, 64)] * 3) > scores


def test_what_a_training_call_keeps() -> None:
    """8 -> 16 -> 4 with a ReLU between, and 4 rows.

    The peak is in the backward of the first layer. Alive are the output of 64 bytes, the sum of 4
    and its gradient of 4; the gradients of the second layer, 256 + 16; that of the activation, 256;
    and the new gradients of the first layer, 512 + 64.
    """
    profile = memory_profile(mlp(), x(4, 8), mode="training")
    assert profile.memory_bytes == 64 + 4 + 4 + 256 + 16 + 256 + 512 + 64
    assert by_layer(profile) == {"": 1176, "0": 256, "1": 256, "2": 64}  # of forward alone


def test_gradients_are_allocated_in_each_call() -> None:
    model = nn.Linear(100, 100, bias=False)
    model.weight.grad = before = torch.ones(100, 100)
    assert peak(model, x(1, 100), mode="training") == 400 + 4 + 4 + 40_000
    assert model.weight.grad is before
    assert before.sum() == 10_000


def test_training_keeps_the_activations_that_inference_frees() -> None:
    model = nn.Sequential(*(nn.Sigmoid() for _ in range(8)))
    assert peak(model, x(100)) == 2 * ROWS
    rows = x(100, requires_grad=True)
    assert peak(model, rows, mode="training") == (8 + 1 + 1) * ROWS + 4 + 4


def test_checkpointing_lowers_it() -> None:
    blocks = nn.Sequential(*(nn.Sequential(*(nn.Sigmoid() for _ in range(8))) for _ in range(8)))
    rows = x(1000, requires_grad=True)
    plain = peak(blocks, rows, mode="training")

    def forward(self: Any, rows: Tensor) -> Tensor:
        for block in self.blocks:
            rows = checkpoint(block, rows, use_reentrant=False)
        return rows

    saved = peak(Fn(forward, blocks=blocks), rows, mode="training")
    assert plain == (64 + 1 + 1) * 4000 + 4 + 4
    assert saved < 20 * 4000  # one block and what is between blocks


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_it_is_the_same_each_time(mode: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(), nn.ReLU())
    found = {peak(model, x(2, 3, 16, 16), mode=mode) for _ in range(3)}
    assert len(found) == 1


def test_cycles_count_until_the_collector_runs_which_rests() -> None:
    def forward(rows: Tensor) -> Tensor:
        for _ in range(3):
            cycle: list[Any] = [rows + 1]
            cycle.append(cycle)
        return rows

    assert peak(forward, x(100)) == 3 * ROWS
    assert gc.isenabled()


def test_an_exception_leaves_everything_as_it_was() -> None:
    calls: list[int] = []

    def forward(self: Any, rows: Tensor) -> Tensor:
        calls.append(1)
        self.seen = rows + 1
        rows.add_(1)
        if len(calls) == 6:  # the second time that memory is measured, after meta and a warm-up
            raise KeyboardInterrupt
        return self.layer(rows)

    model, rows = Fn(forward, layer=nn.Linear(8, 8)), x(4, 8)
    random = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        while True:
            memory_profile(model, rows)
    assert not hasattr(model, "seen")
    assert "_call_impl" not in vars(model.layer)
    assert rows.sum() == 0
    assert gc.isenabled()
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()


def test_weights_on_meta_have_no_memory() -> None:
    profile = memory_profile(nn.Linear(8, 8, device="meta"), x(4, 8, device="meta"))
    assert (profile.memory_bytes, profile.environment) == (None, None)
    assert profile.not_measured == {"memory": "the weights are on meta"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
def test_a_device_that_is_not_there() -> None:
    profile = profile_model(mlp(), x(4, 8), metrics=("memory", "latency"), device="cuda")
    why = "there is no device `cuda` here"
    assert profile.not_measured == {"latency": why, "memory": why}


def test_a_compiled_model_on_the_cpu_is_not_measured() -> None:
    model = torch.compile(mlp(), backend="eager")
    profile = memory_profile(model, x(4, 8))
    assert profile.not_measured == {"memory": "a compiled model hides its tensors on the CPU"}


def test_memory_and_latency_together() -> None:
    """Memory finds a cache among the arguments as it came, whatever timing has made of it."""

    class Cache:
        def __init__(self) -> None:
            self.rows: list[Tensor] = []

    def forward(rows: Tensor, cache: Cache) -> Tensor:
        cache.rows.append(rows + 1)
        return torch.cat(cache.rows)

    cache = Cache()
    profile = profile_model(Fn(forward), (x(100), cache), metrics=("latency", "memory"))
    assert profile.memory_bytes == 2 * ROWS
    assert cache.rows == []


def test_both_in_one_profile() -> None:
    profile = profile_model(mlp(), x(4, 8), metrics=("latency", "memory"))
    assert profile.latency_ms is not None
    assert profile.memory_bytes == 256 + 256
    assert profile.environment is not None


def test_without_memory_there_is_none() -> None:
    profile = profile_model(mlp(), x(4, 8), metrics=("latency",))
    assert profile.memory_bytes is None
    assert {layer.memory_bytes for layer in profile.layers} == {None}


# An allocator.


class FakeModule:
    """The module of an accelerator whose layers allocate and free what a test says."""

    def __init__(self) -> None:
        self.now = self.highest = 1000  # the model and its inputs
        self.devices: set[torch.device] = set()

    def memory_allocated(self, device: torch.device) -> int:
        self.devices.add(device)
        return self.now

    def max_memory_allocated(self, device: torch.device) -> int:
        self.devices.add(device)
        return self.highest

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.devices.add(device)
        self.highest = self.now

    def allocate(self, size: int) -> None:
        self.now += size
        self.highest = max(self.highest, self.now)


class Step(nn.Module):
    """Allocates some bytes, and then keeps a part of them."""

    def __init__(self, module: FakeModule, needs: int, keeps: int) -> None:
        super().__init__()
        self._run = module, needs, keeps

    def forward(self, rows: Tensor) -> Tensor:
        module, needs, keeps = self._run
        module.allocate(needs)
        module.allocate(keeps - needs)
        return rows


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeModule:
    module = FakeModule()
    monkeypatch.setattr(torch, "get_device_module", lambda _: module)
    return module


def on_a_fake(fake: FakeModule, model: nn.Module) -> tuple[int, Any]:
    call = ModelCall((x(1),), {}, training=False)
    profiled = ProfiledCall(model, Layers(model), SavedState(model), call)
    meter = meter_of(torch.device("cuda:1"), compiled=profiled.is_compiled)
    assert isinstance(meter, AllocatorMeter)
    memory = measure_peak(profiled, meter)
    assert fake.devices == {torch.device("cuda:1")}
    return memory.total_bytes, dict(zip(profiled.layers.paths, memory.layer_bytes, strict=False))


def test_peaks_of_an_allocator(fake: FakeModule) -> None:
    inner = nn.Sequential(Step(fake, 50, 10), Step(fake, 30, 0))
    model = nn.Sequential(Step(fake, 100, 20), inner, Step(fake, 5, -30))
    total, layers = on_a_fake(fake, model)
    assert total == 100
    assert layers == {"": 100, "0": 100, "1": 50, "1.0": 50, "1.1": 30, "2": 5}
    assert fake.now == 1000


def test_a_peak_that_children_reach_together(fake: FakeModule) -> None:
    inner = nn.Sequential(Step(fake, 50, 50), Step(fake, 60, 60))
    total, layers = on_a_fake(fake, nn.Sequential(Step(fake, 10, 10), inner))
    assert total == 120
    assert layers == {"": 120, "0": 10, "1": 110, "1.0": 50, "1.1": 60}


def test_what_the_first_call_allocates_for_good_is_none_of_it(fake: FakeModule) -> None:
    """As a library does for its workspace."""
    first = iter([8000])
    step = Step(fake, 10, 0)
    model = Fn(lambda self, r: (fake.allocate(next(first, 0)), self.step(r)), step=step)
    assert on_a_fake(fake, model) == (10, {"": 10, "step": 10})


def test_a_compiled_model_on_an_accelerator_has_a_total_alone(fake: FakeModule) -> None:
    model = nn.Sequential(Step(fake, 70, 0))
    model._compiled_call_impl = model._call_impl  # what `model.compile()` sets
    assert on_a_fake(fake, model) == (70, {})


def test_an_accelerator_that_keeps_no_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_device_module", lambda _: object())
    with pytest.raises(NotMeasuredError) as raised:
        meter_of(torch.device("mps"), compiled=False)
    assert raised.value.reason == "`mps` keeps no statistics of its peak of memory"


def test_a_layer_that_raises_what_its_parent_catches(fake: FakeModule) -> None:
    class Stops(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            fake.allocate(40)
            fake.allocate(-40)
            raise ValueError

    def forward(self: Any, rows: Tensor) -> Tensor:
        try:
            return self.stops(rows)
        except ValueError:
            return self.step(rows)

    model = Fn(forward, stops=Stops(), step=Step(fake, 7, 0))
    assert on_a_fake(fake, model) == (40, {"": 40, "stops": 40, "step": 7})


def test_the_statistics_of_torch_have_these_names() -> None:
    assert all(hasattr(torch.cuda, name) for name in meter.STATISTICS)
    assert isinstance(AllocatorMeter(torch.device("cuda")).recording(), nullcontext)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_allocator_of_cuda() -> None:
    """CUDA's allocator gives out blocks of 512 bytes."""
    model = nn.Sequential(*(nn.Linear(512, 512, bias=False) for _ in range(3)))  # 4 MiB each
    profile = profile_model(model, x(2048, 512), metrics=("memory",), device="cuda")
    activation = 4 * 2048 * 512
    assert profile.memory_bytes == 2 * activation
    assert by_layer(profile) == {"": 2 * activation, **dict.fromkeys("012", activation)}
