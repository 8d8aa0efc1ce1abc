"""What passes and what fails: equality, one above, tolerances and ceilings at their edge."""

import os

import pytest

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_sized/test_sized.yaml"


def against_100(project: Project, size: int, marker: str = "", *args: str) -> pytest.RunResult:
    """Judge a model of `size` params against a baseline of one of 100."""
    project.sized(100)
    project.update().assert_outcomes(passed=1)
    project.sized(size, marker=marker)
    return project.judge(*args)


@pytest.mark.parametrize(
    ("size", "outcome", "verdict"),
    [(99, "passed", "improved"), (100, "passed", "within"), (101, "failed", "exceeded")],
)
def test_equality_passes_and_one_more_fails(
    project: Project, size: int, outcome: str, verdict: str
) -> None:
    result = against_100(project, size)
    result.assert_outcomes(**{outcome: 1})
    assert line_with(result, "1 budget:") == f"1 budget: 1 {verdict}"


def test_one_more_parameter_fails_and_is_shown_exactly(project: Project) -> None:
    said = failure_of(against_100(project, 101), "test_sized")
    assert sentence(said) == (
        "`Linear` exceeds its budget: params +1.0 %, GFLOPs +1.0 %, mostly `(model)` (Linear)"
    )
    assert "  params          101          100          100  +1.0 %  exceeded" in said


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "outcome"),
    [
        (100, 113, "13%", "passed"),  # 100 * 1.13 is 112.99999999999999 in floats
        (100, 114, "13%", "failed"),
        (100, 113, "12.99%", "failed"),
        (1000, 1001, "0.1%", "passed"),
        (1000, 1002, "0.1%", "failed"),
        (3, 4, "33%", "failed"),
        (3, 4, "34%", "passed"),
        (10, 25, "150%", "passed"),
        (10, 26, "150%", "failed"),
    ],
)
def test_a_tolerance_binds_exactly_at_its_edge(
    project: Project, old: int, new: int, tolerance: str, outcome: str
) -> None:
    mark = f"@pytest.mark.flop_budget(tolerance='{tolerance}')"
    project.sized(old)
    project.update()
    project.sized(new, marker=mark)
    project.judge().assert_outcomes(**{outcome: 1})


def test_a_tolerance_is_measured_from_the_baseline_not_from_the_last_run(project: Project) -> None:
    mark = "@pytest.mark.flop_budget(tolerance='5%')"
    against_100(project, 105, mark).assert_outcomes(passed=1)
    project.sized(106, marker=mark)
    project.judge().assert_outcomes(failed=1)


CEILINGS = [
    ("max_params=100", "passed"),
    ("max_params=99", "failed"),
    ("max_gflops=0.0000002", "passed"),
    ("max_gflops='0.0000002'", "passed"),
    ("max_gflops=0.000000199", "failed"),
    ("max_params=99, max_gflops=1", "failed"),
]


@pytest.mark.parametrize(("ceiling", "outcome"), CEILINGS)
@pytest.mark.parametrize("run", ["judge", "update"])
def test_a_ceiling_passes_if_equal_and_fails_one_above(
    project: Project, ceiling: str, outcome: str, run: str
) -> None:
    project.sized(100)
    project.update()
    project.sized(100, marker=f"@pytest.mark.flop_budget({ceiling})")
    getattr(project, run)().assert_outcomes(**{outcome: 1})


def test_where_baseline_and_ceiling_exist_both_bind(project: Project) -> None:
    mark = "@pytest.mark.flop_budget(max_params={}, tolerance='10%')"
    against_100(project, 110, mark.format(200)).assert_outcomes(passed=1)
    against_100(project, 111, mark.format(200)).assert_outcomes(failed=1)
    against_100(project, 105, mark.format(105)).assert_outcomes(passed=1)
    against_100(project, 105, mark.format(104)).assert_outcomes(failed=1)


@pytest.mark.parametrize("run", ["judge", "update"])
def test_the_hint_over_a_ceiling_is_not_to_update(project: Project, run: str) -> None:
    project.sized(100)
    project.update()
    project.sized(100, marker="@pytest.mark.flop_budget(max_params=99)")
    said = failure_of(getattr(project, run)(), "test_sized")
    assert sentence(said).startswith("`Linear` exceeds its budget: params")
    assert not any("--update-budgets" in line for line in said)
    assert any("`max_params`" in line for line in said if line.startswith("hint: "))


def test_over_a_ceiling_measured_and_allowed_are_named(project: Project) -> None:
    project.sized(100, marker="@pytest.mark.flop_budget(max_params=99)")
    said = failure_of(project.update(), "test_sized")
    assert sentence(said) == "`Linear` exceeds its budget: params 100, allowed 99"


def test_over_a_ceiling_within_the_baseline_the_ceiling_is_named(project: Project) -> None:
    mark = "@pytest.mark.flop_budget(max_params=99)"
    said = failure_of(against_100(project, 100, mark), "test_sized")
    assert "allowed 99" in sentence(said)
    assert "0 %" not in sentence(said)


def test_no_baseline_fails_with_the_command_that_creates_it(project: Project) -> None:
    project.sized(100)
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_sized")
    assert sentence(said) == f"`Linear` has no baseline: `budgets/{FILE}` does not exist"
    assert said[-2:] == [
        "hint: create the baseline and commit it:",
        "        pytest --update-budgets test_sized.py::test_sized",
    ]
    assert line_with(result, "1 budget:") == "1 budget: 1 unbudgeted"
    assert project.budgets() == {}


def test_the_command_quotes_the_node_id_for_the_shell(project: Project) -> None:
    project.write(
        "sub dir/test_a.py",
        """
        @pytest.mark.parametrize("x", ["it's", "a b"])
        def test_a(flop_budget, x):
            flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    said = text_of(project.judge())
    assert "pytest --update-budgets 'sub dir/test_a.py::test_a[a b]'" in said
    assert """pytest --update-budgets 'sub dir/test_a.py::test_a[it'"'"'s]'""" in said


def test_without_a_baseline_ceilings_alone_do_not_pass(project: Project) -> None:
    project.sized(100, marker="@pytest.mark.flop_budget(max_params=100, max_gflops=1)")
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert line_with(result, "1 budget:") == "1 budget: 1 unbudgeted"


def test_a_metric_that_is_not_in_the_baseline_is_unbudgeted(project: Project) -> None:
    project.sized(100)
    project.update("--flop-budget-metrics=params")
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_sized")
    assert sentence(said) == f"the baseline of `Linear` has no GFLOPs: `budgets/{FILE}`"
    assert line_with(result, "1 budget:") == "1 budget: 1 unbudgeted"


def test_a_metric_that_is_not_in_the_baseline_may_have_a_ceiling(project: Project) -> None:
    project.sized(100)
    project.update("--flop-budget-metrics=params")
    project.sized(100, marker="@pytest.mark.flop_budget(max_gflops=0.0000002)")
    project.judge().assert_outcomes(passed=1)
    project.sized(100, marker="@pytest.mark.flop_budget(max_gflops=0.000000199)")
    project.judge().assert_outcomes(failed=1)


OTHERS = [
    ("engine='thop'", "torch.zeros(1, 1)", "engine", "dispatch", "thop"),
    ("mode='training'", "torch.zeros(1, 1)", "mode", "inference", "training"),
    ("", "torch.zeros(2, 1)", "inputs", "float32[1, 1]", "float32[2, 1]"),
]


@pytest.mark.parametrize(("marker", "inputs", "what", "before", "now"), OTHERS)
def test_a_baseline_of_something_else_is_an_error_that_names_both(
    project: Project, marker: str, inputs: str, what: str, before: str, now: str
) -> None:
    project.sized(100)
    project.update()
    kept = project.budgets()
    project.write(
        "test_sized.py",
        f"""
        @pytest.mark.flop_budget({marker})
        def test_sized(flop_budget):
            flop_budget(nn.Linear(1, 100, bias=False), {inputs})
        """,
    )
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = "\n".join(failure_of(result, "test_sized"))
    assert what in said
    assert f"`{before}`" in said
    assert f"`{now}`" in said
    assert project.budgets() == kept
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)


def test_a_baseline_of_something_else_is_named_with_the_command(project: Project) -> None:
    project.sized(100)
    project.update()
    project.sized(100, marker="@pytest.mark.flop_budget(engine='thop')")
    said = "\n".join(failure_of(project.judge(), "test_sized"))
    assert f"budgets/{FILE}" in said
    assert "pytest --update-budgets test_sized.py::test_sized" in said


LAYERS = """
class Net(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left = nn.Linear(1, left, bias=False)
        self.right = nn.Linear(1, right, bias=False)

    def forward(self, x):
        return self.left(x), self.right(x)

@pytest.mark.flop_budget({marker})
def test_net(flop_budget):
    flop_budget(Net({left}, {right}), torch.zeros(1, 1))
"""


def net_of(project: Project, left: int, right: int, marker: str = "") -> pytest.RunResult:
    """Judge left and right params against a baseline of 10 and 20."""
    project.write("test_net.py", LAYERS.format(left=10, right=20, marker=marker))
    project.update().assert_outcomes(passed=1)
    project.write("test_net.py", LAYERS.format(left=left, right=right, marker=marker))
    return project.judge()


def test_a_layer_that_grew_fails_though_the_total_is_equal(project: Project) -> None:
    result = net_of(project, 11, 19)
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_net")
    assert sentence(said).startswith("`left` (Linear) of `Net` exceeds its budget: params +10.0 %")
    assert any(line.startswith("  left: params") for line in said)
    assert not any(line.startswith("  right: params") for line in said)


@pytest.mark.parametrize(
    ("marker", "left", "right", "outcome"),
    [
        ("", 10, 20, "passed"),
        ("layers=True", 11, 19, "failed"),
        ("layers=False", 11, 19, "passed"),
        ("layers=False", 11, 20, "failed"),  # the total
        ("layers=['right']", 11, 19, "passed"),
        ("layers=['left']", 11, 19, "failed"),
        ("layers='l*'", 11, 19, "failed"),
        ("layers=['l*', 'r*']", 9, 21, "failed"),
        ("layers=['right']", 11, 20, "failed"),  # the total is judged all the same
        ("tolerance='10%'", 11, 19, "passed"),
        ("tolerance='9%'", 11, 19, "failed"),
    ],
)
def test_which_layers_are_judged(
    project: Project, marker: str, left: int, right: int, outcome: str
) -> None:
    net_of(project, left, right, marker).assert_outcomes(**{outcome: 1})


@pytest.mark.parametrize("globs", ["['middle']", "['left', 'middle.*']", "'LEFT'"])
def test_a_glob_that_matches_nothing_fails_and_names_layers(project: Project, globs: str) -> None:
    project.write("test_net.py", LAYERS.format(left=10, right=20, marker=""))
    project.update()
    project.write("test_net.py", LAYERS.format(left=10, right=20, marker=f"layers={globs}"))
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = "\n".join(failure_of(result, "test_net"))
    assert "no layer of `Net` matches" in said
    assert "`left`, `right`" in said


NESTED = """
class Block(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.first = nn.Linear(1, first, bias=False)
        self.second = nn.Linear(1, second, bias=False)

    def forward(self, x):
        return self.first(x), self.second(x)

@pytest.mark.flop_budget(layers=["0"])
def test_net(flop_budget):
    flop_budget(nn.Sequential(Block({first}, {second})), torch.zeros(1, 1))
"""


@pytest.mark.parametrize(("first", "second", "outcome"), [(11, 19, "passed"), (11, 20, "failed")])
def test_a_glob_judges_the_total_of_the_layer(
    project: Project, first: int, second: int, outcome: str
) -> None:
    project.write("test_net.py", NESTED.format(first=10, second=20))
    project.update()
    project.write("test_net.py", NESTED.format(first=first, second=second))
    project.judge().assert_outcomes(**{outcome: 1})


def test_a_glob_names_its_layer_before_the_total(project: Project) -> None:
    project.write("test_net.py", NESTED.format(first=10, second=20))
    project.update()
    project.write("test_net.py", NESTED.format(first=11, second=20))
    said = failure_of(project.judge(), "test_net")
    assert "`0.first`" in sentence(said)


def test_equal_after_rounding_is_printed_exactly(project: Project) -> None:
    project.sized(100_000_000)  # never allocated: counted on meta
    project.update()
    project.sized(100_000_001)
    said = failure_of(project.judge(), "test_sized")
    assert "params +<0.1 %" in sentence(said)
    metric = next(line for line in said if line.startswith("  GFLOPs"))
    assert metric.split()[1:4] == ["0.200000002", "0.2", "0.2"]


def test_a_failure_that_a_test_swallows_fails_it_all_the_same(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget):
            with pytest.raises(pytest.fail.Exception):
                flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    result = project.judge()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_a")
    assert sentence(said).startswith("`Linear` has no baseline")
    assert "then the test went on, and passed" in said


FOLLOWED = {
    "a skip": ("pytest.skip('mine')", "was skipped: mine"),
    "an error": ("raise KeyError('mine')", "raised `KeyError: 'mine'`"),
    "a failure": ("pytest.fail('mine')", "raised `Failed: mine`"),
}


@pytest.mark.parametrize(("end", "what"), FOLLOWED.values(), ids=FOLLOWED.keys())
@pytest.mark.parametrize("budget", ["flop_budget", "flop_budget.named('b')"])
def test_a_failure_wins_over_what_follows_it(
    project: Project, budget: str, end: str, what: str
) -> None:
    project.write(
        "test_a.py",
        f"""
        def test_a(flop_budget):
            try:
                {budget}(nn.Linear(1, 1), torch.zeros(1, 1))
            except pytest.fail.Exception:
                pass
            {end}
        """,
    )
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert f"then the test went on, and {what}" in failure_of(result, "test_a")


@pytest.mark.parametrize("marker", ["@pytest.mark.xfail", ""])
def test_an_expected_failure_keeps_its_meaning(project: Project, marker: str) -> None:
    project.write(
        "test_a.py",
        f"""
        {marker}
        def test_a(flop_budget):
            try:
                flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
            except pytest.fail.Exception:
                pass
            {"" if marker else "pytest.xfail('mine')"}
        """,
    )
    result = project.judge()
    result.assert_outcomes(xfailed=1)
    assert "1 budget: 1 unbudgeted" in result.outlines
    project.update()
    assert project.budgets() == {}


def test_nothing_is_written_through_a_link_out_of_the_budget_folder(project: Project) -> None:
    project.sized(1)
    outside = project.root / "elsewhere"
    outside.mkdir()
    (project.root / "budgets").mkdir()
    (project.root / "budgets" / "test_sized").symlink_to(outside, target_is_directory=True)
    result = project.update()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "found a symbolic link out of it" in text_of(result)
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_tree_whose_files_are_all_links_is_judged(project: Project) -> None:
    project.sized(100)
    project.update()
    store = project.root / "store"
    store.mkdir()
    files = [project.root / name for name in ("pytest.ini", "test_sized.py")]
    files += (project.root / "budgets").rglob("*.yaml")
    for number, file in enumerate(files):
        file.symlink_to(file.rename(store / str(number)))
    result = project.judge("--flop-budget-fail-on=stale")
    result.assert_outcomes(passed=1)
    assert "1 budget: 1 within" in text_of(result)
    result = project.update("--flop-budget-trim")  # nothing changes, so nothing is written
    assert result.ret == pytest.ExitCode.OK
    assert "baselines: 1 unchanged" in text_of(result)
    (store / "1").write_text((store / "1").read_text().replace("1, 100", "1, 110"))
    project.judge().assert_outcomes(failed=1)
    project.judge("--flop-budget-propose=out").assert_outcomes(failed=1)
    assert "params: 110" in project.budgets("out")["test_sized/test_sized.yaml"]


def test_a_budget_folder_that_is_a_link_is_followed(project: Project) -> None:
    project.sized(1)
    (project.root / "elsewhere").mkdir()
    (project.root / "budgets").symlink_to(project.root / "elsewhere", target_is_directory=True)
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)
