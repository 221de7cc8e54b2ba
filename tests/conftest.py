"""The generators of programs and networks live beside the benchmarks; tests use the same ones."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
