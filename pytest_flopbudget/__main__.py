"""The commands that are no test run: `python -m pytest_flopbudget COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.settings.parsers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m pytest_flopbudget", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_selftest, _add_accept, _add_history):
        add(commands)
    options = parser.parse_args(arguments)
    return int(options.run(options))


def _add_selftest(commands: Any) -> None:
    text = "measure the noise of this machine, and print the latency tolerance that it affords"
    parser = commands.add_parser("selftest", help=text, description=text)
    parser.add_argument(
        "--runs", type=_at_least(2), default=12, help="processes that time the same model (12)"
    )
    parser.add_argument(
        "--threads", type=_at_least(1), default=1, help="intra-op threads while timing (1)"
    )
    parser.set_defaults(run=_selftest)


def _selftest(options: argparse.Namespace) -> int:
    from pytest_flopbudget.selftest import run_selftest

    return run_selftest(options.runs, options.threads)


def _add_accept(commands: Any) -> None:
    text = "make baselines of what `--flop-budget-propose` wrote, on any number of machines"
    parser = commands.add_parser("accept", help=text, description=text)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="a proposal")
    parser.add_argument(
        "--into", type=Path, default=Path("budgets"), metavar="DIR", help="the baselines (budgets)"
    )
    parser.set_defaults(run=_accept)


def _accept(options: argparse.Namespace) -> int:
    from pytest_flopbudget.accept import accept

    return accept(options.folders, options.into)


def _add_history(commands: Any) -> None:
    text = "draw budgets over the commits that changed their files"
    parser = commands.add_parser("history", help=text, description=text)
    parser.add_argument("budgets", nargs="*", metavar="BUDGET", help="a file or a node id (all)")
    parser.add_argument(
        "--dir", type=Path, default=Path("budgets"), metavar="DIR", help="the baselines (budgets)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON")
    parser.add_argument(
        "--max-commits", type=_at_least(1), default=200, help="the newest of a file (200)"
    )
    parser.set_defaults(run=_history)


def _history(options: argparse.Namespace) -> int:
    from pytest_flopbudget.history import HistoryFiles, run_history

    files = HistoryFiles(options.html, options.json)
    return run_history(options.budgets, options.dir, options.max_commits, files)


def _at_least(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number: int = whole_number(minimum)(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return number

    return parse


if __name__ == "__main__":
    sys.exit(main())
