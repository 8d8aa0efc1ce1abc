"""Commands to the runner of GitHub Actions: whatever a message says, it is one command."""

import pytest
from hypothesis import given

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.report.github.workflow_commands import command, group
from tests.strategies import texts


def test_a_command() -> None:
    said = command("error", "over", file="budgets/a.yaml", line=9, title="flop budget")
    assert said == "::error file=budgets/a.yaml,line=9,title=flop budget::over"
    assert command("error", "over", file=None) == "::error::over"


@pytest.mark.parametrize(
    ("text", "message", "title"),
    [
        ("100 %", "100 %25", "100 %25"),
        ("a\nb", "a%0Ab", "a\\nb"),
        ("a\r\nb", "a\\r%0Ab", "a\\r\\nb"),
        ("a: b, c", "a: b, c", "a%3A b%2C c"),
        ("%0A::error::x", "%250A::error::x", "%250A%3A%3Aerror%3A%3Ax"),
        ("\u202eb\x1b[31m", "\\u202eb\\x1b[31m", "\\u202eb\\x1b[31m"),
    ],
)
def test_escapes(text: str, message: str, title: str) -> None:
    assert command("error", text, title=text) == f"::error title={title}::{message}"


@given(texts(), texts())
def test_a_command_is_one_line_and_its_own(message: str, title: str) -> None:
    said = command("error", message, file="a.py", title=title)
    assert len(said.splitlines()) == 1
    name, _, data = said.removeprefix("::").partition("::")
    assert name.startswith("error file=a.py,title=")
    assert name.count(",") == 1
    assert data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%").count(
        "\n"
    ) == message.count("\n")


def test_a_group() -> None:
    assert list(group("a\nb", ["c"])) == ["::group::a b", "c", "::endgroup::"]


def test_a_line_does_not_end_the_group_that_it_is_in() -> None:
    lines = list(group("a\n::endgroup::", ["::endgroup::", "a"]))
    assert lines == ["::group::a ::endgroup::", r"\x3a:endgroup::", "a", "::endgroup::"]
    assert list(map(visible, lines)) == lines
