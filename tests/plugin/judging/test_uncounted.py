"""An operator that is neither counted nor free fails until somebody takes a decision."""

from collections.abc import Iterator
from itertools import count

import pytest
import torch

from tests.plugin.project import INI, Project, failure_of, line_with, sentence, text_of

NUMBERS = count()  # a namespace of its own for each test
TEST = """
{head}
class Custom(nn.Module):
    def forward(self, x):
        return torch.ops.{namespace}.twice(x)

def test_custom(flop_budget):
    flop_budget(nn.Sequential(nn.Linear(2, 3), Custom()), torch.zeros(5, 2))
"""
FORMULA = """
from pytest_flopbudget import register_flop_formula

@register_flop_formula("{namespace}::twice")
def twice(x, *, out_shape):
    return 7 * x[0] * out_shape[1]
"""


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace with an operator of the user's own, `twice`."""
    name = f"flopbudget_test_{next(NUMBERS)}"
    library = torch.library.Library(name, "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    library.impl("twice", torch.empty_like, "Meta")
    yield name
    library._destroy()


def write(project: Project, namespace: str, *, head: str = "", ini: str = "") -> None:
    project.write("test_custom.py", TEST.format(namespace=namespace, head=head))
    project.write("pytest.ini", INI + ini.format(namespace=namespace))


@pytest.mark.parametrize("run", ["judge", "update"])
def test_it_fails_with_the_layer_and_the_shapes(project: Project, namespace: str, run: str) -> None:
    write(project, namespace)
    result = getattr(project, run)()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_custom")
    operator = f"{namespace}::twice"
    assert f"  {operator}  1  1 call  5x3" in said
    assert any(line.split()[0] == "GFLOPs" and line.endswith("uncounted") for line in said if line)
    assert line_with(result, "1 budget:") == "1 budget: 1 uncounted"
    assert project.budgets() == {}


@pytest.mark.parametrize("run", ["update", "judge"])
def test_the_sentence_says_it_first(project: Project, namespace: str, run: str) -> None:
    write(project, namespace)
    assert sentence(failure_of(getattr(project, run)(), "test_custom")) == (
        f"the FLOPs of `Sequential` are unknown: `{namespace}::twice` in `1` is uncounted"
    )


def test_the_hint_is_to_decide_and_not_to_update(project: Project, namespace: str) -> None:
    write(project, namespace)
    said = failure_of(project.judge(), "test_custom")
    hint = said[next(i for i, line in enumerate(said) if line.startswith("hint:")) :]
    assert f'@register_flop_formula("{namespace}::twice")' in hint[0]
    assert f"add `{namespace}::twice` to `flop_budget_ignore_ops`" in hint[1]
    assert not any("--update-budgets" in line for line in said)


def test_a_baseline_is_kept_while_its_flops_are_unknown(project: Project, namespace: str) -> None:
    write(project, namespace, ini="flop_budget_ignore_ops = {namespace}::twice\n")
    project.update().assert_outcomes(passed=1)
    before = project.budgets()
    write(project, namespace)
    project.update().assert_outcomes(failed=1)
    assert project.budgets() == before


def test_it_passes_if_the_team_agrees_to_ignore_it(project: Project, namespace: str) -> None:
    write(project, namespace, ini="flop_budget_ignore_ops = {namespace}::twice\n")
    project.update().assert_outcomes(passed=1)
    text = project.budgets()["test_custom/test_custom.yaml"]
    assert f"ignored: ['{namespace}::twice']\n" in text
    assert "total: {params: 9, gflops: 0.00000006}\n" in text
    for result in (project.judge(), project.update()):
        result.assert_outcomes(passed=1)
        assert line_with(result, "ignored by agreement").endswith(f": {namespace}::twice")
        assert f"ignoring {namespace}::twice" in text_of(result)


def test_the_json_report_lists_what_was_ignored(project: Project, namespace: str) -> None:
    write(project, namespace, ini="flop_budget_ignore_ops = {namespace}::twice\n")
    (budget,) = project.report()["budgets"]
    assert budget["ignored"] == [f"{namespace}::twice"]
    assert budget["uncounted"] == [
        {
            "operator": f"{namespace}::twice",
            "path": "1",
            "shapes": [[5, 3]],
            "calls": 1,
            "unknown": ["FLOPs"],
        }
    ]


def test_ignoring_another_operator_does_not_help(project: Project, namespace: str) -> None:
    write(project, namespace, ini="flop_budget_ignore_ops = {namespace}::thrice\n")
    result = project.judge()
    assert line_with(result, "1 budget:") == "1 budget: 1 uncounted"


def test_it_is_counted_with_a_formula(project: Project, namespace: str) -> None:
    write(project, namespace, head=FORMULA.format(namespace=namespace))
    project.update().assert_outcomes(passed=1)
    text = project.budgets()["test_custom/test_custom.yaml"]
    assert "total: {params: 9, gflops: 0.000000165}\n" in text  # 2*5*2*3 + 7*5*3
    assert "  '1': {type: Custom, params: 0, gflops: 0.000000105}\n" in text
    assert "ignored" not in text
    project.judge().assert_outcomes(passed=1)


def test_params_alone_do_not_ask_for_formulas(project: Project, namespace: str) -> None:
    write(project, namespace)
    project.update("--flop-budget-metrics=params").assert_outcomes(passed=1)
    project.judge("--flop-budget-metrics=params").assert_outcomes(passed=1)


def test_without_a_meta_kernel_it_is_named_as_well(project: Project) -> None:
    name = f"flopbudget_test_{next(NUMBERS)}"
    library = torch.library.Library(name, "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CPU")
    write(project, name)
    result = project.judge()
    library._destroy()
    result.assert_outcomes(failed=1)
    assert f"  {name}::twice  1  1 call  5x3" in failure_of(result, "test_custom")
    assert "Traceback" not in result.stderr.str() + text_of(result)
