"""The netlist of a layout against the netlist that was simulated, compared by klayout."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kcompile.diagnostics import Diagnostic, SimulatorFailed, ToolMissing, printable
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.lower.layout import TARGET
from kcompile.lower.spice_names import plain
from kcompile.lower.transistors import build_transistors
from kcompile.verify.process import run_limited

KLAYOUT = "klayout"
"""What `--against` calls this."""
_SCRIPT = Path(__file__).with_name("klayout_compare.py")


@dataclass(frozen=True)
class LayoutReport:
    """Outcome of a comparison: whether all nets, pins and sizes match; nets that matched in one of several ways; what does not
    match; numbers of elements of both netlists."""

    circuit: str
    match: bool
    ambiguous: int
    differences: tuple[str, ...]
    devices: tuple[int, int]

    @property
    def passed(self) -> bool:
        return self.match and self.ambiguous == 0

    def record(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**asdict(self), "against": KLAYOUT, "passed": self.passed}


def compare_layout(circuit: Circuit, clocked: bool = False) -> LayoutReport:
    """Report of a circuit of cells, with clocks where these are asked for.

    Raises what lowering raises, `ToolMissing` KC0727, `SimulatorFailed` KC0710.
    """
    options = BenchOptions(until=circuit.duration or 1.0, clocked=clocked)
    netlist = next(one for one in TARGET.lower(circuit, options) if one.name.endswith("_lvs.spice"))
    simulated = next(one for one in build_transistors(circuit, options).artifacts if one.name == f"{circuit.name}.spice")
    models = frozenset(one.model for cell in Chip(circuit, options).cells for one in cell.transistors)
    return compare_netlists(circuit.name, simulated.text, netlist.text, models)


def compare_netlists(name: str, simulated: str, layout: str, models: frozenset[str]) -> LayoutReport:
    """Report of two netlists of the circuit of a name; models: names of the elements of the process."""
    if importlib.util.find_spec("klayout") is None:
        raise ToolMissing(Diagnostic("KC0727", "the Python package klayout is not installed, which compares netlists",
                                     hint="pip install 'kcompile[layout]'"))
    with tempfile.TemporaryDirectory(prefix="kcompile-") as folder:
        for file, text in (("simulated.spice", simulated), ("layout.spice", layout)):
            Path(folder, file).write_text(text, encoding="ascii")
        command = [sys.executable, str(_SCRIPT), "simulated.spice", "layout.spice", plain(name), *sorted(models)]
        done = run_limited(command, folder, code="KC0727")
    answer = done.log.strip().rsplit("\n", 1)[-1]
    if done.code != 0 or not answer.startswith("{"):
        raise SimulatorFailed("deck", Diagnostic("KC0710", f"klayout could not compare the netlists of {name}",
                                                 notes=tuple(printable(line) for line in done.log.splitlines()[-4:])))
    found = json.loads(answer)
    one, other = found["devices"]
    return LayoutReport(name, found["match"], found["ambiguous"], tuple(map(printable, found["differences"])), (one, other))
