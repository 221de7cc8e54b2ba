"""ngspice as an outside program: fresh folder, limits, and success only when the asked waveforms are whole.

Its exit code says little: a transient that gives up inside a `.control` block exits with 0 and partial data.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kcompile.diagnostics import Diagnostic, SimulatorFailed, ToolMissing, printable
from kcompile.lower.spice import Netlist
from kcompile.verify.deck import Deck, audit
from kcompile.verify.rawfile import Raw, read_raw

MAX_LOG = 1 << 20

HOW_TO_INSTALL = ("Debian 12: add the suite bookworm-backports and `apt-get install -t bookworm-backports ngspice`; "
                  "conda-forge, Homebrew and MSYS2 call it ngspice too; KCOMPILE_NGSPICE names another place")

_DIVERGED = re.compile(r"timestep too small|singular matrix|no convergence|not converge|gmin stepping failed|"
                       r"iteration limit reached|doAnalyses:.*(?:aborted|too small)", re.IGNORECASE)
_REFUSED = re.compile(r"^\s*(?:error|fatal)|unknown subckt|syntax error|undefined parameter|cannot find|could not find|"
                      r"no such |can't find|expression err|formula\(\) error|unable to find", re.IGNORECASE | re.MULTILINE)
_MEMORY = re.compile(r"out of memory|malloc|can't allocate|cannot allocate|memory allocation", re.IGNORECASE)
_DISK = re.compile(r"no space left|file too large|write error|fwrite|error writing", re.IGNORECASE)
_WARNING = re.compile(r"^\s*warning", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Run:
    """A successful run: waveforms, the simulator's warnings, wall seconds."""

    raw: Raw
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Features:
    path: str
    version: str
    osdi: bool
    klu: bool


Places = Callable[[str], str | None]


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
                              errors="replace", timeout=20, env=_environment(folder))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(Diagnostic("KC0701", f"{command[0]} does not answer: {error}", hint=HOW_TO_INSTALL)) from error
    return done.stdout + done.stderr


def _environment(folder: str) -> dict[str, str]:
    """What the simulator may see: no start-up files of the user, one thread, plain numbers."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SPICE_LIB_DIR", "SPICE_SCRIPTS")
            if name in os.environ}
    return {**kept, "HOME": folder, "LC_ALL": "C", "OMP_NUM_THREADS": "1"}


def run_ngspice(deck: Deck, *, expected: Sequence[str], until: float, timeout: float = 600.0, memory: int = 8 << 30,
                output: int = 8 << 30, places: Places | None = None) -> Run:
    """Waveforms of a deck; `expected` vectors in lower case must be there up to `until` seconds, all finite.

    timeout in seconds, memory and output in bytes. `places` says the source line of a netlist name. Raises `ToolMissing`,
    or `SimulatorFailed` of kind crash, timeout, memory, disk, diverged, partial, nonfinite, or deck.
    """
    audit(deck)
    program = find_ngspice()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    with tempfile.TemporaryDirectory(prefix="kcompile-") as folder:
        for name, text in deck.files.items():
            Path(folder, name).write_text(text, encoding="ascii")
        log_path = Path(folder, "ngspice.log")
        started = time.perf_counter()
        with log_path.open("wb") as log:
            process = subprocess.Popen([program, "-n", "-b", "-r", "out.raw", deck.main], cwd=folder,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       env=_environment(folder), start_new_session=True, preexec_fn=limit)
            try:
                code = process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        seconds = time.perf_counter() - started
        with log_path.open("rb") as log:
            text = log.read(MAX_LOG).decode("utf-8", "replace")
        return _judge(Path(folder, "out.raw"), code, text, expected, until, seconds, timeout, places)


def _judge(raw_path: Path, code: int | None, log: str, expected: Sequence[str], until: float, seconds: float,
           timeout: float, places: Places | None) -> Run:
    notes = _notes(log, places)
    if code is None:
        raise _failure("timeout", "KC0703", f"ngspice was stopped after {timeout:g} s", notes,
                       "allow larger steps with a larger --tolerance, or simulate a shorter time")
    if _DISK.search(log) or code == -signal.SIGXFSZ:
        raise _failure("disk", "KC0708", "ngspice could not write its waveforms, the disk or the limit is full", notes)
    if _MEMORY.search(log):
        raise _failure("memory", "KC0704", "ngspice ran out of the memory it was given", notes)
    if code < 0:
        raise _failure("crash", "KC0702", f"ngspice crashed ({signal.Signals(-code).name})", notes)
    raw, problem = None, "it wrote no waveforms"
    if raw_path.is_file():
        try:
            raw = read_raw(raw_path)
        except ValueError as error:
            problem = str(error)
    if _DIVERGED.search(log) and (raw is None or len(raw.values) == 0 or raw.time[-1] < until * (1 - 1e-9)):
        raise _failure("diverged", "KC0705", "ngspice found no solution and gave up", notes,
                       "check the signs of gains; a voltage that grows without bound needs a `rail`")
    if raw is None or len(raw.values) == 0:
        kind, number = ("deck", "KC0710") if _REFUSED.search(log) else ("partial", "KC0706")
        raise _failure(kind, number, f"ngspice gave no result: {problem}", notes)
    missing = [name for name in expected if name not in raw.names]
    if missing:
        raise _failure("partial", "KC0706", f"ngspice wrote {len(missing)} of {len(expected)} waveforms not at all, the "
                       f"first is {missing[0]}", notes)
    if not np.all(np.isfinite(raw.values)):
        row, column = np.argwhere(~np.isfinite(raw.values))[0]
        raise _failure("nonfinite", "KC0707", f"{raw.names[column]} is not finite at t = {raw.time[row]:.6g} s", notes)
    if raw.time[-1] < until * (1 - 1e-9):
        raise _failure("partial", "KC0706", f"ngspice stopped at t = {raw.time[-1]:.6g} s of {until:.6g} s", notes)
    if _REFUSED.search(log) or code != 0:
        raise _failure("deck", "KC0710", f"ngspice reported an error (exit code {code})", notes)
    warnings = tuple(printable(line.strip()) for line in log.splitlines() if _WARNING.match(line))
    return Run(raw, warnings, seconds)


def _failure(kind: str, code: str, message: str, notes: tuple[str, ...], hint: str = "") -> SimulatorFailed:
    return SimulatorFailed(kind, Diagnostic(code, message, notes=notes, hint=hint))


def _notes(log: str, places: Places | None) -> tuple[str, ...]:
    """The lines of a log that say what went wrong, each with the source line of the names in it."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|fatal|warning|singular|too small|converge|unknown|trouble", line,
                                                   re.IGNORECASE)]
    notes = []
    for line in (telling or lines)[-6:]:
        note = printable(line)
        for name in dict.fromkeys(re.findall(r"[a-z0-9_.]{2,}", line.lower())) if places else ():
            place = places(name) if places else None
            if place:
                note += f" [{place}]"
        notes.append(note)
    return tuple(notes)


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
