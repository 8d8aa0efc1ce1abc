"""YAML text to nodes that know where they stand; no object is ever constructed.

The file comes from a repository, perhaps from a stranger's pull request: only mappings, lists
and scalars are taken; aliases, anchors and tags are refused, size and depth are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from pytest_flopbudget.errors import BaselineError, nearest, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 8
NUMBER = re.compile(r"[0-9]{1,25}(\.[0-9]{1,9})?")
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
LOOKS_LIKE_A_NUMBER = re.compile(r"[-+]?(0[xob])?[\d._:]+(e[-+]?\d+)?", re.IGNORECASE)

Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Node:
    """One value of a file: a text, a list or a mapping, with its place for messages."""

    value: str | list[Node] | dict[str, Node]
    file: str  # as messages call it
    key: str  # where it stands: `total.params`
    line: int
    quoted: bool = False

    def fail(self, expected: str, found: str | None = None) -> BaselineError:
        """Describe what is wrong here."""
        found = self._describe() if found is None else found
        where = f"{self.file}:{self.line}" + (f": at `{self.key}`" if self.key else "")
        return BaselineError(f"{where}: expected {expected}, found {found}")

    def mapping(
        self, required: Iterable[str] = (), optional: Iterable[str] = ()
    ) -> dict[str, Node]:
        """Return the entries of a mapping that has all `required` keys and no unknown one."""
        entries = self.entries()
        required, optional = list(required), list(optional)
        for key, node in entries.items():
            if key not in required and key not in optional:
                hint = nearest(key, required + optional)
                expected = f"one of {one_of(required + optional)}"
                raise node.fail(expected, f"the key `{key}`" + (f"; {hint}" if hint else ""))
        for key in required:
            if key not in entries:
                raise self.fail(f"the key `{key}`", "none")
        return entries

    def entries(self) -> dict[str, Node]:
        """Return the entries of a mapping with any keys."""
        if not isinstance(self.value, dict):
            raise self.fail("a mapping")
        return self.value

    def text(self) -> str:
        """Return a scalar as it is written."""
        if not isinstance(self.value, str):
            raise self.fail("a text")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return a list of scalars."""
        if not isinstance(self.value, list):
            raise self.fail("a list of texts")
        return tuple(item.text() for item in self.value)

    def one_of(self, names: Iterable[str]) -> str:
        """Return a scalar that is one of `names`."""
        text = self.text()
        if text not in (names := list(names)):
            raise self.fail(f"one of {one_of(names)}")
        return text

    def number(self, scale: int = 1) -> int:
        """Return a number times `scale`, exactly; the product must be whole."""
        if self.quoted or not isinstance(self.value, str) or not NUMBER.fullmatch(self.value):
            raise self.fail("a number of at most 9 decimals, 0 or more, without an exponent")
        number = Decimal(self.value).as_integer_ratio()
        whole, rest = divmod(number[0] * scale, number[1])
        if rest:
            raise self.fail("a whole number")
        return whole

    def _describe(self) -> str:
        if isinstance(self.value, str):
            return f"`{self.value[:80]}`" if self.value or self.quoted else "nothing"
        return "a list" if isinstance(self.value, list) else "a mapping"


def parse(text: str, file: str) -> Node:
    """Parse one YAML document.

    Raises:
        BaselineError: it is not YAML, or not the part of YAML that baselines use.
    """
    if (conflict := CONFLICT.search(text)) is not None:
        line = text.count("\n", 0, conflict.start()) + 1
        raise BaselineError(f"{file}:{line}: expected YAML, found the mark of a merge conflict")
    try:
        events = yaml.parse(text, Loader=Loader)
        return _Composer(events, file).document()
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark)
        raise BaselineError(f"{file}:{line}: not valid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BaselineError(f"{file}:{line}: not valid YAML: {error.reason}") from None


class _Composer:
    """Build nodes from YAML events, and refuse what a baseline never contains."""

    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self.events = events
        self.file = file

    def document(self) -> Node:
        next(self.events)  # the start of the stream
        if not isinstance(start := next(self.events), yaml.DocumentStartEvent):
            raise Node("", self.file, "", _line(start.start_mark)).fail("a mapping", "nothing")
        root = self.node(next(self.events), "", 0)
        while not isinstance(event := next(self.events), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                raise self.refuse(event, "", "one document", "a second one")
        return root

    def node(self, event: yaml.Event, key: str, depth: int, line: int | None = None) -> Node:
        line = line or _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self.refuse(event, key, "plain values", "an anchor or alias")
        if tag := getattr(event, "tag", None):
            raise self.refuse(event, key, "plain values", f"the tag `{tag}`")
        if depth > MAX_DEPTH:
            raise self.refuse(event, key, f"at most {MAX_DEPTH} levels", "more")
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self.entries(key, depth), self.file, key, line)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self.items(key, depth), self.file, key, line)
        if isinstance(event, yaml.ScalarEvent):
            return Node(event.value, self.file, key, line, quoted=bool(event.style))
        raise self.refuse(event, key, "a mapping", "nothing")

    def entries(self, key: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            name = self.node(event, key, depth + 1).text()
            inner = f"{key}.{name}" if key else name
            if name in entries:
                raise self.refuse(event, inner, "each key once", f"`{name}` again")
            line = _line(event.start_mark)  # that of the key; a block begins on the next one
            entries[name] = self.node(next(self.events), inner, depth + 1, line)
        return entries

    def items(self, key: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{key}[{len(items)}]", depth + 1))
        return items

    def refuse(self, event: yaml.Event, key: str, expected: str, found: str) -> BaselineError:
        return Node("", self.file, key, _line(event.start_mark)).fail(expected, found)


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1


def scalar(text: str, *, flow: bool = False) -> str:
    """Write a text so that every YAML reader gives it back: plain where that is safe."""
    if _is_plain(text, flow=flow):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _is_plain(text: str, *, flow: bool) -> bool:
    if not re.fullmatch(r"[^\W_][\w.:,+/()@\[\] <>=-]*", text) or not text.isprintable():
        return False
    if text != text.strip() or ": " in text or text.endswith(":"):
        return False
    if flow and re.search(r"[,\[\]{}:]", text):
        return False
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], [])
    special = any(pattern.match(text) for _, pattern in resolvers)
    return not special and not LOOKS_LIKE_A_NUMBER.fullmatch(text)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
