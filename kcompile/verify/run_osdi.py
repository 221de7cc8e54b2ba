"""ngspice with the laws as Verilog-A modules, compiled by openvaf-r to OSDI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.lower.veriloga import build_modules
from kcompile.verify.compile_osdi import compile_osdi, require_openvaf
from kcompile.verify.deck import Deck, written
from kcompile.verify.judge import Run, judge
from kcompile.verify.process import run_limited
from kcompile.verify.rawfile import read_raw
from kcompile.verify.run_ngspice import NGSPICE, require_osdi


class OsdiSimulator:
    """`--against osdi`."""

    name = "osdi"

    def version(self) -> str:
        """`ngspice 46 with OSDI`; raises `ToolMissing` KC0701, KC0712, KC0715, KC0716."""
        require_openvaf()
        return f"ngspice {require_osdi().version} with OSDI"

    def lower(self, circuit: Circuit, options: BenchOptions) -> Netlist:
        return build_modules(circuit, replace(options, dialect="ngspice"))

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        vectors = [*netlist.nodes, *netlist.states]
        with written(deck) as folder:
            compile_osdi(deck, folder)
            finished = run_limited([NGSPICE.find(), "-n", "-b", "-r", "out.raw", deck.main], folder)
            return judge(finished, Path(folder, "out.raw"), read_raw, vectors, until, netlist.names.place, "ngspice with OSDI")


SIMULATOR = OsdiSimulator()
