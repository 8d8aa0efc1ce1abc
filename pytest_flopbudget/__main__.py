"""The commands that are no test run: `python -m pytest_flopbudget COMMAND`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_flopbudget.settings.parsers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m pytest_flopbudget", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    selftest = commands.add_parser(
        "selftest",
        help="measure the noise of this machine, and print the latency tolerance that it affords",
    )
    selftest.add_argument(
        "--runs", type=_at_least(2), default=12, help="processes that time the same model (12)"
    )
    selftest.add_argument(
        "--threads", type=_at_least(1), default=1, help="intra-op threads while timing (1)"
    )
    options = parser.parse_args(arguments)

    from pytest_flopbudget.selftest import run_selftest

    return run_selftest(options.runs, options.threads)


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
