"""A subcircuit that is one law: sources of current, charges at its ports, and inner nodes that are states or expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kcompile.diagnostics import CompileError
from kcompile.imports.identifiers import Identifiers
from kcompile.imports.pieces import current, in_volts, product, real_param, tidied, unit, with_unit
from kcompile.imports.spice_elements import Conductance, Law, Passive
from kcompile.imports.spice_function import chain, is_voltage, number, replaced, signed, total, voltage
from kcompile.imports.spice_islands import Islands, Ports
from kcompile.imports.spice_law import MAX_TERMINALS, check_brackets
from kcompile.imports.spice_netlist import Subcircuit
from kcompile.imports.spice_params import written_out
from kcompile.imports.spice_scope import Scope
from kcompile.imports.spice_voltages import Voltages, names_of, no_equation
from kcompile.syntax import nodes
from kcompile.syntax.format_device import format_device


@dataclass(frozen=True, eq=False)
class OwnNode:
    """An inner node with capacitors to ground: the currents into it, and the capacitances, as plain numbers."""

    currents: list[nodes.Expr] = field(default_factory=list)
    farads: list[nodes.Expr] = field(default_factory=list)


def is_law(circuit: Subcircuit) -> bool:
    """Whether a subcircuit can be a device: its inner nodes have a source of voltage, or capacitors to ground only."""
    elements = circuit.elements.values()
    if not 1 <= len(circuit.ports) <= MAX_TERMINALS or not any(isinstance(e, Law) and not e.is_voltage for e in elements):
        return False
    if not all(isinstance(e, Law | Conductance) or (isinstance(e, Passive) and e.letter == "c" and e.initial is None)
               for e in elements):
        return False
    outside = {"0", *circuit.ports}
    computed = {end for e in elements if isinstance(e, Law) and e.is_voltage for end in e.ends} - {"0"}
    charged = {end for e in elements if isinstance(e, Passive) for end in e.ends} - outside
    inner = {end for e in elements for end in e.ends} - outside - computed
    return (not computed & outside and not computed & charged and inner <= charged and all(
        set(e.ends) <= outside or "0" in e.ends for e in elements if isinstance(e, Passive)))


class LawDevice:
    """The device of a subcircuit for which `is_law` holds."""

    def __init__(self, circuit: Subcircuit, name: str, scope: Scope, module: Identifiers) -> None:
        assert circuit.card is not None
        self._circuit, self._scope, self._card = circuit, scope, circuit.card
        self._span = circuit.card.span()
        names = Identifiers(module)
        self.params = {param: names.claim(param) for param in circuit.params}
        self._terminal = {"0": "gnd", **{port: names.claim(port) for port in circuit.ports}}
        self._inner = Scope(scope.outer, scope.values, self.params)
        self._own = written_out(circuit.own)
        self._voltages = Voltages(circuit.elements.values(), circuit.ports)
        ends = dict.fromkeys(end for e in circuit.elements.values() for end in e.ends)
        self._states = {end: (names.claim(end), OwnNode()) for end in ends
                        if end not in self._terminal and self._voltages.place(end) == end}
        self._islands = Islands(())
        contributions = [*self._contributions()]
        items = (*self._params(), *self._initial_values(), *contributions, *self._equations())
        self.text = format_device(nodes.Device(self._span, nodes.Name(self._span, name), tuple(
            nodes.Name(self._span, self._terminal[port]) for port in circuit.ports), items))
        check_brackets(self.text, circuit.card)

    @property
    def islands(self) -> Ports:
        """How charges join the ports."""
        return self._islands.of(self._circuit.ports)

    def _params(self) -> Iterator[nodes.Param]:
        for name, default in self._circuit.params.items():
            yield real_param(self._span, self.params[name], self._scope.finished(default))

    def _initial_values(self) -> Iterator[nodes.State]:
        starts = {node: value for node, value, _ in self._circuit.initials}
        for node, (state, _) in self._states.items():
            start = with_unit(self._finished(starts[node]), "V") if node in starts else None
            yield nodes.State(self._span, nodes.Name(self._span, state), nodes.DimensionWord(self._span, "voltage"), start)

    def _contributions(self) -> Iterator[nodes.Contribution]:
        for element in self._circuit.elements.values():
            match element:
                case Passive():
                    yield from self._charge(*element.ends, self._finished(element.value))
                case Conductance():
                    yield from self._flow(element, chain("*", element.value, voltage(self._span, *element.ends)))
                case Law(is_voltage=False):
                    yield from self._flow(element, element.value)

    def _charge(self, plus: str, minus: str, farads: nodes.Expr) -> Iterator[nodes.Contribution]:
        if plus == minus:
            return
        for node, other in ((plus, minus), (minus, plus)):
            if node in self._states and other == "0":
                self._states[node][1].farads.append(farads)
                return
        self._islands.join(plus, minus)
        one, other = (plus, minus) if plus != "0" else (minus, plus)
        ends = self._terminal[one], self._terminal[other]
        call = in_volts(self._span, *ends)
        assert isinstance(call, nodes.Chain)
        charge = nodes.Call(self._span, nodes.Name(self._span, "ddt"), (
            tidied(product(with_unit(farads, "F"), call.operands[0])),))
        yield current(self._span, *ends, charge)

    def _flow(self, element: Law | Conductance, law: nodes.Expr) -> Iterator[nodes.Contribution]:
        value = self._finished(self._voltages.rewritten(self._with_own(law), element.card))
        plus, minus = (self._voltages.place(end) for end in element.ends)
        for node, enters in ((plus, False), (minus, True)):
            if node in self._states:
                self._states[node][1].currents.append(signed(value, not enters))
        start, stop = (self._terminal.get(node, "gnd") for node in (plus, minus))
        if start != stop:
            yield current(self._span, start, stop, with_unit(value, "A"))

    def _equations(self) -> Iterator[nodes.Equation]:
        for state, own in self._states.values():
            span = self._span
            rate = chain("/", total([with_unit(value, "A") for value in own.currents] or [number(0, span)]),
                         total([with_unit(value, "F") for value in own.farads]))
            yield nodes.Equation(span, nodes.Name(span, "ddt"), (nodes.Name(span, state),), rate)

    def _with_own(self, expr: nodes.Expr) -> nodes.Expr:
        return replaced(expr, lambda part: self._own.get(part.id) if isinstance(part, nodes.Name) else None)

    def _finished(self, expr: nodes.Expr) -> nodes.Expr:
        """The expression in names and terminals of the device."""
        return replaced(self._inner.finished(self._with_own(expr)), lambda part: self._read(part) if is_voltage(part) else None)

    def _read(self, part: nodes.Expr) -> nodes.Expr:
        plus, minus = names_of(part)
        for node in (plus, minus):
            if node not in self._states and node not in self._terminal:
                raise CompileError(no_equation(node, part.span))
        if plus not in self._states and minus not in self._states:
            return in_volts(part.span, self._terminal[plus], self._terminal[minus])
        volts = [nodes.Chain(part.span, (nodes.Name(part.span, self._states[node][0]), unit("V", part.span)), ("/",))
                 if node in self._states else in_volts(part.span, self._terminal[node], "gnd") if node != "0" else None
                 for node in (plus, minus)]
        above, below = volts
        if above is None:
            return signed(below or number(0, part.span), True)
        return chain("-", above, below) if below is not None else above
