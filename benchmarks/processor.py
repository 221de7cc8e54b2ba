"""The processor that speeds are measured on: its instructions, and the samples that a kernel runs side by side."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.row import Row
from kcompile.kernels.program import WIDTHS
from kcompile.kernels.source import VECTOR_BYTES

_VECTORS = re.compile(r"\b(?:sse4_2|avx|avx2|fma|avx512f|avx512dq|avx512bw|avx512vl|asimd|sve|sve2)\b")


def instructions() -> str:
    """Vector instructions of this machine, as /proc/cpuinfo names them."""
    info = Path("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return " ".join(_VECTORS.findall(flags[1])) if flags else "unknown"


def machine() -> Row:
    """The row beside ratios of speed: instructions and tile sizes, in float32."""
    tiles = ", ".join(f"{width * VECTOR_BYTES // 4}" for width in WIDTHS)
    return Row("vector instructions; samples of a tile, the least that holds a batch", "", f"{instructions()}; {tiles}")
