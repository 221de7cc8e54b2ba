"""How one law is written in Verilog-A: a module of currents, charges and inner states, in what openvaf-r compiles.

Inner states are ports: an inner node of an OSDI instance cannot be started by `.ic` in ngspice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kcompile.ir.device import DeviceModel, Interval, Param
from kcompile.ir.expr import Branch, Expression
from kcompile.lower.columns import number
from kcompile.lower.law_names import name_law
from kcompile.lower.spice_names import Namespace, plain
from kcompile.lower.veriloga_expr import VerilogPrinter
from kcompile.lower.veriloga_names import IN_MODULES


@dataclass(frozen=True)
class ModuleParameter:
    """A parameter of a module: its name in the program, its own name, default and range as text."""

    source: str
    name: str
    default: str
    limits: str


@dataclass(frozen=True)
class LawModule:
    """A law as a module: terminals in order, further ports (gate, waveforms, states), contents."""

    name: str
    ports: tuple[str, ...]
    states: tuple[str, ...]
    """The last of the ports, in the order of the model."""
    params: tuple[ModuleParameter, ...]
    variables: tuple[tuple[str, str], ...]
    """(name, expression), in the order in which they are computed."""
    contributions: tuple[tuple[str, str], ...]
    """(branch, expression): `I(p,n)` and what flows through it."""


def law_module(model: DeviceModel, top: str, gated: bool, space: Namespace, farads: float = 1.0) -> LawModule:
    """Module of a law; `gated` ones multiply every current and rate by the voltage of their `gate` port.

    An inner state is the voltage on a capacitor of `farads`, charged by as many times its rate.
    """
    local = Namespace(["gate", "t"], IN_MODULES)
    names = name_law(model, local, local)
    printer = VerilogPrinter(model, names.symbols("V(%s)", "%s"))
    law, gate = model.law, "V(gate)*" if gated else ""
    scale = "" if farads == 1.0 else f"{number(farads)}*"
    values = iter(printer.share([*(branch.value for branch in (*law.currents, *law.capacitances)), *law.rates]))

    def ends(branch: Branch) -> str:
        return ",".join(names.terminals[end] for end in (branch.start, branch.stop) if end != "gnd")

    def product(factors: str, value: Expression) -> str:
        return factors + printer.factor(value) if factors else printer.text(value)

    contributions = [(f"I({ends(branch)})", product(("-" if branch.start == "gnd" else "") + gate, value))
                     for branch, value in zip(law.currents, values, strict=False)]
    contributions += [(f"I({ends(branch)})", f"ddt({printer.factor(value)}*V({ends(branch)}))")
                      for branch, value in zip(law.capacitances, values, strict=False)]
    for state, value in zip(names.states.values(), values, strict=True):
        contributions += [(f"I({state})", f"ddt({scale}V({state}))"), (f"I({state})", product(f"-{gate}{scale}", value))]
    params = [ModuleParameter(param.name, names.params[param.name], number(_default(param)), _range(param.interval))
              for param in model.params if param.waveform is None]
    ports = (*names.terminals.values(), *(("gate",) if gated else ()), *names.waves.values(), *names.states.values())
    return LawModule(space.claim(f"{top}_{plain(model.name)}{'_gated' if gated else ''}"), ports,
                     tuple(names.states.values()), tuple(params), tuple(printer.variables.items()), tuple(contributions))


def _default(param: Param) -> float:
    """The default, or where every instance gives a value some number within the limits."""
    if param.default is not None:
        return param.default
    lower, upper = max(param.interval.lower, -1e308), min(param.interval.upper, 1e308)
    near = [0.0, 1.0, -1.0, lower, upper, lower + 1.0, upper - 1.0, lower / 2 + upper / 2]
    return next(value for value in near if param.interval.holds(np.array(value)))


def _range(interval: Interval) -> str:
    """` from (0.0:inf)`; nothing where there are no limits."""
    if interval.lower == -math.inf and interval.upper == math.inf:
        return ""
    lower = "(-inf" if interval.lower == -math.inf else f"{'[' if interval.lower_closed else '('}{number(interval.lower)}"
    upper = "inf)" if interval.upper == math.inf else f"{number(interval.upper)}{']' if interval.upper_closed else ')'}"
    return f" from {lower}:{upper}"
