"""Whether a run of a simulator can be trusted: told from its waveforms and its log, hardly from its exit code.

A transient that gives up inside a `.control` block exits with 0 and partial data.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kcompile.diagnostics import Diagnostic, SimulatorFailed, printable
from kcompile.verify.process import Finished
from kcompile.verify.rawfile import Raw

_DIVERGED = re.compile(r"timestep too small|singular matrix|no convergence|not converge|failed to converge|gmin stepping failed|"
                       r"(?:nan|inf) found in|"
                       r"iteration limit reached|doAnalyses:.*(?:aborted|too small)", re.IGNORECASE)
_REFUSED = re.compile(r"^\s*(?:error|fatal)|unknown subckt|syntax error|undefined parameter|cannot find|could not find|"
                      r"no such |can't find|expression err|formula\(\) error|unable to find", re.IGNORECASE | re.MULTILINE)
_NO_ELEMENT = re.compile(r"needed element doesn't exist in the matrix", re.IGNORECASE)
"""KLU's word for an .ic of a node without an entry of its own; ngspice goes on to call it a lack of memory."""
_MEMORY = re.compile(r"out of memory|malloc|can't allocate|cannot allocate|memory allocation", re.IGNORECASE)
_DISK = re.compile(r"no space left|file too large|write error|fwrite|error writing", re.IGNORECASE)
_TELLING = re.compile(r"error|fatal|warning|singular|too small|converge|unknown\b(?!\.)|trouble|not found|found in|"
                      r"out of range|aborted", re.IGNORECASE)
"""Lines of a log that are shown; `vacask unknown.` is the name of a program."""
_WARNING = re.compile(r"^\s*warning", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Run:
    """A successful run: waveforms, the simulator's warnings, wall seconds."""

    raw: Raw
    warnings: tuple[str, ...]
    seconds: float


Places = Callable[[str], str | None]
"""Source place of a name in the netlist."""


def judge(finished: Finished, raw_path: Path, read: Callable[[Path], Raw], expected: Sequence[str], until: float,
          places: Places | None, tool: str = "ngspice") -> Run:
    """The run, when every expected waveform is whole up to `until` seconds and finite; raises `SimulatorFailed`.

    `tool` is the program that messages name.
    """
    code, log = finished.code, finished.log
    notes = _notes(log, places)
    if code is None:
        raise _failure("timeout", "KC0703", f"{tool} was stopped after {finished.timeout:g} s", notes,
                       "allow larger steps with a larger --tolerance, or simulate a shorter time")
    if _DISK.search(log) or code == -signal.SIGXFSZ:
        raise _failure("disk", "KC0708", f"{tool} could not write its waveforms, the disk or the limit is full", notes)
    if _MEMORY.search(log) and not _NO_ELEMENT.search(log):
        raise _failure("memory", "KC0704", f"{tool} ran out of the memory it was given", notes)
    if code < 0:
        raise _failure("crash", "KC0702", f"{tool} crashed ({signal.Signals(-code).name})", notes)
    raw, problem = None, "it wrote no waveforms"
    if raw_path.is_file():
        try:
            raw = read(raw_path)
        except ValueError as error:
            problem = str(error)
    if _DIVERGED.search(log) and (raw is None or len(raw.values) == 0 or raw.time[-1] < until * (1 - 1e-9)):
        raise _failure("diverged", "KC0705", f"{tool} found no solution and gave up", notes,
                       "check the signs of gains; a voltage that grows without bound needs a `rail`")
    if raw is None or len(raw.values) == 0:
        kind, number = ("deck", "KC0710") if _REFUSED.search(log) or code > 0 else ("partial", "KC0706")
        raise _failure(kind, number, f"{tool} gave no result: {problem}", notes)
    missing = [name for name in expected if name not in raw.names]
    if missing:
        raise _failure("partial", "KC0706", f"{tool} wrote {len(missing)} of {len(expected)} waveforms not at all, the "
                       f"first is {missing[0]}", notes)
    if not np.all(np.isfinite(raw.values)):
        row, column = np.argwhere(~np.isfinite(raw.values))[0]
        raise _failure("nonfinite", "KC0707", f"{raw.names[column]} is not finite at t = {raw.time[row]:.6g} s", notes)
    if raw.time[-1] < until * (1 - 1e-9):
        raise _failure("partial", "KC0706", f"{tool} stopped at t = {raw.time[-1]:.6g} s of {until:.6g} s", notes)
    if _REFUSED.search(log) or code != 0:
        raise _failure("deck", "KC0710", f"{tool} reported an error (exit code {code})", notes)
    warnings = tuple(printable(line.strip()) for line in log.splitlines() if _WARNING.match(line))
    return Run(raw, warnings, finished.seconds)


def _failure(kind: str, code: str, message: str, notes: tuple[str, ...], hint: str = "") -> SimulatorFailed:
    return SimulatorFailed(kind, Diagnostic(code, message, notes=notes, hint=hint))


def _notes(log: str, places: Places | None) -> tuple[str, ...]:
    """The lines of a log that say what went wrong, each with the source line of the names in it."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    notes = []
    for line in (telling or lines)[-6:]:
        note = printable(line)
        for name in dict.fromkeys(re.findall(r"[a-z0-9_.]{2,}", line.lower())) if places else ():
            place = places(name) if places else None
            if place:
                note += f" [{place}]"
        notes.append(note)
    return tuple(notes)
