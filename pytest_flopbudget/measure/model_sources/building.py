"""Builds a declared model: on meta tensors, which cost nothing, or for real with seeded weights."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.errors import SettingsError, with_nearest
from pytest_flopbudget.measure.isolation.random_state import random_state_restored, seed_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_flopbudget.settings.declared import ModelSource


class NotOnMetaError(Exception):
    """A model cannot be built on meta tensors."""


def build(source: ModelSource, *, on_meta: bool, seed: int = 0) -> nn.Module:
    """Return the model of a source.

    Args:
        source: where the model comes from.
        on_meta: without values, and so without the memory for them.
        seed: of its weights, if they have values.

    Raises:
        SettingsError: there is no such source, or its package is not installed.
        NotOnMetaError: it needs values.
    """
    make = _maker(source)
    with random_state_restored(), torch.device("meta") if on_meta else nullcontext():
        seed_generators(seed)
        try:
            model = make()
        except Exception as error:
            if on_meta:
                raise NotOnMetaError(first_line(error)) from error
            raise SettingsError(f"`{source.text}` cannot be built: {first_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise SettingsError(
            f"`{source.text}`: expected a `torch.nn.Module`, found `{type(model).__name__}`"
        )
    return model.eval()


def first_line(error: BaseException) -> str:
    """Return an error by its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _maker(source: ModelSource) -> Callable[[], Any]:
    """Return what builds the model, once all that can be known before is right."""
    if source.kind == "timm":
        return _of_timm(source)
    if source.kind == "transformers":
        return _of_transformers(source)
    return _of_module(source)


def _of_timm(source: ModelSource) -> Callable[[], Any]:
    timm = _package(source, "timm")
    architecture = source.name.partition(".")[0]
    if not timm.is_model(architecture):
        raise _unknown(source, "model", architecture, timm.list_models())
    return lambda: timm.create_model(source.name, *source.args, **source.kwargs)


def _of_transformers(source: ModelSource) -> Callable[[], Any]:
    transformers = _package(source, "transformers")
    config = _config_of(source, transformers)
    kind = getattr(transformers, source.class_name, None)
    if kind is None:
        raise _unknown(source, "class", source.class_name, dir(transformers))
    return lambda: getattr(kind, "from_config", kind)(config, *source.args)


def _config_of(source: ModelSource, transformers: Any) -> Any:
    """Return the configuration by a model type, a folder, a file, or a name in the local cache."""
    types = transformers.CONFIG_MAPPING.keys()
    try:
        if source.name in types:
            return transformers.AutoConfig.for_model(source.name, **source.kwargs)
        return transformers.AutoConfig.from_pretrained(
            source.name, local_files_only=True, **source.kwargs
        )
    except Exception as error:
        if Path(source.name).exists() or source.name in types:
            said = f"`{source.text}`: no configuration of transformers: {first_line(error)}"
            raise SettingsError(said) from error
        said = (
            f"`{source.text}`: expected a model type, a folder or a `config.json`, found none of "
            "that name, nor one in the local cache"
        )
        raise SettingsError(
            with_nearest(said, source.name, types),
            f"nothing is downloaded here: hf download {source.name} config.json"
            if "/" in source.name
            else "",
        ) from None


def _of_module(source: ModelSource) -> Callable[[], Any]:
    value: Any = _package(source, source.kind)
    for name in source.name.split("."):
        if not hasattr(value, name):
            public = [known for known in dir(value) if not known.startswith("_")]
            raise _unknown(source, "function", name, public)
        value = getattr(value, name)
    if not callable(value):
        raise SettingsError(f"`{source.text}`: expected a function or a class, found `{value!r}`")
    return lambda: value(*source.args, **source.kwargs)


def _package(source: ModelSource, name: str) -> Any:
    head = name.partition(".")[0]
    if not head or _is_missing(head):
        raise SettingsError(
            f"`{source.text}`: the module `{head}` is not installed here",
            f"pip install {head}, or, if it is your own, put its folder on the path: "
            "`pythonpath = .` in the ini file",
        )
    try:
        return import_module(name)
    except Exception as error:
        said = f"`{source.text}`: the module `{name}` cannot be imported: {first_line(error)}"
        raise SettingsError(said) from error


def _is_missing(name: str) -> bool:
    try:
        return find_spec(name) is None
    except (ValueError, ImportError):
        return True


def _unknown(source: ModelSource, what: str, name: str, names: Iterable[str]) -> SettingsError:
    return SettingsError(with_nearest(f"`{source.text}`: no {what} `{name}`", name, names))
