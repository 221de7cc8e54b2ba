"""The processor that speeds are measured on: its instructions, and how much a kernel computes side by side."""

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
    lanes = VECTOR_BYTES // 4
    tiles = ", ".join(f"{width * lanes}" for width in WIDTHS)
    what = "vector instructions; samples of a tile, the fewest that hold a thread's share of a batch; devices of a strip"
    return Row(what, "", f"{instructions()}; {tiles}; {lanes}")
