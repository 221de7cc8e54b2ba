"""`kcompile` as a child process: its wall time and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence


def run(words: Sequence[str]) -> tuple[float, float]:
    """(seconds, bytes of peak memory) of `kcompile WORDS`; raises `RuntimeError` when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "kcompile", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        raise RuntimeError(f"kcompile {words[0]} ended with status {status}")
    return seconds, usage.ru_maxrss * 1024.0
