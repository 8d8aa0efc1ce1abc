"""The report as one HTML page: the data as JSON, and the static page that draws them.

A name in a test or a model reaches the page as data only: as JSON whose every character that HTML
could read as markup is escaped, and from there as the text of an element. The page may run its own
script and style, known by their hashes, and load nothing at all.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.report.html.page_data import page_data

if TYPE_CHECKING:
    from pytest_flopbudget.report.run import Run

SCRIPTS = (  # each knows those before it
    *("data.js", "text.js", "tree.js", "icicle.js", "columns.js", "table.js", "legend.js"),
    *("layers.js", "budget.js", "theme.js", "page.js"),
)
HISTORY_SCRIPTS = ("data.js", "text.js", "lines.js", "theme.js", "history.js")
MARKUP = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&"})


def html_text(run: Run) -> str:
    """Write the report of a whole run."""
    return _page(SCRIPTS).substitute(data=script_json(page_data(run)))


def history_text(data: Any) -> str:
    """Write the page that draws budgets over commits."""
    return _page(HISTORY_SCRIPTS).substitute(data=script_json(data))


def script_json(value: Any) -> str:
    """Write JSON in ASCII that may stand in a `<script>` element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.translate(MARKUP)


@cache
def _page(scripts: tuple[str, ...]) -> Template:
    """Read the page; what is left to fill in are the data."""
    style, script = _read("page.css"), "".join(map(_read, scripts))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    return Template(
        Template(_read("page.html")).safe_substitute(
            policy=policy, style=_literal(style), script=_literal(script)
        )
    )


def _read(name: str) -> str:
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _source(text: str) -> str:
    """Write the expression of a Content Security Policy that allows exactly this text."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
