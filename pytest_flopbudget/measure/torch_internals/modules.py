"""Modules: what calls them, what they hold, and what `torch.compile` makes of them."""

from __future__ import annotations

import sys
from inspect import ismethod
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn

# The attributes of a module that run it, looked up on the instance: uncompiled and compiled.
CALL, COMPILED_CALL = "_call_impl", "_compiled_call_impl"


def compiled_from(module: nn.Module) -> nn.Module | None:
    """Return the module that `torch.compile(module)` wrapped, if it did.

    Its type says so: a wrapper that hands attributes on has the `_orig_mod` of what it holds.
    """
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is None or not issubclass(type(module), dynamo.OptimizedModule):
        return None
    original: nn.Module = vars(module)["_modules"]["_orig_mod"]
    return original


def compiled_call(module: nn.Module) -> Any:
    """Return what `module.compile()` made of the call of a module, if it was called."""
    return vars(module).get(COMPILED_CALL)


def has_compiled_forward(module: nn.Module) -> bool:
    """Return whether the method `forward` of a module was compiled by itself."""
    forward = module.forward
    function = forward.__func__ if ismethod(forward) else forward
    return "_torchdynamo_orig_callable" in getattr(function, "__dict__", {})


def has_own_train(module: nn.Module) -> bool:
    """Return whether `train()` and `eval()` may do more to a module than set its flags."""
    library = str(getattr(type(module).train, "__module__", "")).partition(".")[0]
    return library != "torch" or "train" in vars(module)


def is_scripted(module: nn.Module) -> bool:
    """Return whether a module was scripted or traced, and runs in torch's own runtime."""
    return isinstance(module, torch.jit.RecursiveScriptModule)  # type: ignore[attr-defined]


def script_attributes(module: Any) -> dict[str, Any]:
    """Return the attributes that a scripted module keeps in that runtime; a frozen one has none."""
    kind = vars(module).get("_concrete_type")
    return {} if kind is None else {name: module._c.getattr(name) for name in kind.get_attributes()}


def set_script_attribute(module: Any, name: str, value: Any) -> None:
    """Set an attribute that a scripted module keeps in that runtime, also a parameter."""
    module._c.setattr(name, value)


def dynamo_is_loaded() -> bool:
    """Return whether anybody compiled anything; only then need it be told to stay away."""
    return "torch._dynamo" in sys.modules


def has_global_hooks() -> bool:
    """Return whether hooks run before or after each call of every module, whose ever it is."""
    module = torch.nn.modules.module
    return any(
        (
            module._global_forward_hooks,
            module._global_forward_pre_hooks,
            module._global_backward_hooks,
            module._global_backward_pre_hooks,
        )
    )


def unpacked(packed: torch.ScriptObject) -> Any:
    """Return the tensors of an object of torch's runtime that holds packed weights, nested."""
    holder: Any = packed
    for method in ("unpack", "__getstate__"):
        if holder._has_method(method):
            return getattr(holder, method)()
    return ()
