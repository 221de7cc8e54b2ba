"""Every operator of a law in generated C++ against its meaning, and its derivative against the symbolic one."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy

import kcompile as kc
from kcompile.ir.expr import potential, symbol
from kcompile.kernels.program import Program
from kcompile.sim.kernel import make_kernel
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import Tableau

POINTS = np.array([-1e3, -30.0, -8.0, -2.5, -1.0, -0.3, -1e-3, 1e-3, 0.2, 0.7, 1.0, 2.0, 7.5, 29.0, 1e3])
LAWS = {
    "exp": "exp(x)", "log": "log(x)", "sqrt": "sqrt(x)", "tanh": "tanh(x)", "sigmoid": "sigmoid(x)", "softplus": "softplus(x)",
    "sin": "sin(x)", "cos": "cos(x)", "atan": "atan(x)", "relu": "relu(x)", "leaky": "leaky_relu(x, slope = 0.1)",
    "abs": "abs(x)", "sign": "sign(x)", "min": "min(x, 0.5)", "max": "max(x, p)", "recip": "1 / x", "power": "pow(x, 1.5)",
    "cube": "x * x * x * p", "choose": "if(x < p and not (x < -2) or x == 7.5, x * p, sin(x))",
    "mixed": "p * (x + p) / (1 + x * x)", "ramp": "relu(p - x) + p * relu(x - p) + p",
    "truth": "x * if(x > p, 1, 0) - if(p > 0.1, x, 2)",
}


def circuit() -> kc.Circuit:
    """One node for each law, with two devices of it."""
    texts = [re.sub(r"\bx\b", "(V(a) / 1 V)", law) for law in LAWS.values()]
    laws = "".join(f"device Law{k}(a) {{ param p: real = 0.4; I(a) <+ 1 A * ({text}); }}" for k, text in enumerate(texts))
    devices = "".join(f"Law{k}(a[{k}]); Law{k}(a[{k}]) {{ p = 0.9 }};" for k in range(len(LAWS)))
    n = len(LAWS)
    return kc.compile(kc.Source("law.kc", f"""use std.passive: Capacitor; {laws}
        circuit Case {{ node a[{n}]; input a; Capacitor(a[k], gnd) {{ c = 1 F }} for k in 0..{n}; {devices} }}"""))


@pytest.mark.parametrize("double", [True, False], ids=["float64", "float32"])
def test_values_and_slopes(double: bool) -> None:
    """One explicit Euler step of h gives v - h f(v), and its adjoint 1 - h f'(v) and -h df/dp."""
    model = circuit()
    system = System(model)
    step = 1e-3 if double else 1.0
    schedule = fixed_schedule(model, 1, step)
    limit = np.full(system.size, np.inf)
    euler = Tableau("euler", 1, (), (1.0,), 2.0)
    kernel = Program(system, schedule, euler, lower=-limit, upper=limit, record=(1,), double=double)
    columns = [[np.array([0.4, 0.9])] if g.model.name.startswith("Law") else [np.ones(len(LAWS))] for g in system.groups]
    points = POINTS if double else POINTS[np.abs(POINTS) < 20]
    start = np.repeat(points[:, None], len(LAWS), axis=1)
    ends = kernel.forward(start, columns)[:, 0]
    bar, _, _ = kernel.adjoint(start, columns, np.ones((len(points), 1, len(LAWS))))
    for k, name in enumerate(LAWS):
        group = next(g for g in system.groups if g.model.name == f"Law{k}")
        law = group.model.law.currents[0].value
        parts = make_kernel([law, sympy.diff(law, potential("a")), sympy.diff(law, symbol("p"))], []).prepare({})
        both = [[np.broadcast_to(one, points.shape) for one in parts({"V(a)": points, "p": np.full(len(points), p)})]
                for p in (0.4, 0.9)]
        value, slope = both[0][0] + both[1][0], both[0][1] + both[1][1]
        # In float32 the smallest argument of a logarithm is 1e-37, not 1e-300.
        inside = points > 0 if name == "log" and not double else np.ones(len(points), dtype=bool)
        rounding = 2e-15 if double else 2e-6
        error = np.abs(ends[:, k] - (points - step * value))[inside]
        assert np.all(error <= rounding * np.maximum(1.0, np.abs(points) + np.abs(value))[inside]), name
        assert np.all(np.abs(bar[:, k] - (1 - step * slope)) <= 2 * rounding * np.maximum(1.0, np.abs(slope))), name
        alone = np.zeros((len(points), 1, len(LAWS)))
        alone[:, 0, k] = 1.0
        found = kernel.adjoint(start, columns, alone)[1][system.groups.index(group)][0]
        expected = np.array([-step * one[2].sum() for one in both])
        summed = np.array([step * np.abs(one[2]).sum() for one in both])
        assert np.all(np.abs(found - expected) <= (1 + summed) * (4e-15 if double else 4e-6)), name
