"""Golden texts: what a user reads, word for word, in `tests/golden/NAME.txt`.

After a change that is meant, write them anew and read the diff:

    REGENERATE_GOLDEN=1 python -m pytest tests/plugin -k golden
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"


def assert_golden(name: str, lines: list[str]) -> None:
    """Compare lines with a golden text; spaces at the ends of lines do not matter."""
    text = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("REGENERATE_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
