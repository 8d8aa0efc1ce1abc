"""Names that come from models, tests and files, made safe to be shown: visible, and not endless."""

from __future__ import annotations

MOST = 200  # characters of a name


def visible(text: str) -> str:
    r"""Write what cannot be seen - control, format and line characters - as `\n`, `\u202e`."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def shortened(text: str, most: int = MOST) -> str:
    """Cut a text in its middle, so that beginning and end still tell what it is."""
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def named(text: str, most: int = MOST) -> str:
    """Make a name safe to be shown."""
    return shortened(visible(text), most)


def _escaped(character: str) -> str:
    return repr(character)[1:-1]
