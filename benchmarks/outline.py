"""How much smaller netlists get when repeated structure is written once.

    python -m benchmarks.outline

Bytes of TOP.spice without and with the pass `outline`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kcompile as kc
from benchmarks.imported import DATA
from benchmarks.row import Row, table
from kcompile.driver import transform
from kcompile.ir.circuit import Circuit

EDGES = Path(__file__).parents[1] / "examples" / "edges.kc"
TIMES = 5.0

LINE = """use std.passive;
circuit Line(vin, vout) {
    param n: integer = 1000 in [2, 100000];
    node x[n];
    drive vin = pulse(0 V, 1 V, rise = 1 ns);
    Capacitor(m, gnd) for m in x + vout;
    Resistor(vin, x[0]);
    Inductor(x[k], x[k + 1]) for k in 0..n - 1;
    Resistor(x[n - 1], vout);
    output vout;
}"""
RING = """use std.passive; use std.oscillator;
circuit Ring {
    param n: integer = 1000 in [2, 100000];
    node p[n];
    Capacitor(m, gnd) for m in p;
    PhaseCoupling(p[k], p[(k + 1) % n]) for k in 0..n;
    PhaseLock(m) for m in p;
    output p[0];
}"""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield _row("LC line of 1,000 sections", kc.compile(kc.Source("line.kc", LINE)), TIMES)
    yield _row("ring of 1,000 oscillators", kc.compile(kc.Source("ring.kc", RING)), TIMES)
    yield _row("shared kernels: edges.kc, 64 x 64", kc.compile(EDGES, settings={"n": 64}), TIMES)
    files = [DATA / "kirchhoffnet" / "mnist" / name for name in ("config.yaml", "model.pth")]
    if all(file.is_file() for file in files):
        found = kc.import_kirchhoffnet(*files)
        yield _row("mnist, trained: nothing repeats", kc.compile(kc.Source("mnist.kc", found.text), weights=found.weights), None)


def _row(what: str, circuit: Circuit, wanted: float | None) -> Row:
    flat, outlined = (len(kc.lower(one, until=1e-6)[0].text) for one in (circuit, transform(circuit, "outline").circuit))
    ratio = flat / outlined
    return Row(f"`outline`, {what}", "" if wanted is None else f"at least {wanted:g} times fewer bytes",
               f"{ratio:.1f} times ({flat:,} to {outlined:,} bytes)", None if wanted is None else ratio >= wanted)


if __name__ == "__main__":
    print(table(rows()))
