"""The flat circuit in columns: node banks, instance tables, shared parameters, phases, stimuli.

Node 0 is ground. Every array is checked when the circuit is made and read-only afterwards, so passes share what they do
not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kcompile.diagnostics import Diagnostic, Span, UsageError
from kcompile.inputs import read_array
from kcompile.ir.device import DeviceModel, Interval
from kcompile.ir.names import Path, bank_name, format_name, take_rows
from kcompile.units import Dimension

if TYPE_CHECKING:
    import networkx

MAX_GRAPH = 200_000
"""Instances above which a networkx view is refused; scipy.sparse.csgraph takes over there."""


def frozen(array: np.ndarray) -> np.ndarray:
    """The array, set read-only."""
    array.setflags(write=False)
    return array


class ReadOnly:
    """Base of what holds arrays: they are read-only in a copy too, and in what comes out of a file."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            for array in value.values() if isinstance(value, dict) else (value,):
                if isinstance(array, np.ndarray):
                    frozen(array)
        self.__dict__.update(state)


@dataclass(frozen=True, eq=False)
class NodeBank:
    """Nodes `first .. first + count` under one declaration."""

    path: Path
    first: int
    count: int
    span: Span | None


@dataclass(frozen=True, eq=False)
class NodeTable(ReadOnly):
    """All nodes; `initial` is float64[count] in volts, index 0 is ground."""

    banks: tuple[NodeBank, ...]
    initial: np.ndarray

    @property
    def count(self) -> int:
        """Number of nodes, ground included."""
        return len(self.initial)

    @cached_property
    def _firsts(self) -> np.ndarray:
        return np.array([bank.first for bank in self.banks], dtype=np.int64)

    def bank(self, node: int) -> NodeBank:
        return self.banks[int(np.searchsorted(self._firsts, node, side="right")) - 1]

    def name(self, node: int) -> str:
        """Source name of a node: `x[2,5]`, `cell[2].y`; ground is `gnd`."""
        if node == 0:
            return "gnd"
        bank = self.bank(node)
        return format_name(bank.path, node - bank.first)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all nodes in order, ground included."""
        return ("gnd", *(format_name(bank.path, i) for bank in self.banks for i in range(bank.count)))


@dataclass(frozen=True, eq=False)
class Wave(ReadOnly):
    """A waveform: its kind, and one row of arguments (SI units) for each of its uses, float64[n, arguments]."""

    kind: str
    arguments: np.ndarray


@dataclass(frozen=True, eq=False)
class Tie(ReadOnly):
    """Rows of a shared parameter: value of instance i is `shared.values[index[i]]`; int32[n]."""

    shared: str
    index: np.ndarray


@dataclass(frozen=True, eq=False)
class SharedParam(ReadOnly):
    """A parameter array of a circuit; one flat column for all copies of that circuit."""

    name: str
    shape: tuple[int, ...]
    dimension: Dimension
    interval: Interval
    trainable: bool
    values: np.ndarray
    span: Span | None


@dataclass(frozen=True, eq=False)
class InstanceTable(ReadOnly):
    """One bank of instances of one model.

    path: names of the bank and its rows; nodes: int32[n, terminals]; params: float64[n] by name; ties: which of them are
    shared; waves: waveform parameters; fixed: trainable parameters frozen here; phase: index or None; span and origin:
    the statement, or the offset of each folded statement.
    """

    path: Path
    model: DeviceModel
    phase: int | None
    nodes: np.ndarray
    params: Mapping[str, np.ndarray]
    ties: Mapping[str, Tie]
    waves: Mapping[str, Wave]
    fixed: frozenset[str]
    span: Span | None
    origin: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.nodes)

    @property
    def bank(self) -> str:
        """Name of the bank as reports and weights files say it."""
        return bank_name(self.path)

    def name(self, row: int) -> str:
        """Hierarchical name of one instance."""
        return format_name(self.path, row)

    def place(self, row: int) -> Span | None:
        """Statement that made one instance."""
        if self.span is None or self.origin is None:
            return self.span
        start = int(self.origin[row])
        stop = self.span.source.text.find(";", start)
        return Span(self.span.source, start, stop if stop > 0 else start + 1)

    def take(self, rows: np.ndarray) -> InstanceTable:
        """Table whose row i is row rows[i] of this one; names go with the rows."""
        columns = {name: frozen(column[rows]) for name, column in self.params.items()}
        ties = {name: Tie(tie.shared, frozen(tie.index[rows])) for name, tie in self.ties.items()}
        waves = {name: Wave(wave.kind, frozen(wave.arguments[rows])) for name, wave in self.waves.items()}
        origin = None if self.origin is None else self.origin[rows]
        return replace(self, path=take_rows(self.path, rows), nodes=frozen(self.nodes[rows]), params=columns, ties=ties,
                       waves=waves, origin=origin)

    def rows_by_bank(self) -> Iterator[tuple[str, slice | np.ndarray]]:
        """(bank name, rows): one entry, or one per name where each folded statement named its own instance."""
        named = [segment.text for segment in self.path if isinstance(segment.text, tuple)]
        if not named:
            yield self.bank, slice(0, self.count)
            return
        groups: dict[tuple[str, ...], list[int]] = {}
        for row, texts in enumerate(zip(*named, strict=True)):
            groups.setdefault(texts, []).append(row)
        for texts, rows in groups.items():
            one = iter(texts)
            name = ".".join(next(one) if isinstance(segment.text, tuple) else segment.text for segment in self.path)
            yield name, slice(rows[0], rows[0] + 1) if len(rows) == 1 else np.array(rows)


@dataclass(frozen=True)
class Phase:
    name: str
    duration: float
    span: Span | None = None


@dataclass(frozen=True, eq=False)
class Stimulus(ReadOnly):
    """Nodes driven by waveforms of one kind: int32[n] and one row of arguments each."""

    nodes: np.ndarray
    wave: Wave
    span: Span | None
    inner: bool = False
    """Driven inside a subcircuit or on an inner node: part of the circuit, not of the test bench."""


@dataclass(frozen=True, eq=False)
class Circuit(ReadOnly):
    """A flat circuit.

    ports, inputs, outputs: int32 node numbers in order. outlined: netlists write repeated structure once, as subcircuits.
    `voltage` arguments everywhere are volts against ground.
    """

    name: str
    nodes: NodeTable
    tables: tuple[InstanceTable, ...]
    shared: tuple[SharedParam, ...]
    phases: tuple[Phase, ...]
    stimuli: tuple[Stimulus, ...]
    ports: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    pdk: str | None = None
    span: Span | None = field(default=None, repr=False)
    outlined: bool = False

    def __post_init__(self) -> None:
        from kcompile.ir.verify import verify

        verify(self)

    @property
    def duration(self) -> float | None:
        """Sum of the phases in seconds; None without phases."""
        return sum(phase.duration for phase in self.phases) if self.phases else None

    @property
    def models(self) -> tuple[DeviceModel, ...]:
        """Models in use, in order of first use."""
        return tuple({id(table.model): table.model for table in self.tables}.values())

    @cached_property
    def driven(self) -> np.ndarray:
        """int32: nodes whose voltage is a known function of time, in order of declaration."""
        parts = [stimulus.nodes for stimulus in self.stimuli]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)

    @cached_property
    def free(self) -> np.ndarray:
        """int32: nodes that have an equation, in order."""
        known = np.zeros(self.nodes.count, dtype=bool)
        known[0] = True
        known[self.driven] = True
        return np.flatnonzero(~known).astype(np.int32)

    def parameters(self) -> dict[str, np.ndarray]:
        """Values by full name (`mix.w1.k`, `w`), shared ones in their shape, instance ones as columns."""
        found = {shared.name: shared.values.reshape(shared.shape) for shared in self.shared}
        for table in self.tables:
            for bank, rows in table.rows_by_bank():
                found.update({f"{bank}.{name}": column[rows] for name, column in table.params.items()
                              if name not in table.ties})
        return found

    def trainable(self) -> tuple[str, ...]:
        """Full names of the parameters that training may change."""
        found = [shared.name for shared in self.shared if shared.trainable]
        for table in self.tables:
            names = [p.name for p in table.model.params
                     if p.trainable and p.name not in table.ties and p.name not in table.fixed]
            found += [f"{bank}.{name}" for bank, _ in table.rows_by_bank() for name in names]
        return tuple(found)

    def with_params(self, values: Mapping[str, np.ndarray]) -> Circuit:
        """Circuit with other parameter values, by full name; shapes are kept, ties follow.

        Raises `UsageError` KC0502 for an unknown name, KC0504 for a wrong shape, KC0505 for values outside limits.
        """
        from kcompile.ir.assign import assign

        return assign(self, values)

    def with_initial(self, voltages: ArrayLike) -> Circuit:
        """Circuit whose input nodes start at other voltages, float64[inputs]; raises `UsageError` KC0506, KC0507."""
        values = read_array(voltages, "the list of input voltages")
        if values.shape != self.inputs.shape:
            raise UsageError(Diagnostic("KC0507", f"the circuit has {len(self.inputs)} input nodes, "
                                        f"{values.size} voltages are given"))
        if not np.all(np.isfinite(values)):
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise UsageError(Diagnostic("KC0506", f"input voltage {at} is {values[at]}"))
        initial = self.nodes.initial.copy()
        initial[self.inputs] = values
        return replace(self, nodes=replace(self.nodes, initial=frozen(initial)))

    def to_networkx(self) -> networkx.MultiDiGraph:
        """Graph with a vertex per node and an edge per instance (first to second terminal), for small circuits.

        Raises `UsageError` KC0514 above 200,000 instances.
        """
        total = sum(table.count for table in self.tables)
        if total > MAX_GRAPH:
            raise UsageError(Diagnostic("KC0514", f"a graph view holds at most {MAX_GRAPH:,} instances, this circuit has "
                                        f"{total:,}", hint="use scipy.sparse.csgraph on the columns"))
        import networkx

        graph = networkx.MultiDiGraph(name=self.name)
        graph.add_nodes_from(self.nodes.names)
        for table in self.tables:
            for row in range(table.count):
                ends = [self.nodes.names[n] for n in table.nodes[row]] + ["gnd"]
                graph.add_edge(ends[0], ends[1], key=table.name(row), model=table.model.name)
        return graph
