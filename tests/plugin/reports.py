"""Reports of pytest without a run: those of the phases of a test with one budget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_flopbudget import serialization
from pytest_flopbudget.plugin.runtest.reports import RESULTS
from pytest_flopbudget.verdict.result import TestResults

if TYPE_CHECKING:
    from pytest_flopbudget.verdict.result import Result


def phases_of(result: Result, *, passed: bool = True, worker: str = "") -> list[Any]:
    """Return set-up, call and teardown of a test, as they arrive at the process that concludes."""
    results = TestResults(test=result.test, path=result.path, results=(result,), unjudged=())
    common = {
        "nodeid": result.test,
        "worker_id": worker,
        "location": (result.test_file, 0, ""),
        "skipped": False,
    }
    return [
        SimpleNamespace(when="setup", passed=True, **common),
        SimpleNamespace(when="call", passed=passed, **common),
        SimpleNamespace(
            when="teardown", passed=True, **common, **{RESULTS: serialization.dumps(results)}
        ),
    ]
