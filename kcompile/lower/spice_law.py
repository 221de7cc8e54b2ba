"""How one law is written in SPICE: as a native element where it is linear, else as a subcircuit of behavioural sources."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from kcompile.ir import expr as law
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression, potential
from kcompile.lower.law_names import name_law
from kcompile.lower.spice_expr import SpicePrinter
from kcompile.lower.spice_names import Namespace, plain


@dataclass(frozen=True)
class Element:
    """A native element: its letter, the terminals in the order of its card, its value as an expression of parameters."""

    letter: str
    terminals: tuple[str, ...]
    value: Expression


@dataclass(frozen=True)
class BehaviouralSource:
    """A B card: a current (`i`) from plus to minus, or a voltage (`v`); parameters stand in braces in its text."""

    name: str
    plus: str
    minus: str
    quantity: str
    text: str


@dataclass(frozen=True)
class LawSubcircuit:
    """A law as a subcircuit: terminals in order, further ports (gate, waveforms), parameter names, contents."""

    name: str
    ports: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    """(source name, netlist name)."""
    sources: tuple[BehaviouralSource, ...]
    capacitors: tuple[tuple[str, str, str, str], ...]
    """(name, node, node, value)."""
    initials: tuple[tuple[str, str], ...]
    """(node, value) of each inner state, in the order of the model."""


def native_element(model: DeviceModel) -> Element | None:
    """R, C or G card that is the whole law, or None.

    R: I = V(a, b) / r. C: a charge alone. G: a current linear in one voltage.
    """
    if model.states or model.waveforms:
        return None
    currents, charges = model.law.currents, model.law.capacitances
    if not currents and len(charges) == 1:
        return Element("C", (charges[0].start, charges[0].stop), charges[0].value)
    if charges or len(currents) != 1:
        return None
    branch = currents[0]
    potentials = {potential(t) for t in model.terminals}
    if any(part.free_symbols & potentials for part in branch.value.atoms(sympy.Function)):
        return None  # not linear; to differentiate a long law would take minutes
    slopes = {t: sympy.diff(branch.value, potential(t)) for t in model.terminals}
    slopes = {t: s for t, s in slopes.items() if s != 0}
    if not 1 <= len(slopes) <= 2 or any(s.free_symbols & potentials for s in slopes.values()):
        return None
    plus, minus = next(iter(slopes)), [*slopes, "gnd"][1]
    gain = slopes[plus]
    voltage = potential(plus) - potential(minus)
    if sympy.expand(branch.value - gain * voltage) != 0:
        return None
    if {plus, minus} == {branch.start, branch.stop}:
        conductance = gain if plus == branch.start else -gain
        if isinstance(conductance, law.recip):
            return Element("R", (branch.start, branch.stop), conductance.args[0])
    return Element("G", (branch.start, branch.stop, plus, minus), gain)


def law_subcircuit(model: DeviceModel, top: str, gated: bool, space: Namespace, farads: str = "1") -> LawSubcircuit:
    """Subcircuit of a law; `gated` ones multiply every current and rate by the voltage of their `gate` port.

    An inner state is the voltage on a capacitor of `farads`, charged by as many times its rate.
    """
    names = name_law(model, Namespace(["gate", "t"]), Namespace())
    states, params = names.states, names.params
    printer = SpicePrinter(model, names.symbols("v(%s)", "{%s}"))
    node_of = {**names.terminals, "gnd": "0"}

    def body(value: Expression) -> str:
        text = printer.text(value)
        return f"v(gate)*({text})" if gated else text

    def constant(value: Expression) -> str:
        text = SpicePrinter(model, params).text(value)
        return text.strip("()") if value.is_Number else f"{{{text}}}"  # a card takes -2, an expression (-2)

    sources = [BehaviouralSource(str(k), node_of[branch.start], node_of[branch.stop], "i", body(branch.value))
               for k, branch in enumerate(model.law.currents)]
    capacitors = [(str(k), node_of[branch.start], node_of[branch.stop], constant(branch.value))
                  for k, branch in enumerate(model.law.capacitances)]
    for k, (state, rate) in enumerate(zip(model.states, model.law.rates, strict=True)):
        scaled = body(rate) if farads == "1" else f"{farads}*({body(rate)})"
        sources.append(BehaviouralSource(f"s{k}", "0", states[state.name], "i", scaled))
        capacitors.append((f"s{k}", states[state.name], "0", farads))
    initials = [(states[state.name], constant(value)) for state, value in zip(model.states, model.law.initials, strict=True)]
    sources += [BehaviouralSource(f"t{k}", node, "0", "v", text) for k, (node, text) in enumerate(printer.helpers)]
    ports = (*names.terminals.values(), *(("gate",) if gated else ()), *names.waves.values())
    name = space.claim(f"{top}_{plain(model.name)}{'_gated' if gated else ''}")
    return LawSubcircuit(name, ports, tuple(params.items()), tuple(sources), tuple(capacitors), tuple(initials))


def free_parameter(value: Expression) -> str | None:
    """Name of the parameter an element's value is, when it is one outright."""
    return value.name if value.is_Symbol else None

