"""Large programs to netlists and other files, and a large netlist to a program: wall time, peak memory, bytes written.

    python -m benchmarks.scale
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import run
from benchmarks.row import Row, table
from kcompile.imports.netlist import import_netlist

SECONDS, BYTES = 10.0, 1e9
IMPORT_SECONDS = 5.0
RUNS = 3

_HEAD = ("use std.passive: Capacitor;\nuse std.kirchhoff: ShiftRelu;\ncircuit Large {\n    node x[1000], y[1000];\n"
         "    Capacitor(n, gnd) { c = 1 F } for n in x + y;\n")
COMPREHENSION = _HEAD + "    ShiftRelu w(a, b) { k = 1 S } for a in x, b in y;\n    input x;\n    output y;\n}\n"
STATEMENTS = _HEAD + "".join(f"    ShiftRelu(x[{k % 1000}], y[{k * 7 % 1000}]) {{ k = {k % 8}.{k % 997} S }};\n"
                             for k in range(100_000)) + "    input x;\n    output y;\n}\n"

CARDS = "a net of laws\n.subckt w a b params: k=1\nB0 a b i={k}*tanh(v(a,b))\n.ends\n" + "".join(
    f"C{k} x{k} 0 1p\nX{k} x{k} x{k * 7 % 50_000} w params: k={k % 8}.{k % 997}\n" for k in range(50_000)) + ".end\n"
"""A netlist of 100,000 cards."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md: the slowest of a few runs."""
    for what, text in (("1,000,000 edges of one comprehension", COMPREHENSION), ("100,000 explicit statements", STATEMENTS)):
        runs = [compiled(text) for _ in range(RUNS)]
        seconds, memory, written = (max(run[k] for run in runs) for k in range(3))
        yield Row(f"{what}, source to netlist", f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB",
                  f"{seconds:.1f} s, {memory / 1e9:.2f} GB, {written / 1e6:.0f} MB written",
                  seconds < SECONDS and memory < BYTES)
    for target in ("json", "python", "svg"):
        seconds, memory, written = compiled(COMPREHENSION, "--target", target)
        yield Row(f"1,000,000 edges, source to `--target {target}`", f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB",
                  f"{seconds:.1f} s, {memory / 1e9:.2f} GB, {written / 1e6:.1f} MB written", seconds < SECONDS and memory < BYTES)
    with tempfile.TemporaryDirectory() as folder:
        netlist, program = Path(folder, "large.cir"), Path(folder, "large.kc")
        netlist.write_text(CARDS)
        seconds, memory = run(["import", "netlist", str(netlist), "-o", str(program)])
        yield Row("100,000 cards of a netlist, to a program that is checked", f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB",
                  f"{seconds:.1f} s, {memory / 1e9:.2f} GB", seconds < SECONDS and memory < BYTES)
        started = time.perf_counter()
        import_netlist(netlist)
        seconds = time.perf_counter() - started
        yield Row("of this, reading them and making the text of the program", f"< {IMPORT_SECONDS:g} s", f"{seconds:.1f} s",
                  seconds < IMPORT_SECONDS)


def compiled(text: str, *options: str) -> tuple[float, float, float]:
    """(seconds, bytes of peak memory, bytes written) of `kcompile MODEL.kc`."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "large.kc")
        model.write_text(text)
        seconds, memory = run([str(model), "--until", "1s", "-o", folder, *options])
        return seconds, memory, float(sum(path.stat().st_size for path in Path(folder).iterdir() if path != model))


if __name__ == "__main__":
    print(table(rows()))
