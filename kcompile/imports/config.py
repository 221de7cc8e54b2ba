"""A YAML file as values that know their place in it, so that every mistake in one is told at its line.

The file may be a stranger's: only its tree is composed, nothing in it is constructed, and a value is read where the
reader expects one. An alias is followed there and nowhere else, so that aliases of aliases cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from kcompile.diagnostics import CompileError, Diagnostic, Source, Span, ToolMissing, accepted, nearest, printable
from kcompile.inputs import cannot_read
from kcompile.units import MAX_POWER

if TYPE_CHECKING:
    import yaml

MAX_CONFIG = 1 << 20
"""Bytes of a configuration; published ones have two thousand."""

MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_KINDS = {"map": "a mapping", "seq": "a list", "null": "empty", "bool": "true or false", "int": "a whole number",
          "float": "a number", "str": "a text"}


@dataclass(frozen=True)
class Field:
    """One value of a configuration: its node of the YAML tree, its text, and its path such as `network.model.name`."""

    source: Source = field(repr=False)
    node: yaml.Node = field(repr=False)
    path: str

    @property
    def span(self) -> Span:
        start, stop = self.node.start_mark.index, self.node.end_mark.index
        line_end = self.source.text.find("\n", start)
        return Span(self.source, start, max(min(stop, line_end if line_end >= 0 else stop), start + 1))

    @property
    def empty(self) -> bool:
        """Whether the value is null."""
        return self.node.tag == _TAG + "null"

    def fail(self, code: str, message: str, hint: str = "") -> CompileError:
        """An error at this value, to be raised."""
        return CompileError(Diagnostic(code, message, self.span, hint=hint))

    def wrong(self, wanted: str) -> CompileError:
        """KC0521: another kind of value is expected here."""
        kind = _KINDS.get(self.node.tag.removeprefix(_TAG), f"a `{printable(self.node.tag, 40)}`")
        found = f"`{printable(str(self.node.value), 40)}`" if kind in ("a number", "a whole number", "a text") else kind
        return self.fail("KC0521", f"{f'`{self.path}`' if self.path else 'a configuration'} is {wanted}, not {found}")

    def members(self) -> dict[str, Field]:
        """Values of a mapping by key, in order."""
        if self.node.tag != _TAG + "map" or not isinstance(self.node.value, list):
            raise self.wrong("a mapping")
        found: dict[str, Field] = {}
        for key, value in self.node.value:
            name = key.value if isinstance(key.value, str) else ""
            here = Field(self.source, key, name)
            if key.tag != _TAG + "str":
                raise here.fail("KC0521", "a key is a text")
            if name in found:
                raise here.fail("KC0521", f"`{printable(name, 40)}` stands here twice")
            found[name] = Field(self.source, value, f"{self.path}.{printable(name, 40)}".lstrip("."))
        return found

    def only(self, known: Iterable[str]) -> dict[str, Field]:
        """Members, all of which are `known`; raises KC0522 for another, which might change what the network computes."""
        members = self.members()
        names = list(known)
        for name, value in members.items():
            if name not in names:
                raise value.fail("KC0522", f"`{value.path}` is not known", nearest(name, names) or accepted(names))
        return members

    def need(self, members: dict[str, Field], name: str) -> Field:
        """A member that must be there; raises KC0521."""
        if name not in members:
            raise self.fail("KC0521", f"`{f'{self.path}.{name}'.lstrip('.')}` is missing")
        return members[name]

    def items(self) -> list[Field]:
        """Values of a list."""
        if self.node.tag != _TAG + "seq" or not isinstance(self.node.value, list):
            raise self.wrong("a list")
        return [Field(self.source, node, f"{self.path}[{k}]") for k, node in enumerate(self.node.value)]

    def text(self) -> str:
        if self.node.tag != _TAG + "str":
            raise self.wrong("a text")
        return self.node.value

    def flag(self) -> bool:
        if self.node.tag != _TAG + "bool":
            raise self.wrong("true or false")
        return self.node.value.lower() in ("true", "yes", "on", "y")

    def whole(self, lower: int, upper: int = 1 << 20) -> int:
        """A whole number from `lower` to `upper`."""
        if self.node.tag != _TAG + "int" or re.fullmatch(r"[+-]?[0-9]{1,18}", self.node.value) is None:
            raise self.wrong("a whole number")
        if not lower <= int(self.node.value) <= upper:
            raise self.wrong(f"a whole number from {lower} to {upper:,}")
        return int(self.node.value)

    def number(self) -> Decimal:
        """A number within the range of a float, as it is written. YAML calls `1e-3` a text, so a text may be one."""
        try:
            value = Decimal(self.node.value if isinstance(self.node.value, str) else "")
        except InvalidOperation:
            raise self.wrong("a number") from None
        if not value.is_finite() or value.adjusted() > MAX_POWER:
            raise self.wrong("a finite number")
        return value


def read_config(path: Path) -> Field:
    """The mapping that a YAML file holds; raises KC0501 where it cannot be read, KC0520 where it is not YAML, KC0711."""
    try:
        import yaml
    except ImportError:
        raise ToolMissing(Diagnostic("KC0711", "configurations need PyYAML, which is not installed",
                                     hint="pip install 'kcompile[yaml,torch]'")) from None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
        if len(data) > MAX_CONFIG:
            raise ValueError(f"larger than {MAX_CONFIG:,} bytes")
        source = Source(str(path), data.decode("utf-8").replace("\r\n", "\n"))
    except (OSError, ValueError) as error:
        raise cannot_read(path, error) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(source.text, Loader=loader):  # without recursion, which composing is not
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _unreadable(source, event.start_mark.index, f"values are nested deeper than {MAX_DEPTH}")
        node = yaml.compose(source.text, Loader=loader)
    except yaml.reader.ReaderError as error:
        at = len(source.text.encode()[: error.position].decode("utf-8", "ignore"))  # libyaml counts bytes
        raise _unreadable(source, at, error.reason) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(source, mark.index if mark else 0, error.problem or error.context or "unknown") from None
    if node is None:
        raise _unreadable(source, 0, "the file is empty")
    return Field(source, node, "")


def _unreadable(source: Source, at: int, reason: str) -> CompileError:
    at = min(max(at, 0), max(len(source.text) - 1, 0))
    return CompileError(Diagnostic("KC0520", f"the file is not YAML: {reason}", Span(source, at, at + 1)))
