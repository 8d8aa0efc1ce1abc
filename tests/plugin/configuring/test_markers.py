"""What is wrong in a marker is an error of that test alone, in its set-up, in words that help."""

import pytest

from tests.plugin.project import Project, failure_of, sentence, text_of

ARGUMENTS = (
    "name", "metrics", "max_params", "max_gflops", "max_latency_ms", "tolerance", "layers",
    "mode", "engine", "device", "threads",
)  # fmt: skip
GOOD = """
def test_good(flop_budget):
    flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
"""


def bad(arguments: str) -> str:
    return f"""
@pytest.fixture
def never():
    raise AssertionError("set up")

@pytest.mark.flop_budget({arguments})
def test_bad(never, flop_budget):
    flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
"""


def refusal(project: Project, arguments: str) -> str:
    """Run a test with a wrong marker beside a good one, and return what the wrong one says."""
    project.write("test_a.py", bad(arguments) + GOOD)
    result = project.update()
    result.assert_outcomes(errors=1, passed=1)
    assert list(project.budgets()) == ["test_a/test_good.yaml"]
    return "\n".join(failure_of(result, "test_bad"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("max_param=3", "max_params"),
        ("tolerence='5%'", "tolerance"),
        ("layer=False", "layers"),
        ("max_latency=3", "max_latency_ms"),
    ],
)
def test_a_wrong_name_gets_the_nearest_and_all_valid_ones(
    project: Project, written: str, meant: str
) -> None:
    said = refusal(project, written)
    assert f"unknown argument `{written.partition('=')[0]}`; did you mean `{meant}`?" in said
    for name in ARGUMENTS:
        assert f"`{name}`" in said


def test_a_name_that_resembles_none_gets_the_valid_ones(project: Project) -> None:
    said = refusal(project, "zzz=1")
    assert "unknown argument `zzz`\n" in said
    assert "did you mean" not in said
    assert "`max_params`" in said


@pytest.mark.parametrize("written", ["'detector'", "None", "3"])
def test_positional_arguments_are_refused(project: Project, written: str) -> None:
    said = refusal(project, written)
    assert f"arguments are keyword only, found `{written}`" in said
    assert "`max_params`" in said


@pytest.mark.parametrize(
    ("written", "found", "valid"),
    [
        ("metrics='param'", "`param`", "did you mean `params`?"),
        ("metrics=['params', 'flops']", "`flops`", "`params`, `gflops`"),
        ("metrics=''", "none", "at least one of"),
        ("metrics=3", "`3`", "a list of words"),
        ("max_params=0", "`0`", "a number above 0"),
        ("max_params=-1", "`-1`", "a number above 0"),
        ("max_gflops='many'", "`many`", "a number above 0"),
        ("max_gflops=float('nan')", "`nan`", "a number above 0"),
        ("max_gflops=float('inf')", "`inf`", "a number above 0"),
        ("max_params=True", "`True`", "a number above 0"),
        ("max_latency_ms=None", "`None`", "a number above 0"),
        ("tolerance=5", "`5`", '`"5%"`'),
        ("tolerance=1", "`1`", '`"1%"`'),
        ("tolerance='5 percent'", "`5 percent`", '`"5%"`'),
        ("tolerance='-5%'", "`-5%`", '`"5%"`'),
        ("tolerance={'latancy': '5%'}", "`latancy`", "did you mean `latency`?"),
        ("layers=3", "`3`", "a list of words"),
        ("layers=[]", "", "layers"),
        ("mode='train'", "`train`", "did you mean `training`?"),
        ("engine='thopp'", "`thopp`", "did you mean `thop`?"),
        ("device='cud'", "`cud`", "did you mean `cuda`?"),
        ("device='cuda:x'", "`cuda:x`", "`cuda:1`"),
        ("threads=0", "`0`", "at least 1"),
        ("threads=1.5", "`1.5`", "at least 1"),
        ("name=''", "`''`", "a text"),
        ("name=3", "`3`", "a text"),
    ],
)
def test_a_wrong_value_gets_what_is_expected(
    project: Project, written: str, found: str, valid: str
) -> None:
    said = refusal(project, written)
    assert f"marker `flop_budget`: `{written.partition('=')[0]}`: expected" in said
    assert found in said
    assert valid in said


@pytest.mark.parametrize(
    "written",
    [
        "tolerance='5%'",
        "tolerance=0.05",
        "tolerance=0",
        "tolerance={'params': '150%'}",
        "max_gflops='0.5'",
        "max_params=10**30",
        "layers=False",
        "layers='*'",
        "metrics=('params',)",
        "threads=1",
        "device='auto'",
        "device='cpu'",
    ],
)
def test_right_values_pass(project: Project, written: str) -> None:
    project.write("test_a.py", bad(written).replace('raise AssertionError("set up")', "pass"))
    project.update().assert_outcomes(passed=1)


@pytest.mark.parametrize("where", ["class", "module"])
def test_a_wrong_marker_around_a_test_is_an_error_of_each_below(
    project: Project, where: str
) -> None:
    mark = "pytest.mark.flop_budget(max_param=1)"
    over = {"class": f"@{mark}", "module": f"pytestmark = {mark}"}[where]
    tests = "".join(f"    def test_{name}(self, flop_budget):\n        pass\n" for name in "xy")
    project.write("test_a.py", f"{over}\nclass TestA:\n{tests}")
    project.write("test_b.py", GOOD)
    project.update().assert_outcomes(errors=2, passed=1)


def test_a_marker_without_the_fixture_fails_after_the_call(project: Project) -> None:
    project.write(
        "test_a.py", f"@pytest.mark.flop_budget(max_params=1)\ndef test_bad():\n    pass\n{GOOD}"
    )
    result = project.update()
    result.assert_outcomes(failed=1, passed=1)
    said = failure_of(result, "test_bad")
    assert "the test never obtained the fixture `flop_budget`" in sentence(said)
    project.run().assert_outcomes(passed=1, skipped=1)


def test_a_marker_on_a_test_that_obtains_the_fixture_by_name_counts(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.mark.flop_budget(max_params=1)
        def test_a(request):
            flop_budget = request.getfixturevalue("flop_budget")
            flop_budget(nn.Linear(1, 2, bias=False), torch.zeros(1, 1))
        """,
    )
    result = project.update()
    result.assert_outcomes(failed=1)
    assert "params 2, allowed 1" in sentence(failure_of(result, "test_a"))
    project.run().assert_outcomes(skipped=1)


MARKS_LATE = {
    "in the test": ("", "request.applymarker(pytest.mark.flop_budget(max_params=1))"),
    "in a fixture": (
        "request.node.add_marker(pytest.mark.flop_budget(max_params=1))",
        "pass",
    ),
}


@pytest.mark.parametrize(("fixture", "test"), MARKS_LATE.values(), ids=MARKS_LATE.keys())
def test_a_marker_that_comes_after_the_fixture_counts(
    project: Project, fixture: str, test: str
) -> None:
    project.write(
        "test_a.py",
        f"""
        @pytest.fixture
        def later(flop_budget, request):
            {fixture or "pass"}

        def test_a(later, flop_budget, request):
            {test}
            flop_budget(nn.Linear(1, 2, bias=False), torch.zeros(1, 1))
        """,
    )
    result = project.update()
    result.assert_outcomes(failed=1)
    assert "params 2, allowed 1" in sentence(failure_of(result, "test_a"))


def test_a_wrong_marker_that_comes_late_is_an_error_of_the_test(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_a(flop_budget, request):
            request.applymarker(pytest.mark.flop_budget(max_param=1))
            flop_budget(nn.Linear(1, 2), torch.zeros(1, 1))
        """,
    )
    result = project.judge()
    result.assert_outcomes(failed=1)
    assert "unknown argument `max_param`" in sentence(failure_of(result, "test_a"))


def test_a_marker_around_a_test_without_the_fixture_is_none(project: Project) -> None:
    project.write(
        "test_a.py", f"pytestmark = pytest.mark.flop_budget\ndef test_x():\n    pass\n{GOOD}"
    )
    project.update().assert_outcomes(passed=2)


@pytest.mark.parametrize("arguments", ["max_param=1", "tolerance=5", "'positional'"])
def test_a_wrong_marker_is_no_error_while_the_budgets_are_off(
    project: Project, arguments: str
) -> None:
    project.write("test_a.py", bad(arguments) + GOOD)
    result = project.run()
    assert result.parseoutcomes().get("skipped", 0) >= 1
    assert result.parseoutcomes().get("failed", 0) == 0


def test_named_takes_the_same_arguments(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_good(flop_budget):
            flop_budget.named("x", max_params=2)(nn.Linear(1, 1), torch.zeros(1, 1))

        def test_bad(flop_budget):
            flop_budget.named("x", max_param=2)(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    result = project.update()
    result.assert_outcomes(passed=1, failed=1)
    assert '`named("x")`: unknown argument `max_param`' in sentence(failure_of(result, "test_bad"))


def test_in_parallel_it_is_the_same_error_of_that_test_alone(project: Project) -> None:
    project.write("test_a.py", bad("max_param=3") + GOOD)
    project.write("test_b.py", "@pytest.mark.flop_budget\ndef test_unused():\n    pass\n")
    project.write("test_c.py", GOOD)
    result = project.update("-n2")
    result.assert_outcomes(errors=1, failed=1, passed=2)
    assert "did you mean `max_params`?" in text_of(result)
    assert "the test never obtained the fixture `flop_budget`" in text_of(result)
    assert list(project.budgets()) == ["test_a/test_good.yaml", "test_c/test_good.yaml"]
