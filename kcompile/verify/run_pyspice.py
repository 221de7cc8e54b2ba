"""PySpice: a circuit as its `Circuit`, and ngspice's shared library as a simulator in a child process.

PySpice is under the GPL and optional (extra `pyspice`); this file alone imports it, and only when it is used. The library
runs in a process of its own, because a deck can crash it.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.lower.spice import build_netlist
from kcompile.verify.deck import Deck, audit, deck_of, written
from kcompile.verify.judge import Run, judge
from kcompile.verify.process import run_limited
from kcompile.verify.rawfile import Raw

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit as PySpiceCircuit

_LIBRARY_DIRECTORIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib",
                        "/opt/homebrew/lib")


def to_pyspice(circuit: Circuit, *, until: float | None = None) -> PySpiceCircuit:
    """PySpice `Circuit` with the subcircuit, its sources and its instance `Xtop`; raises `ToolMissing` KC0711.

    `.simulator().transient(..., use_initial_condition=True)` runs it: without it the starting voltages are not used.
    """
    netlist = build_netlist(circuit, BenchOptions(until=until))
    deck = deck_of(circuit.name, netlist.artifacts)
    audit(deck)
    return _circuit(circuit.name, deck.files[f"{circuit.name}.spice"], deck.files[deck.main])


def _circuit(title: str, subcircuit: str, bench: str) -> Any:
    _require()
    from PySpice.Spice.Netlist import Circuit as PySpiceCircuit

    made = PySpiceCircuit(title)
    # The analysis is PySpice's to say; what it is made on is ours.
    kept = [line for line in bench.split("\n")[1:] if not line.startswith((".include", ".tran", ".save", ".end", "*"))]
    made.raw_spice = subcircuit + "\n" + "\n".join(kept)
    return made


def _require() -> None:
    if importlib.util.find_spec("PySpice") is None:
        raise ToolMissing(Diagnostic("KC0711", "PySpice is not installed", hint="pip install 'kcompile[pyspice]'"))


def find_library() -> str:
    """Full path of ngspice's shared library, as PySpice wants it; raises `ToolMissing` KC0701."""
    named = os.environ.get("NGSPICE_LIBRARY_PATH")
    if named and Path(named).is_file():
        return named
    for folder in _LIBRARY_DIRECTORIES:
        for path in sorted(Path(folder).glob("libngspice.so*")) + sorted(Path(folder).glob("libngspice*.dylib")):
            return str(path)
    found = ctypes.util.find_library("ngspice")
    if found is None:
        raise ToolMissing(Diagnostic("KC0701", "the shared library of ngspice is not found", hint="Debian 12: apt-get install "
                                     "-t bookworm-backports libngspice0; NGSPICE_LIBRARY_PATH names another place"))
    return found


class PySpiceSimulator:
    """`--against pyspice`."""

    name = "pyspice"

    def version(self) -> str:
        """`PySpice 1.5`; raises `ToolMissing`."""
        _require()
        return f"PySpice {metadata.version('PySpice')}"

    def lower(self, circuit: Circuit, options: BenchOptions) -> Netlist:
        return build_netlist(circuit, options)

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        _require()
        library = find_library()
        with written(deck) as folder:
            command = [sys.executable, "-W", "ignore", "-m", "kcompile.verify.run_pyspice", deck.main]
            package = str(Path(__file__).parents[2])
            finished = run_limited(command, folder, keep={"NGSPICE_LIBRARY_PATH": library, "PYTHONPATH": package})
            vectors = [name.lower() for name in (*netlist.nodes, *netlist.states)]
            return judge(finished, Path(folder, "out.npz"), _read, vectors, until, netlist.names.place, "PySpice")


SIMULATOR = PySpiceSimulator()


def _read(path: Path) -> Raw:
    with np.load(path, allow_pickle=False) as file:
        return Raw(tuple(map(str, file["names"])), file["values"])


def _child(main: str) -> None:
    """Run the deck in the current folder through the shared library and leave its waveforms in `out.npz`."""
    from PySpice.Spice.NgSpice.Shared import NgSpiceCommandError, NgSpiceShared

    bench = Path(main).read_text(encoding="ascii")
    subcircuit = next(line.split()[1] for line in bench.split("\n") if line.startswith(".include"))
    analysis = "\n".join(line for line in bench.split("\n") if line.startswith((".tran", ".save")))
    made = _circuit(Path(main).stem, Path(subcircuit).read_text(encoding="ascii"), bench)
    shared = NgSpiceShared.new_instance()
    shared.load_circuit(f"{made}\n{analysis}\n.end\n")
    try:
        shared.run()
    except NgSpiceCommandError as error:
        sys.stderr.write(f"{error}\n")  # PySpice counts every note on stderr as an error; the waveforms decide
    plot = dict(shared.plot(None, shared.last_plot))
    time = plot.pop("time")
    values = np.stack([vector._data for vector in (time, *plot.values())], axis=1)
    np.savez("out.npz", names=np.array(["time", *(f"v({name.lower()})" for name in plot)]), values=values)


if __name__ == "__main__":
    _child(sys.argv[1])
