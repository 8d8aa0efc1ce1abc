"""Models declared without code: a table of a TOML file, or the arguments of a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_flopbudget.errors import SettingsError, one_of, with_nearest
from pytest_flopbudget.settings.budget import argument_parsers, parse_arguments

SPEC = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<dtype>[a-z]\w*)\[(?P<shape>[\d\s,]*)\]")
FLOATING = ("float32", "float16", "bfloat16", "float64", "complex64", "complex128")
WHOLE = ("int64", "int32", "int16", "int8", "uint8", "bool")
EXAMPLE = 'inputs = ["float32[1, 3, 224, 224]"]'
KEYS = ("model", "class", "args", "kwargs", "inputs")
SPEC_KEYS = ("spec", "high")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One tensor to make: its dtype and shape as baselines write them, `int64[1, 128]`."""

    dtype: str
    shape: tuple[int, ...]
    high: int = 1  # whole numbers are drawn below it


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """Where a model comes from: `torchvision.models:resnet50`, and what it is built with."""

    kind: str  # before the colon: `timm`, `transformers`, or a module
    name: str
    class_name: str = "AutoModel"  # of transformers
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The source as it is written."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class DeclaredModel:
    """One declared budget: a model, the inputs of its call, and arguments as a marker has them."""

    source: ModelSource
    args: tuple[InputSpec | bool | int | float, ...] = ()
    kwargs: Mapping[str, InputSpec | bool | int | float] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of the marker, as written


def parse_declared(where: str, table: object) -> DeclaredModel:
    """Parse the table of one model; messages begin with `where` it is.

    Raises:
        SettingsError: a key or a value is wrong.
    """
    names = [*KEYS, *(name for name in argument_parsers() if name != "name")]
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where}: expected a table, found `{table!r}`")
    for key in table:
        if key not in names:
            raise SettingsError(
                with_nearest(f"{where}: unknown key `{key}`", key, names),
                f"the keys are {one_of(names)}",
            )
    kwargs, args = table.get("kwargs", {}), table.get("args", [])
    if not isinstance(kwargs, Mapping):
        raise SettingsError(f"{where}: `kwargs`: expected a table, found `{kwargs!r}`")
    if not isinstance(args, list):
        raise SettingsError(f"{where}: `args`: expected an array, found `{args!r}`")
    source = parse_source(where, table.get("model"), table.get("class"), args, kwargs)
    if "inputs" not in table:
        raise SettingsError(f"{where}: expected `inputs`, found none", EXAMPLE)
    positional, named = parse_inputs(where, table["inputs"])
    arguments = {key: value for key, value in table.items() if key not in KEYS}
    parse_arguments(where, (), arguments)
    return DeclaredModel(source=source, args=positional, kwargs=named, arguments=arguments)


def parse_source(
    where: str,
    text: object,
    class_name: object = None,
    args: list[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> ModelSource:
    """Parse `timm:NAME`, `transformers:SOURCE` or `module:function`.

    Raises:
        SettingsError: it is none of these.
    """
    kind, colon, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not (kind and colon and name):
        found = "none" if text is None else f"`{text}`"
        raise SettingsError(
            f"{where}: `model`: expected `timm:NAME`, `transformers:SOURCE` or `module:function`, "
            f"found {found}",
            "for instance torchvision.models:resnet50",
        )
    if class_name is not None and kind != "transformers":
        raise SettingsError(f"{where}: `class`: only models of `transformers:` have one")
    if class_name is not None and not isinstance(class_name, str):
        raise SettingsError(f"{where}: `class`: expected a name, found `{class_name!r}`")
    return ModelSource(
        kind=kind,
        name=name,
        class_name=class_name or ModelSource.class_name,
        args=tuple(args or ()),
        kwargs=dict(kwargs or {}),
    )


def parse_inputs(where: str, inputs: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Parse the inputs of a call, positional and named: a list, or a table for keywords.

    Raises:
        SettingsError: one of them is wrong.
    """
    if isinstance(inputs, Mapping):
        return (), {name: _input(where, value)[1] for name, value in inputs.items()}
    if not isinstance(inputs, list):
        raise SettingsError(
            f"{where}: `inputs`: expected an array or a table, found `{inputs!r}`", EXAMPLE
        )
    parsed = [_input(where, value) for value in inputs]
    named = {name: value for name, value in parsed if name}
    return tuple(value for name, value in parsed if not name), named


def _input(where: str, value: object) -> tuple[str, InputSpec | bool | int | float]:
    """Return the name of an input, if it has one, and what it is."""
    if isinstance(value, bool | int | float):
        return "", value
    if isinstance(value, Mapping):
        return _with_high(where, value)
    match = SPEC.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise SettingsError(
            f"{where}: `inputs`: expected a tensor such as `float32[1, 3, 224, 224]`, "
            f"found `{value}`"
        )
    dtype = match["dtype"]
    if dtype not in (*FLOATING, *WHOLE):
        dtypes = (*FLOATING, *WHOLE)
        raise SettingsError(
            with_nearest(f"{where}: `inputs`: unknown dtype `{dtype}`", dtype, dtypes),
            f"the dtypes are {one_of(dtypes)}",
        )
    shape = tuple(int(size) for size in match["shape"].split(",") if size.strip())
    return match["name"] or "", InputSpec(dtype=dtype, shape=shape)


def _with_high(where: str, value: Mapping[str, object]) -> tuple[str, InputSpec]:
    unknown = [key for key in value if key not in SPEC_KEYS]
    if unknown or "spec" not in value:
        found = f"`{unknown[0]}`" if unknown else "no `spec`"
        raise SettingsError(
            f"{where}: `inputs`: expected the keys `spec` and `high`, found {found}"
        )
    name, spec = _input(where, value["spec"])
    if not isinstance(spec, InputSpec):
        raise SettingsError(f"{where}: `inputs`: expected a tensor as `spec`, found `{spec}`")
    high = value.get("high", 1)
    if isinstance(high, bool) or not isinstance(high, int) or high < 1:
        raise SettingsError(
            f"{where}: `inputs`: `high`: expected a whole number of at least 1, found `{high}`"
        )
    if spec.dtype in (*FLOATING, "bool"):
        raise SettingsError(
            f"{where}: `inputs`: `high` is of whole numbers, found it with `{spec.dtype}`"
        )
    return name, InputSpec(dtype=spec.dtype, shape=spec.shape, high=high)
