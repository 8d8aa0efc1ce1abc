"""The options and the marker, as the help of pytest lists them: all, with their defaults."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.metrics import ceilings
from pytest_flopbudget.plugin.hooks import MARKER
from pytest_flopbudget.plugin.options import CEILINGS, OPTIONS, Option
from pytest_flopbudget.plugin.settings_reader import PARSERS
from pytest_flopbudget.settings import parsers
from pytest_flopbudget.settings.budget import BudgetSettings, argument_parsers
from tests.plugin.project import INI

if TYPE_CHECKING:
    from tests.plugin.project import Project

BY_NAME = {option.name: option for option in OPTIONS}
OF_A_BUDGET = [BY_NAME[f.name] for f in fields(BudgetSettings) if f.name in BY_NAME]


@pytest.mark.parametrize("option", OF_A_BUDGET, ids=lambda option: option.name)
def test_the_default_in_the_help_is_that_of_a_budget(option: Option) -> None:
    applies = getattr(BudgetSettings(), option.name)
    assert PARSERS[option.name](option.default) == applies if option.default else not applies


def test_every_option_has_a_parser() -> None:
    assert PARSERS.keys() == BY_NAME.keys()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("engine", parsers.ENGINES),
        ("fail_on", parsers.FAIL_ON),
        ("github", parsers.GITHUB),
        ("table", parsers.TABLES),
    ],
)
def test_the_help_names_every_value(name: str, values: tuple[str, ...]) -> None:
    assert [value for value in values if value not in BY_NAME[name].help] == []


def test_the_marker_is_listed_with_every_argument() -> None:
    listed = MARKER.partition("(")[2].partition(")")[0].split(", ")
    assert sorted(listed) == sorted(argument_parsers())


def test_the_help_shows_options_and_their_twins_with_their_defaults(project: Project) -> None:
    shown = without_spaces("".join(project.run("--help").outlines))  # long words are broken
    for option in OPTIONS:
        assert shown.count(without_spaces(option.help)) == 1 + option.on_command_line


def without_spaces(text: str) -> str:
    return "".join(text.split())


def test_every_ceiling_has_an_ini_twin() -> None:
    assert tuple(ceilings()) == CEILINGS
    assert BY_NAME.keys() >= {*CEILINGS}


def test_a_ceiling_of_the_ini_file_limits_each_test(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_max_traffic_mb = 0.0008\n")
    project.sized(100)  # reads 4 x (100 + 100) bytes and writes 4: 0.000804 MB
    said = project.update("--flop-budget-metrics=traffic")
    said.assert_outcomes(failed=1)
    said.stdout.fnmatch_lines(["*exceeds its budget: traffic 0.0008040 MB, allowed 0.0008000 MB*"])
    project.sized(100, marker="@pytest.mark.flop_budget(max_traffic_mb=0.1)")
    project.update("--flop-budget-metrics=traffic").assert_outcomes(passed=1)


def test_a_ceiling_of_the_ini_file_is_checked(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_max_params = none\n")
    project.sized(3)
    result = project.judge()
    assert "`flop_budget_max_params` in" in result.stderr.str()
    assert "expected a number above 0, found `none`" in result.stderr.str()


IDLE = [
    *("trim", "report-only", "propose=out", "base=HEAD"),
    *("json=r.json", "html=r.html", "markdown=r.md"),
]
QUESTIONS = [
    "--help",
    "--version",
    "--collect-only",
    "--fixtures",
    "--fixtures-per-test",
    "--markers",
]


@pytest.mark.parametrize("option", IDLE)
def test_what_needs_a_run_is_a_usage_error_where_it_is_typed(project: Project, option: str) -> None:
    project.sized(3)
    result = project.run(f"--flop-budget-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    flag = f"--flop-budget-{option.partition('=')[0]}"
    expected = f"`{flag}`: expected `--flop-budget` or `--update-budgets` as well, found none"
    assert expected in result.stderr.str()
    project.run(f"--flop-budget-{option}", "--no-flop-budget").assert_outcomes(skipped=1)


@pytest.mark.parametrize("option", IDLE)
@pytest.mark.parametrize("place", ["pytest.ini", "PYTEST_ADDOPTS"])
def test_elsewhere_it_waits(
    project: Project, option: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sized(3)
    if place == "pytest.ini":
        project.write(place, f"{INI}addopts = --flop-budget-{option}\n")
    else:
        monkeypatch.setenv(place, f"--flop-budget-{option}")
    project.run().assert_outcomes(skipped=1)
    project.update().assert_outcomes(passed=1)
    if "base" not in option:  # there is no repository here
        project.judge().assert_outcomes(passed=1)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("option", [*IDLE, "json=folder"])
def test_a_question_is_answered_whatever_is_typed_beside_it(
    project: Project, question: str, option: str
) -> None:
    project.sized(3)
    (project.root / "folder").mkdir()
    assert project.run(question, f"--flop-budget-{option}").ret == pytest.ExitCode.OK
