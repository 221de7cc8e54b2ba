"""The template environment: undefined names and control characters are errors, not text."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jinja2

from kcompile.resources import data_folder


class Card(str):
    """Netlist text made by a target from allow-listed parts; the only text that may hold line ends."""

    __slots__ = ()


def _finalize(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Card) and not value.isprintable():
        raise ValueError(f"control characters in {value!r} may not reach an output file")
    return value


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates")), undefined=jinja2.StrictUndefined, finalize=_finalize,
        autoescape=False,  # noqa: S701 (netlists are not HTML)
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


def render(template: str, view: Mapping[str, Any]) -> str:
    """Text of a template; iterators in the view are streamed."""
    return "".join(_environment().get_template(template).generate(view))
