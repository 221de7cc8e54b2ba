"""ngspice as an outside program: fresh folder, limits, and success only when the asked waveforms are whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, printable
from kcompile.lower.spice import Netlist
from kcompile.verify.deck import Deck, audit
from kcompile.verify.judge import Places, Run, judge
from kcompile.verify.process import MEMORY, OUTPUT, TIMEOUT, environment, run_limited
from kcompile.verify.rawfile import read_raw

HOW_TO_INSTALL = ("Debian 12: add the suite bookworm-backports and `apt-get install -t bookworm-backports ngspice`; "
                  "conda-forge, Homebrew and MSYS2 call it ngspice too; KCOMPILE_NGSPICE names another place")

@dataclass(frozen=True)
class Features:
    path: str
    version: str
    osdi: bool
    klu: bool


def find_ngspice() -> str:
    """Path of the program; raises `ToolMissing` KC0701 with how to install it."""
    wanted = os.environ.get("KCOMPILE_NGSPICE") or "ngspice"
    found = shutil.which(wanted)
    if found is None:
        raise ToolMissing(Diagnostic("KC0701", f"ngspice is not found (looked for `{printable(wanted, 200)}` on PATH)",
                                     hint=HOW_TO_INSTALL))
    return found


def probe_ngspice() -> Features:
    """Version and features, found by asking the program."""
    path = find_ngspice()
    # An unknown command is reported, a known one without arguments is not: this tells builds apart, versions do not.
    deck = "* probe\n.control\nosdi\nquit\n.endc\n.end\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "probe.cir").write_text(deck)
        text = _ask(folder, path, "-n", "-b", "probe.cir") + _ask(folder, path, "--version")
    version = re.search(r"ngspice-([0-9.]+)", text)
    return Features(path, version[1] if version else "unknown", "osdi: no such command" not in text.lower(),
                    "klu" in text.lower())


def _ask(folder: str, *command: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=20, env=environment(folder))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(Diagnostic("KC0701", f"{command[0]} does not answer: {error}", hint=HOW_TO_INSTALL)) from error
    return done.stdout + done.stderr


def run_ngspice(deck: Deck, *, expected: Sequence[str], until: float, timeout: float = TIMEOUT, memory: int = MEMORY,
                output: int = OUTPUT, places: Places | None = None) -> Run:
    """Waveforms of a deck; `expected` vectors in lower case must be there up to `until` seconds, all finite.

    timeout in seconds, memory and output in bytes. `places` says the source line of a netlist name. Raises `ToolMissing`,
    or `SimulatorFailed` of kind crash, timeout, memory, disk, diverged, partial, nonfinite, or deck.
    """
    audit(deck)
    program = find_ngspice()
    with tempfile.TemporaryDirectory(prefix="kcompile-") as folder:
        for name, text in deck.files.items():
            Path(folder, name).write_text(text, encoding="ascii")
        finished = run_limited([program, "-n", "-b", "-r", "out.raw", deck.main], folder, timeout=timeout, memory=memory,
                               output=output)
        return judge(finished, Path(folder, "out.raw"), read_raw, expected, until, places)


class NgspiceSimulator:
    """`--against ngspice`."""

    name = "ngspice"

    def version(self) -> str:
        """`ngspice 46`; raises `ToolMissing`."""
        return f"ngspice {probe_ngspice().version}"

    def __call__(self, deck: Deck, netlist: Netlist, until: float) -> Run:
        vectors = [name.lower() for name in (*netlist.nodes, *netlist.states)]
        return run_ngspice(deck, expected=vectors, until=until, places=netlist.names.place)


SIMULATOR = NgspiceSimulator()
