"""An outside program in a folder of its own, under limits of time, memory and output."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, printable

MAX_LOG = 1 << 20

TIMEOUT = 600.0
MEMORY = 8 << 30
OUTPUT = 8 << 30


@dataclass(frozen=True)
class Finished:
    """How a program ended: exit code (negative: a signal; None: stopped after `timeout` seconds), its output, its time."""

    code: int | None
    log: str
    seconds: float
    timeout: float


def environment(folder: str, keep: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a simulator may see: no start-up files of the user, one thread, plain numbers."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SPICE_LIB_DIR", "SPICE_SCRIPTS")
            if name in os.environ}
    return {**kept, "HOME": folder, "LC_ALL": "C", "OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", **(keep or {})}


def run_limited(command: Sequence[str], folder: str, *, timeout: float = TIMEOUT, memory: int = MEMORY, output: int = OUTPUT,
                keep: Mapping[str, str] | None = None, code: str = "KC0701") -> Finished:
    """Run a program in a folder; timeout in seconds, memory and output (of each file) in bytes.

    Raises `ToolMissing` of a code when it cannot be started.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    log_path = Path(folder, "program.log")
    started = time.perf_counter()
    with log_path.open("wb") as log:
        try:
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       env=environment(folder, keep), start_new_session=True, preexec_fn=limit)
        except OSError as error:
            raise ToolMissing(Diagnostic(code, f"{printable(command[0], 200)} cannot be started: "
                                         f"{error.strerror}")) from error
        status: int | None = None
        try:
            status = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.perf_counter() - started
    with log_path.open("rb") as log:
        text = log.read(MAX_LOG).decode("utf-8", "replace")
    return Finished(status, text, seconds, timeout)
