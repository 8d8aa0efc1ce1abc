"""Budgets without code: the models of a TOML file are tests like any other."""

from __future__ import annotations

import pytest

from tests.plugin.golden import assert_golden
from tests.plugin.project import Project, failure_of, text_of

LINEAR = '[linear]\nmodel = "torch.nn:Linear"\nargs = [4, {size}]\ninputs = ["float32[1, 4]"]\n'
OWN_TABLE = "[tool.flop_budget.models.linear]" + LINEAR.removeprefix("[linear]")
FILE = "--flop-budget-models=models.toml"
BASELINE = "models.toml/linear.yaml"

WRONG = {
    "no_model": 'inputs = ["float32[1]"]',
    "no_colon": 'model = "resnet50"\ninputs = ["float32[1]"]',
    "no_inputs": 'model = "torch.nn:ReLU"',
    "unknown_key": 'model = "torch.nn:ReLU"\ninput = ["float32[1]"]',
    "wrong_inputs": 'model = "torch.nn:ReLU"\ninputs = "float32[1]"',
    "not_a_spec": 'model = "torch.nn:ReLU"\ninputs = ["1x3x224x224"]',
    "dtype": 'model = "torch.nn:ReLU"\ninputs = ["flaot32[1]"]',
    "no_spec": 'model = "torch.nn:ReLU"\ninputs = [{high = 3}]',
    "high": 'model = "torch.nn:ReLU"\ninputs = [{spec = "int64[1]", high = 0}]',
    "high_of_floats": 'model = "torch.nn:ReLU"\ninputs = [{spec = "float32[1]", high = 3}]',
    "class": 'model = "torch.nn:ReLU"\nclass = "AutoModel"\ninputs = ["float32[1]"]',
    "args": 'model = "torch.nn:ReLU"\nargs = 1\ninputs = ["float32[1]"]',
    "kwargs": 'model = "torch.nn:ReLU"\nkwargs = 1\ninputs = ["float32[1]"]',
    "ceiling": 'model = "torch.nn:ReLU"\nmax_gflops = -1\ninputs = ["float32[1]"]',
    "no_module": 'model = "no_such_module:Net"\ninputs = ["float32[1]"]',
    "no_function": 'model = "torch.nn:Liner"\ninputs = ["float32[1]"]',
    "not_a_function": 'model = "math:pi"\ninputs = ["float32[1]"]',
    "not_a_module": 'model = "math:sqrt"\nargs = [4.0]\ninputs = ["float32[1]"]',
    "cannot_be_built": 'model = "torch.nn:Linear"\nargs = [4]\ninputs = ["float32[1]"]',
    "do_not_fit": 'model = "torch.nn:Linear"\nargs = [4, 4]\ninputs = ["float32[1, 5]"]',
    "no_type": 'model = "transformers:brt"\ninputs = ["int64[1, 8]"]',
    "hub": 'model = "transformers:nobody/nothing"\ninputs = ["int64[1, 8]"]',
    "no_class": 'model = "transformers:bert"\nclass = "BertModle"\ninputs = ["int64[1, 8]"]',
}


@pytest.fixture
def declared(project: Project) -> Project:
    """A linear layer with 20 params and 32 FLOPs."""
    project.write("models.toml", LINEAR.format(size=4))
    return project


def test_an_update_then_a_growth(declared: Project) -> None:
    assert declared.update(FILE).ret == 0
    assert "total: {params: 20, gflops: 0.000000032}" in declared.budgets()[BASELINE]
    assert "test: models.toml::linear" in declared.budgets()[BASELINE]
    declared.judge(FILE).assert_outcomes(passed=1)
    declared.write("models.toml", LINEAR.format(size=5))
    result = declared.judge(FILE)
    result.assert_outcomes(failed=1)
    hint = f"pytest --update-budgets {FILE} models.toml::linear"
    assert hint in text_of(result)
    declared.run(*hint.split()[1:]).assert_outcomes(passed=1)


def test_a_plain_run_skips_it(declared: Project) -> None:
    declared.run(FILE).assert_outcomes(skipped=1)


def test_workers_and_junit(declared: Project) -> None:
    declared.update(FILE)
    declared.judge(FILE, "-n2", "--junitxml=junit.xml").assert_outcomes(passed=1)
    assert 'name="linear"' in (declared.root / "junit.xml").read_text(encoding="utf-8")


def test_one_model_of_a_typed_file(declared: Project) -> None:
    two = LINEAR.format(size=4) + LINEAR.format(size=4).replace("[linear]", "[other]")
    declared.write("models.toml", two)
    declared.update(FILE, "models.toml::other").assert_outcomes(passed=1)
    assert list(declared.budgets()) == ["models.toml/other.yaml"]


def test_a_table_that_is_gone_leaves_a_stale_baseline(declared: Project) -> None:
    declared.update(FILE)
    declared.write("models.toml", LINEAR.format(size=4).replace("[linear]", "[other]"))
    declared.update(FILE, "--flop-budget-trim")
    assert list(declared.budgets()) == ["models.toml/other.yaml"]


@pytest.mark.parametrize(
    ("args", "passed"),
    [
        ((), 2),
        (("pyproject.toml",), 1),
        ((".",), 2),
        (("tests",), 1),
        (("tests/test_plain.py::test_plain",), 1),
        (("pyproject.toml::linear",), 1),
    ],
)
@pytest.mark.parametrize("paths", ["", 'testpaths = ["tests"]\n'])
def test_what_brings_the_tables_of_the_ini_file(
    project: Project, paths: str, args: tuple[str, ...], passed: int
) -> None:
    (project.root / "pytest.ini").unlink()
    ini = f'[tool.pytest.ini_options]\nflop_budget_metrics = "params"\n{paths}'
    project.write("pyproject.toml", ini + OWN_TABLE.format(size=4))
    project.write("tests/test_plain.py", "def test_plain(): pass")
    project.update(*args).assert_outcomes(passed=passed)
    brought = not args or args[0].startswith(("pyproject", "."))
    assert list(project.budgets()) == (["pyproject.toml/linear.yaml"] if brought else [])


def test_a_typed_file_is_added_to_what_else_is_typed(declared: Project) -> None:
    declared.write("test_plain.py", "def test_plain(): pass")
    declared.update(FILE, "test_plain.py").assert_outcomes(passed=2)
    declared.judge(FILE, "test_plain.py", "models.toml").assert_outcomes(passed=2)


def test_a_model_that_needs_values_is_built_for_real(project: Project) -> None:
    project.write(
        "needs_values.py",
        """
        def net():
            return nn.Linear(4, int(torch.ones(1).item()) * 4)
        """,
    )
    table = LINEAR.format(size=4).replace("torch.nn:Linear", "needs_values:net")
    project.write("models.toml", table.replace("args = [4, 4]\n", ""))
    project.pytester.syspathinsert()
    result = project.update(FILE)
    result.assert_outcomes(passed=1)
    assert "models.toml::linear: built for real, since it cannot be built on meta" in text_of(
        result
    )


def test_latency_builds_it_for_real(declared: Project) -> None:
    declared.update(FILE, "--flop-budget-metrics=params,latency").assert_outcomes(passed=1)
    assert "total_ms: 2" in declared.budgets()[BASELINE]


def test_arguments_as_of_a_marker(declared: Project) -> None:
    declared.write("models.toml", LINEAR.format(size=4) + 'max_params = 19\nmetrics = ["params"]\n')
    result = declared.judge(FILE)
    result.assert_outcomes(failed=1)
    assert "20 params" in text_of(result)


def test_broken_toml_is_an_error_of_the_file(declared: Project) -> None:
    declared.write("models.toml", "[linear\n")
    result = declared.judge(FILE)
    result.assert_outcomes(errors=1)
    assert "models.toml: expected TOML: " in text_of(result)


def test_golden_errors(project: Project) -> None:
    tables = "".join(f"[{name}]\n{table}\n\n" for name, table in WRONG.items())
    project.write("models.toml", tables)
    result = project.judge(FILE)
    result.assert_outcomes(failed=len(WRONG))
    lines = [line for name in WRONG for line in (name, *failure_of(result, name), "")]
    assert_golden("errors_of_declared_models", lines)
