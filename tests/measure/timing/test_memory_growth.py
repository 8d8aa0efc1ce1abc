"""Memory that a model keeps of each call ends the rounds before it fills the machine."""

from __future__ import annotations

import os
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_flopbudget.measure.hardware.devices import CPU
from pytest_flopbudget.measure.timing import memory_growth
from pytest_flopbudget.measure.timing.memory_growth import MOST_GROWTH, MemoryGrowth, held_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 10**9


def growth(*held: int) -> MemoryGrowth:
    """Return the growth after as many readings as are given; the last one stays."""
    readings = iter([*held, *repeat(held[-1], 10)])
    return MemoryGrowth(lambda: next(readings))


@pytest.mark.parametrize(
    ("grown", "expected"), [(-5, False), (0, False), (MOST_GROWTH, False), (MOST_GROWTH + 1, True)]
)
def test_growth_since_the_first_round(grown: int, *, expected: bool) -> None:
    found = growth(FIRST, FIRST, FIRST + grown)
    found.note()
    assert not found.is_too_much
    found.note()
    assert found.is_too_much is expected


def test_what_the_first_round_takes_is_no_growth() -> None:
    found = growth(FIRST + 2 * MOST_GROWTH)
    found.note()
    assert not found.is_too_much


def test_garbage_is_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else collects it while a model is timed."""
    held = [FIRST]
    monkeypatch.setattr(memory_growth.gc, "collect", lambda: held.append(FIRST))
    found = MemoryGrowth(lambda: held[-1])
    found.note()
    held.append(FIRST + MOST_GROWTH + 1)
    found.note()
    assert not found.is_too_much


def test_linux_tells_the_pages_of_this_process(tmp_path: Path) -> None:
    pages = tmp_path / "statm"
    pages.write_text("900 70 5 1 0 9 0\n")
    assert held_bytes(CPU, pages) == 70 * os.sysconf("SC_PAGE_SIZE")
    assert held_bytes(CPU, tmp_path / "none") == 0


def test_what_is_allocated_on_a_device_counts_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = torch.device("cuda", 1)
    modules: Iterator[object] = iter(
        [SimpleNamespace(memory_allocated={device: 400}.get), SimpleNamespace()]
    )
    monkeypatch.setattr(torch, "get_device_module", lambda _: next(modules))
    assert held_bytes(device, tmp_path / "none") == 400
    assert held_bytes(device, tmp_path / "none") == 0  # a device that keeps no statistics


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_this_system_tells() -> None:
    assert held_bytes(CPU) > 2**20
