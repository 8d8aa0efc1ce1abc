"""What torch does not document is used in `measure/torch_internals` only.

A private name begins with exactly one underscore. What a class keeps of its own, `self._name`, is
private to this package and no matter of this guard.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_flopbudget

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(pytest_flopbudget.__file__).parent
DOOR = PACKAGE / "measure" / "torch_internals"
OWN = ("self", "cls")  # whose private attributes are those of the class itself
BY_NAME = {"getattr", "hasattr", "setattr", "delattr"}
LOOKUPS = {"get", "pop", "setdefault", "__getitem__"}  # of `vars(x)` and `x.__dict__`
NOT_OF_TORCH = {  # private names that others have
    "_extra_reducers": "of `multiprocessing`: what `ForkingPickler.register` fills, and cannot empty",
    "_fixtureinfo": "of pytest: which fixtures a test names, and which of them autouse brings",
    "_getframe": "of `sys`: the one way to see who calls, documented by Python",
    "_resolve_rule": "of THOP: tells its distributions apart, which count by different rules",
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def private_parts(path: str) -> list[str]:
    return [name for name in path.split(".") if is_private(name)]


def private_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each private name that is not one of the class that uses it."""
    for node in ast.walk(ast.parse(source)):
        for name in (*imported(node), *accessed(node), *named_by_a_string(node)):
            yield getattr(node, "lineno", 0), name


def imported(node: ast.AST) -> list[str]:
    """Return the private names in an import from torch."""
    if isinstance(node, ast.Import):
        paths = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        paths = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return []
    return [name for path in paths if path.startswith("torch.") for name in private_parts(path)]


def accessed(node: ast.AST) -> list[str]:
    """Return the private name of an attribute that is not one of the own object."""
    if not isinstance(node, ast.Attribute) or not is_private(node.attr):
        return []
    is_own = isinstance(node.value, ast.Name) and node.value.id in OWN
    is_own = is_own or ast.unparse(node.value) == "super()"
    return [] if is_own or is_operator(node) else [node.attr]


def is_operator(node: ast.Attribute) -> bool:
    """Return whether this is `torch.ops.namespace` or `torch.ops.namespace.name`, as users call it."""
    path = ast.unparse(node).split(".")
    return path[:2] == ["torch", "ops"] and len(path) <= 4


def named_by_a_string(node: ast.AST) -> list[str]:
    """Return the private name in `getattr(x, "_name")`, `vars(x)["_name"]` and their like."""
    if isinstance(node, ast.Subscript) and is_namespace(node.value):
        names = [node.slice]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_NAME:
        names = node.args[1:2]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attrgetter"):
        names = node.args
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOOKUPS
        and is_namespace(node.func.value)
    ):
        names = node.args[:1]
    elif isinstance(node, ast.Compare) and any(map(is_namespace, node.comparators)):
        names = [node.left]
    else:
        return []
    found = (name.value for name in names if isinstance(name, ast.Constant))
    return [name for name in found if isinstance(name, str) and is_private(name)]


def is_namespace(node: ast.AST) -> bool:
    """Return whether this is `vars(x)` or `x.__dict__`."""
    is_vars = isinstance(node, ast.Call) and ast.unparse(node.func) == "vars"
    return is_vars or (isinstance(node, ast.Attribute) and node.attr == "__dict__")


def outside_of_the_door() -> Iterator[tuple[str, int, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if DOOR not in path.parents:
            for line, name in private_names(path.read_text("utf-8")):
                yield path.relative_to(PACKAGE).as_posix(), line, name


def test_private_names_are_used_behind_the_door_only() -> None:
    found = [
        f"{file}:{line} {name}"
        for file, line, name in outside_of_the_door()
        if name not in NOT_OF_TORCH
    ]
    assert found == []


def test_each_exception_is_needed() -> None:
    assert {name for _, _, name in outside_of_the_door()} == NOT_OF_TORCH.keys()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import torch._C", "_C"),
        ("import torch.utils._pytree as pytree", "_pytree"),
        ("from torch import _C", "_C"),
        ("from torch.utils._pytree import tree_map", "_pytree"),
        ("def f():\n    from torch._ops import OpOverload", "_ops"),
        ("torch._C.anything()", "_C"),
        ("tensor._version", "_version"),
        ("module._parameters['weight'] = 1", "_parameters"),
        ("self.module._call_impl()", "_call_impl"),
        ("node.next_functions[0]._sequence_nr()", "_sequence_nr"),
        ("torch.ops.aten.mm.default._schema", "_schema"),
        ("getattr(module, '_orig_mod', None)", "_orig_mod"),
        ("hasattr(tensor, '_backward_hooks')", "_backward_hooks"),
        ("setattr(module, '_buffers', {})", "_buffers"),
        ("delattr(module, '_call_impl')", "_call_impl"),
        ("vars(module)['_call_impl']", "_call_impl"),
        ("module.__dict__['_call_impl']", "_call_impl"),
        ("vars(module).pop('_call_impl')", "_call_impl"),
        ("module.__dict__.get('_call_impl')", "_call_impl"),
        ("'_call_impl' in vars(module)", "_call_impl"),
        ("attrgetter('_schema')", "_schema"),
        ("operator.attrgetter('_schema')", "_schema"),
    ],
)
def test_the_door_can_be_missed(source: str, name: str) -> None:
    assert [found for _, found in private_names(source)] == [name]


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn.functional",
        "from torch import nn",
        "from pytest_flopbudget._private import name",
        "self._call_impl()",
        "cls._registry",
        "super()._fake(tensor)",
        "torch.ops.aten._softmax.default",
        "torch.ops._quantized.wrapped_linear",
        "tensor.__class__",
        "for _ in range(3): pass",
        "getattr(module, 'forward')",
        "getattr(module, name)",
        "vars(module)['weight']",
        "names['_softmax']",
        "name == '_softmax'",
    ],
)
def test_what_is_no_private_name_of_torch(source: str) -> None:
    assert list(private_names(source)) == []
