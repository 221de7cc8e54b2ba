"""`--target cpp`: a library that a C compiler's user links, run without this project, against the native simulator."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc

BODY = """use std.passive: Capacitor, Inductor, Resistor; use std.kirchhoff: ShiftTanh;
circuit Lib {
    node a[4], u;
    drive u = pulse(0 V, 1 V, rise = 0.1 s, width = 0.5 s, period = 9 s);
    input a;
    output u + a;
    Capacitor(n, gnd) { c = 1 F } for n in a;
    Capacitor(a[0], a[1]) { c = 0.5 F };
    Capacitor(u, a[3]) { c = 0.25 F };
    Inductor(a[2], gnd) { l = 1 H };
    Resistor(u, a[0]) { r = 1 Ohm };
    phase one for 1 s { ShiftTanh(x, y) { i0 = 1 A } for x in a, y in a if x != y; }
    phase two for 0.5 s { Resistor(a[1], a[2]) { r = 2 Ohm }; }
}
"""

MAIN = """#include <stdio.h>
#include "Lib.h"
int main(void) {
    double in[2 * Lib_INPUTS] = {0.1, 0.2, 0.3, 0.4, -0.4, 0.3, -0.2, 0.1}, out[2 * Lib_OUTPUTS];
    if (Lib_run(in, out, 2, 1)) return 1;
    for (int i = 0; i < 2 * Lib_OUTPUTS; ++i) printf("%.17g\\n", out[i]);
    return 0;
}
"""


def run(*words: str, folder: Path) -> str:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def circuit() -> kc.Circuit:
    return kc.compile(kc.Source("lib.kc", BODY))


def test_a_c_program_links_it(circuit: kc.Circuit, tmp_path: Path) -> None:
    for artifact in kc.lower(circuit, "cpp"):
        (tmp_path / artifact.name).write_text(artifact.text, encoding="ascii")
    (tmp_path / "main.c").write_text(MAIN)
    run("gcc", "-Wall", "-Werror", "-c", "main.c", folder=tmp_path)
    run("g++", "-std=c++17", "-O1", "-pthread", "-c", "Lib.cpp", folder=tmp_path)
    run("g++", "-pthread", "-o", "main", "main.o", "Lib.o", folder=tmp_path)
    found = np.array(run("./main", folder=tmp_path).split(), dtype=float).reshape(2, 5)
    for row, inputs in zip(found, ([0.1, 0.2, 0.3, 0.4], [-0.4, 0.3, -0.2, 0.1]), strict=True):
        np.testing.assert_allclose(row, kc.simulate(circuit.with_initial(inputs), rtol=1e-11).read_out, atol=1e-9)


def test_float32_and_threads(circuit: kc.Circuit, tmp_path: Path) -> None:
    for artifact in kc.lower(circuit, "cpp", dialect="float32"):
        (tmp_path / artifact.name).write_text(artifact.text, encoding="ascii")
    run("g++", "-std=c++17", "-O1", "-pthread", "-fPIC", "-shared", "-o", "lib.so", "Lib.cpp", folder=tmp_path)
    inputs = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)
    outputs = np.zeros((150, 5), dtype=np.float32)
    library = ctypes.CDLL(str(tmp_path / "lib.so"))
    assert library.Lib_run(*(ctypes.c_void_p(one.ctypes.data) for one in (inputs, outputs)), 150, 3) == 0
    for k in (0, 149):
        np.testing.assert_allclose(outputs[k], kc.simulate(circuit.with_initial(inputs[k])).read_out, atol=1e-4)
