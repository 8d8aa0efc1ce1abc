"""Which file a budget has: parametrised tests, classes, several in one test, and clashes."""

import pytest

from tests.plugin.project import Project, failure_of, sentence, text_of

CALL = "flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))"


def names(project: Project, source: str, file: str = "test_a.py") -> list[str]:
    """Update the budgets of a file of tests, and list what was written."""
    project.write(file, source.replace("CALL", CALL))
    assert set(project.update().parseoutcomes()) == {"passed"}
    return list(project.budgets())


def test_a_function(project: Project) -> None:
    assert names(project, "def test_x(flop_budget): CALL") == ["test_a/test_x.yaml"]


def test_a_file_in_a_folder(project: Project) -> None:
    source = "def test_x(flop_budget): CALL"
    assert names(project, source, "a/b/test_a.py") == ["a/b/test_a/test_x.yaml"]


def test_classes(project: Project) -> None:
    source = """
    class TestOuter:
        def test_x(self, flop_budget): CALL
        class TestInner:
            def test_x(self, flop_budget): CALL
    """
    assert names(project, source) == [
        "test_a/TestOuter.TestInner.test_x.yaml",
        "test_a/TestOuter.test_x.yaml",
    ]


def test_parameters(project: Project) -> None:
    source = """
    @pytest.mark.parametrize("n", [1, "a-b"])
    @pytest.mark.parametrize("m", [0.5])
    def test_x(flop_budget, n, m): CALL
    """
    assert names(project, source) == ["test_a/test_x[0.5-1].yaml", "test_a/test_x[0.5-a-b].yaml"]


def test_parameters_that_no_file_can_be_named_after(project: Project) -> None:
    source = """
    @pytest.mark.parametrize(
        "n",
        [
            *("../../up", "a/b", "a b", "a:b", "[x]", "::", "y" * 300, "y" * 300 + "z", "~", "*"),
            *("a\\0b", "\N{ROBOT FACE}", "\N{PILE OF POO}", "CON", "nul", "LPT1.x", "a.", "$(rm)"),
        ],
    )
    def test_x(flop_budget, n): CALL
    """
    found = names(project, source)
    assert len({file.casefold() for file in found}) == 18
    assert {file.partition("/")[0] for file in found} == {"test_a"}
    assert all(file.count("/") == 1 and len(file) < 120 for file in found)
    assert not (project.root / "up.yaml").exists()
    project.judge().assert_outcomes(passed=18)


def test_two_budgets_in_one_test(project: Project) -> None:
    source = """
    def test_x(flop_budget):
        CALL
        flop_budget.named("encoder")(nn.Linear(1, 2), torch.zeros(1, 1))
        flop_budget.named("decoder")(nn.Linear(1, 3), torch.zeros(1, 1))
    """
    assert names(project, source) == [
        "test_a/test_x.decoder.yaml",
        "test_a/test_x.encoder.yaml",
        "test_a/test_x.yaml",
    ]
    assert "total: {params: 6," in project.budgets()["test_a/test_x.decoder.yaml"]
    project.judge().assert_outcomes(passed=1)


def test_only_named_budgets(project: Project) -> None:
    source = """
    def test_x(flop_budget):
        for name in ("a", "b"):
            flop_budget.named(name)(nn.Linear(1, 1), torch.zeros(1, 1))
    """
    assert names(project, source) == ["test_a/test_x.a.yaml", "test_a/test_x.b.yaml"]


def test_a_name_in_the_marker(project: Project) -> None:
    source = """
    @pytest.mark.flop_budget(name="detector")
    @pytest.mark.parametrize("n", [1, 2])
    def test_x(flop_budget, n):
        CALL
        flop_budget.named("head")(nn.Linear(1, 1), torch.zeros(1, 1))
    """
    assert names(project, source) == [
        "detector[1].head.yaml",
        "detector[1].yaml",
        "detector[2].head.yaml",
        "detector[2].yaml",
    ]


@pytest.mark.parametrize("name", ["../outside", "/outside", "..", "a/../../outside", "C:\\\\x"])
def test_a_name_never_leads_out_of_the_folder(project: Project, name: str) -> None:
    source = f"""
    @pytest.mark.flop_budget(name="{name}")
    def test_x(flop_budget):
        CALL
        flop_budget.named("{name}")(nn.Linear(1, 1), torch.zeros(1, 1))
    """
    found = names(project, source)
    assert len(found) == 2
    assert all("/" not in file for file in found)


def test_the_same_name_twice_in_a_test_is_an_error(project: Project) -> None:
    project.write(
        "test_a.py",
        f"""
        def test_x(flop_budget):
            for _ in range(2):
                flop_budget.named("a")(nn.Linear(1, 1), torch.zeros(1, 1))

        def test_y(flop_budget): {CALL}
        """,
    )
    result = project.update()
    result.assert_outcomes(failed=1, passed=1)
    assert sentence(failure_of(result, "test_x")) == (
        '`flop_budget.named("a")` was called twice in one test'
    )
    assert list(project.budgets()) == ["test_a/test_y.yaml"]


def test_two_plain_calls_are_an_error(project: Project) -> None:
    project.write("test_a.py", f"def test_x(flop_budget):\n    {CALL}\n    {CALL}\n")
    result = project.update()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_x")
    assert sentence(said) == "`flop_budget` was called twice in one test"
    assert "flop_budget.named(" in said[2]
    assert project.budgets() == {}


CLASHES = {
    "name=": """
    @pytest.mark.flop_budget(name="one")
    def test_x(flop_budget): CALL
    @pytest.mark.flop_budget(name="one")
    def test_y(flop_budget): CALL
    """,
    "name= that differs in case": """
    @pytest.mark.flop_budget(name="one")
    def test_x(flop_budget): CALL
    @pytest.mark.flop_budget(name="One")
    def test_y(flop_budget): CALL
    """,
    "of a class": """
    @pytest.mark.flop_budget(name="one")
    class TestA:
        def test_x(self, flop_budget): CALL
        def test_y(self, flop_budget): CALL
    """,
}


@pytest.mark.parametrize("source", CLASHES.values(), ids=CLASHES.keys())
@pytest.mark.parametrize("run", ["judge", "update"])
def test_two_tests_that_claim_one_name_are_errors_that_name_both(
    project: Project, source: str, run: str
) -> None:
    project.write("test_a.py", source.replace("CALL", CALL))
    project.write("test_b.py", f"def test_z(flop_budget): {CALL}")
    project.update("test_b.py")
    result = getattr(project, run)()
    result.assert_outcomes(errors=2, passed=1)
    prefix = "TestA." if "TestA" in source else ""
    for test in ("x", "y"):
        said = "\n".join(failure_of(result, f"{prefix}test_{test}"))
        for claimant in ("x", "y"):
            assert f"::test_{claimant}`" in said
    assert list(project.budgets()) == ["test_b/test_z.yaml"]


def test_names_that_differ_in_case_only_clash(project: Project) -> None:
    project.write(
        "test_a.py",
        f"""
        def test_x(flop_budget): {CALL}
        def test_X(flop_budget): {CALL}

        @pytest.mark.parametrize("n", ["a", "A"])
        def test_y(flop_budget, n): {CALL}
        """,
    )
    result = project.update()
    result.assert_outcomes(errors=4)
    assert "`test_a.py::test_x` and `test_a.py::test_X`" in text_of(result)
    assert project.budgets() == {}


def test_a_name_claimed_inside_of_a_test_clashes_too(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        @pytest.mark.parametrize("n", [1, 2])
        def test_x(flop_budget, n):
            flop_budget.named("a", name="one")(nn.Linear(1, n), torch.zeros(1, 1))

        def test_y(flop_budget):
            flop_budget.named("[1].a", name="one")(nn.Linear(1, 1), torch.zeros(1, 1))

        def test_z(flop_budget):
            flop_budget.named("b", name="two")(nn.Linear(1, 1), torch.zeros(1, 1))

        def test_w(flop_budget):
            flop_budget.named("b", name="two")(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    result = project.update()
    result.assert_outcomes(passed=4, failed=1)
    said = sentence(failure_of(result, "test_w"))
    assert "two tests claim the baseline `two.b.yaml`" in said
    assert "`test_a.py::test_z" in said
    assert "`test_a.py::test_w" in said


def test_two_budgets_of_one_test_may_not_share_a_file(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        def test_x(flop_budget):
            flop_budget.named("Head")(nn.Linear(1, 1), torch.zeros(1, 1))
            flop_budget.named("head")(nn.Linear(1, 2), torch.zeros(1, 1))
        """,
    )
    project.update().assert_outcomes(failed=1)


def test_a_name_of_one_test_does_not_depend_on_the_others(project: Project) -> None:
    source = f"def test_x(flop_budget): {CALL}\n"
    project.write("test_a.py", source)
    project.update()
    alone = project.budgets()
    project.write("test_a.py", f"def test_first(flop_budget): {CALL}\n{source}")
    project.update()
    assert project.budgets().items() >= alone.items()


def test_a_test_that_is_collected_twice_is_said_to_be(project: Project) -> None:
    project.sized(3)
    result = project.judge("--keep-duplicates", "test_sized.py", "test_sized.py")
    result.assert_outcomes(errors=2)
    said = text_of(result)
    assert "`test_sized.py::test_sized` was collected twice" in said
    assert "hint: run it once: leave out `--keep-duplicates`, or what else repeats it" in said


REPEATS = """
def pytest_generate_tests(metafunc):  # as pytest-repeat does under --count 2
    metafunc.fixturenames.append("__pytest_repeat_step_number")
    metafunc.parametrize("__pytest_repeat_step_number", range(2), ids=["1-2", "2-2"])

@pytest.fixture
def __pytest_repeat_step_number(request):
    return request.param
"""


def test_repetitions_are_said_to_be(project: Project) -> None:
    project.write("conftest.py", REPEATS)
    project.write("test_a.py", "def test_a(flop_budget): pass\n\ndef test_b(): pass\n")
    result = project.update()
    result.assert_outcomes(errors=2, passed=2)
    assert "`test_a.py::test_a[1-2]` is a repetition of pytest-repeat" in text_of(result)
    assert "hint: run it once: leave out `--count` and the marker `repeat`" in text_of(result)


def test_examples_of_hypothesis_are_said_to_be(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        from hypothesis import HealthCheck, given, settings, strategies as st

        @given(st.integers(1, 9))
        @settings(suppress_health_check=list(HealthCheck), database=None, max_examples=3)
        def test_a(flop_budget, size):
            flop_budget(nn.Linear(1, size), torch.zeros(1, 1))
        """,
    )
    said = text_of(project.update())
    assert "was called twice in one test: Hypothesis calls it for each example" in said
    assert "use `pytest.mark.parametrize`" in said
    assert project.budgets() == {}
