"""Makes names that come from models, tests and files safe to be shown: visible, not endless."""

from __future__ import annotations

MAX_LENGTH = 200  # characters of a name


def visible(text: str) -> str:
    r"""Return a text with what cannot be seen - control, format, line characters - as `\n`."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def shortened(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a text cut in its middle, so that beginning and end still tell what it is."""
    if len(text) <= limit:
        return text
    kept = limit - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def named(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a name that is safe to be shown: all of it visible, and of a limited length."""
    return shortened(visible(text), limit)


def _escaped(character: str) -> str:
    return repr(character)[1:-1]
