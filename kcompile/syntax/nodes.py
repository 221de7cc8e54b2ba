"""The syntax tree: one frozen class per rule of the grammar, each with the span it was read from.

Numerals of statements that were folded by `fold.py` hold a column of values instead of one; everything else in the tree
is scalar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Source, Span
from kcompile.syntax.fold import Rows
from kcompile.units import Dimension

# ---- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A literal in SI units; `dimension` is None for a plain number, `integral` when it is written without a point."""

    span: Span
    value: float | np.ndarray
    dimension: Dimension | None
    integral: bool


@dataclass(frozen=True, slots=True)
class Name:
    span: Span
    id: str
    column: tuple[str, ...] | None = None
    """One identifier per row of a folded statement whose rows differ in it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Half-open range `start..stop`."""

    span: Span
    start: Expr
    stop: Expr


@dataclass(frozen=True, slots=True)
class Index:
    span: Span
    base: Name
    subscripts: tuple[Expr | Range, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Function, access function (`V`, `ddt`) or waveform; `if(..)` is a call of `if`."""

    span: Span
    function: Name
    arguments: tuple[Expr, ...]
    named: tuple[tuple[Name, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    span: Span
    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands joined by operators of one precedence, grouped to the left: `a - b + c`, `a * b / c`, `p and q`."""

    span: Span
    operands: tuple[Expr, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Chained comparison: `0 <= k < 8` holds when each neighbouring pair does."""

    span: Span
    operands: tuple[Expr, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tuple:
    span: Span
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Array:
    span: Span
    items: tuple[Expr, ...]


Expr = Number | Name | Index | Call | Unary | Chain | Comparison | Tuple | Array

# ---- declarations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """`use "file.kc"` (path) or `use std.kirchhoff` (module); `names` empty means everything."""

    span: Span
    path: str | None
    module: tuple[str, ...]
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Const:
    span: Span
    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class DimensionWord:
    """Text of a dimension: a word (`voltage`, `integer`, `waveform`) or a unit expression (`A/V^2`)."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Interval:
    span: Span
    lower: Expr
    upper: Expr
    lower_closed: bool
    upper_closed: bool


@dataclass(frozen=True, slots=True)
class Param:
    span: Span
    name: Name
    extents: tuple[Expr | Range, ...]
    dimension: DimensionWord
    default: Expr | None
    interval: Interval | None
    trainable: bool


@dataclass(frozen=True, slots=True)
class State:
    span: Span
    name: Name
    dimension: DimensionWord
    initial: Expr | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """`I(a, b) <+ expression`: current into the device at a, out at b; `terminals` has one or two names."""

    span: Span
    access: Name
    terminals: tuple[Name, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class Equation:
    """`ddt(state) = expression`."""

    span: Span
    access: Name
    arguments: tuple[Name, ...]
    value: Expr


DeviceItem = Param | State | Contribution | Equation


@dataclass(frozen=True, slots=True)
class Device:
    span: Span
    name: Name
    terminals: tuple[Name, ...]
    items: tuple[DeviceItem, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """`variable in source`, where the source is a half-open range or a list of nodes."""

    span: Span
    variable: Name
    source: Expr | Range


@dataclass(frozen=True, slots=True)
class Loops:
    """`for a in .., b in .. if condition`; the first variable is the slowest."""

    span: Span
    loops: tuple[Loop, ...]
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class Rail:
    """`rail [lower, upper]` with an optional conductance of the clamp."""

    span: Span
    lower: Expr
    upper: Expr
    conductance: Expr | None


@dataclass(frozen=True, slots=True)
class Node:
    """One declared bank of nodes, or with `alias` a name for nodes declared before."""

    span: Span
    name: Name
    extents: tuple[Expr | Range, ...]
    alias: Expr | None


@dataclass(frozen=True, slots=True)
class Nodes:
    span: Span
    nodes: tuple[Node, ...]
    rail: Rail | None


@dataclass(frozen=True, slots=True)
class Drive:
    span: Span
    target: Name | Index
    value: Expr
    loops: Loops | None


@dataclass(frozen=True, slots=True)
class Initial:
    span: Span
    target: Name | Index
    value: Expr
    loops: Loops | None


@dataclass(frozen=True, slots=True)
class Input:
    span: Span
    nodes: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Output:
    span: Span
    nodes: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Pdk:
    span: Span
    name: Name


@dataclass(frozen=True, slots=True)
class Assignment:
    span: Span
    fixed: bool
    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Instance:
    """A bank of instances of a device or circuit.

    `rows` holds the places of the statements folded into this one (see fold.py), None when it stands for itself.
    """

    span: Span
    model: Name
    label: Name | None
    indices: tuple[Expr | Range, ...]
    nodes: tuple[Expr, ...]
    assignments: tuple[Assignment, ...]
    loops: Loops | None
    rows: Rows | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    span: Span
    name: Name
    duration: Expr
    items: tuple[CircuitItem, ...]


CircuitItem = Const | Param | Nodes | Drive | Initial | Input | Output | Pdk | Phase | Instance


@dataclass(frozen=True, slots=True)
class Circuit:
    span: Span
    name: Name
    ports: tuple[Name, ...]
    items: tuple[CircuitItem, ...]


Declaration = Use | Const | Device | Circuit


@dataclass(frozen=True, slots=True)
class Program:
    """One file."""

    source: Source
    declarations: tuple[Declaration, ...]
