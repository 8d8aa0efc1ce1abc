"""Higher-order operators: those that take functions, and what each of them does in plain Python.

Their kernels refuse dispatch modes, and what differentiates them sees no operator. In plain Python
the functions that they are given run as any others, with gradients and under every mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator

from pytest_flopbudget.measure.torch_internals.pytree import tree_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BY_OTHER_OPERATORS = torch._C.DispatchKey.CompositeExplicitAutograd


def plain_form(operator: object) -> Callable[..., Any] | None:
    """Return what does the same as a higher-order operator, in plain Python; `None` of others."""
    if not isinstance(operator, HigherOrderOperator):
        return None
    return PLAIN_FORMS.get(operator.__name__)


def eager_kernel(operator: HigherOrderOperator) -> Callable[..., Any] | None:
    """Return the kernel that runs an operator which takes functions, by calling these functions."""
    kernel: Callable[..., Any] | None = operator.py_kernels.get(BY_OTHER_OPERATORS)
    return kernel


def _cond(condition: Any, if_true: Any, if_false: Any, operands: Sequence[Any]) -> Any:
    return (if_true if condition else if_false)(*operands)


def _while_loop(
    condition: Any, body: Any, carried: Sequence[Any], others: Sequence[Any], **_: Any
) -> tuple[Any, ...]:
    while condition(*carried, *others):
        carried = body(*carried, *others)
    return tuple(carried)


def _map(function: Any, rows: Sequence[torch.Tensor], others: Sequence[Any], **_: Any) -> Any:
    """Call a function with each row of some tensors; what it returns may be nested."""
    outputs = [function(*each, *others) for each in zip(*rows, strict=True)]
    return tree_map(lambda *leaves: torch.stack(leaves), *outputs)


def _scan(
    combine: Any, carried: Sequence[Any], rows: Sequence[torch.Tensor], *rest: Any
) -> list[Any]:
    """Call a function with what it returned last and each row; it returns both flat.

    The last argument has the others that it gets; before it older versions have the dimension of
    the rows, and whether the last one comes first.
    """
    *older, others = rest
    outputs = []
    for each in zip(*(tensor.movedim(older[0] if older else 0, 0) for tensor in rows), strict=True):
        returned = combine(*carried, *each, *others)
        carried, output = returned[: len(carried)], returned[len(carried) :]
        outputs.append(output)
    return [*carried, *(torch.stack(leaves) for leaves in zip(*outputs, strict=True))]


def _invoke_subgraph(graph: Any, _name: str, *operands: Any) -> Any:
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])  # as older versions have them
    return graph(list(operands)) if getattr(graph, "_boxed_call", False) else graph(*operands)


PLAIN_FORMS: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "map_impl": _map,
    "scan": _scan,
    "invoke_subgraph": _invoke_subgraph,
    "strict_mode": lambda function, operands: function(*operands),
    "hints_wrapper": lambda function, args, kwargs, _hints: function(*args, **kwargs),
}
