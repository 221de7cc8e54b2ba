from __future__ import annotations

import sys
from pathlib import Path

import pytest
from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.plot import plot_waveforms


def case(tmp_path: Path) -> list[Diagnostic]:
    waveforms = kc.simulate(LOW_PASS, until=1e-9, points=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        return caught(plot_waveforms, waveforms)
