"""A pipeline as text, `fold-constants,prune{threshold=1e-4},merge-parallel`, to passes."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping

from kcompile.diagnostics import Diagnostic, Source, Span, UsageError, accepted, nearest, printable
from kcompile.passes.base import Pass
from kcompile.passes.pipeline import Pipeline, failed
from kcompile.units import REAL, format_unit, parse_quantity

_PASS = re.compile(r"\s*([A-Za-z][\w-]*)\s*(?:\{([^{}]*)\}\s*)?(?:,|$)", re.ASCII)
_OPTION = re.compile(r"\s*([A-Za-z]\w*)\s*(?:=\s*([^,]*[^,\s])\s*)?(?:,|$)", re.ASCII)

MAX_PASSES = 100
"""Passes of one pipeline."""

MAX_TEXT = 10_000
"""Characters of a pipeline."""


def parse_pipeline(text: str, known: Mapping[str, type[Pass]], name: str = "--passes") -> Pipeline:
    """Pipeline of a text; raises `UsageError` KC0801 to KC0804 at the place of the mistake."""
    source = Source(name, printable(text, MAX_TEXT))
    passes = tuple(_passes(source, known)) if text.strip() else ()
    if len(passes) > MAX_PASSES:
        raise UsageError(Diagnostic("KC0804", f"a pipeline has at most {MAX_PASSES} passes, this one has {len(passes)}"))
    return Pipeline(passes)


def _passes(source: Source, known: Mapping[str, type[Pass]]) -> Iterator[Pass]:
    for match in _all(_PASS, source, 0, len(source.text)):
        place = Span(source, *match.span(1))
        if match[1] not in known:
            raise UsageError(Diagnostic("KC0801", f"there is no pass `{match[1]}`", place,
                                        hint=nearest(match[1], known) or accepted(known)))
        values: dict[str, object] = {}
        for option in _all(_OPTION, source, *match.span(2)) if (match[2] or "").strip() else ():
            key, value = _option(source, option, known[match[1]])
            if key in values:
                raise UsageError(Diagnostic("KC0804", f"`{key}` is given twice", Span(source, *option.span(1))))
            values[key] = value
        try:
            yield known[match[1]](**values)
        except UsageError as error:
            raise UsageError(*(dataclasses.replace(one, span=one.span or place) for one in error.diagnostics)) from None
        except Exception as error:
            raise failed(known[match[1]], error) from error


def _all(pattern: re.Pattern[str], source: Source, start: int, stop: int) -> Iterator[re.Match[str]]:
    """Matches that follow each other from start to stop; raises KC0804 where one ends and none begins."""
    while True:
        match = pattern.match(source.text, start, stop)
        if match is None:
            raise _malformed(source, start)
        yield match
        start = match.end()
        if source.text[start - 1] != ",":
            return


def _malformed(source: Source, at: int) -> UsageError:
    at = min(at, max(len(source.text) - 1, 0))
    return UsageError(Diagnostic("KC0804", "this is not a pipeline", Span(source, at, at + 1),
                                 hint="for example `fold-constants,prune{threshold=1e-4},merge-parallel`"))


def _option(source: Source, match: re.Match[str], one: type[Pass]) -> tuple[str, object]:
    fields = {field.name: field for field in dataclasses.fields(one)}
    if match[1] not in fields:
        raise UsageError(Diagnostic("KC0802", f"`{one.name}` has no option `{match[1]}`", Span(source, *match.span(1)),
                                    hint=nearest(match[1], fields) or (accepted(fields) if fields else "it has no options")))
    span = Span(source, *(match.span(2) if match[2] else match.span(1)))
    return match[1], _value(match[2], fields[match[1]], typing.get_type_hints(one)[match[1]], f"`{match[1]}`", span)


def _value(text: str | None, field: dataclasses.Field[object], kind: object, what: str, span: Span) -> object:
    """Value of an option by the type of its field; raises `UsageError` KC0803."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    dimension = field.metadata["dimension"]
    unit = format_unit(dimension)
    if bool in kinds:
        words = {None: True, "true": True, "false": False}
        if text in words:
            return words[text]
        raise UsageError(Diagnostic("KC0803", f"{what} is true or false, not `{text}`", span))
    if str in kinds and text:
        return text
    if int in kinds and text and re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        return int(text)  # all its digits, which a float has not
    plain = (text or "").removesuffix("%") if float in kinds and dimension == REAL else text or ""
    try:
        value, found = parse_quantity(plain)
        value /= 1 if plain == (text or "") else 100
    except ValueError:
        value, found = float("nan"), None
    if int in kinds and value.is_integer() and found is None:
        return int(value)
    if float in kinds and value == value and found in (None, dimension):
        return value
    wanted = "a whole number" if int in kinds else f"a {dimension}, in {unit}" if unit != "1" else "a number"
    raise UsageError(Diagnostic("KC0803", f"{what} is {wanted}, not `{text or ''}`", span))
