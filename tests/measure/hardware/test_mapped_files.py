"""Memory that a file has, as the system tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flopbudget.measure.hardware.mapped_files import is_mapped_from_file

MAPS = """\
1000-2000 r--s 00000000 fe:01 42  /data/weights one.bin
2000-3000 rw-s 00000000 fe:01 43                         /data/shared.bin
3000-4000 rw-p 00000000 fe:01 44                         /data/private.bin
4000-5000 rw-p 00000000 00:00 0
5000-6000 rw-s 00000000 00:00 0                          [anon_shmem]
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0xFFF, False),  # nobody's
        (0x1000, True),
        (0x1FFF, True),
        (0x2000, False),  # whoever maps it may have computed what lies there
        (0x3800, True),
        (0x4000, False),
        (0x5000, False),
        (0x6000, False),
    ],
)
def test_what_lies_in_a_file(tmp_path: Path, address: int, expected: bool) -> None:
    maps = tmp_path / "maps"
    maps.write_text(MAPS, encoding="utf-8")
    assert is_mapped_from_file(address, maps) is expected


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert not is_mapped_from_file(0x1000, tmp_path / "maps")
