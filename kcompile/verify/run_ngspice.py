"""ngspice as an outside program: fresh folder, limits, and success only when the asked waveforms are whole."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.frame import Netlist
from kcompile.lower.spice import build_netlist
from kcompile.verify.compile_osdi import place_modules
from kcompile.verify.deck import Deck, written
from kcompile.verify.judge import Places, Run, judge
from kcompile.verify.process import MEMORY, OUTPUT, TIMEOUT, run_limited
from kcompile.verify.program import Program
from kcompile.verify.rawfile import read_raw

NGSPICE = Program("ngspice", "KCOMPILE_NGSPICE", "KC0701",
                  "Debian 12: add the suite bookworm-backports and `apt-get install -t bookworm-backports ngspice`; "
                  "conda-forge, Homebrew and MSYS2 call it ngspice too; KCOMPILE_NGSPICE names another place")


@dataclass(frozen=True)
class Features:
    path: str
    version: str
    osdi: bool
    klu: bool


def probe_ngspice() -> Features:
    """Version and features, found by asking the program; raises `ToolMissing` KC0701."""
    path = NGSPICE.find()
    # An unknown command is reported, a known one without arguments is not: this tells builds apart, versions do not.
    deck = "* probe\n.control\nosdi\nquit\n.endc\n.end\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "probe.cir").write_text(deck)
        text = NGSPICE.ask("-n", "-b", "probe.cir", folder=folder) + NGSPICE.ask("--version")
    version = re.search(r"ngspice-([0-9.]+)", text)
    return Features(path, version[1] if version else "unknown", "osdi: no such command" not in text.lower(),
                    "klu" in text.lower())


def require_osdi() -> Features:
    """Features of an ngspice that loads compiled modules; raises `ToolMissing` KC0701, KC0715."""
    features = probe_ngspice()
    if not features.osdi:
        raise ToolMissing(Diagnostic("KC0715", f"ngspice {features.version} at {features.path} was built without OSDI",
                                     hint=NGSPICE.install))
    return features


def run_ngspice(deck: Deck, *, expected: Sequence[str], until: float, timeout: float = TIMEOUT, memory: int = MEMORY,
                output: int = OUTPUT, places: Places | None = None) -> Run:
    """Waveforms of a deck; `expected` vectors in lower case must be there up to `until` seconds, all finite.

    timeout in seconds, memory and output in bytes. `places` says the source line of a netlist name. Raises `ToolMissing`,
    or `SimulatorFailed` of kind crash, timeout, memory, disk, diverged, partial, nonfinite, or deck.
    """
    if deck.modules:
        require_osdi()
    with written(deck) as folder:
        place_modules(deck, folder)
        finished = run_limited([NGSPICE.find(), "-n", "-b", "-r", "out.raw", deck.main], folder, timeout=timeout,
                               memory=memory, output=output)
        return judge(finished, Path(folder, "out.raw"), read_raw, expected, until, places)


class NgspiceSimulator:
    """`--against ngspice`."""

    name = "ngspice"

    def version(self) -> str:
        """`ngspice 46`; raises `ToolMissing`."""
        return f"ngspice {probe_ngspice().version}"

    def lower(self, circuit: Circuit, options: BenchOptions) -> Netlist:
        return build_netlist(circuit, options)

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        vectors = [name.lower() for name in (*netlist.nodes, *netlist.states)]
        return run_ngspice(deck, expected=vectors, until=until, places=netlist.names.place)


SIMULATOR = NgspiceSimulator()
