"""What the netlists of a circuit share, whatever their language: names, ports, parameters, sources, columns of values.

A time slice, where there are several, is a gate: a voltage of 1 while its devices are connected and 0 otherwise. A waveform
parameter is the voltage of a node of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable, Wave
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.clocks import Clocks
from kcompile.lower.columns import Cells, format_column
from kcompile.lower.spice_map import map_view
from kcompile.lower.spice_names import RESERVED, NetlistNames

MAX_PARAMETERS = 256
"""Shared arrays up to this size are parameters of the subcircuit; larger ones are written as numbers, because ngspice
takes 0.7 ms for each parameter."""

EDGE = 1e-6
"""Half width of a gate's edge, as a part of the shortest slice. Edges of two slices cross at half height, so the charge
lost is of second order."""

NEVER = 1e30
"""Seconds: width and period of a pulse that does not end."""

SLOWEST = 1e-30
"""Hertz of a sine of frequency 0, seconds of an exponential without delay. ngspice reads 0 as left out and takes the inverse of
the simulated time or a print step, VACASK refuses a frequency of 0."""


@dataclass(frozen=True)
class Netlist:
    """The files of a lowering, and where a simulator's vectors are found in the circuit."""

    artifacts: tuple[Artifact, ...]
    nodes: tuple[str, ...]
    """Vector of each node but ground, in order: `v(x_0)`, `v(xtop.h_3)`."""
    states: tuple[str, ...]
    """Vector of each inner state, in declaration order."""
    names: NetlistNames
    common: float = 0.0
    """Volts of the program's ground in the netlist: the common mode of a process."""
    clocks: Clocks | None = None
    """Of a chip with several time slices, whose time is not that of the program."""
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Seconds from and to which each clock of such a chip is on."""
    reads: tuple[str, ...] = ()
    """Vectors of the pins that show the outputs of such a chip, in order."""


@dataclass(frozen=True, eq=False)
class Source:
    """A source of a waveform between a node and ground; `label` tells its name from those of others."""

    label: str
    node: str
    kind: str
    row: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Arguments in the order of SPICE, finite and above what simulators replace by values of their own."""
        values = np.where(np.isfinite(self.row), self.row, NEVER)
        if self.kind in ("sin", "exp"):
            values[2] = max(values[2], SLOWEST)
        return values


class Frame:
    """A circuit under lowering. Raises `UsageError` KC0508 when neither the options nor the phases say an end."""

    def __init__(self, circuit: Circuit, options: BenchOptions, top: str, reserved: frozenset[str] = RESERVED) -> None:
        until = options.until if options.until is not None else circuit.duration
        if until is None:
            raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the test bench needs a time to simulate",
                                        hint="for example --until 50ns"))
        self.circuit = circuit
        self.top = top
        self.until = until
        self.step = options.max_step or float(f"{until / 1000:.12g}")
        self.names = NetlistNames(circuit, reserved)
        self.shared = {one.name: self.names.space.claim(f"p_{one.name}") for one in circuit.shared
                       if one.values.size <= MAX_PARAMETERS}
        # A single slice lasts as long as the circuit does, so nothing is switched.
        self._phases = circuit.phases if len(circuit.phases) > 1 else ()
        self._gates = [self.names.space.claim(f"gate_{phase.name}") for phase in self._phases]
        self._node_text = np.array(self.names.nodes, dtype=object)

    # ---- nodes --------------------------------------------------------------------------------------------------------

    @property
    def port_nodes(self) -> list[int]:
        """Declared ports, then inputs and outputs that are not among them."""
        circuit = self.circuit
        return list(dict.fromkeys(int(n) for n in (*circuit.ports, *circuit.inputs, *circuit.outputs)))

    @property
    def ports(self) -> list[str]:
        return [self.names.nodes[n] for n in self.port_nodes]

    def vectors(self, outside: str, inside: str) -> list[str]:
        """Vector of each node but ground, for patterns such as `v(%s)` for ports and `v(xtop.%s)` for the others."""
        ports = set(self.ports)
        return [(outside if name in ports else inside) % name for name in self.names.nodes[1:]]

    @property
    def starts(self) -> np.ndarray:
        """float64[nodes], volts at time 0: initial voltages, and what drives say then."""
        from kcompile.sim.waveform import Sources

        initial = self.circuit.nodes.initial.copy()
        for stimulus in self.circuit.stimuli:
            initial[stimulus.nodes] = Sources(stimulus.wave).value(0.0)
        return initial

    def ends(self, table: InstanceTable, texts: np.ndarray | None = None) -> list[Cells]:
        """Nodes of the instances of a bank, a column per terminal, and of their gate where they have one.

        `texts` are the names of the nodes, object[nodes], where these are not those of the top.
        """
        names = self._node_text if texts is None else texts
        columns: list[Cells] = [names[table.nodes[:, k]] for k in range(table.nodes.shape[1])]
        gate = self.gate(table)
        return columns if gate is None else [*columns, gate]

    def gate(self, table: InstanceTable) -> str | None:
        """Node of the gate of a bank that belongs to a time slice."""
        return self._gates[table.phase] if table.phase is not None and self.is_gated(table) else None

    # ---- parameters ---------------------------------------------------------------------------------------------------

    def shared_parameters(self) -> Iterator[tuple[str, float]]:
        """(name, value) of every element of the shared parameters that are parameters of the subcircuit."""
        for one in self.circuit.shared:
            if one.name in self.shared:
                base = self.shared[one.name]
                for i, value in enumerate(one.values):
                    yield (base if one.values.size == 1 else f"{base}_{i}"), float(value)

    @property
    def input_parameters(self) -> dict[int, str]:
        """Name of the parameter that holds the starting voltage, by input node."""
        return {int(node): f"ic_{self.names.nodes[node]}" for node in self.circuit.inputs}

    def values(self, table: InstanceTable, name: str, reference: str) -> Cells:
        """Values of a parameter as text; `reference` says how a parameter of the subcircuit is spelled, at `%s`."""
        tie = table.ties.get(name)
        if tie is None or tie.shared not in self.shared:
            return format_column(table.params[name])
        base = self.shared[tie.shared]
        size = next(one.values.size for one in self.circuit.shared if one.name == tie.shared)
        if size == 1:
            return reference % base
        return np.array([reference % f"{base}_{i}" for i in range(size)], dtype=object)[tie.index]

    @property
    def farads(self) -> float:
        """Capacitance behind an inner state: as many farads as seconds are simulated, in powers of ten.

        A state then moves on a current of its own size. On one farad, a state that changes in nanoseconds takes megaamperes,
        and a simulator's step control drowns in their rounding.
        """
        return 10.0 ** round(math.log10(self.until))

    # ---- sources ------------------------------------------------------------------------------------------------------

    def gate_sources(self) -> Iterator[Source]:
        half = EDGE * min((phase.duration for phase in self._phases), default=0.0)
        at = 0.0
        for k, phase in enumerate(self._phases):
            stop = at + phase.duration
            points = [(0.0, 1.0)] if k == 0 else [(0.0, 0.0), (at - half, 0.0), (at + half, 1.0)]
            if k + 1 < len(self._phases):
                points += [(stop - half, 1.0), (stop + half, 0.0)]
            yield Source(self._gates[k], self._gates[k], "pwl", np.array(points).ravel())
            at = stop

    def drives(self, inner: bool) -> Iterator[Source]:
        """Sources of driven nodes, those of the circuit (`inner`) or those of the test bench."""
        for stimulus in self.circuit.stimuli:
            if stimulus.inner == inner:
                for node, row in zip(stimulus.nodes, stimulus.wave.arguments, strict=True):
                    name = self.names.nodes[node]
                    yield Source(f"drive_{name}", name, stimulus.wave.kind, row)

    def waves(self, table: InstanceTable, named: InstanceTable) -> Iterator[tuple[Cells, list[Source]]]:
        """Nodes of each waveform parameter of instances as a column, and their sources; names are those of a bank."""
        for param in table.model.waveforms:
            wave: Wave = table.waves[param.name]
            nodes = self.fresh(table, f"w_{self.names.tables[id(named)]}_{param.name}")
            yield nodes, [Source(node, node, wave.kind, row) for node, row in zip(nodes, wave.arguments, strict=True)]

    def fresh(self, table: InstanceTable, source: str) -> np.ndarray:
        """A new node for each instance of a bank, object[n]."""
        base = self.names.space.claim(source, bare=False)
        return np.array([f"{base}_{i}" for i in range(table.count)], dtype=object)

    # ---- banks --------------------------------------------------------------------------------------------------------

    def is_gated(self, table: InstanceTable) -> bool:
        return table.phase is not None and bool(self._phases)

    def title(self, table: InstanceTable) -> str:
        count = f" x {table.count}" if table.count > 1 else ""
        return f"{table.bank}: {table.model.name}{count}"

    def map(self, letters: dict[int, str], nodes: Mapping[int, str], rows: Mapping[tuple[int, int], str]) -> dict[str, object]:
        """The map of names, for the letter before the names of each bank's instances.

        nodes, rows: paths of nodes and of instances (table, row) that stand in subcircuits of their own.
        """
        parameters = {one.name: self.shared.get(one.name) for one in self.circuit.shared}
        return map_view(self.circuit, self.names, letters, self.ports, parameters, nodes, rows)
