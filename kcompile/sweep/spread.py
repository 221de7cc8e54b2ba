"""Monte Carlo: parameters of a circuit with random deviations, as a process makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.inputs import read_quantity
from kcompile.ir.assign import assign, dimensions
from kcompile.ir.circuit import Circuit
from kcompile.units import REAL


def read_spreads(pairs: Sequence[str]) -> dict[str, str]:
    """Deviations by name of texts `NAME=5%` or `NAME=10mV`; raises `UsageError` KC0580."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, size = (part.strip() for part in pair.partition("="))
        if not (name and equals and size):
            raise UsageError(Diagnostic("KC0580", f"`{printable(pair, 80)}` is not NAME=DEVIATION",
                                        hint="for example --spread R1.r=5% or --spread w.th=10mV"))
        found[name] = size
    return found


def draw(circuit: Circuit, spreads: Mapping[str, str], seed: int, number: int) -> Circuit:
    """The circuit with parameters of one draw: each value by itself gets a normal deviation.

    spreads: standard deviations by full name, a share of the value (`5%`) or a quantity (`10mV`). Random numbers are a function
    of seed and number alone. Raises `UsageError` KC0502 for an unknown parameter, KC0503 for what is no deviation of it, KC0505
    for a draw outside the limits.
    """
    rng = np.random.default_rng([seed, number])
    values, units = circuit.parameters(), dimensions(circuit)
    changed = {}
    for name, size in spreads.items():
        value = values.get(name, np.zeros(()))  # a name that is none is refused below
        what = f"the spread of `{printable(name, 80)}`"
        relative = size.endswith("%")
        wide = read_quantity(size.rstrip("%"), REAL if relative else units.get(name, REAL), what) if name in values else 0.0
        if not 0 <= wide < float("inf"):
            raise UsageError(Diagnostic("KC0503", f"{what} is a deviation, at least 0, not `{printable(size, 40)}`"))
        deviation = wide * rng.standard_normal(value.shape)
        changed[name] = value * (1.0 + deviation / 100.0) if relative else value + deviation
    return assign(circuit, changed)
