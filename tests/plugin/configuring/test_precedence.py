"""Which setting wins: closest marker, command line, ini, default, key by key."""

import sys

import pytest

from tests.plugin.project import INI, Project, line_with, text_of

NESTED = """
pytestmark = pytest.mark.flop_budget(tolerance="10%", max_params={module}, layers=False)

@pytest.mark.flop_budget(max_params={class_})
class TestA:
    @pytest.mark.flop_budget({function})
    def test_a(self, flop_budget):
        flop_budget(nn.Linear(1, 100, bias=False), torch.zeros(1, 1))
"""


@pytest.mark.parametrize(
    ("module", "class_", "function", "passed"),
    [
        (1, 100, "", True),
        (100, 1, "", False),
        (1, 1, "max_params=100", True),
        (100, 100, "max_params=99", False),
        (1, 100, "max_gflops=1", True),  # another key leaves this one alone
    ],
)
def test_the_closest_marker_wins_key_by_key(
    project: Project, module: int, class_: int, function: str, passed: bool
) -> None:
    project.write("test_a.py", NESTED.format(module=module, class_=class_, function=function))
    project.update().assert_outcomes(**{"passed" if passed else "failed": 1})


def test_named_is_closer_than_any_marker(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.mark.flop_budget(max_params=1)
        def test_a(flop_budget):
            flop_budget.named("x", max_params=100)(nn.Linear(1, 100, bias=False), torch.zeros(1, 1))
        """,
    )
    project.update().assert_outcomes(passed=1)


TOLERANCES = [
    # ini, command line, marker, the largest size that passes against 100
    ("", "", "", 100),
    ("params=13%,gflops=13%", "", "", 113),
    ("params=13%,gflops=13%", "5%", "", 105),
    ("params=13%,gflops=13%", "params=5%", "", 105),
    ("params=5%,gflops=5%", "params=13%", "", 105),  # gflops stay at 5 %
    ("params=5%,gflops=5%", "params=13%,gflops=13%", "", 113),
    ("params=13%,gflops=13%", "7%", "tolerance='2%'", 102),
    ("params=13%,gflops=13%", "7%", "tolerance={'params': '2%'}", 102),
    ("params=2%,gflops=2%", "", "tolerance={'params': '13%', 'gflops': '13%'}", 113),
    ("params=2%,gflops=2%", "3%", "tolerance={'latency': '50%'}", 103),
    ("params=13%,gflops=13%", "", "tolerance=0", 100),
    ("", "0.13", "", 113),
]


@pytest.mark.parametrize(("ini", "typed", "marker", "largest"), TOLERANCES)
@pytest.mark.parametrize("above", [0, 1])
def test_tolerance_is_merged_metric_by_metric(
    project: Project, ini: str, typed: str, marker: str, largest: int, above: int
) -> None:
    if ini:
        project.write("pytest.ini", f"{INI}flop_budget_tolerance = {ini}\n")
    mark = f"@pytest.mark.flop_budget({marker})"
    project.sized(100, marker=mark)
    project.update().assert_outcomes(passed=1)
    project.sized(largest + above, marker=mark)
    result = project.judge(*([f"--flop-budget-tolerance={typed}"] if typed else []))
    result.assert_outcomes(**{"failed" if above else "passed": 1})


def test_the_command_line_beats_the_metrics_of_a_marker(project: Project) -> None:
    mark = "@pytest.mark.flop_budget(metrics='params')"
    project.sized(3, marker=mark)
    project.update()
    assert "total: {params: 3}\n" in project.budgets()["test_sized/test_sized.yaml"]
    project.update("--flop-budget-metrics=gflops").assert_outcomes(passed=1)
    assert "{params: 3, gflops: 0.000000006}" in project.budgets()["test_sized/test_sized.yaml"]


def test_a_marker_beats_the_metrics_of_the_ini(project: Project) -> None:
    project.sized(3, marker="@pytest.mark.flop_budget(metrics='gflops')")
    project.update()
    assert "total: {gflops: 0.000000006}" in project.budgets()["test_sized/test_sized.yaml"]


def test_the_command_line_beats_the_engine_of_a_marker(project: Project) -> None:
    project.sized(3, marker="@pytest.mark.flop_budget(engine='dispatch')")
    project.update("--flop-budget-engine=thop").assert_outcomes(passed=1)
    assert "engine: thop\n" in project.budgets()["test_sized/test_sized.yaml"]


def test_a_marker_beats_the_engine_of_the_ini(project: Project) -> None:
    project.write("pytest.ini", f"{INI}flop_budget_engine = thop\n")
    project.sized(3, marker="@pytest.mark.flop_budget(engine='dispatch')")
    project.update()
    assert "engine: dispatch\n" in project.budgets()["test_sized/test_sized.yaml"]


def test_a_marker_beats_other_options_of_the_command_line(project: Project) -> None:
    project.sized(100, marker="@pytest.mark.flop_budget(tolerance='1%')")
    project.update()
    project.sized(102, marker="@pytest.mark.flop_budget(tolerance='1%')")
    project.judge("--flop-budget-tolerance=50%").assert_outcomes(failed=1)


def test_the_folder_is_relative_to_the_rootdir(project: Project) -> None:
    project.write("pytest.ini", f"{INI}flop_budget_dir = costs/here\n")
    project.sized(3, file="sub/test_sized.py")
    project.pytester.chdir()
    project.update("sub").assert_outcomes(passed=1)
    assert (project.root / "costs/here/sub/test_sized/test_sized.yaml").is_file()
    project.update("--flop-budget-dir=typed").assert_outcomes(passed=1)
    assert (project.root / "typed/sub/test_sized/test_sized.yaml").is_file()


PAIRS = "flop_budget_metrics = params, gflops\nflop_budget_tolerance = params=13%, gflops=0.13\n"
INI_FILES = {
    "pytest.ini": f"[pytest]\n{PAIRS}",
    "pytest.ini, lists": (
        "[pytest]\nflop_budget_metrics =\n  params\n  gflops\n"
        "flop_budget_tolerance =\n  params=13%\n  gflops=0.13\n"
    ),
    "tox.ini": f"[pytest]\n{PAIRS}",
    "setup.cfg": (f"[tool:pytest]\n{PAIRS}"),
    "pyproject.toml, ini_options": (
        "[tool.pytest.ini_options]\n"
        'flop_budget_metrics = "params,gflops"\nflop_budget_tolerance = "params=13%,gflops=13%"\n'
    ),
    "pyproject.toml, ini_options, arrays": (
        "[tool.pytest.ini_options]\nflop_budget_depth = 3\n"
        'flop_budget_metrics = ["params", "gflops"]\n'
        'flop_budget_tolerance = ["params=13%", "gflops=13%"]\n'
    ),
    "pyproject.toml, ini_options, numbers": (
        "[tool.pytest.ini_options]\nflop_budget_time_limit = 0.5\nflop_budget_threads = 1\n"
        'flop_budget_metrics = ["params", "gflops"]\n'
        'flop_budget_tolerance = ["params=13%", "gflops=13%"]\n'
    ),
}
ONE_VALUE = {
    "pytest.ini": "[pytest]\nflop_budget_metrics = params, gflops\nflop_budget_tolerance = 13%\n",
    "tox.ini": "[pytest]\nflop_budget_metrics = params,gflops\nflop_budget_tolerance = 0.13\n",
    "pyproject.toml, text": (
        "[tool.pytest.ini_options]\n"
        'flop_budget_metrics = "params,gflops"\nflop_budget_tolerance = "13%"\n'
    ),
    "pyproject.toml, number": (
        "[tool.pytest.ini_options]\n"
        'flop_budget_metrics = "params,gflops"\nflop_budget_tolerance = 0.13\n'
    ),
}
NATIVE = {
    "pyproject.toml, native": (
        "[tool.pytest]\nflop_budget_depth = 3\nflop_budget_threads = 1\n"
        "flop_budget_time_limit = 0.5\n"
        'flop_budget_metrics = ["params", "gflops"]\nflop_budget_tolerance = 0.13\n'
    ),
    "pyproject.toml, native, texts": (
        "[tool.pytest]\nflop_budget_depth = '3'\n"
        'flop_budget_metrics = "params,gflops"\nflop_budget_tolerance = "13%"\n'
    ),
    "pytest.toml, native": (
        '[pytest]\nflop_budget_metrics = ["params", "gflops"]\n'
        'flop_budget_tolerance = ["params=13%", "gflops=13%"]\n'
    ),
}


def judge_against_100(project: Project, ini: str, text: str) -> None:
    (project.root / "pytest.ini").unlink()
    project.write(ini.partition(",")[0], text)
    project.sized(100)
    result = project.update()
    result.assert_outcomes(passed=1)
    assert "warning" not in text_of(result).lower()
    assert line_with(result, "flop-budget: update").startswith("flop-budget: update params,gflops,")
    project.sized(113)
    project.judge().assert_outcomes(passed=1)
    project.sized(114)
    project.judge().assert_outcomes(failed=1)


@pytest.mark.parametrize("ini", INI_FILES)
def test_every_kind_of_ini_file_works(project: Project, ini: str) -> None:
    judge_against_100(project, ini, INI_FILES[ini])


@pytest.mark.parametrize("ini", ONE_VALUE)
def test_one_tolerance_in_an_ini_file_is_for_params_and_gflops(project: Project, ini: str) -> None:
    judge_against_100(project, ini, ONE_VALUE[ini])


needs_pytest_9 = pytest.mark.skipif(
    int(pytest.__version__.split(".")[0]) < 9, reason="native TOML came with pytest 9"
)


@needs_pytest_9
@pytest.mark.parametrize("ini", NATIVE)
def test_native_toml_of_pytest_9_works(project: Project, ini: str) -> None:
    judge_against_100(project, ini, NATIVE[ini])


@needs_pytest_9
@pytest.mark.parametrize("ini", [ini for ini in NATIVE if ini.startswith("pyproject")])
def test_native_toml_makes_no_deprecation_warning(
    project: Project, monkeypatch: pytest.MonkeyPatch, ini: str
) -> None:
    (project.root / "pytest.ini").unlink()
    project.write(ini.partition(",")[0], NATIVE[ini])
    monkeypatch.setenv("PYTHONWARNINGS", "error::DeprecationWarning")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    typed = ("-m", "pytest", "-p", "pytest_flopbudget.plugin")
    result = project.pytester.run(sys.executable, *typed)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED, result.stderr.str()


WRONG_OPTIONS = [
    ("metrics", "params,flopz", "`flopz`", "`params`, `gflops`"),
    ("metrics", ",", "found none", "`params`"),
    ("engine", "thopp", "`thopp`", "did you mean `thop`?"),
    ("device", "gpu", "`gpu`", "`cuda`"),
    ("threads", "0", "`0`", "at least 1"),
    ("threads", "two", "`two`", "at least 1"),
    ("time-limit", "0", "`0`", "above 0"),
    ("time-limit", "soon", "`soon`", "above 0"),
    ("tolerance", "params=5", "`5`", '`"5%"`'),
    ("tolerance", "latancy=5%", "`latancy`", "did you mean `latency`?"),
    ("tolerance", "params=1%,gflops", "`gflops`", "metric=growth"),
    ("fail-on", "improvd", "`improvd`", "did you mean `improved`?"),
    ("table", "every", "`every`", "`all`"),
    ("depth", "-1", "`-1`", "at least 0"),
]


@pytest.mark.parametrize(("name", "value", "found", "expected"), WRONG_OPTIONS)
def test_a_wrong_option_is_a_usage_error(
    project: Project, name: str, value: str, found: str, expected: str
) -> None:
    project.sized(3)
    result = project.judge(f"--flop-budget-{name}={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert f"ERROR: `--flop-budget-{name}`: expected" in said
    assert found in said
    assert expected in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("name", "value", "found", "expected"), WRONG_OPTIONS)
def test_a_wrong_ini_value_is_a_usage_error_that_names_the_file(
    project: Project, name: str, value: str, found: str, expected: str
) -> None:
    key = f"flop_budget_{name.replace('-', '_')}"
    project.write("pytest.ini", f"[pytest]\n{key} = {value}\n")
    project.sized(3)
    result = project.judge()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert f"ERROR: `{key}` in {project.root / 'pytest.ini'}: expected" in said
    assert found in said
    assert expected in said


def test_a_wrong_ignored_operator_is_a_usage_error(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_ignore_ops = mylib.op\n")
    result = project.judge()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "expected `namespace::name`" in result.stderr.str()


@pytest.mark.parametrize("name", ["dir", "metrics", "engine", "tolerance", "table", "depth"])
def test_an_empty_option_is_a_usage_error_too(project: Project, name: str) -> None:
    project.sized(3)
    assert project.judge(f"--flop-budget-{name}=").ret == pytest.ExitCode.USAGE_ERROR


def test_an_ini_value_that_the_command_line_replaces_is_checked_too(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_tolerance = latancy=5%\n")
    project.sized(3)
    result = project.judge("--flop-budget-tolerance=5%")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "`flop_budget_tolerance` in" in result.stderr.str()


@pytest.mark.parametrize("source", ["option", "ini"])
def test_in_parallel_it_is_a_usage_error_as_well(project: Project, source: str) -> None:
    project.sized(3)
    typed = ["--flop-budget-depth=x"]
    if source == "ini":
        typed = []
        project.write("pytest.ini", "[pytest]\nflop_budget_depth = x\n")
    result = project.judge("-n2", *typed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "expected a whole number of at least 0" in result.stderr.str()
    assert "INTERNALERROR" not in text_of(result) + result.stderr.str()


def test_a_wrong_option_is_refused_also_while_the_budgets_are_off(project: Project) -> None:
    result = project.run("--flop-budget-engine=thopp")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
