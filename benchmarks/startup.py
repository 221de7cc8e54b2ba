"""How fast the command line answers, against a bare interpreter; runs are interleaved, medians quoted.

    python -m benchmarks.startup
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.row import Row, table

RUNS = 15
RATIO, SECONDS = 10.0, 0.4

PROGRAM = ("use std.passive: Resistor, Capacitor;\nuse std.kirchhoff: ShiftTanh;\ncircuit Top {\n    node x[20], y[20];\n"
           "    Capacitor(n, gnd) { c = 1 nF } for n in x + y;\n"
           + "".join(f"    Resistor r{k}(x[{k % 20}], y[{7 * k % 20}]) {{ r = {k + 1} kOhm }};  // row {k}\n"
                     f"    ShiftTanh t{k}(x[{3 * k % 20}], gnd) {{ i0 = {k % 8} A }};  // another {k}\n" for k in range(96))
           + "    input x;\n    output y;\n}\n")
"""Two hundred lines; the comments keep them from being read as one."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.kc")
        model.write_text(PROGRAM)
        kcompile = [sys.executable, "-m", "kcompile"]
        commands = ([sys.executable, "-c", "pass"], [*kcompile, "--help"], [*kcompile, "check", str(model)])
        for command in commands:
            seconds(command)  # byte code and the tables of the grammar are kept from here on
        measured = [[seconds(command) for command in commands] for _ in range(RUNS)]
    bare, help_, check = (statistics.median(column) for column in zip(*measured, strict=True))
    lines = PROGRAM.count("\n")
    yield Row("`kcompile --help` over a bare interpreter", f"< {RATIO:g}", f"{help_ / bare:.1f} ({1e3 * help_:.0f} ms over "
              f"{1e3 * bare:.0f} ms)", help_ / bare < RATIO)
    yield Row(f"`kcompile check` of {lines} lines", f"< {SECONDS:g} s", f"{check:.2f} s", check < SECONDS)


def seconds(command: Sequence[str]) -> float:
    """Wall time of a command."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(table(rows()))
