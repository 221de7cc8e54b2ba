"""Native waveforms against ngspice's: random networks, every example, the photograph.

    python -m benchmarks.agreement

Errors are the largest over all nodes and times, relative to full scale: largest minus smallest node voltage of the native
reference at rtol 1e-10. ngspice runs at two largest steps or more; the last error counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import kcompile as kc
from benchmarks.networks import random_inputs, random_network
from benchmarks.row import Row, table
from examples.kirchhoff_net import random_weights
from examples.photograph import photograph
from kcompile.units import format_engineering
from kcompile.verify.compare import Report

ROOT = Path(__file__).parents[1]
NETWORKS, INPUTS = 10, 2
EXAMPLES = ROOT / "examples"
TIGHT, LOOSE = 1e-6, 1e-4


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    reports = [kc.verify(circuit.with_initial(inputs), tolerance=TIGHT) for circuit in map(random_network, range(NETWORKS))
               for inputs in random_inputs(circuit, 0, INPUTS)]
    worst = max(reports, key=lambda report: report.attempts[-1].worst)
    yield _row(f"{NETWORKS} random networks x {INPUTS} inputs, the worst", worst, TIGHT)
    orders = [report.order for report in reports if report.order is not None]
    yield Row("order observed in them, median (smallest)", "about 2", f"{np.median(orders):.2f} ({min(orders):.2f})")
    for name, until in (("low_pass", 1e-6), ("van_der_pol", 60e-9), ("lc_line", 60e-9)):
        yield _row(f"{name}.kc", kc.verify(EXAMPLES / f"{name}.kc", until=until, tolerance=TIGHT), TIGHT)
    model = EXAMPLES / "kirchhoff_net.kc"
    net = kc.compile(model, weights=random_weights(kc.compile(model), 0), inputs=[0.5, -0.3])
    yield _row("kirchhoff_net.kc with random weights", kc.verify(net, tolerance=TIGHT), TIGHT)
    yield _row("lorenz.kc to 5 s", kc.verify(EXAMPLES / "lorenz.kc", until=5.0, tolerance=LOOSE), LOOSE)
    yield _row("max_cut.kc from a start without symmetry", kc.verify(EXAMPLES / "max_cut.kc", tolerance=LOOSE), LOOSE)
    for size in (32, 64):
        edges = kc.compile(EXAMPLES / "edges.kc", settings={"n": size}, inputs=photograph(size).ravel())
        yield _row(f"edges.kc on the photograph, {size} x {size}", kc.verify(edges, tolerance=LOOSE), LOOSE)


def _row(what: str, report: Report, wanted: float) -> Row:
    runs = ", ".join(f"{a.worst:.1e} at steps up to {format_engineering(a.max_step, 's', 3)}" for a in report.attempts)
    return Row(what, f"< {wanted:g}", runs, report.attempts[-1].worst < wanted)


if __name__ == "__main__":
    print(table(rows()))
