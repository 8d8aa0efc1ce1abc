"""One call of a model: its arguments, the tensors in them, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.input_descriptions import description
from pytest_flopbudget.measure.isolation.interrupts import interruptible
from pytest_flopbudget.measure.isolation.iterators import Substitution, replayed
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.isolation.object_walk import ObjectWalk
from pytest_flopbudget.measure.isolation.placement import TensorCopies
from pytest_flopbudget.measure.isolation.process.output import Output
from pytest_flopbudget.measure.targets.target import Target
from pytest_flopbudget.measure.torch_internals.dispatch import functions_as_they_are
from pytest_flopbudget.measure.torch_internals.pytree import tree_leaves

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_flopbudget.profile.shapes import Shape


NEEDS_GRADIENTS = (  # what `backward` and `autograd.grad` say where nothing was recorded
    "does not require grad and does not have a grad_fn",
    "One of the differentiated Tensors does not require grad",
)


class GradientsNeededError(RuntimeError):
    """Forward differentiates, as that of a model of energies and forces, and ran without."""


@dataclass(frozen=True)
class ModelCall:
    """The arguments of a model and the mode in which it runs."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    training: bool
    gradients: bool = False  # whether forward differentiates, which inference mode allows, too
    output: Output = field(default_factory=Output, compare=False)  # of all calls with these
    target: Target | None = None  # what is called, if that is not the model itself

    @classmethod
    def of(
        cls,
        model: nn.Module,
        args: Any,
        kwargs: Mapping[str, Any] | None,
        *,
        training: bool,
        target: Target | None = None,
    ) -> ModelCall:
        """Return the call with a tuple or one tensor; without any, with `example_input_array`."""
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise MeasureError(
                f"expected a dict of keyword arguments, found `{type(kwargs).__name__}`",
                "give positional arguments as a tuple: profile_model(model, (x, y))",
            )
        args, kwargs = _positional(args), dict(kwargs or {})
        needs_example = not args and not kwargs and target is None
        example = _example_input(model) if needs_example else None
        if isinstance(example, Mapping):
            kwargs = dict(example)
        elif example is not None:
            args = _positional(example)
        args, named = replayed((args, kwargs))
        return cls(args, named, training, target=target)

    def mapped(self, function: Callable[[torch.Tensor], torch.Tensor]) -> ModelCall:
        """Return the call with `function(tensor)` for each tensor in containers and iterators."""
        args, kwargs = Substitution(function).within((self.args, self.kwargs))
        return replace(self, args=args, kwargs=kwargs)

    @contextmanager
    def substituted(
        self, substitute_of: Callable[[torch.Tensor], torch.Tensor]
    ) -> Iterator[ModelCall]:
        """Yield the call with another tensor in the place of each one that the arguments hold.

        Containers are copied; other objects, a cache say, cannot be: they hold the other tensors
        meanwhile, and are restored at the end.
        """
        objects = self.saved_objects()
        objects.substitute(substitute_of)
        try:
            yield self.mapped(substitute_of)
        finally:
            objects.restore()

    def copied(
        self, own: Mapping[int, torch.Tensor], device: torch.device | None = None
    ) -> AbstractContextManager[ModelCall]:
        """Return the context of the call with copies of its tensors, each a leaf.

        Args:
            own: what takes the place of the tensors that the model holds too, by their ids.
            device: where the copies lie, if not where their tensors do.
        """
        copies = TensorCopies([*self.tensors(), *self.saved_objects().tensors])

        def copy_of(tensor: torch.Tensor) -> torch.Tensor:
            return own[id(tensor)] if id(tensor) in own else copies.of(tensor, device)

        return self.substituted(copy_of)

    def saved_objects(self) -> SavedState:
        """Save what the objects among the arguments hold."""
        leaves = tree_leaves((self.args, self.kwargs))
        return SavedState([leaf for leaf in leaves if not isinstance(leaf, torch.Tensor)])

    def saved_before_a_run(self) -> SavedState:
        """Save what each run is to find as the first one did: a scheduler begins at its start."""
        leaves = tree_leaves((self.args, self.kwargs))
        holders = [] if self.target is None else self.target.holders
        objects = [leaf for leaf in leaves if not isinstance(leaf, torch.Tensor)]
        return SavedState([*objects, *holders])

    def owner(self, model: nn.Module) -> Any:
        """Return what a call may change: the model, and what holds the function that is called."""
        holders = [] if self.target is None else self.target.holders
        return [model, *holders] if holders else model

    def tensors(self) -> list[torch.Tensor]:
        """Return the tensors among the arguments."""
        return list(tensors_in((self.args, self.kwargs)))

    def fresh(self) -> ModelCall:
        """Return the call with new containers, as a model may empty them, of the same tensors."""
        return self.mapped(lambda tensor: tensor)

    def forward(self, model: nn.Module) -> Any:
        """Run the model forward, with gradients in training mode, or if forward needs them.

        Raises:
            GradientsNeededError: forward needs them, and had none.
        """
        has_gradients = self.training or self.gradients
        try:
            with torch.enable_grad() if has_gradients else torch.no_grad():
                function = model if self.target is None else self.target.function
                return interruptible(function, *self.args, **self.kwargs)
        except RuntimeError as error:
            if has_gradients or not any(text in str(error) for text in NEEDS_GRADIENTS):
                raise
            raise GradientsNeededError(str(error)) from error

    def backward(self, output: Any) -> None:
        """Run backward from the loss that the output has, or from the sum of all outputs.

        Raises:
            MeasureError: nothing in the output requires gradients.
        """
        with torch.enable_grad():
            loss = _loss(output)
            interruptible(loss.backward)

    def run(self, model: nn.Module) -> None:
        """Run one whole call in this mode."""
        output = self.forward(model)
        if self.training:
            self.backward(output)

    def describe(self) -> tuple[str, ...]:
        """Return the arguments as baselines write them: `float32[1, 3, 640, 640]`, `mask=None`."""
        named = [f"{name}={description(value)}" for name, value in sorted(self.kwargs.items())]
        return (*map(description, self.args), *named)


def _positional(args: Any) -> tuple[Any, ...]:
    """Return a tuple of arguments; a named tuple or a packed sequence is one argument."""
    return args if type(args) is tuple else (args,)


def _example_input(model: nn.Module) -> Any:
    """Return the example that a model has itself: some hand on the attributes of what they hold."""
    name = "example_input_array"
    held = {**vars(model), **dict(model.named_buffers(recurse=False))}
    return getattr(model, name) if name in held or hasattr(type(model), name) else None


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested containers and dataclasses."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors_in([getattr(leaf, one.name) for one in fields(leaf)])


def set_mode(model: nn.Module, *, training: bool) -> None:
    """Put a model into inference or training mode; flags below a training root stay."""
    if training and model.training:
        return
    with suppress(NotImplementedError):  # an exported model knows one mode
        interruptible(model.train, training)


def _loss(output: Any) -> torch.Tensor:
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        return loss.sum()
    found = [tensor for tensor in tensors_in(output) if tensor.requires_grad]
    # What an object holds may be the model, too: what forward computed is no leaf.
    found = found or [t for t in ObjectWalk(output).tensors if t.requires_grad and not t.is_leaf]
    sums = [_parts(tensor).sum() for tensor in found]
    if not sums:
        raise MeasureError(
            "training mode needs an output that requires gradients, found none",
            'profile it with mode="inference", or return a loss or a differentiable output',
        )
    return sum(sums[1:], sums[0])


def _parts(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of real numbers; those that a complex one consists of."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def shapes(values: Any) -> tuple[Shape, ...]:
    """Return the shapes of the tensors in nested containers; a nested tensor has none."""
    with functions_as_they_are():
        found = (values,) if isinstance(values, torch.Tensor) else tensors_in(values)
        return tuple(tuple(map(int, t.shape)) for t in found if not _is_nested(t))


def _is_nested(tensor: torch.Tensor) -> bool:
    return tensor.is_nested or tensor.layout == torch.jagged
