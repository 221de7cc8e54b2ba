"""The SPICE target: a reusable subcircuit, a runnable test bench, and a map back to the source.

Linear laws become R, C and G cards, every other law a subcircuit of behavioural sources. A time slice, where there are
several, is a gate: a voltage of 1 while its devices are connected and 0 otherwise, which multiplies their currents.
Inputs and shared parameters are parameters of the subcircuit, so another deck can set them. Starting voltages stand as
`.ic` for every node, because ngspice starts at 0.8 V what one `.ic` alone should start at 0.3 V.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.structure import table_capacitances
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.columns import Cells, format_column, format_rows, number
from kcompile.lower.frame import Frame, Netlist, Source
from kcompile.lower.spice_blocks import BlockView, BlockWriter
from kcompile.lower.spice_law import Element, LawSubcircuit, free_parameter, law_subcircuit, native_element
from kcompile.lower.spice_names import Namespace, plain
from kcompile.pdk.placement import has_cells
from kcompile.render import Card, render

_RUN = {"ngspice": "ngspice -n -b -r {name}.raw {name}_tb.cir", "xyce": "Xyce {name}_tb.cir"}
"""How a test bench is run, by dialect."""


class SpiceTarget:
    """`--target spice`."""

    name = "spice"
    dialects = tuple(_RUN)
    needs_end = True
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        from kcompile.lower.transistors import build_transistors

        return (build_transistors if has_cells(circuit) else build_netlist)(circuit, options).artifacts


TARGET = SpiceTarget()


def build_netlist(circuit: Circuit, options: BenchOptions) -> Netlist:
    """Netlist and test bench of a circuit; raises `UsageError` KC0509 for an unknown dialect, KC0508 without an end."""
    dialect = options.dialect or SpiceTarget.dialects[0]
    if dialect not in SpiceTarget.dialects:
        raise UsageError(Diagnostic("KC0509", f"there is no dialect `{dialect}`", hint=nearest(
            dialect, SpiceTarget.dialects) or accepted(SpiceTarget.dialects)))
    return _NetlistBuilder(circuit, options, dialect).build()


class _NetlistBuilder:
    def __init__(self, circuit: Circuit, options: BenchOptions, dialect: str) -> None:
        self._frame = Frame(circuit, options, plain(circuit.name))
        self._circuit = circuit
        self._options = options
        self._dialect = dialect
        self._laws: dict[tuple[int, bool], LawSubcircuit] = {}
        self._elements: dict[int, Element | None] = {id(model): native_element(model) for model in circuit.models}
        self._law_space = Namespace([self._frame.top])
        self._blocks = BlockWriter(self._frame, self._block_cards) if circuit.outlined else None

    def build(self) -> Netlist:
        circuit, frame = self._circuit, self._frame
        banks = [{"title": title, "cards": Card(cards)} for title, cards in self._banks()]
        inputs = frame.input_parameters
        parameters = [*frame.shared_parameters(), *((name, float(circuit.nodes.initial[node])) for node, name in inputs.items())]
        view = {
            "top": frame.top, "source_name": circuit.name, "ports": frame.ports, "laws": list(self._laws.values()),
            "blocks": [{**vars(block), "ports": Card(block.ports), "cards": Card(block.cards)} for block in self._block_views()],
            "parameters": [(name, number(value)) for name, value in parameters],
            "gates": [source_card(source) for source in frame.gate_sources()],
            "banks": banks, "sources": [source_card(source) for source in frame.drives(inner=True)],
            "bare": self._bare_drives(), "initials": self._initials(),
        }
        spice = f"{circuit.name}.spice"
        vectors, states = frame.vectors("v(%s)", "v(xtop.%s)"), self._states()
        for node, path in self._node_paths.items():
            vectors[node - 1] = f"v(xtop.{path})"
        bench = {
            "top": frame.top, "source_name": circuit.name, "netlist": spice, "ports": frame.ports,
            "sources": [source_card(source) for source in frame.drives(inner=False)],
            "rtol": number(self._options.rtol), "until": number(frame.until), "step": number(frame.step),
            "save": [*vectors, *states], "runs": _RUN[self._dialect].format(name=circuit.name),
        }
        folder = f"spice/{self._dialect}"
        artifacts = (
            Artifact(spice, render(f"{folder}/circuit.cir.j2", view)),
            Artifact(f"{circuit.name}_tb.cir", render(f"{folder}/bench.cir.j2", bench)),
            Artifact(f"{circuit.name}.map.json", json.dumps(self._map(), indent=1) + "\n"),
        )
        return Netlist(artifacts, tuple(vectors), tuple(states), frame.names)

    def _initials(self) -> Card:
        names, texts = self._frame.names.nodes, [number(value) for value in self._frame.starts]
        for node, name in self._frame.input_parameters.items():
            texts[node] = f"{{{name}}}"
        return Card("".join(f".ic v({names[node]})={texts[node]}\n" for node in range(1, len(names))
                            if node not in self._node_paths))

    def _bare_drives(self) -> list[str]:
        """Driven nodes that no R or C card touches."""
        touched = [table.nodes for table in self._circuit.tables
                   if (element := self._native(table)) is not None and element.letter in "RC"]
        bare = np.setdiff1d(self._circuit.driven, np.concatenate([nodes.ravel() for nodes in touched]) if touched else [])
        return [self._frame.names.nodes[int(n)] for n in bare]

    # ---- banks --------------------------------------------------------------------------------------------------------

    def _native(self, table: InstanceTable) -> Element | None:
        """The element that the instances of a bank are; None where they are subcircuits."""
        return None if self._frame.is_gated(table) else self._elements[id(table.model)]

    def _law(self, table: InstanceTable) -> LawSubcircuit:
        key = (id(table.model), self._frame.is_gated(table))
        if key not in self._laws:
            farads = f"{self._frame.farads:g}"
            self._laws[key] = law_subcircuit(table.model, self._frame.top, key[1], self._law_space, farads)
        return self._laws[key]

    def _banks(self) -> Iterator[tuple[str, str]]:
        """(title, cards) of each bank, and of what is written as blocks."""
        tables, frame = self._circuit.tables, self._frame
        if self._blocks is None:
            yield from ((frame.title(table), "".join(self._bank(table, table, range(table.count)))) for table in tables)
            return
        for k, rows in self._blocks.loose():
            yield frame.title(tables[k]), "".join(self._bank(tables[k].take(rows), tables[k], rows.tolist()))
        yield "repeated structure", self._blocks.instances()

    def _block_cards(self, table: InstanceTable, rows: np.ndarray, nodes: np.ndarray) -> str:
        return "".join(self._bank(table.take(rows), table, range(len(rows)), nodes))

    def _bank(self, table: InstanceTable, named: InstanceTable, numbers: Sequence[int],
              nodes: np.ndarray | None = None) -> Iterator[str]:
        """Cards of instances, with the names of the bank they are part of and numbers in it; `nodes` are names of nodes."""
        element, frame = self._native(table), self._frame
        if element is not None:
            yield from self._elements_of(table, element, named, numbers, nodes)
            return
        sub = self._law(table)
        columns = frame.ends(table, nodes)
        for wave_nodes, sources in frame.waves(table, named):
            columns.append(wave_nodes)
            yield from (f"{source_card(source)}\n" for source in sources)
        columns.append(f"{sub.name} params:" if sub.params else sub.name)
        layout = " ".join(["%s"] * len(columns) + [f"{text}=%s" for _, text in sub.params])
        columns += [frame.values(table, name, "{%s}") for name, _ in sub.params]
        yield from format_rows(f"X{frame.names.row(named)} {layout}\n", columns, numbers)

    def _elements_of(self, table: InstanceTable, element: Element, named: InstanceTable, numbers: Sequence[int],
                     nodes: np.ndarray | None) -> Iterator[str]:
        ends = dict(zip(table.model.terminals, self._frame.ends(table, nodes), strict=False))
        columns: list[Cells] = ["0" if terminal == "gnd" else ends[terminal] for terminal in element.terminals]
        name = free_parameter(element.value)
        if name is not None:
            columns.append(self._frame.values(table, name, "{%s}"))
        elif element.letter == "C":
            columns.append(format_column(table_capacitances(table)[0][2]))
        else:
            from kcompile.sim.kernel import make_kernel

            value = make_kernel([element.value], table.params).prepare(table.params)({})[0]
            columns.append(format_column(np.broadcast_to(value, (table.count,))))
        layout = f"{element.letter}{self._frame.names.row(named)} {' '.join(['%s'] * len(columns))}\n"
        yield from format_rows(layout, columns, numbers)

    # ---- back to the source -------------------------------------------------------------------------------------------

    @cached_property
    def _node_paths(self) -> dict[int, str]:
        return self._blocks.node_paths() if self._blocks is not None else {}

    @cached_property
    def _row_paths(self) -> dict[tuple[int, int], str]:
        """Path of each device inside a block, without the letter: `xblock_3.x0.`, `r_0`."""
        if self._blocks is None:
            return {}
        tables, row = self._circuit.tables, self._frame.names.row
        return {place: f"{path}.{self._letter(tables[k])}{row(tables[k]) % j}"
                for place, (path, k, j) in self._blocks.row_paths().items()}

    def _letter(self, table: InstanceTable) -> str:
        element = self._native(table)
        return element.letter.lower() if element else "x"

    def _block_views(self) -> list[BlockView]:
        return self._blocks.views if self._blocks is not None else []

    def _states(self) -> list[str]:
        states = []
        for k, table in enumerate(self._circuit.tables):
            if table.model.states:
                sub, row = self._law(table), self._frame.names.row(table)
                paths = [self._row_paths.get((k, i), f"x{row % i}") for i in range(table.count)]
                states += [f"v(xtop.{path}.{node})" for path in paths for node, _ in sub.initials]
        return states

    def _map(self) -> dict[str, object]:
        return self._frame.map({id(table): self._letter(table) for table in self._circuit.tables}, self._node_paths,
                               self._row_paths)


def source_card(source: Source, ground: str = "0") -> str:
    """V card with every field of the source function written out, against a node."""
    values = source.finite.tolist()
    if source.kind == "pwl" and values[0] > 0:
        values = [0.0, values[1], *values]
    texts = " ".join(number(v) for v in values)
    wave = f"DC {texts}" if source.kind == "dc" else f"{source.kind.upper()}({texts})"
    return f"V{source.label} {source.node} {ground} {wave}"
