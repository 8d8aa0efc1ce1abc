"""Reads the settings of a run from the options and ini values of pytest."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.metrics import METRICS, ceilings
from pytest_flopbudget.plugin.options import FILES, OPTIONS, Option, typed_flags, typed_without_run
from pytest_flopbudget.settings import parsers
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.settings.run import RunSettings

if TYPE_CHECKING:
    import pytest

PARSERS: dict[str, parsers.Parser] = {
    "dir": parsers.file_name,
    "metrics": parsers.metrics,
    "engine": parsers.choice(*parsers.ENGINES),
    "device": parsers.device,
    "threads": parsers.whole_number(1),
    "time_limit": parsers.seconds,
    "tolerance": parsers.tolerance,
    "fail_on": parsers.choices(*parsers.FAIL_ON),
    "ignore_ops": parsers.operators,
    "seed": parsers.seed,
    "models": parsers.file_name,
    "table": parsers.choice(*parsers.TABLES),
    "columns": parsers.choices(*parsers.COLUMNS),
    "depth": parsers.whole_number(0),
    "github": parsers.choice(*parsers.GITHUB),
    **{name: parsers.ceiling(metric) for name, metric in ceilings().items()},
}
UPDATE_OPTIONS = {"dir", "metrics", "engine", "device", "threads"}  # that change what is written


def read_settings(config: pytest.Config) -> RunSettings:
    """Return the settings of a run, read from every option and ini value.

    Raises:
        SettingsError: the first value that is wrong, and where it was written.
    """
    found = {option.name: _read(config, option) for option in OPTIONS}
    typed = {name for name, (_, from_command_line) in found.items() if from_command_line}
    value = {name: value for name, (value, _) in found.items() if value is not None}
    tolerance = value.pop("tolerance")
    limits = {metric.key: value.pop(name) for name, metric in ceilings().items() if name in value}
    directory = config.rootpath / Path(value.pop("dir")).expanduser()
    seed = value.pop("seed", None)
    columns = value.pop("columns", ())
    value.pop("models", None)  # which only collection needs
    table, depth, github = (value.pop(name) for name in ("table", "depth", "github"))
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    if idle := typed_without_run(config):
        raise SettingsError(
            f"`{idle}`: expected `--flop-budget` or `--update-budgets` as well, found none"
        )
    judges, updates = config.getoption("flop_budget"), config.getoption("update_budgets")
    if "--flop-budget-trim" in typed_flags(config) and judges and not updates:
        raise SettingsError("`--flop-budget-trim`: expected `--update-budgets` as well, found none")
    return RunSettings(
        judge=judges,
        update=updates,
        root=config.rootpath,
        directory=directory,
        shown_directory=Path(os.path.relpath(directory, config.rootpath)).as_posix(),
        budget_settings=BudgetSettings(**value, ceilings=limits, seed=seed or 0).with_tolerance(
            tolerance
        ),
        seed=seed,
        pinned=tuple(sorted(typed & {"metrics", "engine"})),
        update_options=tuple(
            f"{option.flag}={option.typed(config)}"
            for option in OPTIONS
            if option.name in typed & UPDATE_OPTIONS
        ),
        adds_entry="metrics" in typed and any(not METRICS[key].exact for key in value["metrics"]),
        table=table,
        depth=depth,
        columns=columns,
        github=github == "on" or (github == "auto" and on_github),
        report_only=_report_only(config),
        trim=config.getoption("flop_budget_trim") and updates,
        base=_base(config),
        propose=_propose(config, directory),
        files=_files(config),
    )


def _report_only(config: pytest.Config) -> bool:
    typed = config.getoption("flop_budget_report_only")
    return bool(config.getini("flop_budget_report_only") if typed is None else typed)


def _propose(config: pytest.Config, budgets: Path) -> Path | None:
    """Return the folder of proposals, which is relative to where pytest was started."""
    typed = config.getoption("flop_budget_propose")
    option = "`--flop-budget-propose`"
    if typed is not None and config.getoption("update_budgets"):
        if "--flop-budget-propose" in typed_flags(config):
            raise SettingsError(f"{option}: expected `--flop-budget`, found `--update-budgets`")
        return None  # an update writes the baselines themselves
    if typed is None:
        return None
    folder = config.invocation_params.dir / Path(typed).expanduser()
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{option}: expected a directory, found the file `{typed}`")
    if folder.resolve().is_relative_to(budgets.resolve()):
        raise SettingsError(
            f"{option}: expected a directory outside of the baselines, found `{typed}`",
            "to write the baselines themselves: pytest --update-budgets",
        )
    return folder


def _base(config: pytest.Config) -> str | None:
    """Return the commit to compare with, as it was typed."""
    typed: str | None = config.getoption("flop_budget_base")
    if typed is not None and not typed.strip():
        raise SettingsError("`--flop-budget-base`: expected a commit such as `main`, found none")
    return typed


def _files(config: pytest.Config) -> dict[str, Path]:
    """Return the files of reports, which are relative to where pytest was started."""
    typed = {name: config.getoption(f"flop_budget_{name}") for name in FILES}
    start = config.invocation_params.dir
    files = {name: start / Path(file).expanduser() for name, file in typed.items() if file}
    for name, file in files.items():
        if _moved_rootdir(config, typed[name], file):
            raise SettingsError(
                f"`--flop-budget-{name} {typed[name]}`: pytest took the file for a test "
                f"and `{config.rootpath}` for the rootdir",
                f"write it with `=`: --flop-budget-{name}={typed[name]}",
            )
        if file.is_dir():
            raise SettingsError(
                f"`--flop-budget-{name}`: expected a file, found the directory `{typed[name]}`"
            )
    return files


def _moved_rootdir(config: pytest.Config, typed: str, file: Path) -> bool:
    """Return whether pytest looked for the rootdir around a report of an earlier run.

    It does not know the options of plugins yet when it takes all that exists for arguments.
    """
    start, root = config.invocation_params.dir, config.rootpath
    options = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    is_separate = typed in (*config.invocation_params.args, *options, *config.getini("addopts"))
    is_near = start.is_relative_to(root) or root.is_relative_to(start)
    is_ours = is_near and config.inipath is not None
    return is_separate and file.exists() and not (is_ours or file.is_relative_to(start))


def _read(config: pytest.Config, option: Option) -> tuple[Any, bool]:
    """Return the value of an option, `None` if it has none, and whether it was typed."""
    parse = PARSERS[option.name]
    written, typed = option.written(config), option.typed(config)
    ini = _parsed(parse, f"`{option.ini}` in {config.inipath}", written)
    command_line = _parsed(parse, f"`{option.flag}`", typed)
    if isinstance(ini, dict) and isinstance(command_line, dict):
        return {**ini, **command_line}, True
    if typed is not None:
        return command_line, True
    if written is not None:
        return ini, False
    return (parse(option.default) if option.default else None), False


def _parsed(parse: parsers.Parser, where: str, raw: Any) -> Any:
    if raw is None:
        return None
    try:
        return parse(raw)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from None
