"""Three ways: ngspice, OSDI in ngspice and VACASK against native, and against each other, on every example.

    python -m benchmarks.three_way

Errors are the largest over all nodes and times, relative to full scale, as in benchmarks/agreement.py. The distance of two
tools is taken at 501 equal instants. Modules are compiled by openvaf-r, one file for each circuit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import kcompile as kc
from benchmarks.agreement import EXAMPLES, INPUTS, NETWORKS, TIGHT
from benchmarks.networks import random_inputs, random_network
from benchmarks.row import Row, table
from examples.kirchhoff_net import random_weights
from examples.photograph import photograph
from kcompile.ir.circuit import Circuit
from kcompile.verify.compare import Agreement
from kcompile.verify.compile_osdi import compile_osdi
from kcompile.verify.deck import deck_of, written

TOOLS = "ngspice,osdi,vacask"
WANTED = 1e-5
SIZE = 32
COMPILE_SECONDS = 1.0

CASES = {"low_pass": 1e-6, "van_der_pol": 60e-9, "lc_line": 60e-9, "lorenz": 5.0, "max_cut": None, "kirchhoff_net": None,
         "edges": None}
"""Time to simulate in seconds, where the circuit has no phases."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    reports = [report for circuit in map(random_network, range(NETWORKS)) for inputs in random_inputs(circuit, 0, INPUTS)
               for report in _agreement(circuit.with_initial(inputs), "osdi,vacask", None, TIGHT).reports]
    worst = max(report.attempts[-1].worst for report in reports)
    yield Row(f"{NETWORKS} random networks x {INPUTS} inputs, the worst of OSDI and VACASK (C6)", f"< {TIGHT:g}", f"{worst:.1e}",
              worst < TIGHT)
    slowest = 0.0
    for name, until in CASES.items():
        circuit = _circuit(name)
        slowest = max(slowest, _compile_seconds(circuit, until))
        what = f"{name}.kc" + (f" on the photograph, {SIZE} x {SIZE}" if name == "edges" else "")
        yield _row(what, _agreement(circuit, TOOLS, until, WANTED))
    yield Row("openvaf-r, all modules of an example, the slowest", f"< {COMPILE_SECONDS:g} s", f"{slowest:.2f} s",
              slowest < COMPILE_SECONDS)


def _circuit(name: str) -> Circuit:
    model = EXAMPLES / f"{name}.kc"
    if name == "kirchhoff_net":
        return kc.compile(model, weights=random_weights(kc.compile(model), 0), inputs=[0.5, -0.3])
    if name == "edges":
        return kc.compile(model, settings={"n": SIZE}, inputs=photograph(SIZE).ravel())
    return kc.compile(model)


def _agreement(circuit: Circuit, tools: str, until: float | None, tolerance: float) -> Agreement:
    agreement = kc.verify(circuit, against=tools, until=until, tolerance=tolerance)
    assert isinstance(agreement, Agreement)
    return agreement


def _compile_seconds(circuit: Circuit, until: float | None) -> float:
    deck = deck_of(circuit.name, kc.lower(circuit, "veriloga", until=until))
    with written(deck) as folder:
        started = time.perf_counter()
        compile_osdi(deck, folder)
        return time.perf_counter() - started


def _row(what: str, agreement: Agreement) -> Row:
    errors = [report.attempts[-1].worst for report in agreement.reports]
    apart = [float(distance.max(initial=0.0)) for _, _, distance in agreement.pairs]
    found = f"{', '.join(f'{error:.1e}' for error in errors)}; between two at most {max(apart):.1e}"
    return Row(f"{what}: {TOOLS.replace(',', ', ')}", f"< {WANTED:g} each", found, max(*errors, *apart) < WANTED)


if __name__ == "__main__":
    print(table(rows()))
