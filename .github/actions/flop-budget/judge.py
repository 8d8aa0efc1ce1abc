"""Run `pytest --flop-budget` for the action, and turn its report into outputs of the step.

This runs with whatever Python the runner has, and needs nothing but its standard library.
Summary and annotations are pytest-flopbudget's own.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VERDICTS = (  # the gravest first
    "uncounted",
    "exceeded",
    "unbudgeted",
    "inconclusive",
    "improved",
    "within",
    "not_compared",
)
DELETED = "0" * 40


def main() -> int:
    """Judge; the result is the exit status of the step."""
    folder = Path(tempfile.mkdtemp(prefix="flop-budget-", dir=os.environ.get("RUNNER_TEMP")))
    suffixes = {"json": "json", "markdown": "md", "html": "html"}
    files = {name: folder / f"report.{suffix}" for name, suffix in suffixes.items()}
    proposed = folder / "proposed"
    arguments = [f"--flop-budget-{name}={file}" for name, file in files.items()]
    arguments += [f"--flop-budget-propose={proposed}", *base_arguments()]
    status = run_pytest(arguments)
    report = read(files["json"])
    budgets = report.get("budgets", [])
    found = [budget.get("verdict") for budget in budgets]
    wanted = status != 0 or any(map(lacks_comparison, budgets))
    write_outputs(
        {
            "verdict": "error" if report.get("errors") or not found else gravest(found),
            "exceeded": found.count("exceeded"),
            "raised": len(raised_files(report)),
            **{f"report-{name}": file if file.exists() else "" for name, file in files.items()},
            "proposed": proposed if wanted and any(proposed.rglob("*.yaml")) else "",
        }
    )
    if not found and not status:
        print("::error title=flop budgets::no budget was judged: no test used `flop_budget`")
        return 1
    return status


def base_arguments() -> list[str]:
    """Choose the commit to compare with: on a pull request, what it is to be merged into."""
    base = os.environ.get("FLOP_BUDGET_BASE", "")
    if not base and os.environ.get("GITHUB_EVENT_NAME") == "pull_request":
        base = "HEAD^1" if is_merge_commit() else of_event("pull_request", "base", "sha")
    return [] if base in ("", "none") else [f"--flop-budget-base={base}"]


def is_merge_commit() -> bool:
    """Tell whether what is checked out is the merge that GitHub made of the pull request."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # there is no git, as pytest-flopbudget will say
        return False
    return done.stdout.strip() == os.environ.get("GITHUB_SHA")


def of_event(*keys: str) -> str:
    """Read a text from the event that started the workflow."""
    found: Any = read(Path(os.environ.get("GITHUB_EVENT_PATH", "")))
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def run_pytest(arguments: list[str]) -> int:
    """Run it as the inputs say; they reach no shell."""
    command = shlex.split(os.environ.get("FLOP_BUDGET_COMMAND", "")) or ["pytest"]
    further = shlex.split(os.environ.get("FLOP_BUDGET_ARGS", ""))
    whole = [*command, "--flop-budget", *arguments, *further]
    print(shlex.join(whole), flush=True)
    try:
        return subprocess.run(whole, check=False).returncode
    except OSError as error:
        print(f"::error title=flop budgets::`{command[0]}` cannot be run: {error.strerror}")
        return 127


def read(file: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one stands for a file that is not there, or is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError:  # pytest ended while it was written, and says so itself
        found = {}
    return found if isinstance(found, dict) else {}


def gravest(found: list[Any]) -> str:
    """Return the gravest of some verdicts."""
    return next((verdict for verdict in VERDICTS if verdict in found), "error")


def lacks_comparison(budget: dict[str, Any]) -> bool:
    """Tell whether a metric of this machine had nothing to be compared with."""
    return any(m.get("verdict") == "not_compared" for m in budget.get("metrics", {}).values())


def raised_files(report: dict[str, Any]) -> set[str]:
    """Name the budgets that are above those of the base."""
    changes = (report.get("base") or {}).get("raises", [])
    return {change["file"] for change in changes if change["kind"] == "raised"}


def write_outputs(values: dict[str, Any]) -> None:
    """Set the outputs of the step; none of them has a line break."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as stream:
        stream.writelines(f"{name}={value}\n" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
