"""YAML text to nodes that know where they stand; no object is ever constructed.

The file comes from a repository, perhaps from a stranger's pull request: only mappings, lists
and scalars are taken; aliases, anchors and tags are refused; size, depth and the number of values
are bounded, and with them memory, to about 100 MB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from pytest_flopbudget.errors import BaselineError, ConflictError, nearest, one_of
from pytest_flopbudget.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 8
MAX_VALUES = 400_000  # keys and values; eight for a layer
MAX_SHOWN = 80  # characters of a value in a message
NUMBER = re.compile(r"[0-9]{1,25}(\.[0-9]{1,9})?")
CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)

Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Node:
    """One value of a file: a text, a list or a mapping, with its place for messages."""

    value: str | list[Node] | dict[str, Node]
    file: str  # as messages call it
    line: int
    quoted: bool = False
    name: str | int = ""  # its key or index in what is around it
    around: Node | None = None  # a path in each node would take memory of its length squared

    @property
    def key(self) -> str:
        """Where it stands: `total.params`, `inputs[0]`."""
        if self.around is None:
            return ""
        outer, name = self.around.key, shown(self.name)
        if isinstance(self.name, int):
            return f"{outer}[{name}]"
        return f"{outer}.{name}" if outer else name

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
                hint = nearest(shown(key), required + optional)
                expected = f"one of {one_of(required + optional)}"
                found = f"the key `{shown(key)}`" + (f"; {hint}" if hint else "")
                raise node.fail(expected, found)
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

    def truth(self) -> bool:
        """Return whether a scalar is `true`; the other one is `false`."""
        if self.quoted or self.value not in ("true", "false"):
            raise self.fail("`true` or `false`")
        return self.value == "true"

    def number(self, scale: int = 1) -> int:
        """Return a number times `scale`, exactly; one of scale 1 is written without decimals."""
        if self.quoted or not isinstance(self.value, str) or not NUMBER.fullmatch(self.value):
            raise self.fail("a number of at most 9 decimals, 0 or more, without an exponent")
        number = Decimal(self.value).as_integer_ratio()
        whole, rest = divmod(number[0] * scale, number[1])
        if rest or (scale == 1 and "." in self.value):
            raise self.fail("a whole number")
        return whole

    def _describe(self) -> str:
        if isinstance(self.value, str):
            return f"`{shown(self.value)}`" if self.value or self.quoted else "nothing"
        return "a list" if isinstance(self.value, list) else "a mapping"


def parse(text: str, file: str) -> Node:
    """Parse one YAML document.

    Raises:
        BaselineError: it is not YAML, or not the part of YAML that baselines use.
    """
    if (conflict := CONFLICT.search(text)) is not None:
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConflictError(f"{file}:{line}: expected YAML, found the mark of a merge conflict")
    try:
        events = yaml.parse(text, Loader=Loader)
        return _Composer(events, file).document()
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark)
        problem = shown(str(error.problem))
        raise BaselineError(f"{file}:{line}: not valid YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BaselineError(f"{file}:{line}: not valid YAML: {error.reason}") from None


class _Composer:
    """Build nodes from YAML events, and refuse what a baseline never contains."""

    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self.events = events
        self.file = file
        self.left = MAX_VALUES

    def document(self) -> Node:
        next(self.events)  # the start of the stream
        if not isinstance(start := next(self.events), yaml.DocumentStartEvent):
            raise Node("", self.file, _line(start.start_mark)).fail("a mapping", "nothing")
        root = self.node(next(self.events), None, "", 0)
        while not isinstance(event := next(self.events), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                line = _line(event.start_mark)
                raise Node("", self.file, line).fail("one document", "a second one")
        return root

    def node(
        self,
        event: yaml.Event,
        around: Node | None,
        name: str | int,
        depth: int,
        line: int | None = None,
    ) -> Node:
        line = line or _line(event.start_mark)
        quoted = isinstance(event, yaml.ScalarEvent) and bool(event.style)
        node = Node(_value(event), self.file, line, quoted, name, around)
        self.check(event, node, depth)
        if isinstance(node.value, dict):
            self.fill_mapping(node, node.value, depth)
        elif isinstance(node.value, list):
            self.fill_list(node, node.value, depth)
        return node

    def check(self, event: yaml.Event, node: Node, depth: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise node.fail(f"at most {MAX_VALUES} values", "more")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise node.fail("plain values", "an anchor or alias")
        if tag := getattr(event, "tag", None):
            raise node.fail("plain values", f"the tag `{shown(tag)}`")
        if depth > MAX_DEPTH:
            raise node.fail(f"at most {MAX_DEPTH} levels", "more")

    def fill_mapping(self, node: Node, entries: dict[str, Node], depth: int) -> None:
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, node.around, node.name, depth + 1)  # its place is the mapping's
            name = key.text()
            if name in entries:
                again = replace(key, name=name, around=node)
                raise again.fail("each key once", f"`{shown(name)}` again")
            # A block begins on the next line, so the line is that of the key.
            entries[name] = self.node(next(self.events), node, name, depth + 1, key.line)

    def fill_list(self, node: Node, items: list[Node], depth: int) -> None:
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, node, len(items), depth + 1))


def _value(event: yaml.Event) -> str | list[Node] | dict[str, Node]:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    return [] if isinstance(event, yaml.SequenceStartEvent) else getattr(event, "value", "")


def shown(text: object) -> str:
    """Show a text from a file in one line of bounded length, without what moves a cursor."""
    return visible(str(text)[:MAX_SHOWN])


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1
