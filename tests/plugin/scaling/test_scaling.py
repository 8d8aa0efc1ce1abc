"""Budgets over sizes: what is stored, what fails, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.golden import assert_golden
from tests.plugin.project import failure_of, sentence, text_of

if TYPE_CHECKING:
    from tests.plugin.project import Project

MODEL = """
class Attention(nn.Module):
    def __init__(self, quadratic):
        super().__init__()
        self.q = nn.Linear(8, 8, bias=False)
        self.quadratic = quadratic
    def forward(self, x):
        q = self.q(x)
        return q @ q.transpose(1, 2) @ q if self.quadratic else q

class Net(nn.Module):
    def __init__(self, quadratic=False):
        super().__init__()
        self.attention = Attention(quadratic)
        self.out = nn.Linear(8, 8, bias=False)
    def forward(self, x):
        return self.out(self.attention(x))

class Padded(nn.Linear):
    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 0, 0, -len(x) % 16)))

def net(n): return Net(), torch.zeros(1, n, 8)
def quadratic(n): return Net(True), torch.zeros(1, n, 8)
def padded(n): return Padded(8, 8, bias=False), torch.zeros(n, 8)
"""
FILE = "test_net/test_net.scaling.yaml"
SIZES = "[8, 12, 16, 21]"


def declare(
    project: Project, build: str = "net", options: str = "", sizes: str = SIZES, marker: str = ""
) -> None:
    call = f"flop_budget.scaling({sizes}{', ' + options if options else ''})({build})"
    project.write("test_net.py", f"{MODEL}\n{marker}\ndef test_net(flop_budget):\n    {call}\n")


def said(project: Project, *options: str) -> str:
    return sentence(failure_of(project.judge(*options), "test_net"))


def test_a_polynomial_is_one_line_of_the_baseline(project: Project) -> None:
    declare(project)
    project.update().assert_outcomes(passed=1)
    text = project.budgets()[FILE]
    assert text[text.index("of: ") : text.index("mode: ")] == (
        "of: sequence length\nsizes: [8, 12, 16, 21]\ninputs: ['float32[1, 21, 8]']\n"
    )
    assert text[text.index("scaling:") :] == (
        "scaling:   # n is the size\n  params: 128\n  gflops: 0.000000256 n\n"
    )
    assert "baselines: 1 unchanged" in text_of(project.update())
    project.judge().assert_outcomes(passed=1)
    project.judge("-n2").assert_outcomes(passed=1)


def test_a_new_term_fails_with_the_layer_that_has_it(project: Project) -> None:
    declare(project)
    project.update()
    declare(project, "quadratic")
    assert_golden("failure_growth", failure_of(project.judge(), "test_net"))
    project.update().assert_outcomes(passed=1)
    assert "  gflops: 0.000000032 n^2 + 0.000000256 n\n" in project.budgets()[FILE]


def test_a_degree_above_the_largest_is_no_matter_of_an_update(project: Project) -> None:
    declare(project, "quadratic", "max_degree=1")
    failed = project.update()
    text = " ".join(failure_of(failed, "test_net"))
    assert "GFLOPs grows with n^2, allowed n^1" in text
    assert "an update cannot accept this: raise `max_degree`" in text
    assert FILE not in project.budgets()
    declare(project, "quadratic", "max_degree=2")
    project.update().assert_outcomes(passed=1)


def test_steps_are_stored_as_values_and_judged_size_by_size(project: Project) -> None:
    declare(project, "padded", sizes="[8, 17, 24, 31, 41]")
    project.update()
    # 16, 32, 32, 32 and 48 rows of 128 FLOPs
    line = "gflops: {8: 0.000002048, 17: 0.000004096, 24: 0.000004096, 31: 0.000004096, "
    assert line in project.budgets()[FILE]
    project.judge().assert_outcomes(passed=1)
    project.edit(FILE, "17: 0.000004096", "17: 0.000004095")
    assert "GFLOPs +<0.1 % at 17" in said(project)


def test_without_a_polynomial_the_ends_tell_the_degree(project: Project) -> None:
    declare(project, "padded", "max_degree=0", sizes="[8, 17, 24, 31, 41]")
    assert "GFLOPs grew 3.0x where n^0 allows 1.0x" in said(project)
    declare(project, "padded", "max_degree=1", sizes="[8, 17, 24, 31, 41]")  # 3x of 5x
    project.update().assert_outcomes(passed=1)


def test_a_ceiling_of_the_call_binds_the_largest_size(project: Project) -> None:
    # 21 rows of 256 FLOPs: 5,376
    declare(
        project, options="max_gflops=0.000005376", marker="@pytest.mark.flop_budget(max_params=1)"
    )
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)
    declare(project, options="max_gflops=0.000005375")
    assert "GFLOPs 0.000005376 at 21, allowed 0.000005375" in said(project)


def test_a_tolerance_holds_at_each_size(project: Project) -> None:
    declare(project)
    project.update()
    project.edit(FILE, "0.000000256 n", "0.000000250 n")
    assert "GFLOPs +2.4 % at 21" in said(project)
    assert "passed" in text_of(project.judge("--flop-budget-tolerance=gflops=2.4%"))


def test_less_is_an_improvement(project: Project) -> None:
    declare(project, "quadratic")
    project.update()
    declare(project)
    result = project.judge()
    result.assert_outcomes(passed=1)
    assert "1 budget: 1 improved" in text_of(result)


def test_other_sizes_are_an_error_and_an_update_measures_again(project: Project) -> None:
    declare(project)
    project.update()
    declare(project, sizes="[8, 12, 16, 23]")
    assert "was made with sizes `8, 12, 16, 21`, this run has `8, 12, 16, 23`" in said(project)
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)


def test_a_budget_of_one_size_is_no_budget_over_sizes(project: Project) -> None:
    declare(project)
    project.update()
    project.write(
        "test_net.py",
        MODEL + "\ndef test_net(flop_budget):\n    flop_budget.named('scaling')(*net(21))\n",
    )
    assert "was made with sizes `8, 12, 16, 21`, this run has `none`" in said(project)


def test_without_a_baseline_it_is_unbudgeted(project: Project) -> None:
    declare(project)
    assert "has no baseline" in said(project)


def test_a_name_that_is_gone_is_stale(project: Project) -> None:
    declare(project)
    project.update()
    declare(project, options='name="growth"')
    result = project.update("--flop-budget-trim")
    assert f"removed 1 stale baseline: {FILE}" in text_of(result)
    assert list(project.budgets()) == ["test_net/test_net.growth.yaml"]


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ("8", "", "as sizes, found `8`"),
        ("[8, 0]", "", "expected distinct whole numbers from 1 on as sizes, found `0`"),
        ("[8, 9.0]", "", "found `9.0`"),
        ("[8, 9, 8]", "", "found 8 twice"),
        ("[8]", "", "expected at least 2 distinct whole numbers from 1 on as sizes, found 1"),
        ("[8, 9]", "max_degree=1", "expected at least 3 distinct whole numbers"),
        ("[8, 9]", "max_degree=-1", "expected a whole number, 0 or more, as `max_degree`"),
        ("[8, 9]", 'metrics="latency"', "expected exact metrics, found `latency`"),
        ("[8, 9]", "max_gflop=1", "unknown argument `max_gflop`; did you mean `max_gflops`?"),
        ("[8, 9]", "max_latency_ms=1", "unknown argument `max_latency_ms`"),
    ],
)
def test_a_wrong_call_says_what_is_expected(
    project: Project, sizes: str, options: str, expected: str
) -> None:
    declare(project, options=options, sizes=sizes)
    assert expected in said(project)


def test_what_build_returns_must_be_a_call(project: Project) -> None:
    declare(project, "lambda n: Net()")
    assert "expected `build(8)` to return `(model, args)`" in said(project)


def test_sizes_with_a_common_factor_are_warned_of(project: Project) -> None:
    declare(project, sizes="[8, 16, 24]")
    result = project.run("--flop-budget", "-Wdefault")
    assert "all sizes are multiples of 8" in text_of(result)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("0.000000256 n", "x", "expected a polynomial such as `2 n^2 + 0.5 n`"),
        ("0.000000256 n", "1 n^3", "expected a degree of at most 2 from 4 sizes, found `1 n^3`"),
        ("0.000000256 n", "{8: 1}", "expected the key `12`, found none"),
        ("0.000000256 n", "-1 n", "expected a polynomial that is a whole number, 0 or more"),
        ("[8, 12, 16, 21]", "[8, 8]", "expected distinct whole numbers from 1 on"),
        ("[8, 12, 16, 21]", "8", "expected a list of sizes"),
        ("params: 128", "param: 128", "found the key `param`; did you mean `params`?"),
    ],
)
def test_a_file_that_is_not_valid_says_where(
    project: Project, old: str, new: str, expected: str
) -> None:
    declare(project)
    project.update()
    project.edit(FILE, old, new)
    assert expected in said(project)


def test_reports_take_a_budget_over_sizes(project: Project) -> None:
    declare(project)
    project.update()
    declare(project, "quadratic")
    report = project.report("--flop-budget-html=page.html", "--flop-budget-markdown=report.md")
    growth = report["budgets"][0]["scaling"]
    assert growth["sizes"] == [8, 12, 16, 21]
    assert growth["curves"]["gflops"]["polynomial"]["coefficients"] == [0, 256, 32]
    assert "test_net" in (project.root / "page.html").read_text("utf-8")
