"""The file with declared models, and when a run collects it; every run of pytest imports this."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.plugin.options import OPTIONS

if TYPE_CHECKING:
    import pytest

MODELS = next(option for option in OPTIONS if option.name == "models")
TABLE = re.compile(rb"""flop_budget["']?\s*[].=]""")  # of pyproject.toml, before it is parsed


def models_file(config: pytest.Config) -> Path | None:
    """Return the file of the option or the ini value, else an ini file that may have tables."""
    if typed := MODELS.typed(config):
        return config.invocation_params.dir / Path(str(typed)).expanduser()
    if written := MODELS.written(config):
        return config.rootpath / Path(str(written)).expanduser()
    file = config.inipath if _is_toml(config.inipath) else config.rootpath / "pyproject.toml"
    return file if file is not None and _may_have_tables(file) else None


def add_to_arguments(config: pytest.Config) -> None:
    """Have the file collected where it was typed, or where no path was."""
    file = models_file(config)
    if file is None or any(_covers(config, argument, file) for argument in config.args):
        return
    if MODELS.typed(config) or config.args_source is not config.ArgsSource.ARGS:
        config.args.append(str(file))


def typed_option(config: pytest.Config, file: Path) -> tuple[str, ...]:
    """Return the option that brings the items of a file, if it was typed to do so."""
    typed, models = MODELS.typed(config), models_file(config)
    is_theirs = typed and models is not None and models.resolve() == file.resolve()
    return (f"{MODELS.flag}={typed}",) if is_theirs else ()


def _covers(config: pytest.Config, argument: str, file: Path) -> bool:
    """Return whether an argument is the file, a part of it, or a folder around it."""
    path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
    return path == file.resolve() or (path in file.resolve().parents and path.is_dir())


def _is_toml(file: Path | None) -> bool:
    return file is not None and file.suffix == ".toml"


def _may_have_tables(file: Path) -> bool:
    try:
        return TABLE.search(file.read_bytes()) is not None
    except OSError:
        return False
