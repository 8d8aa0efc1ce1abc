"""The commands that are no test run: `python -m pytest_flopbudget COMMAND`."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m pytest_flopbudget", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    selftest = commands.add_parser(
        "selftest",
        help="measure the noise of this machine, and print the latency tolerance that it affords",
    )
    selftest.add_argument(
        "--runs", type=_runs, default=12, help="processes that time the same model (12)"
    )
    selftest.add_argument(
        "--threads", type=int, default=1, help="intra-op threads while timing (1)"
    )
    asked = parser.parse_args(arguments)

    from pytest_flopbudget.selftest import run_selftest

    return run_selftest(asked.runs, asked.threads)


def _runs(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:  # noqa: PLR2004 - one run differs from nothing
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 2, found `{text}`")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
