"""Memory of a forward run with its gradient: how far the peak of a fresh process rises above what it holds before.

    python -m benchmarks.memory

A smaller network of the same laws and batch runs first, so that libraries are loaded. How the public form's memory lies in the
heap differs between processes, so several are measured.
"""

from __future__ import annotations

import ctypes
import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

import kcompile as kc
from benchmarks.backends import Case, Public, gradient, network
from benchmarks.row import Row, table

CASE = Case("ShiftRelu1", 256, 16_384, 32, 20)
SMALL = replace(CASE, nodes=16, edges=64, steps=2)
WANTED = 32.0
PROCESSES = 5


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    for form in ("cpp", "public"):
        grown = sorted(_in_child(form) for _ in range(PROCESSES))
        found = grown[PROCESSES // 2]
        shown = f"{found:.1f} MiB, {grown[0]:.1f} to {grown[-1]:.1f} MiB in {PROCESSES} processes"
        what = f"{CASE}: peak memory of forward and gradient, {form}"
        yield Row(what, f"< {WANTED:g} MiB", shown, found < WANTED) if form == "cpp" else Row(what, "", shown)


def _in_child(form: str) -> float:
    """Mebibytes of a form in a fresh process."""
    return float(subprocess.run([sys.executable, "-m", "benchmarks.memory", form], check=True, stdout=subprocess.PIPE).stdout)


def growth(form: str) -> float:
    """Mebibytes of a forward run and its gradient in this process."""
    torch.set_num_threads(1)
    small, module = (_module(form, case) for case in (SMALL, CASE))
    x = torch.randn(CASE.batch, CASE.nodes, generator=torch.Generator().manual_seed(0))
    gradient(small, x[:, : SMALL.nodes])
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already would be used again and not count
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = _status("VmRSS")
    gradient(module, x)
    return _status("VmHWM") - before


def _module(form: str, case: Case) -> torch.nn.Module:
    circuit, ends = network(case)
    return Public(case, circuit, ends) if form == "public" else kc.CircuitModule(circuit, "rk4", case.steps, 1.0, backend=form)


def _status(name: str) -> float:
    """Mebibytes of a line of this process's status."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(growth(sys.argv[1]) if sys.argv[1:] else table(rows()))
