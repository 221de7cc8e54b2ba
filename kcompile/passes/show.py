"""Passes as text: the list of all, and the page of one."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping

from kcompile.passes.base import Pass
from kcompile.units import format_unit


def show_passes(known: Mapping[str, type[Pass]]) -> str:
    """One line per pass: name, contract, what it does."""
    width = max(map(len, known), default=0)
    return "\n".join(f"{name:{width}}  {one.contract.value:7}  {_sentence(one)}" for name, one in known.items())


def describe(one: type[Pass]) -> str:
    """Docstring and options of a pass."""
    lines = [f"{one.name} ({one.contract.value})", "", inspect.getdoc(one) or ""]
    fields = dataclasses.fields(one)
    if fields:
        lines += ["", "Options:"]
        hints = typing.get_type_hints(one)
        lines += [f"  {field.name}: {_kind(hints[field.name], field)}  {field.metadata['what']}"
                  + ("" if field.default is None else f"  [default: {field.default}]") for field in fields]
    return "\n".join(lines)


def _sentence(one: type[Pass]) -> str:
    return (inspect.getdoc(one) or "").split("\n")[0]


def _kind(kind: object, field: dataclasses.Field[object]) -> str:
    kinds = typing.get_args(kind) or (kind,)
    if float in kinds:
        unit = format_unit(field.metadata["dimension"])
        return "number" if unit == "1" else f"number of {unit}"
    return {int: "whole number", bool: "true or false"}.get(kinds[0], "text")  # type: ignore[call-overload]
