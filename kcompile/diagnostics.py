"""Places in source text, messages about them, and the exceptions that carry the messages.

Every mistake a user can make ends here as a `Diagnostic`: a stable code, one sentence, a place, and where there is
one a hint. `kcompile explain CODE` prints the page of a code from `kcompile/errors/`.
"""

from __future__ import annotations

import bisect
import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

MAX_REPORTED = 100
"""Messages kept in one run; past it a mutated file would bury its first mistake."""


@dataclass(frozen=True)
class Source:
    """One text that spans point into: its display name, its characters, and the file it was read from where there is one."""

    name: str
    text: str = field(repr=False)
    path: Path | None = field(default=None, repr=False, compare=False)

    @cached_property
    def line_starts(self) -> list[int]:
        starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1."""
        line = bisect.bisect_right(self.line_starts, offset) - 1
        return line + 1, offset - self.line_starts[line] + 1

    def line(self, number: int) -> str:
        """Text of one line, counted from 1, without its line end."""
        start = self.line_starts[number - 1]
        stop = self.text.find("\n", start)
        return (self.text[start:] if stop < 0 else self.text[start:stop]).removesuffix("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters in a source."""

    source: Source
    start: int
    stop: int

    def to(self, other: Span) -> Span:
        """Span from the start of this one to the end of the other."""
        return Span(self.source, self.start, max(self.stop, other.stop))

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.stop]

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"


@dataclass(frozen=True)
class Diagnostic:
    """One message: code, cause in one sentence, place, what stands under the caret, and how to mend it."""

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    severity: str = "error"

    def __post_init__(self) -> None:
        # A name in a message may be a megabyte of a mutated file, and hold what a terminal would obey.
        for part in ("message", "label", "hint"):
            object.__setattr__(self, part, printable(getattr(self, part), 1000))


class KcompileError(Exception):
    """Base of every error that is the user's to mend; carries diagnostics and the exit code of the command line."""

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return render_text(self.diagnostics)


class CompileError(KcompileError):
    """The program, or a file that goes with it, has mistakes."""


class UsageError(KcompileError):
    """The command or the call asks for something that cannot be done."""

    exit_code = 2


class ToolMissing(KcompileError):
    """An outside program, an optional package or a PDK is not installed."""

    exit_code = 3


class SimulatorFailed(KcompileError):
    """A simulator, ours or an outside one, gave no trustworthy answer.

    `kind` tells the causes apart: crash, timeout, memory, output, disk, diverged, partial, nonfinite, deck, stalled.
    """

    exit_code = 4

    def __init__(self, kind: str, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.kind = kind


class Reporter:
    """Collects diagnostics of one run so that several mistakes are told at once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Diagnostic] = {}

    def error(self, code: str, message: str, span: Span | None = None, label: str = "", hint: str = "",
              notes: tuple[str, ...] = ()) -> None:
        self.add(Diagnostic(code, message, span, label, hint, notes))

    def warn(self, code: str, message: str, span: Span | None = None, label: str = "", hint: str = "") -> None:
        self.add(Diagnostic(code, message, span, label, hint, severity="warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic, unless the same code already stands at the same place."""
        span = diagnostic.span
        key = (diagnostic.code, span.source.name, span.start) if span else (diagnostic.code, diagnostic.message)
        if len(self._found) < MAX_REPORTED:
            self._found.setdefault(key, diagnostic)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(self._found.values())

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self._found.values())

    def raise_errors(self) -> None:
        """Raise `CompileError` with everything collected when at least one is an error."""
        if self.failed:
            raise CompileError(*in_source_order(self.diagnostics))


def in_source_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics sorted by file and place; those without a place come last, in their own order."""
    return sorted(diagnostics, key=lambda d: (0, d.span.source.name, d.span.start) if d.span else (1, "", 0))


def nearest(name: str, known: Iterable[str]) -> str:
    """Hint naming the closest known spelling, or an empty string."""
    if len(name) > 200:
        return ""
    found = difflib.get_close_matches(name, list(dict.fromkeys(known))[:2000], n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else ""


def accepted(known: Iterable[str], limit: int = 12) -> str:
    """`accepted: a, b, c` with long lists cut."""
    names = sorted(dict.fromkeys(known))
    more = f", ... ({len(names)} in all)" if len(names) > limit else ""
    return "accepted: " + ", ".join(names[:limit]) + more


def printable(text: str, limit: int = 160) -> str:
    """Text on one line without control characters, cut to a limit, safe for a terminal."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " "))
    return clean if len(clean) <= limit else clean[:limit] + "..."


def render_text(diagnostics: Sequence[Diagnostic]) -> str:
    """Diagnostics as a terminal shows them: head, source line, caret, hint; ends without a line break."""
    return "\n".join(_render_one(d) for d in diagnostics)


def _render_one(diagnostic: Diagnostic) -> str:
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    gutter = "  "
    if span := diagnostic.span:
        line, column = span.source.position(span.start)
        gutter = " " * len(str(line)) + " "
        source_line = span.source.line(line)
        # A window of the line: programs written by other programs have lines of a megabyte.
        first = max(0, column - 1 - 100)
        shown = printable(source_line[first : first + 160])
        width = max(1, min(span.stop - span.start, len(source_line) - column + 1, 160 - (column - 1 - first)))
        caret = " " * (column - 1 - first) + "^" * width
        lines += [
            f"{gutter[:-1]}--> {printable(span.source.name)}:{line}:{column}",
            f"{gutter}|",
            f"{line} | {shown}",
            f"{gutter}| {caret}{' ' + diagnostic.label if diagnostic.label else ''}",
        ]
    if diagnostic.hint:
        lines.append(f"{gutter}= hint: {diagnostic.hint}")
    lines += [f"{gutter}= note: {note}" for note in diagnostic.notes]
    return "\n".join(lines)


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {}
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.stop)
    return {"file": span.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Diagnostics as a JSON object with one list, for scripts."""
    rows = [{"code": d.code, "severity": d.severity, "message": d.message, **_place(d.span), "label": d.label,
             "hint": d.hint, "notes": list(d.notes)} for d in diagnostics]
    return json.dumps({"diagnostics": rows}, indent=2)


def render_sarif(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """Diagnostics as a SARIF 2.1.0 log, for code hosts and editors."""
    from urllib.parse import quote

    def result(d: Diagnostic) -> dict[str, Any]:
        place = _place(d.span)
        location = {"physicalLocation": {
            "artifactLocation": {"uri": quote(place["file"])},
            "region": {"startLine": place["line"], "startColumn": place["column"],
                       "endLine": place["end_line"], "endColumn": place["end_column"]}}} if place else None
        text = d.message + (f" ({d.hint})" if d.hint else "")
        return {"ruleId": d.code, "level": d.severity, "message": {"text": text},
                "locations": [location] if location else []}

    rules = [{"id": code} for code in dict.fromkeys(d.code for d in diagnostics)]
    run = {"tool": {"driver": {"name": "kcompile", "version": version, "rules": rules}}, "columnKind": "unicodeCodePoints",
           "results": [result(d) for d in diagnostics]}
    return json.dumps({"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "runs": [run]},
                      indent=2)
