"""A subcircuit, or what stands outside all of them, as a circuit of the language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kcompile.diagnostics import CompileError, Diagnostic, Reporter, Span, nearest
from kcompile.imports import layout
from kcompile.imports.identifiers import Identifiers
from kcompile.imports.layout import INDENT
from kcompile.imports.pieces import plain, quantity
from kcompile.imports.spice_elements import Conductance, Element, Instance, Law, Passive, Source
from kcompile.imports.spice_function import chain, evaluate, voltage
from kcompile.imports.spice_islands import Islands, Ports
from kcompile.imports.spice_law import Laws, Shape, Use
from kcompile.imports.spice_netlist import Subcircuit
from kcompile.imports.spice_params import in_order
from kcompile.imports.spice_scope import Scope
from kcompile.imports.spice_voltages import Voltages, loose_island, no_equation, reads_voltages
from kcompile.imports.spice_wave import waveform
from kcompile.syntax import nodes
from kcompile.syntax.format_device import format_expr

SHORTEST_COLUMN = 64
"""Fewer initial voltages are written one by one; a column of many is read sooner."""

_PASSIVE = {"r": ("Resistor", "r", "Ohm"), "l": ("Inductor", "l", "H")}


@dataclass(frozen=True, eq=False)
class Used:
    """What a subcircuit is where it is used: its name, names of its parameters, and how capacitors join its ports."""

    name: str
    params: Mapping[str, str]
    islands: Ports


class CircuitText:
    """One circuit. Its laws are collected in `laws`; their instances are written once the devices of all circuits are made.

    Mistakes go to the reporter; what is wrong with the sources as a whole raises `CompileError`.
    """

    def __init__(self, circuit: Subcircuit, name: str, is_top: bool, scope: Scope, module: Identifiers, used: Mapping[str, Used],
                 laws: Laws, report: Reporter) -> None:
        self._circuit, self._name, self._outer, self._used, self._laws = circuit, name, scope, used, laws
        # What stands outside all subcircuits declares constants of the program.
        self._own = circuit.own if circuit.card is not None else {}
        self._inside = frozenset() if is_top else frozenset(circuit.ports)
        self._names, self._labels = Identifiers(module), Identifiers()
        self._nodes = {port: self._names.claim(port) for port in circuit.ports}
        self.params = {param: self._names.claim(param) for param in (*circuit.params, *self._own)}
        self._scope = Scope(scope.outer, scope.values, self.params) if self.params else scope
        self._voltages = Voltages(circuit.elements.values(), self._inside)
        self._seen: dict[str, Element] = {}
        self._islands = Islands(self._voltages.drives)
        self._starts: dict[str, nodes.Expr] = {}
        self._head: list[str] = []
        self._drives: list[str] = []
        self._statements: list[str] = []
        self._law_uses: list[tuple[str, Shape, Use]] = []
        self.library: set[str] = set()
        """Devices of the library in use."""
        self._read(report)

    @property
    def islands(self) -> Ports:
        """How capacitors join the ports."""
        return self._islands.of(self._circuit.ports)

    def _read(self, report: Reporter) -> None:
        def collect(read: Callable[..., None], *arguments: Any) -> None:
            try:
                read(*arguments)
            except CompileError as error:
                report.add(error.diagnostics[0])

        collect(self._parameters)
        for element in self._circuit.elements.values():
            collect(self._element, element)
        for node, (source, minus) in self._voltages.drives.items():
            collect(self._drive, node, source, minus)
        for node, value, word in self._circuit.initials:
            collect(self._start, node, value, word.span)
        for node, element in self._seen.items():
            if not self._islands.holds(node) and node not in self._inside:
                report.add(no_equation(node, _where(node, element)))
        for node in self._islands.loose(self._seen, self._inside):
            report.add(loose_island(node, _where(node, self._seen[node])))

    def _parameters(self) -> None:
        for name, default in self._circuit.params.items():
            self._head.append(f"{INDENT}param {self.params[name]}: real = {format_expr(self._outer.finished(default))};")
        for name in in_order(self._own):
            self._head.append(f"{INDENT}const {self.params[name]} = {format_expr(self._scope.finished(self._own[name]))};")

    def _drive(self, node: str, source: Source, minus: bool) -> None:
        self._drives.append(f"{INDENT}drive {self._node(node, source)} = {waveform(source, minus, 'V', self._scope)};")

    def _start(self, node: str, value: nodes.Expr, span: Span) -> None:
        place, offset = self._voltages.place(node), self._voltages.offset(node)
        if place == "0" or place in self._voltages.drives:
            return  # a source says it
        if place in self._inside or (offset is not None and reads_voltages(offset)):
            raise CompileError(Diagnostic("KC0539", f"the voltage of `{node[:40]}` is that of other nodes, which start it", span))
        if place not in self._seen:
            raise CompileError(Diagnostic("KC0534", f"there is no node `{node[:40]}`", span, hint=nearest(node, self._seen)))
        self._starts[place] = self._scope.finished(value if offset is None else chain("-", value, offset))

    # ---- elements -----------------------------------------------------------------------------------------------------

    def _element(self, element: Element) -> None:
        match element:
            case Instance():
                self._instance(element)
            case Source(letter="v") | Law(is_voltage=True):
                pass  # they are among the voltages
            case Source():
                self._plain("CurrentSource", element, "i", waveform(element, False, "A", self._scope))
            case Law():
                self._law(element, element.value)
            case Conductance() if evaluate(element.value, {}) == 0:
                pass
            case Conductance() if self._is_computed(element):
                self._law(element, chain("*", element.value, voltage(element.value.span, *element.ends)))
            case Conductance():
                self._plain("Conductance", element, "g", self._scope.quantity(element.value, "S"))
            case Passive(letter="c"):
                self._capacitor(element)
            case Passive():
                self._passive(element)

    def _is_computed(self, element: Element) -> bool:
        return any(self._voltages.offset(end) is not None for end in element.ends)

    def _passive(self, element: Passive) -> None:
        value = element.value
        known = evaluate(value, {})
        model, name, unit = _PASSIVE[element.letter]
        if self._is_computed(element):
            if element.letter == "l":
                raise element.card.refuse("KC0537", "an inductor at a node whose voltage is computed has no place in a program",
                                          "put a capacitor and a resistor between them")
            self._law(element, chain("/", voltage(value.span, *element.ends), value))
        elif known is not None and known < 0:
            self._plain("Conductance", element, "g", f"{plain(1.0 / known)} S")
        elif element.initial is not None:
            start = self._scope.quantity(element.initial, "A")
            self._plain("InductorFrom", element, name, f"{self._scope.quantity(value, unit)}, i0 = {start}")
        else:
            self._plain(model, element, name, self._scope.quantity(value, unit))

    def _capacitor(self, element: Passive) -> None:
        if evaluate(element.value, {}) == 0:
            return
        for node in element.ends:
            offset = self._voltages.offset(node)
            if offset is not None and reads_voltages(offset):
                raise element.card.refuse("KC0537", f"a capacitor at `{node[:40]}`, whose voltage is computed, has no place in a "
                                          "program", "put a resistor between them")
        self._islands.join(*self._ends(element))
        self._plain("Capacitor", element, "c", self._scope.quantity(element.value, "F"))
        if element.initial is not None:
            if "0" not in element.ends:
                raise element.card.refuse("KC0539", "a program starts nodes, not the voltage between two",
                                          "write `.ic v(node)=value` for both")
            minus = element.ends[0] == "0"
            start = nodes.Unary(element.initial.span, "-", element.initial) if minus else element.initial
            self._start(element.ends[minus], start, element.card.span())

    def _plain(self, model: str, element: Element, name: str, value: str) -> None:
        """Write an instance of a device of the library, unless both its ends are one node."""
        plus, minus = self._ends(element)
        if plus != minus:
            self.library.add(model)
            places = f"{self._node(plus, element)}, {self._node(minus, element)}"
            self._statements.append(f"{INDENT}{model} {self._labels.claim(element.name)}({places}) {{ {name} = {value} }};")

    def _law(self, element: Element, law: nodes.Expr) -> None:
        value = self._scope.finished(self._voltages.rewritten(law, element.card))
        plus, minus = self._ends(element)
        if plus != minus:
            name = element.name.upper() if self._circuit.card is None else f"{self._circuit.name}_{element.name.upper()}"
            shape, use = self._laws.add(name, element.card, (plus, minus), value, frozenset(self.params.values()))
            for node in use.nodes:
                self._node(node, element)
            self._law_uses.append((self._labels.claim(element.name), shape, use))

    def _instance(self, element: Instance) -> None:
        used = self._used[element.model.text]
        ends = [self._voltages.place(node) for node in element.ends]
        for node in element.ends:
            if self._voltages.offset(node) is not None:
                raise element.card.refuse("KC0537", f"a subcircuit stands at `{node[:40]}`, whose voltage is computed",
                                          "put a resistor between them, and a capacitor at its other end")
        self._islands.join_ports(ends, used.islands)
        places = [self._node(end, element) for end in ends]
        given = [f"{used.params[name]} = {format_expr(self._scope.finished(value))}" for name, value in element.values.items()]
        self._statements.append(f"{INDENT}{used.name} {self._labels.claim(element.name)}({', '.join(places)})"
                                + (f" {{ {', '.join(given)} }};" if given else ";"))

    def _ends(self, element: Element) -> tuple[str, str]:
        """Nodes whose equations the current of an element belongs to."""
        plus, minus = (self._voltages.place(end) for end in element.ends)
        return plus, minus

    def _node(self, node: str, element: Element) -> str:
        """Name of a node that has a place."""
        if node == "0":
            return "gnd"
        self._seen.setdefault(node, element)
        if node not in self._nodes:
            self._nodes[node] = self._names.claim(node)
        return self._nodes[node]

    # ---- text ---------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The circuit, once the devices of the laws are made."""
        return layout.circuit(self._name, [self._nodes[port] for port in self._circuit.ports], self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self._head
        inner = [name for node, name in self._nodes.items() if node not in self._circuit.ports]
        if inner:
            yield layout.wrapped("node ", inner, ";", INDENT)
        yield from self._drives
        yield from self._initials()
        for label, shape, use in self._law_uses:
            model, given = self._laws.instance(shape, use)
            self._statements.append(f"{INDENT}{model} {label}({', '.join(self._nodes[node] for node in use.nodes)}){given};")
        yield from layout.in_runs(self._statements)

    def _initials(self) -> Iterator[str]:
        column: dict[str, str] = {}
        for node, value in self._starts.items():
            known = evaluate(value, {})
            if known is None:
                yield f"{INDENT}initial {self._nodes[node]} = {quantity(value, 'V')};"
            elif known != 0:
                column[self._nodes[node]] = f"{plain(known)} V"
        if len(column) < SHORTEST_COLUMN:
            yield from (f"{INDENT}initial {name} = {value};" for name, value in column.items())
            return
        start, started, k = (self._names.claim(name) for name in ("start", "started", "k"))
        yield layout.wrapped(f"param {start}[{len(column)}]: voltage = [", column.values(), "];", INDENT)
        yield layout.wrapped(f"node {started} = ", column, ";", INDENT).replace(",", " +")
        yield f"{INDENT}initial {started}[{k}] = {start}[{k}] for {k} in 0..{len(column)};"


def _where(node: str, element: Element) -> Span:
    """Where an element names a node."""
    word = next((word for word in element.card.words()[1:] if word.text == node), None)
    return element.card.span() if word is None else word.span
