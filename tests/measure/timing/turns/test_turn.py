"""A process that waits for its turn says for whom, and does not wait for one that does not run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from pytest_flopbudget.measure.timing.turns.holder import Holder
from pytest_flopbudget.measure.timing.turns.turn import LOOK_S, PATIENCE_S, PAUSE_S, Turn
from pytest_flopbudget.settings.measuring import Delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER = replace(Holder.here(), pid=4711, test="tests/test_b.py::test_b")


class Waiting:
    """A process that waits in a folder, by a clock that goes on while it sleeps."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.told: list[tuple[float, str]] = []
        self.at: dict[float, Callable[[], object]] = {}  # what happens after so many seconds
        self.turn = Turn(folder, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds == PAUSE_S
        self.now += seconds
        for time in [time for time in self.at if self.waited >= time]:
            self.at.pop(time)()

    @property
    def waited(self) -> float:
        return self.now - 1000.0

    def tell(self, phase: str) -> None:
        assert isinstance(phase, Delay)
        self.told.append((self.waited, phase))

    def wait(self, longest_s: float = 60.0) -> bool:
        try:
            return self.turn.wait(longest_s, self.tell)
        finally:
            self.turn.end()


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    return Waiting(tmp_path)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[FileLock]:
    """The lock, which another one holds."""
    lock = FileLock(tmp_path / "timing.lock")
    lock.acquire()
    OTHER.write(tmp_path / "timing.json")
    yield lock
    lock.release()


def idle(monkeypatch: pytest.MonkeyPatch, is_idle: Callable[[Holder], bool]) -> None:
    monkeypatch.setattr(Holder, "is_idle", is_idle)


def test_who_is_alone_does_not_wait(waiting: Waiting, tmp_path: Path) -> None:
    assert waiting.turn.wait(60, waiting.tell)
    assert Holder.read(tmp_path / "timing.json") == Holder.here()
    waiting.turn.end()
    assert Holder.read(tmp_path / "timing.json") is None
    assert (waiting.waited, waiting.told) == (0, [])


def test_it_is_told_at_once_and_at_each_look_who_is_waited_for(
    waiting: Waiting, held: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch, lambda _: False)
    waiting.at[1.2] = held.release
    assert waiting.wait()
    text = "waiting for process 4711 (`tests/test_b.py::test_b`), which times a model"
    looks = [pytest.approx(n * LOOK_S, abs=(n + 1) * PAUSE_S) for n in range(3)]
    assert waiting.told == [(look, text) for look in looks]
    assert waiting.waited == pytest.approx(1.2, abs=2 * PAUSE_S)


def test_a_holder_that_names_itself_nowhere_is_another_process(
    waiting: Waiting, held: FileLock, tmp_path: Path
) -> None:
    (tmp_path / "timing.json").unlink()
    assert not waiting.wait(0.1)
    assert waiting.told == [(0, "waiting for another process, which times a model")]


def test_the_wait_has_an_end(
    waiting: Waiting, held: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch, lambda _: False)
    assert not waiting.wait(60)
    assert waiting.waited == pytest.approx(60, abs=2 * PAUSE_S)


def test_a_holder_that_does_not_run_is_passed_after_a_while(
    waiting: Waiting, held: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch, lambda holder: holder == OTHER)
    assert waiting.wait()
    assert waiting.waited == pytest.approx(PATIENCE_S, abs=LOOK_S + 2 * PAUSE_S)
    assert held.is_locked  # whenever it goes on, it has the file of before


def test_one_that_goes_on_is_waited_for(
    waiting: Waiting, held: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look is not enough: somebody may step with it."""
    looks: list[bool] = []
    idle(monkeypatch, lambda _: looks.append(True) or len(looks) % 2 == 0)
    assert not waiting.wait(20)


def test_of_two_who_wait_only_one_takes_the_lock_away(
    waiting: Waiting, held: FileLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one finds another holder: the first, which runs."""
    idle(monkeypatch, lambda holder: holder == OTHER)
    first = Waiting(tmp_path)
    waiting.at[PATIENCE_S - 0.01] = lambda: first.turn.wait(60, first.tell)
    assert not waiting.wait(20)
    assert Holder.read(tmp_path / "timing.json") == Holder.here()
    first.turn.end()


def test_while_another_one_takes_it_away_nobody_else_does(
    waiting: Waiting, held: FileLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(monkeypatch, lambda holder: holder == OTHER)
    with FileLock(tmp_path / "passing.lock"):
        assert not waiting.wait(20)


def test_the_name_of_a_holder_that_came_after_is_left(waiting: Waiting, tmp_path: Path) -> None:
    assert waiting.turn.wait(60, waiting.tell)
    OTHER.write(tmp_path / "timing.json")
    waiting.turn.end()
    assert Holder.read(tmp_path / "timing.json") == OTHER
