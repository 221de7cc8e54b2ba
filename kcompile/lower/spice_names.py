"""Source names to names every SPICE reads: lower case, `[a-z_][a-z0-9_]*`, at most 128 characters, none twice.

SPICE folds case, so `Net1` and `NET1` would be one node; a name that would clash gets a tail hashed from the source name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.names import Path, bank_name

MAX_LENGTH = 128

RESERVED = frozenset(
    "gnd gnd! 0 time temp temper hertz m dtemp pi e c i v q f boltz echarge kelvin planck abs acos acosh and asin asinh "
    "atan atanh ceil cos cosh db ddt exp floor if int limit ln log log10 max min not nint or pow pwl pwr rand sgn sign sin "
    "sinh sqrt stp tan tanh ternary_fcn u u2 unif uramp var vec const all defaultscale true false yes no params".split())
_TRAILING = re.compile(r"_[0-9]+$")


def plain(source: str) -> str:
    """Name with every other character folded into `_`: `x[2,5]` -> `x_2_5`."""
    folded = re.sub(r"[^a-z0-9]+", "_", source.lower()).strip("_")
    return folded if folded[:1].isalpha() else f"n_{folded}"


class Namespace:
    """Gives out names that do not clash. Bases of banks are told apart so that base_3 of one is never a name of another."""

    def __init__(self, taken: Iterable[str] = (), reserved: frozenset[str] = RESERVED) -> None:
        self._reserved = reserved
        self._bases: set[str] = set(taken)
        self._prefixes: set[str] = {prefix for name in taken for prefix in _prefixes(name)}

    def claim(self, source: str, bare: bool = True) -> str:
        """A free name for a source name; one that is not `bare` only ever stands with subscripts after it."""
        name = plain(source)
        if len(name) > MAX_LENGTH - 24:
            name = f"{name[: MAX_LENGTH - 64]}_h{_hash(source, 0)[:16]}"
        candidate, repeat = name, 0
        while self._clashes(candidate) or (bare and candidate in self._reserved):
            candidate = f"{name}_h{_hash(source, repeat)[:8]}"
            repeat += 1
        self._bases.add(candidate)
        self._prefixes.update(_prefixes(candidate))
        return candidate

    def _clashes(self, name: str) -> bool:
        prefixes = _prefixes(name)
        return name in self._prefixes or any(prefix in self._bases for prefix in prefixes)


def _hash(source: str, repeat: int) -> str:
    """Hex digest that differs when the same source name is claimed again."""
    return hashlib.sha256((source if repeat == 0 else f"{source}#{repeat}").encode()).hexdigest()


def _prefixes(name: str) -> list[str]:
    """The name, and what is left of it when trailing `_3` are taken off one by one."""
    found = [name]
    while (shorter := _TRAILING.sub("", found[-1])) != found[-1]:
        found.append(shorter)
    return found


class NetlistNames:
    """Names of one circuit in its netlist: `nodes[n]` for node n, a base for each instance bank."""

    def __init__(self, circuit: Circuit, reserved: frozenset[str] = RESERVED) -> None:
        self._circuit = circuit
        space = Namespace((), reserved)
        self.nodes: list[str] = ["0"]
        self.node_bases: list[str] = []
        for bank in circuit.nodes.banks:
            single = bank.count == 1 and all(s.index is None and not s.extents for s in bank.path)
            base = space.claim(bank_name(bank.path), bare=single)
            self.node_bases.append(base)
            self.nodes += [base] if single else ["_".join(map(str, row)) for row in zip(
                [base] * bank.count, *_subscripts(bank.path, bank.count), strict=True)]
        self.space = space
        elements = Namespace()
        self.tables: dict[int, str] = {id(table): elements.claim(table.bank, bare=False) for table in circuit.tables}

    def place(self, name: str) -> str | None:
        """Source place of a netlist name as a simulator says it: `v(xtop.h_3)`, `b.xtop.xw1_3.b0`; None when unknown."""
        for part in name.split("."):
            for shorter in (*_prefixes(part), *_prefixes(part[1:])):
                if shorter in self._places:
                    return self._places[shorter]
        return None

    @cached_property
    def _places(self) -> dict[str, str]:
        found = {base: str(bank.span) for bank, base in zip(self._circuit.nodes.banks, self.node_bases, strict=True) if bank.span}
        return found | {self.tables[id(table)]: str(table.span) for table in self._circuit.tables if table.span}

    def row(self, table: InstanceTable) -> str:
        """Format of the names of a bank's rows, with one `%d` for the row; the bare name where there is one row."""
        base = self.tables[id(table)]
        scalar = table.count == 1 and all(s.index is None and not s.extents for s in table.path)
        return f"{base}%.0s" if scalar else f"{base}_%d"


def _subscripts(path: Path, count: int) -> list[list[int]]:
    """A column per subscript of a hierarchical name, outermost first."""
    columns: list[np.ndarray] = []
    for segment in path:
        if segment.index is not None:
            columns += list(segment.index.T)
        elif segment.extents:
            columns += np.unravel_index(np.arange(count) % int(np.prod(segment.extents)), segment.extents)
    return [column.tolist() for column in columns]
