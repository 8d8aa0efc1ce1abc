"""The dispatch engine: counts one call of a model, on the first backend on which it runs."""

from __future__ import annotations

from contextlib import nullcontext
from threading import get_ident
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.call import GradientsNeededError, set_mode, tensors_in
from pytest_flopbudget.measure.counting.backends.fallback import on_first_backend
from pytest_flopbudget.measure.counting.eager_mode import eager_mode
from pytest_flopbudget.measure.counting.external_tensors import KERNEL
from pytest_flopbudget.measure.counting.flop_count import ALL, FLOPS, TRAFFIC, FlopCount
from pytest_flopbudget.measure.counting.flop_counter import FlopCounterMode, FormulaError
from pytest_flopbudget.measure.counting.module_tracker import ModuleTracker
from pytest_flopbudget.measure.counting.other_processes import (
    PROCESS,
    other_processes_noticed,
)
from pytest_flopbudget.measure.counting.tensor_usage import TensorUsage
from pytest_flopbudget.measure.counting.traffic.formula_bytes import TrafficFormulaError
from pytest_flopbudget.measure.counting.traffic.single_operators import single_operators_seen
from pytest_flopbudget.measure.counting.traffic.traffic_counter import TrafficCounter
from pytest_flopbudget.measure.error_notes import running_layer
from pytest_flopbudget.measure.hardware.devices import CPU, META
from pytest_flopbudget.measure.isolation.escaped_tensors import Surroundings
from pytest_flopbudget.measure.isolation.random_state import seed_generators
from pytest_flopbudget.measure.isolation.tensor_contents import (
    contents_restored,
    memory_restored,
)
from pytest_flopbudget.measure.layers import ROOT
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_modes
from pytest_flopbudget.measure.torch_internals.fake_tensors import NO_ADDRESS, is_about_values

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    import torch

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.profiled_call import ProfiledCall

THREAD = "outside::thread"  # in the place of the operators that a thread of the model's own ran


class OutsideError(MeasureError):
    """A tensor came from outside of PyTorch: a real run can tell more of it."""


def count_flops(profiled: ProfiledCall, *, traffic: bool = False) -> FlopCount:
    """Count one call, on meta tensors if the model runs there, else on fake ones, else for real.

    Args:
        profiled: the call.
        traffic: whether to count also what the operators read and write, and how many they are.

    Raises:
        FormulaError: a registered formula is wrong.
        MeasureError: the model asks for the values of tensors that have none.
        Exception: what the model itself raises when it runs for real, or as near as its weights
            let it.
    """
    state, layers = profiled.state, profiled.layers
    with_kernels: set[int] = (
        set()
    )  # layers that run a raw kernel, as an attempt without values says

    def attempt(backend: Backend, is_last: bool) -> FlopCount:
        run = CountingRun(backend, profiled, is_last=is_last, traffic=traffic)
        if not is_last:
            try:
                return run.counted()
            except RuntimeError as error:
                if error is not run.failure and _is_of_a_raw_kernel(error):
                    with_kernels.add(running_layer(error, layers) or ROOT)
                raise
        # What writes into them need not be an operator.
        with contents_restored(profiled.unseen), memory_restored(state.tensors):
            return run.counted()

    try:
        count = on_first_backend(
            attempt,
            on_meta=profiled.is_on_meta,
            final=(FormulaError, TrafficFormulaError, GradientsNeededError),
            surroundings=Surroundings(layers.modules),
        )
    except Exception as error:
        if profiled.is_on_meta and is_about_values(error):
            raise _values_error(profiled, error) from error
        raise
    for layer in with_kernels:
        count.note_uncounted(KERNEL, layer, (), ALL)
    return count


def _is_of_a_raw_kernel(error: Exception) -> bool:
    """Return whether code that is not torch's called what asked a tensor for its address."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    library = str(frame.f_globals.get("__name__")).partition(".")[0]
    return NO_ADDRESS in str(error) and library != "torch"


def _values_error(profiled: ProfiledCall, error: Exception) -> MeasureError:
    model, reason = f"`{type(profiled.module).__name__}`", str(error).partition("\n")[0].rstrip(".")
    if any(tensor.is_meta for tensor in profiled.module.parameters()):
        return MeasureError(
            f"{model} asks for the values of tensors, but its weights are on meta: {reason}",
            'give it memory, with any values in it: model.to_empty(device="cpu")',
        )
    return MeasureError(
        f"{model} asks for the values of tensors, but there are some on meta: {reason}",
        "give it inputs, buffers and attributes that have values",
    )


class CountingRun:
    """One attempt to count a call: the model runs on one backend, and its cost is noted.

    What another backend may do better is an exception, until there is no other one left.
    """

    def __init__(
        self,
        backend: Backend,
        profiled: ProfiledCall,
        *,
        is_last: bool = False,
        traffic: bool = False,
    ) -> None:
        self.backend = backend
        self.tracker = ModuleTracker(
            profiled.layers, training=profiled.call.training, on_enter=self._note_thread
        )
        forward, backward = ([0] * len(profiled.layers) for _ in range(2))
        self.count = FlopCount(backend.name, forward, backward, self.tracker.module_calls)
        self._profiled = profiled
        self._thread = get_ident()
        self._is_last = is_last
        self.traffic = (
            TrafficCounter(
                self.tracker,
                len(profiled.layers),
                self._note_unknown_traffic,
                backend.place_of,
            )
            if traffic
            else None
        )
        self.failure: Exception | None = None  # the first one, which a model may swallow

    def counted(self) -> FlopCount:
        """Run the call, restore the model, and return what the call cost.

        Raises:
            Exception: what the model, or the backend, raises.
        """
        profiled, backend = self._profiled, self.backend
        state, training = profiled.state, profiled.call.training
        external = backend.external_tensors(state.tensors, self._note_external, self.note_failure)
        external.dtypes_matter = self.traffic is not None
        usage = TensorUsage.before(profiled, backend, external)
        seed_generators(profiled.seed)
        try:
            state.clear_gradients()
            state.substitute(backend.substitute)
            set_mode(profiled.module, training=training)
            with (
                backend.inputs(profiled.call) as inputs,
                eager_mode(profiled.layers, training=training),
                other_processes_noticed(self._note_process),
                backend.entered(),
                external,
                self.tracker.attached(),
                self._single_operators_seen(),
                FlopCounterMode(self, usage),
                profiled.call.output.once(),
            ):
                self._run(inputs, usage)
        finally:
            external.end()
            state.restore()
            usage.writes.undo()
        self.count.unused = usage.parameters.unused
        self.count.written = usage.writes.written
        self.count.data_dependent = usage.data_dependent
        return self.count

    def note_uncounted(
        self, operator: str, given: Iterable[torch.Tensor], unknown: tuple[str, ...] = FLOPS
    ) -> None:
        """Note an operator of which something is not known, for the layer that runs."""
        tracker = self.tracker
        layer = tracker.owner_in_backward() if tracker.in_backward else tracker.current
        self.count.note_uncounted(operator, layer, given, unknown)

    def note_unknown(
        self,
        error: MeasureError,
        operator: str,
        given: Iterable[torch.Tensor],
        unknown: tuple[str, ...] = FLOPS,
    ) -> None:
        """Note an operator as uncounted, unless another backend may be able to count it.

        Raises:
            MeasureError: the error, if there is another backend.
        """
        if not self._is_last:
            raise error
        self.note_uncounted(operator, given, unknown)

    def note_failure(self, error: Exception) -> None:
        """Note what the backend could not do: a model may catch it, and go another way."""
        self.failure = self.failure or error

    def _run(self, inputs: ModelCall, usage: TensorUsage) -> None:
        """Run the call, and backward in training mode."""
        output = inputs.forward(self._profiled.module)
        usage.check_origin(tensors_in(output))
        if inputs.training:
            with self.tracker.backward():
                inputs.backward(output)
        if self.traffic is not None:
            self.count.traffic = self.traffic.end(tensors_in(output))
        if self.failure is not None and not self._is_last:
            raise self.failure

    def _note_external(self, name: str, tensor: torch.Tensor) -> None:
        self.note_unknown(OutsideError(name), name, [tensor], ALL)

    def _note_process(self) -> None:
        self.note_uncounted(PROCESS, (), ALL)

    def _note_unknown_traffic(self, operator: str, given: Iterable[torch.Tensor]) -> None:
        self.note_uncounted(operator, given, TRAFFIC)

    def _single_operators_seen(self) -> AbstractContextManager[None]:
        """Return the context in which functions that are one operator are seen, if need be."""
        if self.traffic is None:
            return nullcontext()
        tensors = self._profiled.state.tensors or self._profiled.call.tensors()
        known = {tensor.device for tensor in tensors} | {CPU, META}
        return single_operators_seen({device.type for device in known})

    def _note_thread(self, layer: int, values: Any) -> None:
        """Note a layer that runs in a thread of the model's own, where this mode sees nothing.

        The threads of autograd have the modes of the thread that they serve.
        """
        if get_ident() == self._thread:
            return
        if not any(isinstance(mode, FlopCounterMode) for mode in dispatch_modes()):
            self.count.note_uncounted(THREAD, layer, tensors_in(values), ALL)
