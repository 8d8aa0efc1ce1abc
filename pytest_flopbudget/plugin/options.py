"""The options of the command line and their ini twins, as pytest must know them at every start.

This is imported by every run of pytest, also by those without a budget: it says what there is, and
`settings` what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pytest


class Option(NamedTuple):
    """An option of the command line, `--flop-budget-NAME`, with an ini twin `flop_budget_NAME`."""

    name: str
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

    def typed(self, config: pytest.Config) -> Any:
        """Return what the command line gives, `None` if nothing."""
        return config.getoption(self.ini, default=None)

    def written(self, config: pytest.Config) -> Any:
        """Return what the ini file gives, of any type, `None` if nothing.

        `getini` refuses a number or an array where a text is declared in pytest 9's native TOML,
        and pytest 8.3 knows no other declaration that would do.
        """
        import pytest

        try:
            return config.getini(self.ini)
        except (TypeError, pytest.UsageError):
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of the way around
                return config.inicfg[self.ini]


OPTIONS = (
    Option("dir", "DIR", "where baselines lie, relative to the rootdir (budgets)"),
    Option(
        "metrics",
        "LIST",
        "what is measured, judged and updated, also memory (params,gflops,latency)",
        is_list=True,
    ),
    Option(
        "engine",
        "NAME",
        "what counts FLOPs: `dispatch` the operators that ran, `thop` twice what THOP counts, "
        "`yolov5` THOP by the rules of YOLOv5's published tables (dispatch)",
    ),
    Option("device", "DEV", "cpu, cuda, cuda:1, mps, xpu, auto (where the model is)"),
    Option("threads", "N", "intra-op threads while timing on the CPU (1)"),
    Option("time_limit", "S", "seconds of timing per model at the most (10)"),
    Option(
        "tolerance",
        "LIST",
        "allowed growth per metric (params=0,gflops=0,latency=25%%,memory=5%%)",
        is_list=True,
    ),
    Option(
        "fail_on",
        "LIST",
        "also fail on any of improved, stale, not_compared, inconclusive",
        is_list=True,
    ),
    Option(
        "ignore_ops",
        "LIST",
        "operators agreed not to be counted: namespace::name, or layer:Type under THOP",
        is_list=True,
        on_command_line=False,
    ),
    Option("table", "WHICH", "per-layer tables in the terminal: failed, all, none (failed)"),
    Option("depth", "N", "depth of the layers shown (2)"),
    Option(
        "github",
        "WHEN",
        "annotations, step summary and folded tables of GitHub Actions: auto, on, off (auto)",
    ),
)
FILES = {  # `--flop-budget-NAME FILE`, without an ini twin
    "json": "write the report as JSON",
    "html": "write the report as one HTML page",
    "markdown": "write the report for a pull request",
}


def add_options(parser: pytest.Parser) -> None:
    """Declare everything that can be typed or written."""
    group = parser.getgroup("flop-budget", "compute budgets of PyTorch models")
    switch = group.addoption
    switch("--flop-budget", action="store_true", help="profile the models and judge them")
    switch("--no-flop-budget", action="store_false", dest="flop_budget", help="do not, after all")
    switch("--update-budgets", action="store_true", help="profile the models, write baselines")
    switch(
        "--flop-budget-trim",
        action="store_true",
        help="with --update-budgets: remove baselines whose test is gone",
    )
    group.addoption(
        "--flop-budget-propose",
        metavar="DIR",
        help="judge, and write into DIR what --update-budgets would write",
    )
    for option in OPTIONS:
        if option.on_command_line:
            group.addoption(option.flag, dest=option.ini, metavar=option.metavar, help=option.help)
        kind: Literal["linelist", "string"] = "linelist" if option.is_list else "string"
        parser.addini(option.ini, option.help.replace("%%", "%"), type=kind, default=None)
    group.addoption(
        "--flop-budget-base",
        metavar="REF",
        help="say which budgets are above those of this commit; needs git",
    )
    for name, text in FILES.items():
        group.addoption(f"--flop-budget-{name}", metavar="FILE", help=text)


def is_active(config: pytest.Config) -> bool:
    """Tell whether any model is profiled at all."""
    return bool(config.getoption("flop_budget") or config.getoption("update_budgets"))


def are_set(config: pytest.Config) -> bool:
    """Tell whether anybody gave any option or ini value."""
    others = [f"flop_budget_{name}" for name in ("trim", "propose", "base", *FILES)]
    given = any(option.typed(config) or option.written(config) for option in OPTIONS)
    return given or any(map(config.getoption, others))
