"""The commands that are no test run: `python -m pytest_flopbudget COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.settings.parsers import COLUMNS, choices, metrics, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.commands.profile import ProfileRequest


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m pytest_flopbudget", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_selftest, _add_accept, _add_history, _add_profile, _add_compare):
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
    from pytest_flopbudget.commands.history import HistoryFiles, run_history

    files = HistoryFiles(options.html, options.json)
    return run_history(options.budgets, options.dir, options.max_commits, files)


def _add_profile(commands: Any) -> None:
    text = "print the per-layer table of a model of torchvision, timm, transformers or your own"
    parser = commands.add_parser("profile", help=text, description=text)
    parser.add_argument("source", metavar="SOURCE", help="for instance timm:resnet50")
    parser.add_argument("--tensors", action="store_true", help="also each parameter and buffer")
    parser.add_argument("--depth", type=_at_least(0), default=2, help="of the layers shown (2)")
    parser.add_argument("--columns", type=_parsed_by(choices(*COLUMNS)), default=(), metavar="LIST")
    _add_measuring(parser)
    parser.set_defaults(run=_profile)


def _add_compare(commands: Any) -> None:
    text = "print the layers that are new, gone or changed between two models"
    parser = commands.add_parser("compare", help=text, description=text)
    parser.add_argument("source", metavar="SOURCE", help="for instance timm:resnet50")
    parser.add_argument("other", metavar="SOURCE", help="the model to compare with it")
    _add_measuring(parser)
    parser.set_defaults(run=_compare, tensors=False, depth=2, columns=())


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", action="append", default=[], metavar="SPEC", help="float32[1,3,224,224]")
    add("--class", dest="class_name", metavar="NAME", help="of transformers (AutoModel)")
    exact = ("params", "gflops", "traffic")
    add("--metrics", type=_parsed_by(metrics), default=exact, metavar="LIST")
    add("--json", type=Path, metavar="FILE", help="write it as JSON")


def _profile(options: argparse.Namespace) -> int:
    from pytest_flopbudget.commands.profile import run_profile

    return run_profile(options.source, _request(options))


def _compare(options: argparse.Namespace) -> int:
    from pytest_flopbudget.commands.profile import run_compare

    return run_compare(options.source, options.other, _request(options))


def _request(options: argparse.Namespace) -> ProfileRequest:
    from pytest_flopbudget.commands.profile import ProfileRequest

    return ProfileRequest(
        inputs=options.input,
        metrics=options.metrics,
        class_name=options.class_name,
        depth=options.depth,
        columns=options.columns,
        tensors=options.tensors,
        json=options.json,
    )


def _parsed_by(parser: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return parser(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _at_least(minimum: int) -> Callable[[str], int]:
    return _parsed_by(whole_number(minimum))


if __name__ == "__main__":
    sys.exit(main())
