"""What the cases share: a small circuit, and a simulator that does what a line of shell says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.imports.netlist import import_netlist
from kcompile.verify.compile_osdi import compile_osdi
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice

LOW_PASS = kc.Source("lowpass.kc", """use std.passive: Resistor, Capacitor;

circuit LowPass(vin, vout) {
    node x[2, 3];
    drive vin = dc(1 V);
    Resistor R1(vin, vout);
    Capacitor(vout, gnd) { c = 1 nF };
    Capacitor(n, gnd) for n in x;
    Resistor leak(n, gnd) for n in x;
    input x;
    output vout;
}
""")

WITH_PHASES = kc.Source("phases.kc", """use std.passive: Resistor, Capacitor;

circuit Phases {
    node x;
    Capacitor(x, gnd);
    phase mix for 1 ns { Resistor(x, gnd); }
}
""")

KIRCHHOFFNET = """test_bench: twomoon
network:
  model: {name: ShiftTanh1, args: {}}
  net_struct:
  - {name: _fully_connect, args: {num_node: 3}}
simulation: {t_end: [0, 1]}
"""


def kirchhoffnet(tmp_path: Path, config: str) -> tuple[Path, Path]:
    """A configuration and a checkpoint of `KIRCHHOFFNET` in a folder; skips the test where they cannot be read."""
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / "config.yaml").write_text(config)
    torch.save({"circuit.layer_list.0.model.param": torch.ones(3, 12)}, tmp_path / "model.pth")
    return tmp_path / "config.yaml", tmp_path / "model.pth"


def caught(function: Callable[..., Any], *arguments: Any, **named: Any) -> list[Diagnostic]:
    """Diagnostics of a call that fails; an empty list when it does not."""
    try:
        function(*arguments, **named)
    except kc.KcompileError as error:
        return list(error.diagnostics)
    return []


def caught_import(tmp_path: Path, cards: str) -> list[Diagnostic]:
    """Diagnostics of the import of a netlist with some cards; `in` is driven, `out` has a capacitor."""
    (tmp_path / "model.cir").write_text(f"title\n{cards}\nVin in 0 1\nRin in out 1meg\nCload out 0 1p\n.end\n")
    return caught(import_netlist, tmp_path / "model.cir")


def training() -> tuple[kc.Source, tuple[Any, Any]]:
    """A small circuit that can be trained, and four samples; skips the test where torch is missing."""
    import numpy as np

    pytest.importorskip("torch", reason="torch is not installed")
    model = kc.Source("net.kc", """use std.passive: Capacitor;
    device Weight(a, b) { param k: conductance = 0 S trainable; I(gnd, b) <+ k * V(a); }
    circuit Net {
        node x[2], y[2];
        Capacitor(n, gnd) { c = 1 F } for n in x + y;
        phase run for 1 s { Weight w(a, b) for a in x + y, b in y; }
        input x;
        output y;
    }""")
    return model, (np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), np.array([0, 1, 0, 1]))


def write_program(path: Path, script: str) -> str:
    """Path of a program that is a script of the shell."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(path, 0o755)
    return str(path)


def compiled_with(tmp_path: Path, script: str) -> list[Diagnostic]:
    """Diagnostics when openvaf-r is a script of the shell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCOMPILE_OPENVAF", write_program(tmp_path / "openvaf-r", script))
        return caught(compile_osdi, Deck("main.cir", {"main.cir": "* title\n", "laws.va": ""}), str(tmp_path))


def with_fake_ngspice(tmp_path: Path, script: str, *, until: float = 1.0, timeout: float = 20.0) -> list[Diagnostic]:
    """Diagnostics of a run in which ngspice is a script of the shell; it runs in the folder of the deck."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCOMPILE_NGSPICE", write_program(tmp_path / "ngspice", script))
        deck = Deck("main.cir", {"main.cir": "* title\n.end\n"})
        return caught(run_ngspice, deck, expected=["v(out)"], until=until, timeout=timeout)


def write_raw(path: Path, rows: list[tuple[float, float]]) -> None:
    """A raw file with the vectors `time` and `v(out)`."""
    import numpy as np

    head = (f"Title: t\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: {len(rows)}\n"
            "Variables:\n\t0\ttime\ttime\n\t1\tv(out)\tvoltage\nBinary:\n")
    path.write_bytes(head.encode("ascii") + np.array(rows, dtype="<f8").tobytes())
