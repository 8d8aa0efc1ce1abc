"""A count that depends on the values of tensors says so wherever it is told."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project, failure_of, sentence, text_of

FILE = "test_routed/test_routed.yaml"
NOTE = "data dependent: test_routed (the values of tensors decided what ran or what it costs)"


def routed(project: Project, passing: int) -> None:
    """Write a test of a model that some of its four rows pass."""
    project.write(
        "test_routed.py",
        f"""
        class Routed(nn.Module):
            def __init__(self):
                super().__init__()
                self.expert = nn.Linear(4, 4, bias=False)

            def forward(self, rows):
                return self.expert(rows[rows[:, 0] > 0])

        def test_routed(flop_budget):
            rows = torch.ones(4, 4)
            rows[{passing}:] = -1
            flop_budget(Routed(), rows)
        """,
    )


@pytest.fixture
def stored(project: Project) -> Project:
    routed(project, 4)
    result = project.update()
    assert f"created budgets/{FILE} (data dependent)" in text_of(result)
    assert NOTE in text_of(result)
    assert "data_dependent: true" in project.budgets()[FILE]
    return project


def test_within(stored: Project) -> None:
    assert NOTE in text_of(stored.judge())


def test_improved(stored: Project) -> None:
    routed(stored, 3)
    result = stored.judge()
    assert "test_routed.py::test_routed (data dependent)" in result.outlines
    said = sentence(failure_of(stored.judge("--flop-budget-fail-on=improved"), "test_routed"))
    assert said == "`Routed` improved: GFLOPs -25.0 % (data dependent)"


def test_exceeded(stored: Project) -> None:
    routed(stored, 2)
    stored.update()
    routed(stored, 4)
    said = sentence(failure_of(stored.judge(), "test_routed"))
    assert said == (
        "`Routed` exceeds its budget: GFLOPs +100.0 % (data dependent), mostly `expert` (Linear)"
    )
