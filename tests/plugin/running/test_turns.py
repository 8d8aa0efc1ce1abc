"""Workers that time models take turns, so that none of them is the noise of another."""

from itertools import groupby
from pathlib import Path

from tests.plugin.project import Project

TESTS = """
import os, sys
from pathlib import Path

class Noted(nn.Linear):
    def forward(self, rows):
        if not rows.is_meta and torch.get_num_threads() == 1:
            with Path(__file__).with_name("calls").open("a") as file:
                file.write(f"{os.getpid()}\\n")
        return super().forward(rows)

@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)

@pytest.mark.parametrize("number", range(4))
def test_noted(flop_budget, number):
    flop_budget(Noted(4, 4), torch.zeros(1, 4))
"""


def test_timing_takes_turns_under_xdist(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.5\n")
    project.write("test_noted.py", TESTS)
    project.update("-n2").assert_outcomes(passed=4)
    calls = Path(project.root, "calls").read_text().split()
    turns = [pid for pid, _ in groupby(calls)]
    assert len(turns) <= 4  # one for each test, or fewer if a worker had two in a row
    assert len(set(turns)) == 2
