"""pytest's options and ini values, read once into a frozen record."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_flopbudget import values
from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.terms import Terms

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Option:
    """An option of the command line, `--flop-budget-NAME`, with an ini twin `flop_budget_NAME`."""

    name: str
    parse: values.Parser
    metavar: str
    help: str
    is_list: bool = False
    on_command_line: bool = True

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return f"--flop-budget-{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """The key of the ini file, and pytest's name for the value."""
        return f"flop_budget_{self.name}"


OPTIONS = (
    Option(
        "dir", values.file_name, "DIR", "where baselines lie, relative to the rootdir (budgets)"
    ),
    Option(
        "metrics",
        values.metrics,
        "LIST",
        "what is measured, judged and updated (params,gflops,latency)",
        is_list=True,
    ),
    Option(
        "engine",
        values.choice(*values.ENGINES),
        "NAME",
        "what counts FLOPs: `dispatch` the operators that ran, `thop` twice what THOP counts, "
        "`yolov5` THOP by the rules of YOLOv5's published tables (dispatch)",
    ),
    Option(
        "device", values.device, "DEV", "cpu, cuda, cuda:1, mps, xpu, auto (where the model is)"
    ),
    Option("threads", values.whole(1), "N", "intra-op threads while timing on the CPU (1)"),
    Option("time_limit", values.seconds, "S", "seconds of timing per model at the most (10)"),
    Option(
        "tolerance",
        values.tolerance,
        "LIST",
        "allowed growth per metric (params=0,gflops=0,latency=25%%)",
        is_list=True,
    ),
    Option(
        "fail_on",
        values.choices(*values.FAIL_ON),
        "LIST",
        "also fail on any of improved, stale, not_compared, inconclusive",
        is_list=True,
    ),
    Option(
        "ignore_ops",
        values.operators,
        "LIST",
        "operators agreed not to be counted: namespace::name, or layer:Type under THOP",
        is_list=True,
        on_command_line=False,
    ),
    Option(
        "table",
        values.choice(*values.TABLES),
        "WHICH",
        "per-layer tables in the terminal: failed, all, none (failed)",
    ),
    Option("depth", values.whole(0), "N", "depth of the layers shown (2)"),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What this run of pytest is to do, for all budgets."""

    judge: bool
    update: bool
    directory: Path  # absolute
    shown_directory: str  # relative to the rootdir where it lies in there
    terms: Terms  # before any marker
    pinned: tuple[str, ...]  # marker arguments that the command line overrides
    adds_latency: bool  # the command line asks for latency by name
    table: str
    depth: int
    trim: bool  # remove stale baselines
    json: Path | None

    @property
    def active(self) -> bool:
        """Whether any model is profiled at all."""
        return self.judge or self.update


def read_settings(config: pytest.Config) -> Settings:
    """Read and check every option and ini value.

    Raises:
        SettingsError: the first value that is wrong, and where it was written.
    """
    found = {option.name: _read(config, option) for option in OPTIONS}
    typed = {name for name, (_, from_command_line) in found.items() if from_command_line}
    value = {name: value for name, (value, _) in found.items() if value is not None}
    tolerance = value.pop("tolerance", {})
    directory = config.rootpath / value.pop("dir", "budgets")
    table, depth = value.pop("table", "failed"), value.pop("depth", 2)
    json = config.getoption("flop_budget_json")
    return Settings(
        judge=config.getoption("flop_budget"),
        update=config.getoption("update_budgets"),
        directory=directory,
        shown_directory=Path(os.path.relpath(directory, config.rootpath)).as_posix(),
        terms=Terms(**value).with_tolerance(tolerance),
        pinned=tuple(sorted(typed & {"metrics", "engine"})),
        adds_latency="metrics" in typed and "latency" in value["metrics"],
        table=table,
        depth=depth,
        trim=config.getoption("flop_budget_trim"),
        json=None if json is None else Path(config.invocation_params.dir, json),
    )


def _read(config: pytest.Config, option: Option) -> tuple[Any, bool]:
    """Return the value of an option, `None` if nobody gave one, and whether it was typed."""
    ini = _parsed(option, f"`{option.ini}` in {config.inipath}", _ini(config, option.ini))
    typed = _parsed(option, f"`{option.flag}`", config.getoption(option.ini, default=None))
    if isinstance(ini, dict) and isinstance(typed, dict):
        return {**ini, **typed}, True
    return (ini, False) if typed is None else (typed, True)


def _parsed(option: Option, where: str, raw: Any) -> Any:
    if raw is None:
        return None
    try:
        return option.parse(raw)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None


def _ini(config: pytest.Config, name: str) -> Any:
    """Read an ini value of any type.

    `getini` refuses a number or an array where a text is declared in pytest 9's native TOML,
    and pytest 8.3 knows no other declaration that would do.
    """
    import pytest

    try:
        return config.getini(name)
    except (TypeError, pytest.UsageError):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the way around
            return config.inicfg[name]
