"""A clamp whose rail is far away takes nothing, in float32 as well."""

from __future__ import annotations

import numpy as np

import kcompile as kc
from kcompile.kernels.program import Program
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import RK4


def test_a_clamp_takes_no_current_inside_its_rail() -> None:
    text = ("use std.passive: Capacitor, Conductance; circuit Case { node a rail [-3.37 V, 0.713 V] g = 123.4 S;"
            "input a; output a; Capacitor(a, gnd) { c = 1 F }; Conductance(a, gnd) { g = 0 S }; }")
    circuit = kc.compile(kc.Source("case.kc", text))
    system = System(circuit)
    free = np.full(system.size, np.inf)
    program = Program(system, fixed_schedule(circuit, 400, 2.0), RK4, lower=-free, upper=free, record=(400,))
    columns = [[np.concatenate([t.params[p.name] for t in g.tables]) for p in g.model.params] for g in system.groups]
    start = np.linspace(-3.2, 0.6, 40, dtype=np.float32)[:, None]
    assert np.array_equal(program.forward(start, columns)[:, 0], start)
