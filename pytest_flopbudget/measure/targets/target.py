"""The target of a measurement: a module, a bound method of one, or a callable with its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import ismethod
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torch import nn

from pytest_flopbudget.errors import MeasureError

MODULES = "modules"  # the argument that names the modules of a callable
NAME_THEM = 'name the modules that it calls: `modules={"encoder": encoder}`, or one module'


@dataclass(frozen=True)
class Target:
    """A function that is called in the place of a module: a method of it, or one that uses some."""

    function: Callable[..., Any]
    name: str
    is_method: bool

    def title(self, model: str) -> str:
        """Return what a baseline calls it, with the name of the type of the model."""
        return f"{model}.{self.name}" if self.is_method else self.name

    @property
    def holders(self) -> list[Any]:
        """The objects beside the modules whose attributes a call may change."""
        return list(_holders(self.function))


class Modules(nn.Module):
    """The modules of a callable, by name; what runs outside of them is its own."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            _check_part(name, module)
            try:
                self.add_module(name, module)
            except KeyError as error:  # dots, and names that a module has itself
                raise MeasureError(f"`{MODULES}`: {error.args[0]}", "name it otherwise") from None
        self.training = any(module.training for module in modules.values())


def resolve(target: object, modules: Any = None) -> tuple[nn.Module, Target | None]:
    """Return the module whose layers are profiled, and what is called if that is not the module.

    Args:
        target: a module, a bound method of one, or any other callable.
        modules: of such a callable: a module, or a dict of names and modules.

    Raises:
        MeasureError: it is none of these.
    """
    if names_its_modules(target):
        if modules is not None:
            raise MeasureError(
                f"`{MODULES}` names the modules of a function, found {_described(target)}",
                f"leave `{MODULES}` out: the layers are those of the model",
            )
        return _module(target)
    if isinstance(target, type) and issubclass(target, nn.Module):
        name = target.__name__
        raise MeasureError(f"expected a model, found the class `{name}`", f"call it: `{name}()`")
    if not callable(target):
        raise MeasureError(
            f"expected a `torch.nn.Module` as the model, found `{type(target).__name__}`",
            "the model comes first, then its arguments",
        )
    if modules is None:
        raise MeasureError(
            f"expected a model, or a method of one, found {_described(target)}", NAME_THEM
        )
    return _container(modules), Target(target, _name_of(target), is_method=False)


def split_modules(target: object, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return keyword arguments without `modules`, and that: of a model it is the model's own."""
    kwargs = dict(kwargs)
    return kwargs, None if names_its_modules(target) else kwargs.pop(MODULES, None)


def names_its_modules(target: object) -> bool:
    """Return whether a target tells itself which modules it consists of."""
    return isinstance(target, nn.Module) or _is_method_of_module(target)


def _is_method_of_module(target: Any) -> bool:
    return ismethod(target) and isinstance(target.__self__, nn.Module)


def _module(target: Any) -> tuple[nn.Module, Target | None]:
    if isinstance(target, nn.Module):
        return target, None
    model = target.__self__
    if target.__func__ is type(model).__call__:
        return model, None
    return model, Target(target, _name_of(target), is_method=True)


def _container(modules: Any) -> nn.Module:
    if isinstance(modules, nn.Module):
        return modules
    if not isinstance(modules, Mapping) or not modules:
        found = "an empty dict" if isinstance(modules, Mapping) else f"`{type(modules).__name__}`"
        raise MeasureError(f"`{MODULES}`: expected a module or a dict, found {found}", NAME_THEM)
    return Modules(modules)


def _check_part(name: object, module: object) -> None:
    if not isinstance(name, str):
        raise MeasureError(f"`{MODULES}`: expected names, found `{name!r}`", NAME_THEM)
    if not isinstance(module, nn.Module):
        raise MeasureError(
            f"`{MODULES}`: expected a `torch.nn.Module` as `{name}`, "
            f"found `{type(module).__name__}`",
            NAME_THEM,
        )


def _holders(function: Any) -> Iterator[Any]:
    if isinstance(function, partial):
        yield from _holders(function.func)
    elif ismethod(function):
        if not isinstance(function.__self__, nn.Module | type):
            yield function.__self__
    elif not isinstance(function, FunctionType | BuiltinFunctionType | type):
        yield function


def _name_of(function: Any) -> str:
    if isinstance(function, partial):
        return _name_of(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _described(target: Any) -> str:
    """Return what a target is, with its name."""
    if isinstance(target, nn.Module):
        return f"the model `{type(target).__name__}`"
    if isinstance(target, type):
        return f"the class `{target.__name__}`"
    kind = "method" if ismethod(target) else "function"
    has_name = isinstance(target, partial) or hasattr(target, "__name__")
    return f"the {kind} `{_name_of(target)}`" if has_name else f"a `{type(target).__name__}`"
