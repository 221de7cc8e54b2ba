"""The Verilog-A target: a module for each law, and a netlist of instances of them in the language of a simulator.

openvaf-r compiles flat modules, none that instantiates others, so the circuit is a subcircuit of the simulator: slices,
waveforms and ties are there what they are in SPICE. An inner state is a port, with a node of its own in the netlist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.lower import veriloga_ngspice, veriloga_spectre, veriloga_vacask
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.columns import format_rows, number
from kcompile.lower.frame import Frame, Netlist, Source
from kcompile.lower.spice_names import Namespace
from kcompile.lower.veriloga_law import LawModule, law_module
from kcompile.lower.veriloga_names import IN_NETLISTS
from kcompile.render import Card, render


class Language(Protocol):
    """How a simulator spells what is made of modules; the rest stands in its templates.

    netlist, bench: endings of the files; port, inner: a node of the netlist as the simulator names it when it runs the test
    bench, at `%s`; reference: a parameter of the subcircuit inside it.
    """

    name: str
    netlist: str
    bench: str
    port: str
    inner: str
    reference: str

    def instance(self, name: str, module: LawModule) -> str:
        """Layout of the lines of a bank: `name` takes the row, then a `%s` for each port and for each parameter."""
        ...

    def source(self, source: Source) -> str: ...

    def settings(self, frame: Frame) -> dict[str, str]:
        """Further values for its templates."""
        ...


LANGUAGES: dict[str, Language] = {one.name: one for one in (veriloga_ngspice.LANGUAGE, veriloga_vacask.LANGUAGE,
                                                            veriloga_spectre.LANGUAGE)}


class VerilogTarget:
    """`--target veriloga`."""

    name = "veriloga"
    dialects = tuple(LANGUAGES)
    needs_end = True
    checked_by = "osdi,vacask"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return build_modules(circuit, options).artifacts


TARGET = VerilogTarget()


def build_modules(circuit: Circuit, options: BenchOptions) -> Netlist:
    """Modules, netlist and test bench; raises `UsageError` KC0509 for an unknown dialect, KC0508 without an end."""
    dialect = options.dialect or VerilogTarget.dialects[0]
    if dialect not in LANGUAGES:
        raise UsageError(Diagnostic("KC0509", f"there is no dialect `{dialect}`",
                                    hint=nearest(dialect, LANGUAGES) or accepted(LANGUAGES)))
    return _ModulesBuilder(circuit, options, LANGUAGES[dialect]).build()


class _ModulesBuilder:
    def __init__(self, circuit: Circuit, options: BenchOptions, language: Language) -> None:
        self._frame = Frame(circuit, options, Namespace((), IN_NETLISTS).claim(circuit.name), IN_NETLISTS)
        self._circuit = circuit
        self._options = options
        self._language = language
        self._space = Namespace([self._frame.top], IN_NETLISTS)
        self._modules: dict[tuple[int, bool], LawModule] = {}
        self._states: list[tuple[str, float]] = []
        """Node and starting value of every inner state."""

    def build(self) -> Netlist:
        circuit, frame, language = self._circuit, self._frame, self._language
        banks = [{"title": frame.title(table), "cards": Card("".join(self._bank(table)))} for table in circuit.tables]
        vectors = frame.vectors(language.port, language.inner)
        states = [language.inner % node for node, _ in self._states]
        starts = list(zip(frame.names.nodes[1:], vectors, map(number, frame.starts[1:]), strict=True))
        state_starts = [(node, vector, number(value)) for (node, value), vector in zip(self._states, states, strict=True)]
        inputs = {frame.names.nodes[node]: name for node, name in frame.input_parameters.items()}
        driven = {frame.names.nodes[node] for node in circuit.driven}
        files = {"laws": f"{circuit.name}.va", "compiled": f"{circuit.name}.osdi", "netlist": circuit.name + language.netlist,
                 "bench": circuit.name + language.bench}
        view = {
            **files, "top": frame.top, "source_name": circuit.name, "name": circuit.name, "ports": frame.ports,
            "modules": list(self._modules.values()), "banks": banks,
            "parameters": [(name, number(value)) for name, value in frame.shared_parameters()],
            "inputs": inputs, "start_parameters": [(inputs[node], value) for node, _, value in starts if node in inputs],
            "sources": [language.source(one) for one in (*frame.gate_sources(), *frame.drives(inner=True))],
            "drives": [language.source(one) for one in frame.drives(inner=False)],
            # Every start as (node in the netlist, vector, volts or unit of the state).
            "starts": [*starts, *state_starts], "free": [start for start in starts if start[0] not in driven] + state_starts,
            "rtol": number(self._options.rtol), "until": number(frame.until), "step": number(frame.step),
            "save": [*vectors, *states], **language.settings(frame),
        }
        folder, letters = f"veriloga/{language.name}", dict.fromkeys(map(id, circuit.tables), "n")
        artifacts = (
            Artifact(files["laws"], render("veriloga/laws.va.j2", view)),
            Artifact(files["netlist"], render(f"{folder}/netlist.j2", view)),
            Artifact(files["bench"], render(f"{folder}/bench.j2", view)),
            Artifact(f"{circuit.name}.map.json", json.dumps(frame.map(letters, {}, {}), indent=1) + "\n"),
        )
        return Netlist(artifacts, tuple(vectors), tuple(states), frame.names)

    def _bank(self, table: InstanceTable) -> Iterator[str]:
        frame, language = self._frame, self._language
        module = self._module(table)
        columns = frame.ends(table)
        for nodes, sources in frame.waves(table, table):
            columns.append(nodes)
            yield from (f"{language.source(source)}\n" for source in sources)
        columns += self._state_nodes(table)
        columns += [frame.values(table, param.source, language.reference) for param in module.params]
        yield from format_rows(f"{language.instance(frame.names.row(table), module)}\n", columns, range(table.count))

    def _module(self, table: InstanceTable) -> LawModule:
        key = (id(table.model), self._frame.is_gated(table))
        if key not in self._modules:
            self._modules[key] = law_module(table.model, self._frame.top, key[1], self._space, self._frame.farads)
        return self._modules[key]

    def _state_nodes(self, table: InstanceTable) -> list[np.ndarray]:
        """Nodes of the inner states of a bank, a column per state."""
        states = table.model.states
        if not states:
            return []
        from kcompile.sim.kernel import make_kernel

        base = self._frame.names.tables[id(table)]
        columns = [self._frame.fresh(table, f"s_{base}_{state.name}") for state in states]
        kernel = make_kernel(table.model.law.initials, table.params).prepare(table.params)
        values = [np.broadcast_to(value, (table.count,)) for value in kernel({})]
        # By instance, then by state, as everywhere.
        rows = (np.stack(each, axis=1).ravel().tolist() for each in (columns, values))
        self._states += zip(*rows, strict=True)
        return columns
