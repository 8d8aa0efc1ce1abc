"""A runner of GitHub Actions, as far as the files in `.github` need one.

It runs the `run:` steps of a composite action or of a job with the shell that they name, gives
them the files and variables that a runner gives, and records the steps that use other actions.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "flop-budget"
SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
    "python": [sys.executable],
}
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Outcome:
    """What a run of an action or a job came to."""

    status: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)  # of the action
    used: dict[str, dict[str, str]] = field(default_factory=dict)  # steps that use other actions
    summary: str = ""

    def commands(self, name: str) -> list[str]:
        """Return the commands in the log that the runner would act upon."""
        return [line for line in self.log.split("\n") if line.startswith(f"::{name}")]


class Runner:
    """One job on a runner, in its workspace."""

    def __init__(self, folder: Path, workspace: Path, **event: Any) -> None:
        self._folder = folder
        self._workspace = workspace
        self._files = {name: folder / name.lower() for name in ("OUTPUT", "STEP_SUMMARY", "ENV")}
        (folder / "temp").mkdir()
        event_file = folder / "event.json"
        event_file.write_text(json.dumps(event))
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(event_file),
            "GITHUB_EVENT_NAME": "pull_request" if "pull_request" in event else "push",
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(folder / "temp"),
            **{f"GITHUB_{name}": str(file) for name, file in self._files.items()},
        }

    def run_action(self, folder: Path, **given: str) -> Outcome:
        """Run a composite action with some of its inputs."""
        action = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
        defaults = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        assert not given.keys() - defaults.keys()
        context = {f"inputs.{name}": value for name, value in {**defaults, **given}.items()}
        self.environment["GITHUB_ACTION_PATH"] = str(folder)
        outcome = self.run_steps(action["runs"]["steps"], context)
        outcome.outputs = {
            name: resolved(one["value"], context) for name, one in action["outputs"].items()
        }
        return outcome

    def run_steps(self, steps: list[dict[str, Any]], context: dict[str, str]) -> Outcome:
        """Run steps one after the other; after a failure, those that ask to."""
        outcome = Outcome()
        for step in steps:
            if not holds(step.get("if"), context, failed=outcome.status != 0):
                continue
            if "uses" in step:
                inputs = {key: resolved(value, context) for key, value in step["with"].items()}
                outcome.used[step["name"]] = inputs
            else:
                self._run(step, context, outcome)
        summary = self._files["STEP_SUMMARY"]
        outcome.summary = summary.read_text(encoding="utf-8") if summary.exists() else ""
        return outcome

    def _run(self, step: dict[str, Any], context: dict[str, str], outcome: Outcome) -> None:
        assert "${{" not in step["run"], "an expression in a script is code of whoever fills it"
        script = self._folder / "script"
        script.write_text(step["run"], encoding="utf-8")
        self._files["OUTPUT"].write_text("")
        given = {key: resolved(value, context) for key, value in step.get("env", {}).items()}
        place = resolved(step.get("working-directory", "."), context)
        done = subprocess.run(
            [*SHELLS[step["shell"]], str(script)],
            cwd=self._workspace / place,
            env={**self.environment, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        outcome.log += done.stdout.decode()
        outcome.status = outcome.status or done.returncode
        for line in self._files["OUTPUT"].read_text(encoding="utf-8").splitlines():
            name, equals, value = line.partition("=")
            assert equals, line
            context[f"steps.{step.get('id')}.outputs.{name}"] = value


def resolved(text: object, context: dict[str, str]) -> str:
    """Replace the expressions in a text; an unknown output is empty."""
    return EXPRESSION.sub(lambda match: value_of(match[1], context), str(text))


def value_of(expression: str, context: dict[str, str]) -> str:
    """Look up a context such as `inputs.args`; everything else is not for this runner."""
    assert re.fullmatch(r"(inputs|steps|github)\.[\w.-]+", expression), expression
    assert expression in context or not expression.startswith("inputs."), expression
    return context.get(expression, "")


def holds(condition: str | None, context: dict[str, str], *, failed: bool) -> bool:
    """Evaluate a condition: `a && b` of `!cancelled()` and `x != ''`."""
    if condition is None:
        return not failed
    (inner,) = EXPRESSION.findall(condition)
    parts = [part.strip() for part in inner.split("&&")]
    assert "!cancelled()" in parts, condition
    tests = [re.fullmatch(r"(\S+) != ''", part) for part in parts if part != "!cancelled()"]
    return all(test is not None and value_of(test[1], context) != "" for test in tests)
