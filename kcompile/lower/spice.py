"""The SPICE target: a reusable subcircuit, a runnable test bench, and a map back to the source.

Linear laws become R, C and G cards, every other law a subcircuit of behavioural sources. A time slice, where there are
several, is a gate: a voltage of 1 while its devices are connected and 0 otherwise, which multiplies their currents.
Inputs and shared parameters are parameters of the subcircuit, so another deck can set them. Starting voltages stand as
`.ic` for every node, because ngspice starts at 0.8 V what one `.ic` alone should start at 0.3 V.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit, InstanceTable, Stimulus, Wave
from kcompile.ir.structure import table_capacitances
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.render import Card, render
from kcompile.lower.spice_law import Element, LawSubcircuit, free_parameter, law_subcircuit, native_element
from kcompile.lower.spice_map import map_view
from kcompile.lower.spice_names import Namespace, NetlistNames, plain

MAX_PARAMETERS = 256
"""Shared arrays up to this size are parameters of the subcircuit; larger ones are written as numbers, because ngspice
takes 0.7 ms for each parameter."""

EDGE = 1e-6
"""Half width of a gate's edge, as a part of the shortest slice. Edges of two slices cross at half height, so the charge
lost is of second order."""

_CHUNK = 20_000
_RUN = {"ngspice": "ngspice -n -b -r {name}.raw {name}_tb.cir", "xyce": "Xyce {name}_tb.cir"}
"""How a test bench is run, by dialect."""

_NEVER = 1e30
"""Seconds: width and period of a pulse that does not end."""


@dataclass(frozen=True)
class Netlist:
    """The files of a lowering, and where a simulator's vectors are found in the circuit."""

    artifacts: tuple[Artifact, ...]
    nodes: tuple[str, ...]
    """Vector of each node but ground, in order: `v(x_0)`, `v(xtop.h_3)`."""
    states: tuple[str, ...]
    """Vector of each inner state, in declaration order."""
    names: NetlistNames


class SpiceTarget:
    """`--target spice`."""

    name = "spice"
    dialects = tuple(_RUN)
    needs_end = True

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return build_netlist(circuit, options).artifacts


TARGET = SpiceTarget()


def build_netlist(circuit: Circuit, options: BenchOptions) -> Netlist:
    """Netlist and test bench of a circuit; raises `UsageError` KC0509 for an unknown dialect, KC0508 without an end."""
    dialect = options.dialect or SpiceTarget.dialects[0]
    if dialect not in SpiceTarget.dialects:
        raise UsageError(Diagnostic("KC0509", f"there is no dialect `{dialect}`", hint=nearest(
            dialect, SpiceTarget.dialects) or accepted(SpiceTarget.dialects)))
    return _NetlistBuilder(circuit, options, dialect).build()


def number(value: float) -> str:
    """A plain number in the fewest digits that read back as the same float; no suffix, in SPICE `1M` is a thousandth."""
    return repr(float(value))


class _NetlistBuilder:
    def __init__(self, circuit: Circuit, options: BenchOptions, dialect: str) -> None:
        self._circuit = circuit
        self._options = options
        self._dialect = dialect
        self._names = NetlistNames(circuit)
        self._top = plain(circuit.name)
        self._shared = {one.name: self._names.space.claim(f"p_{one.name}") for one in circuit.shared
                        if one.values.size <= MAX_PARAMETERS}
        # A single slice lasts as long as the circuit does, so nothing is switched.
        self._phases = circuit.phases if len(circuit.phases) > 1 else ()
        self._gates = [self._names.space.claim(f"gate_{phase.name}") for phase in self._phases]
        self._laws: dict[tuple[int, bool], LawSubcircuit] = {}
        self._elements: dict[int, Element | None] = {id(model): native_element(model) for model in circuit.models}
        self._law_space = Namespace([self._top])
        self._node_text = np.array(self._names.nodes, dtype=object)

    def build(self) -> Netlist:
        circuit = self._circuit
        until = self._options.until if self._options.until is not None else circuit.duration
        if until is None:
            raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the test bench needs a time to simulate",
                                        hint="for example --until 50ns"))
        banks = [(table, Card("".join(self._bank(table)))) for table in circuit.tables]
        view = {
            "top": self._top, "source_name": circuit.name, "ports": self._ports(), "laws": list(self._laws.values()),
            "parameters": [(name, number(value)) for name, value in self._parameters()],
            "gates": list(self._gate_sources()),
            "banks": [{"title": self._bank_title(table), "cards": cards} for table, cards in banks],
            "sources": [card for stimulus in circuit.stimuli if stimulus.inner for card in self._drive(stimulus)],
            "bare": self._bare_drives(), "initials": self._initials(),
        }
        spice = f"{circuit.name}.spice"
        vectors, states = self._vectors()
        step = self._options.max_step or float(f"{until / 1000:.12g}")
        bench = {
            "top": self._top, "source_name": circuit.name, "netlist": spice, "ports": self._ports(),
            "sources": [card for stimulus in circuit.stimuli if not stimulus.inner for card in self._drive(stimulus)],
            "rtol": number(self._options.rtol), "until": number(until), "step": number(step),
            "save": [*vectors, *states], "runs": _RUN[self._dialect].format(name=circuit.name),
        }
        folder = f"spice/{self._dialect}"
        artifacts = (
            Artifact(spice, render(f"{folder}/circuit.cir.j2", view)),
            Artifact(f"{circuit.name}_tb.cir", render(f"{folder}/bench.cir.j2", bench)),
            Artifact(f"{circuit.name}.map.json", json.dumps(self._map(), indent=1) + "\n"),
        )
        return Netlist(artifacts, tuple(vectors), tuple(states), self._names)

    # ---- the frame ----------------------------------------------------------------------------------------------------

    def _port_nodes(self) -> list[int]:
        """Declared ports, then inputs and outputs that are not among them."""
        circuit = self._circuit
        return list(dict.fromkeys(int(n) for n in (*circuit.ports, *circuit.inputs, *circuit.outputs)))

    def _ports(self) -> list[str]:
        return [self._names.nodes[n] for n in self._port_nodes()]

    def _parameters(self) -> Iterator[tuple[str, float]]:
        for one in self._circuit.shared:
            if one.name in self._shared:
                base = self._shared[one.name]
                for i, value in enumerate(one.values):
                    yield (base if one.values.size == 1 else f"{base}_{i}"), float(value)
        for node in self._circuit.inputs:
            yield f"ic_{self._names.nodes[node]}", float(self._circuit.nodes.initial[node])

    def _initials(self) -> Card:
        circuit = self._circuit
        initial = circuit.nodes.initial.copy()
        for stimulus in circuit.stimuli:
            initial[stimulus.nodes] = _start(stimulus.wave)
        texts = [number(value) for value in initial]
        for node in circuit.inputs:
            texts[node] = f"{{ic_{self._names.nodes[node]}}}"
        return Card("".join(f".ic v({name})={text}\n" for name, text in zip(self._names.nodes[1:], texts[1:], strict=True)))

    def _bare_drives(self) -> list[str]:
        """Driven nodes that no R or C card touches."""
        touched = [table.nodes for table in self._circuit.tables
                   if (element := self._elements[id(table.model)]) and element.letter in "RC" and not self._is_gated(table)]
        bare = np.setdiff1d(self._circuit.driven, np.concatenate([nodes.ravel() for nodes in touched]) if touched else [])
        return [self._names.nodes[int(n)] for n in bare]

    def _gate_sources(self) -> Iterator[str]:
        phases = self._phases
        if not phases:
            return
        half = EDGE * min(phase.duration for phase in phases)
        at = 0.0
        for k, phase in enumerate(phases):
            stop = at + phase.duration
            points = [(0.0, 1.0)] if k == 0 else [(0.0, 0.0), (at - half, 0.0), (at + half, 1.0)]
            if k + 1 < len(phases):
                points += [(stop - half, 1.0), (stop + half, 0.0)]
            body = " ".join(f"{number(t)} {number(v)}" for t, v in points)
            wave = f"PWL({body})" if len(points) > 1 else "DC 1"
            yield f"V{self._gates[k]} {self._gates[k]} 0 {wave}"
            at = stop

    def _drive(self, stimulus: Stimulus) -> Iterator[str]:
        for node, row in zip(stimulus.nodes, stimulus.wave.arguments, strict=True):
            name = self._names.nodes[node]
            yield f"Vdrive_{name} {name} 0 {waveform(stimulus.wave.kind, row)}"

    # ---- banks --------------------------------------------------------------------------------------------------------

    def _bank_title(self, table: InstanceTable) -> str:
        count = f" x {table.count}" if table.count > 1 else ""
        return f"{table.bank}: {table.model.name}{count}"

    def _bank(self, table: InstanceTable) -> Iterator[str]:
        element = self._elements[id(table.model)]
        gated = self._is_gated(table)
        if element is not None and not gated:
            yield from self._native(table, element)
            return
        key = (id(table.model), gated)
        if key not in self._laws:
            self._laws[key] = law_subcircuit(table.model, self._top, gated, self._law_space, self._state_farads())
        sub = self._laws[key]
        base = self._names.tables[id(table)]
        columns: list[np.ndarray | str] = [self._node_text[table.nodes[:, k]] for k in range(table.nodes.shape[1])]
        if table.phase is not None and gated:
            columns.append(self._gates[table.phase])
        for param in table.model.waveforms:
            wave = table.waves[param.name]
            node = self._names.space.claim(f"w_{base}_{param.name}", bare=False)
            columns.append(np.array([f"{node}_{i}" for i in range(table.count)], dtype=object))
            yield from (f"V{node}_{i} {node}_{i} 0 {waveform(wave.kind, row)}\n" for i, row in enumerate(wave.arguments))
        columns.append(f"{sub.name} params:" if sub.params else sub.name)
        head = len(columns)
        columns += [self._values(table, name) for name, _ in sub.params]
        layout = " ".join(["%s"] * head + [f"{text}=%s" for _, text in sub.params])
        yield from _lines(f"X{self._names.row(table)} {layout}\n", columns, table.count)

    def _state_farads(self) -> str:
        """Capacitance behind an inner state: as many farads as seconds are simulated, in powers of ten.

        A state then moves on a current of its own size. On one farad, a state that changes in nanoseconds takes megaamperes,
        and ngspice's step control drowns in their rounding.
        """
        until = self._options.until or self._circuit.duration or 1.0
        return f"{10.0 ** round(math.log10(until)):g}"

    def _is_gated(self, table: InstanceTable) -> bool:
        return table.phase is not None and bool(self._phases)

    def _native(self, table: InstanceTable, element: Element) -> Iterator[str]:
        place = {name: k for k, name in enumerate(table.model.terminals)}
        columns: list[np.ndarray | str] = [
            "0" if terminal == "gnd" else self._node_text[table.nodes[:, place[terminal]]] for terminal in element.terminals]
        name = free_parameter(element.value)
        if name is not None:
            columns.append(self._values(table, name))
        elif element.letter == "C":
            columns.append(_texts(table_capacitances(table)[0][2]))
        else:
            from kcompile.sim.kernel import make_kernel

            value = make_kernel([element.value], table.params).prepare(table.params)({})[0]
            columns.append(_texts(np.broadcast_to(value, (table.count,))))
        yield from _lines(f"{element.letter}{self._names.row(table)} {' '.join(['%s'] * len(columns))}\n", columns, table.count)

    def _values(self, table: InstanceTable, name: str) -> np.ndarray | str:
        tie = table.ties.get(name)
        if tie is None or tie.shared not in self._shared:
            return _texts(table.params[name])
        base = self._shared[tie.shared]
        size = next(one.values.size for one in self._circuit.shared if one.name == tie.shared)
        if size == 1:
            return f"{{{base}}}"
        return np.array([f"{{{base}_{i}}}" for i in range(size)], dtype=object)[tie.index]

    # ---- back to the source -------------------------------------------------------------------------------------------

    def _vectors(self) -> tuple[list[str], list[str]]:
        outside = {self._names.nodes[n] for n in self._port_nodes()}
        nodes = [f"v({name})" if name in outside else f"v(xtop.{name})" for name in self._names.nodes[1:]]
        states = []
        for table in self._circuit.tables:
            if not table.model.states:
                continue
            sub = self._laws[(id(table.model), self._is_gated(table))]
            row = self._names.row(table)
            states += [f"v(xtop.x{row % i}.{node})" for i in range(table.count) for node, _ in sub.initials]
        return nodes, states

    def _map(self) -> dict[str, object]:
        letters = {}
        for table in self._circuit.tables:
            element = self._elements[id(table.model)]
            letters[id(table)] = element.letter.lower() if element and not self._is_gated(table) else "x"
        parameters = {one.name: self._shared.get(one.name) for one in self._circuit.shared}
        return map_view(self._circuit, self._names, letters, self._ports(), parameters)


def _texts(column: np.ndarray) -> np.ndarray | str:
    """Numbers as text; one text for a column that is one value broadcast, or made of few values."""
    if column.strides == (0,) or len(column) == 1:
        return number(float(column[0]))
    values, place = np.unique(column, return_inverse=True)
    return np.array([number(v) for v in values.tolist()], dtype=object)[place]


def _lines(layout: str, columns: list[np.ndarray | str], count: int) -> Iterator[str]:
    """Cards of a bank, formatted in chunks: `layout` takes the row number and then the columns."""
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        cells = [[column] * (last - first) if isinstance(column, str) else column[first:last].tolist() for column in columns]
        yield "".join(map(layout.__mod__, zip(range(first, last), *cells, strict=True)))


def waveform(kind: str, row: np.ndarray) -> str:
    """Source function with every field written out."""
    values = [_NEVER if not np.isfinite(v) else float(v) for v in row]
    if kind == "dc":
        return f"DC {number(values[0])}"
    if kind == "pwl" and values[0] > 0:
        values = [0.0, values[1], *values]
    return f"{kind.upper()}({' '.join(number(v) for v in values)})"


def _start(wave: Wave) -> np.ndarray:
    from kcompile.sim.waveform import Sources

    return Sources(wave).value(0.0)
