"""Large programs from source to netlist: wall time and peak memory of the whole command, files written.

    python -m benchmarks.scale
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import run
from benchmarks.row import Row, table

SECONDS, BYTES = 10.0, 1e9
RUNS = 3

_HEAD = ("use std.passive: Capacitor;\nuse std.kirchhoff: ShiftRelu;\ncircuit Large {\n    node x[1000], y[1000];\n"
         "    Capacitor(n, gnd) { c = 1 F } for n in x + y;\n")
COMPREHENSION = _HEAD + "    ShiftRelu w(a, b) { k = 1 S } for a in x, b in y;\n    input x;\n    output y;\n}\n"
STATEMENTS = _HEAD + "".join(f"    ShiftRelu(x[{k % 1000}], y[{k * 7 % 1000}]) {{ k = {k % 8}.{k % 997} S }};\n"
                             for k in range(100_000)) + "    input x;\n    output y;\n}\n"


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md: the slowest of a few runs."""
    for what, text in (("1,000,000 edges of one comprehension", COMPREHENSION), ("100,000 explicit statements", STATEMENTS)):
        runs = [compiled(text) for _ in range(RUNS)]
        seconds, memory, written = (max(run[k] for run in runs) for k in range(3))
        yield Row(f"{what}, source to netlist", f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB",
                  f"{seconds:.1f} s, {memory / 1e9:.2f} GB, {written / 1e6:.0f} MB written",
                  seconds < SECONDS and memory < BYTES)


def compiled(text: str) -> tuple[float, float, float]:
    """(seconds, bytes of peak memory, bytes written) of `kcompile MODEL.kc`."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "large.kc")
        model.write_text(text)
        seconds, memory = run([str(model), "--until", "1s", "-o", folder])
        return seconds, memory, float(sum(path.stat().st_size for path in Path(folder).iterdir()))


if __name__ == "__main__":
    print(table(rows()))
