"""`python -m pytest_flopbudget selftest`: what is said of which times."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_flopbudget.__main__ import main
from pytest_flopbudget.selftest import OneRun, affordable, in_process, run_selftest

BUSY = "the machine was busy: 0 of 40 rounds were uncontended"


def said(*runs: OneRun) -> tuple[int, list[str]]:
    """Give the exit code, and all that is written."""
    lines: list[str] = []
    left = list(runs)
    code = run_selftest(len(runs), 1, one_run=lambda _: left.pop(0), write=lines.append)
    return code, lines


def test_a_quiet_machine() -> None:
    runs = [OneRun(time_ms, 400, 398, "") for time_ms in (3.0, 3.09, 3.03)]
    assert said(*runs) == (
        0,
        [
            "3 processes time the same small convolutional net, one after the other",
            "  1: 3.000 ms, 398 of 400 rounds uncontended",
            "  2: 3.090 ms, 398 of 400 rounds uncontended",
            "  3: 3.030 ms, 398 of 400 rounds uncontended",
            "from 3.000 to 3.090 ms: 3.0 % apart",
            "this machine affords a tolerance of 6 %:",
            "  pytest --flop-budget --flop-budget-tolerance=latency=6%",
        ],
    )


def test_runs_that_cannot_be_believed_are_left_out() -> None:
    good = OneRun(3.0, 400, 398, "")
    code, lines = said(good, good, OneRun(9.0, 40, 0, BUSY))
    assert code == 0
    assert lines[3:5] == [f"  3: 9.000 ms, {BUSY}", "1 of 3 runs could not be told from noise"]
    assert lines[5] == "from 3.000 to 3.000 ms: 0.0 % apart"


@pytest.mark.parametrize("good", [0, 1])
def test_a_machine_that_is_too_busy(good: int) -> None:
    runs = [OneRun(3.0, 400, 398, "")] * good + [OneRun(9.0, 40, 0, BUSY)] * (3 - good)
    code, lines = said(*runs)
    assert code == 1
    assert lines[-2:] == [
        f"{3 - good} of 3 runs could not be told from noise",
        "nothing can be gated here by its latency: try it where less is going on",
    ]


@pytest.mark.parametrize(
    ("growth", "percent"),
    [("0", 5), ("0.025", 5), ("0.0251", 6), ("0.03", 6), ("0.125", 25), ("1", 200)],
)
def test_the_tolerance_is_twice_what_was_seen(growth: str, percent: int) -> None:
    assert affordable(Fraction(growth)) == percent


def test_a_process_of_its_own_times_the_model() -> None:
    run = in_process(1)
    assert run.latency_ms > 0
    assert 0 <= run.uncontended <= run.rounds


@pytest.mark.parametrize("runs", ["1", "x", "-3"])
def test_a_wrong_number_of_runs(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["selftest", "--runs", runs])
    said = capsys.readouterr().err
    assert f"expected a whole number of at least 2, found `{runs}`" in said


def test_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "selftest" in capsys.readouterr().out
