"""The options of the command line and their ini twins, as pytest must know them at every start.

Every run of pytest imports this, also those without a budget, and nothing heavy with it: that the
defaults are those of `BudgetSettings`, which takes as long to import as all of this, is tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pytest


class Option(NamedTuple):
    """An option of the command line, `--flop-budget-NAME`, with an ini twin `flop_budget_NAME`."""

    name: str
    metavar: str
    meaning: str
    default: str = ""  # as it would be typed; none if empty
    is_list: bool = False
    on_command_line: bool = True

    @property
    def help(self) -> str:
        """The meaning, and the default if there is one."""
        return f"{self.meaning} ({self.default})" if self.default else self.meaning

    @property
    def flag(self) -> str:
        """What is typed on the command line."""
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


CEILINGS = (
    *("max_params", "max_gflops", "max_traffic_mb", "max_operators", "max_weights_mb"),
    *("max_latency_ms", "max_memory_mb"),
)
OPTIONS = (
    Option("dir", "DIR", "where baselines lie, relative to the rootdir", "budgets"),
    Option(
        "metrics",
        "LIST",
        "what is measured, judged and updated, also operators, weights, memory",
        "params,gflops,traffic,latency",
        is_list=True,
    ),
    Option(
        "engine",
        "NAME",
        "what counts FLOPs: `dispatch` the operators that ran, `thop` twice what THOP counts, "
        "`yolov5` THOP by the rules of YOLOv5's published tables",
        "dispatch",
    ),
    Option("device", "DEV", "cpu, cuda, cuda:1, mps, xpu, auto (where the model is)"),
    Option("threads", "N", "intra-op threads while timing on the CPU", "1"),
    Option("time_limit", "S", "seconds of timing per model at the most", "10"),
    Option(
        "tolerance",
        "LIST",
        "allowed growth per metric",
        "params=0,gflops=0,traffic=1%,operators=0,weights=0,latency=25%,memory=5%",
        is_list=True,
    ),
    Option(
        "fail_on",
        "LIST",
        "also fail on any of improved, stale, not_compared, inconclusive, skipped, state, upgrade",
        is_list=True,
    ),
    Option(
        "ignore_ops",
        "LIST",
        "operators agreed not to be counted: namespace::name, or layer:Type under THOP",
        is_list=True,
        on_command_line=False,
    ),
    Option(
        "seed",
        "N",
        "of the random numbers in tests that use the fixture, and in what is measured: 0 to "
        "4294967295, or none to leave those of the tests alone",
        "0",
        on_command_line=False,
    ),
    Option("models", "FILE", "budgets declared without code, in TOML: one test per model"),
    Option("table", "WHICH", "per-layer tables in the terminal: failed, all, none", "failed"),
    Option("columns", "LIST", "columns of per-layer tables, in this order", is_list=True),
    Option("depth", "N", "depth of the layers shown", "2"),
    Option(
        "github",
        "WHEN",
        "annotations, step summary and folded tables of GitHub Actions: auto, on, off",
        "auto",
    ),
    *(
        Option(
            name,
            "N",
            f"{name} of each test whose marker has none, an absolute ceiling",
            on_command_line=False,
        )
        for name in CEILINGS
    ),
)
FILES = {  # `--flop-budget-NAME FILE`, without an ini twin
    "json": "write the report as JSON",
    "html": "write the report as one HTML page",
    "markdown": "write the report for a pull request",
}

QUESTIONS = (
    "help",
    "version",
    "collectonly",
    "showfixtures",
    "show_fixtures_per_test",
    "markers",
)
REPORT_ONLY = "--flop-budget-report-only"
NEED_A_RUN = (
    *(f"--flop-budget-{name}" for name in ("trim", "propose", "base", *FILES)),
    REPORT_ONLY,
)


def add_options(parser: pytest.Parser) -> None:
    """Declare everything that can be typed or written."""
    group = parser.getgroup("flop-budget", "compute budgets of PyTorch models")
    add = group.addoption
    add("--flop-budget", action="store_true", help="profile the models and judge them")
    add(
        "--no-flop-budget",
        action="store_false",
        dest="flop_budget",
        help="do not profile, whatever addopts or the options before this one say",
    )
    add("--update-budgets", action="store_true", help="profile the models, write baselines")
    add(
        "--flop-budget-trim",
        action="store_true",
        help="with --update-budgets: remove baselines whose test is gone",
    )
    add(
        "--flop-budget-propose",
        metavar="DIR",
        help="judge, and write into DIR what --update-budgets would write",
    )
    add(
        REPORT_ONLY,
        action="store_true",
        default=None,
        help="judge and report, and let no verdict fail a test or the run",
    )
    add(
        f"--no-{REPORT_ONLY[2:]}",
        action="store_false",
        dest="flop_budget_report_only",
        help="let verdicts fail, whatever the ini file says",
    )
    parser.addini(
        "flop_budget_report_only",
        "let no verdict fail a test or the run",
        type="bool",
        default=None,
    )
    for option in OPTIONS:
        if option.on_command_line:
            text = option.help.replace("%", "%%")  # argparse formats it
            add(option.flag, dest=option.ini, metavar=option.metavar, help=text)
        kind: Literal["linelist", "string"] = "linelist" if option.is_list else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)
    add(
        "--flop-budget-base",
        metavar="REF",
        help="say which budgets are above those of the merge base with this commit; needs git",
    )
    for name, text in FILES.items():
        add(f"--flop-budget-{name}", metavar="FILE", help=text)


def typed_flags(config: pytest.Config) -> set[str]:
    """Return the long options that were typed, which those of `addopts` were not."""
    return {arg.partition("=")[0] for arg in config.invocation_params.args if arg[:2] == "--"}


def typed_without_run(config: pytest.Config) -> str | None:
    """Return an option that was typed and can do nothing, as the run measures nothing.

    In `addopts` and the environment it waits for a run that does; who says `--no-flop-budget` may
    name it.
    """
    typed = typed_flags(config)
    if is_active(config) or "--no-flop-budget" in typed:
        return None
    return next((flag for flag in NEED_A_RUN if flag in typed), None)


def is_active(config: pytest.Config) -> bool:
    """Return whether any model is profiled at all."""
    return bool(config.getoption("flop_budget") or config.getoption("update_budgets"))


def budget_folder(config: pytest.Config) -> Path:
    """Return where baselines lie, as the option and the ini file say it."""
    option = next(option for option in OPTIONS if option.name == "dir")
    folder = option.typed(config) or option.written(config) or option.default
    return config.rootpath / Path(str(folder)).expanduser()


def only_asks(config: pytest.Config) -> bool:
    """Return whether no test is run, but told what there is."""
    return any(config.getoption(name, default=False) for name in QUESTIONS)


def are_set(config: pytest.Config) -> bool:
    """Return whether anybody gave any option or ini value."""
    others = [flag.removeprefix("--").replace("-", "_") for flag in NEED_A_RUN]
    given = any(option.typed(config) or option.written(config) for option in OPTIONS)
    return given or any(map(config.getoption, others))
