"""A test with the fixture draws the same random numbers everywhere, and others draw as without."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch

from tests.plugin.project import INI, Project, text_of

OTHER_PLUGIN = """
    import numpy, random

    def reseed():  # as pytest-randomly does, with another number in each run
        for seed in random.seed, numpy.random.seed, torch.manual_seed:
            seed({number})

    def pytest_runtest_setup(item): reseed()
    def pytest_runtest_call(item): reseed()
    def pytest_runtest_teardown(item): reseed()
"""
DRAW = """
    import random, numpy, unittest

    def draw(phase):
        drawn = random.random(), numpy.random.rand(), torch.rand(()).item()
        with open("drawn.txt", "a") as file:
            print(phase, *drawn, file=file)

    def budget(flop_budget):
        flop_budget(nn.Linear(1, 1), torch.zeros(1, 1))
"""


def drawn(
    project: Project, test: str, other: int | None = None, ini: str = "", args: tuple[str, ...] = ()
) -> dict[str, str]:
    """Run tests and return what each phase drew, as text."""
    project.write("pytest.ini", INI + ini)
    if other is not None:
        project.write("conftest.py", OTHER_PLUGIN.format(number=other))
    project.write("test_a.py", DRAW + test)
    file = project.root / "drawn.txt"
    file.unlink(missing_ok=True)
    # In a process of its own: in this one the generators would have this one's state.
    command = [sys.executable, "-m", "pytest", "-pno:cacheprovider", "--update-budgets"]
    result = project.pytester.run(*command, *(args or ["-pno:randomly"]))
    assert result.ret == 0, text_of(result)
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def expected(number: int = 0, draws: int = 1) -> str:
    """Return what the last of some draws after seeding with a number gives."""
    of_python = random.Random(number)  # noqa: S311
    of_numpy = np.random.RandomState(number)
    of_torch = torch.Generator().manual_seed(number)
    for _ in range(draws):
        last = of_python.random(), of_numpy.rand(), torch.rand((), generator=of_torch).item()
    return " ".join(map(str, last))


EVERY_PHASE = """
    @pytest.fixture
    def around():
        draw("setup")
        yield
        draw("teardown")

    def test_a(around, flop_budget):
        draw("call")
        budget(flop_budget)
"""


@pytest.mark.parametrize("other", [None, 1, 2])
def test_each_phase_begins_with_the_seed_whatever_other_plugins_do(
    project: Project, other: int | None
) -> None:
    found = drawn(project, EVERY_PHASE, other)
    assert found == dict.fromkeys(["setup", "call", "teardown"], expected())


def test_pytest_randomly(project: Project) -> None:
    pytest.importorskip("pytest_randomly")
    found = drawn(project, EVERY_PHASE, args=("-prandomly", "--randomly-seed=3"))
    assert found == dict.fromkeys(["setup", "call", "teardown"], expected())


@pytest.mark.parametrize("number", [0, 7, 2**32 - 1])
def test_the_ini_file_may_name_another_seed(project: Project, number: int) -> None:
    found = drawn(project, EVERY_PHASE, 1, f"flop_budget_seed = {number}\n")
    assert set(found.values()) == {expected(number)}


def test_none_leaves_the_generators_of_tests_alone(project: Project) -> None:
    found = drawn(project, EVERY_PHASE, 1, "flop_budget_seed = none\n")
    assert set(found.values()) == {expected(1)}


FIXTURES = {
    "that draws": "draw('of a fixture')",
    "that draws nothing": "pass",
    "that seeds": "random.seed(3); torch.manual_seed(3); numpy.random.seed(3)",
}


@pytest.mark.parametrize("scope", ["function", "module", "session"])
@pytest.mark.parametrize("body", FIXTURES.values(), ids=FIXTURES)
def test_what_a_fixture_does_moves_nothing_in_a_test(
    project: Project, body: str, scope: str
) -> None:
    test = f"""
    @pytest.fixture(scope="{scope}")
    def other():
        {body}

    @pytest.fixture
    def own(other):
        draw("own")

    def test_a(flop_budget, other, own):
        draw("call")
        budget(flop_budget)
    """
    found = drawn(project, test)
    assert found["call"] == expected()
    if scope != "function":
        assert found["own"] == expected()


def test_a_fixture_that_a_test_asks_for_on_the_way_moves_nothing(project: Project) -> None:
    test = """
    @pytest.fixture(scope="module")
    def late():
        draw("late")
        yield
        draw("end")

    def test_a(flop_budget, request):
        draw("call")
        request.getfixturevalue("late")
        budget(flop_budget)
    """
    found = drawn(project, test)
    assert found["call"] == found["end"] == expected()
    assert found["late"] == expected(draws=2)


def test_the_measurement_draws_nothing_from_a_test(project: Project) -> None:
    test = """
    def test_a(flop_budget):
        flop_budget(nn.Dropout(), torch.ones(9))
        draw("call")
    """
    assert drawn(project, test)["call"] == expected()


@pytest.mark.parametrize("metrics", ["gflops", "latency", "memory"])
def test_the_model_draws_by_the_same_seed(project: Project, metrics: str) -> None:
    test = f"""
    class Drawing(nn.Linear):
        def forward(self, rows):
            draw("forward")
            return super().forward(rows)

    @pytest.mark.flop_budget(metrics="{metrics}")
    def test_a(flop_budget):
        flop_budget(Drawing(1, 1), torch.zeros(1, 1))
    """
    assert drawn(project, test, ini="flop_budget_seed = 7\n") == {"forward": expected(7)}


def test_a_method_of_unittest(project: Project) -> None:
    test = """
    class TestA(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def keep(self, flop_budget):
            self.flop_budget = flop_budget

        def test_a(self):
            draw("call")
            budget(self.flop_budget)
    """
    assert drawn(project, test, other=1)["call"] == expected()


def test_other_tests_draw_as_they_would_without_it(project: Project) -> None:
    test = """
    random.seed(5); numpy.random.seed(5); torch.manual_seed(5)  # at import

    def test_before():
        draw("before")

    def test_between(flop_budget):
        draw("between")
        budget(flop_budget)

    def test_after():
        draw("after")
    """
    found = drawn(project, test)
    assert found["before"] == expected(5)
    assert found["between"] == expected()
    without = drawn(project, test.replace('draw("between")', "pass"))
    assert without["after"] == found["after"] == expected(5, draws=2)


def test_a_run_without_budgets_seeds_nothing(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import random
        random.seed(5)

        def test_a(): assert random.random() == random.Random(5).random()
        """,
    )
    project.run().assert_outcomes(passed=1)


def test_the_verdict_on_inputs_that_chance_decides_is_the_same_in_every_run(
    project: Project,
) -> None:
    test = """
    torch.manual_seed({number})  # at import

    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.score, self.mlp = nn.Linear(8, 1), nn.Linear(8, 8)

        def forward(self, rows):
            return self.mlp(rows[self.score(rows)[:, 0] > 0])

    def test_a(flop_budget):
        flop_budget(Routed(), torch.randn(64, 8))
    """
    for number, run in enumerate([project.update, *[project.judge] * 3]):
        project.write("test_a.py", test.format(number=number))
        result = run()
        result.assert_outcomes(passed=1)
        assert "improved" not in text_of(result)


@pytest.mark.parametrize("value", ["-1", "4294967296", "one", "1.5", "None", ""])
def test_a_seed_that_is_none(project: Project, value: str) -> None:
    project.write("pytest.ini", f"{INI}flop_budget_seed = {value}\n")
    result = project.judge()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "`flop_budget_seed` in" in text
    assert f"expected a whole number from 0 to 4294967295 or `none`, found `{value}`" in text
