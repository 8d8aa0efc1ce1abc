"""The reports that are files: `--flop-budget-NAME FILE` writes what a function makes of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.report.html.page import html_text
from pytest_flopbudget.report.json import json_text
from pytest_flopbudget.report.markdown.report import markdown_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_flopbudget.report.run import Run

TEXTS: dict[str, Callable[[Run], str]] = {  # by the names in `options.FILES`
    "json": json_text,
    "html": html_text,
    "markdown": markdown_text,
}


def write_reports(run: Run) -> list[str]:
    """Write every file that was asked for, and return what went wrong."""
    written = (_write(file, TEXTS[name](run)) for name, file in run.settings.files.items())
    return [error for error in written if error]


def _write(file: Path, text: str) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="backslashreplace")  # as JSON escapes, too
    except OSError as error:
        return f"{file}: cannot be written: {error.strerror}"
    return ""
