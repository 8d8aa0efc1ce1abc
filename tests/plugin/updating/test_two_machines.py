"""The life of an entry: a laptop and a CI machine that share a repository, from change to change.

The machines are played: their names, their version of torch and how long a call takes there.
"""

import re
import shutil
from dataclasses import dataclass, replace

import pytest

from pytest_flopbudget import Environment
from pytest_flopbudget.accept import accept
from pytest_flopbudget.measure import device_run
from tests.plugin.project import Project, line_with, sentence, text_of
from tests.plugin.project import failure_of as said_by

FILE = "test_sized/test_sized.yaml"
BEFORE = "latency: 0 of 1 compared (measured before the last accepted change)"
NO_ENTRY = "latency: 0 of 1 compared (no entry for this environment)"


@dataclass
class Place:
    """A machine on which each call of a model takes the same time."""

    project: Project
    name: str
    ms: float
    torch: str = "2.13"
    python: str = "3.13"

    @property
    def key(self) -> str:
        return f"cpu, {self.name}, 4 cores, 1 thread"

    def run(self, *args: str) -> pytest.RunResult:
        environment = Environment(
            device="cpu", hardware=self.name, cores=4, threads=1,
            torch=self.torch, python=self.python,
        )  # fmt: skip
        self.project.machine.mark_ms = self.ms / 2  # a call is two marks
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device_run, "environment_of", lambda *_, **__: environment)
            return self.project.run(*args)

    def judge(self, *args: str) -> pytest.RunResult:
        return self.run("--flop-budget", *args)

    def update(self, *args: str) -> pytest.RunResult:
        return self.run("--update-budgets", *args)

    def propose(self) -> pytest.RunResult:
        """Let this machine propose, and accept all that it does."""
        result = self.judge("--flop-budget-propose=out")
        folder = self.project.root / "out"
        assert accept([folder], self.project.root / "budgets") == 0
        shutil.rmtree(folder)
        return result


@pytest.fixture
def laptop(project: Project) -> Place:
    project.write("pytest.ini", "[pytest]\n")
    return Place(project, "Laptop", ms=10.0)


@pytest.fixture
def ci(laptop: Place) -> Place:
    return replace(laptop, name="Runner", ms=30.0)


def entries(project: Project) -> dict[str, str]:
    """Return the text of each entry, by its environment, without its layers."""
    text = project.budgets()[FILE].partition("latency:\n")[2]
    text = re.sub(r"    layers:.*\n(      .*\n)+", "", text)
    heads = re.split(r"^  (\S.*):\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(heads[::2], heads[1::2], strict=True))


def entry(ms: str, gflops: str = "0.0000002", torch: str = "2.13", python: str = "3.13") -> str:
    versions = f"    torch: '{torch}'\n    python: '{python}'\n"
    return f"{versions}    gflops: {gflops}\n    total_ms: {ms}\n"


def verdict(result: pytest.RunResult) -> str:
    return line_with(result, "1 budget: ").removeprefix("1 budget: 1 ")


def test_the_whole_story(project: Project, laptop: Place, ci: Place) -> None:
    project.sized(100)
    laptop.update().assert_outcomes(passed=1)
    assert entries(project) == {laptop.key: entry("10")}

    # The CI machine judges what is the same everywhere, and says what it did not compare.
    result = ci.judge()
    assert verdict(result) == "within"
    assert NO_ENTRY in result.outlines

    # It proposes a file that has its entry beside that of the laptop.
    result = ci.propose()
    result.assert_outcomes(passed=1)
    assert f"  changed budgets/{FILE}" in result.outlines
    assert entries(project) == {laptop.key: entry("10"), ci.key: entry("30")}
    for machine in (laptop, ci):
        assert "compared" not in text_of(machine.judge())
    assert verdict(replace(ci, ms=37.6).judge()) == "exceeded"
    assert verdict(replace(laptop, ms=30.0).judge()) == "exceeded"

    # A change makes the model larger: red on both, and accepted on the laptop.
    project.sized(150)
    slow, slow_ci = replace(laptop, ms=15.0), replace(ci, ms=45.0)
    said = sentence(said_by(slow.judge(), "test_sized"))
    assert "params +50.0 %, GFLOPs +50.0 %, traffic +49.8 %, latency +50.0 %" in said
    assert verdict(slow_ci.judge()) == "exceeded"
    slow.update().assert_outcomes(passed=1)
    accepted = {laptop.key: entry("15", "0.0000003"), ci.key: entry("30")}
    assert entries(project) == accepted

    # Now the entry of the CI machine is one of the model of before.
    result = slow_ci.judge()
    assert verdict(result) == "within"
    assert BEFORE in result.outlines
    slow_ci.propose().assert_outcomes(passed=1)
    accepted[ci.key] = entry("45", "0.0000003")
    assert entries(project) == accepted
    for machine in (slow, slow_ci):
        assert "compared" not in text_of(machine.judge())

    # What did not change is left as it is, byte for byte.
    before = project.budgets()
    replace(slow, ms=15.1).update()
    assert replace(slow_ci, ms=44.9).propose().outlines.count("proposed: 1 unchanged") == 1
    assert project.budgets() == before


def test_a_machine_that_fails_by_growth_proposes_its_entry_all_the_same(
    project: Project, laptop: Place, ci: Place
) -> None:
    project.sized(100)
    laptop.update()
    project.sized(150)
    ci.propose().assert_outcomes(failed=1)
    assert entries(project) == {laptop.key: entry("10"), ci.key: entry("30", "0.0000003")}
    assert BEFORE in laptop.judge().outlines


def test_a_new_minor_version_of_torch_has_its_entry_measured_anew(
    project: Project, laptop: Place
) -> None:
    project.sized(100)
    laptop.update()
    newer = replace(laptop, torch="2.14")
    result = newer.judge()
    reason = "latency: 0 of 1 compared (measured with torch 2.13, this is 2.14)"
    assert result.outlines[result.outlines.index(reason) + 1] == (
        "  to measure it again: pytest --update-budgets"
    )
    newer.update()
    assert entries(project) == {laptop.key: entry("10", torch="2.14")}


def test_two_machines_propose_the_same_change_and_both_are_accepted(
    project: Project, laptop: Place, ci: Place
) -> None:
    project.sized(100)
    laptop.update()
    project.sized(150)
    for folder, machine in (("a", replace(laptop, ms=15.0)), ("b", replace(ci, ms=45.0))):
        machine.judge(f"--flop-budget-propose={folder}")
    folders = [project.root / "a", project.root / "b"]
    assert accept(folders, project.root / "budgets") == 0
    assert entries(project) == {
        laptop.key: entry("15", "0.0000003"),
        ci.key: entry("45", "0.0000003"),
    }
    for machine in (replace(laptop, ms=15.0), replace(ci, ms=45.0)):
        assert "compared" not in text_of(machine.judge())


def test_so_has_a_new_minor_version_of_python(project: Project, laptop: Place) -> None:
    project.sized(100)
    laptop.update()
    newer = replace(laptop, python="3.14")
    reason = "latency: 0 of 1 compared (measured with Python 3.13, this is 3.14)"
    assert reason in newer.judge().outlines
    newer.update()
    assert entries(project) == {laptop.key: entry("10", python="3.14")}


def test_a_file_that_names_no_python_is_judged_and_takes_it_at_the_next_update(
    project: Project, laptop: Place
) -> None:
    project.sized(100)
    laptop.update()
    project.edit(FILE, "    python: '3.13'\n", "")
    newer = replace(laptop, python="3.14")
    assert "compared" not in text_of(newer.judge())
    newer.update()
    assert entries(project) == {laptop.key: entry("10", python="3.14")}
    before = project.budgets()
    newer.update()
    assert project.budgets() == before


def test_what_grew_with_an_upgrade_fails_a_run_that_asks_for_it(
    project: Project, laptop: Place
) -> None:
    project.sized(100)
    laptop.update()
    slower = replace(laptop, ms=12.6, torch="2.14")
    reason = "measured with torch 2.13, this is 2.14, and above the budget of before"
    result = slower.judge()
    result.assert_outcomes(passed=1)
    assert f"latency: 0 of 1 compared ({reason})" in result.outlines
    result = slower.judge("--flop-budget-fail-on=upgrade")
    result.assert_outcomes(failed=1)
    said = said_by(result, "test_sized")
    assert sentence(said) == f"latency of `Linear` is not compared: {reason}"
    assert said[-1].endswith("pytest --update-budgets test_sized.py::test_sized")
    replace(slower, ms=12.5).judge("--flop-budget-fail-on=upgrade").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("metrics", "added"),
    [
        ([], False),
        (["--flop-budget-metrics=params,gflops"], False),
        (["--flop-budget-metrics=latency"], True),
        (["--flop-budget-metrics=params,latency"], True),
    ],
)
def test_an_update_on_another_machine_adds_an_entry_only_if_it_names_latency(
    project: Project, laptop: Place, ci: Place, metrics: list[str], added: bool
) -> None:
    project.sized(100)
    laptop.update()
    before = project.budgets()
    ci.update(*metrics).assert_outcomes(passed=1)
    assert (project.budgets() != before) is added
    expected = {laptop.key: entry("10")} | ({ci.key: entry("30")} if added else {})
    assert entries(project) == expected


@pytest.mark.parametrize(
    ("ms", "stored"),
    [(10.83, "10"), (10.84, "10.84"), (9.17, "10"), (9.16, "9.16")],
)
def test_an_entry_is_refreshed_if_it_moved_by_more_than_a_third_of_its_tolerance(
    project: Project, laptop: Place, ms: float, stored: str
) -> None:
    project.sized(100)
    laptop.update()
    before = project.budgets()
    replace(laptop, ms=ms).update()
    assert entries(project) == {laptop.key: entry(stored)}
    assert (project.budgets() == before) is (stored == "10")


def test_an_update_of_counts_alone_leaves_every_entry(
    project: Project, laptop: Place, ci: Place
) -> None:
    project.sized(100)
    laptop.update()
    ci.propose()
    before = entries(project)
    project.sized(150)
    laptop.update("--flop-budget-metrics=params,gflops")
    assert entries(project) == before
    for machine in (laptop, ci):
        assert BEFORE in machine.judge().outlines
