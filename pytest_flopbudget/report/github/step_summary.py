"""The step summary: the Markdown report on the page of a workflow run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.report.markdown.report import COMMENT_LIMIT, markdown_text

if TYPE_CHECKING:
    from pytest_flopbudget.report.run import Run


SUMMARY_LIMIT = 2**20 - 1  # bytes that a step may write


def append_summary(run: Run) -> list[str]:
    """Append the report to the summary of the step; return what went wrong."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return []
    file = Path(name)
    try:
        room = SUMMARY_LIMIT - (file.stat().st_size if file.exists() else 0)
        if room < COMMENT_LIMIT:
            return ["the summary of this step is full: nothing was added to it"]
        with file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(markdown_text(run, room))
    except OSError as error:
        return [f"the summary of this step cannot be written: {error.strerror}"]
    return []
