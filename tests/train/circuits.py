"""Small circuits of every kind, with the time they run for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc  # noqa: E402
from kcompile.train.circuit_module import CircuitModule  # noqa: E402

torch.set_num_threads(1)  # several threads wait for each other on tensors as small as these

PROGRAMS = {
    "slices": ("""
        use std.passive: Capacitor;
        use std.kirchhoff: ShiftRelu, ShiftTanh;
        circuit Slices {
            node x[3], y[2];
            Capacitor(n, gnd) { c = 1 F + 0.2 F } for n in x + y;
            phase mix for 1 s { ShiftTanh w(a, b) { i0 = 0.5 A, th = 0.1 V } for a in x, b in x if a != b; }
            phase read for 0.5 s { ShiftRelu w(a, b) { k = 1 S, th = -0.05 V } for a in x, b in y; }
            initial y = 0.1 V;
            input x;
            output y;
        }""", None),
    "states": ("""
        use std.passive: Capacitor, Inductor, Resistor;
        device Mem(p, n) {
            param g: conductance = 1 S in (0, inf) trainable;
            param w0: real = 0.5 in (0, 1) trainable;
            param rate: V^-1*s^-1 = 1 V^-1*s^-1 trainable;
            param c: capacitance = 0.2 F in (0, inf) trainable;
            state w: real = w0 * w0;
            state lag: voltage;
            ddt(w) = if(0 < w < 1, rate * V(p, n), 0 Hz);
            ddt(lag) = (V(p) - lag) / 0.5 s;
            I(p, n) <+ (0.1 S + g * w) * V(p, n) - 0.1 S * lag;
            I(p, n) <+ ddt(c * V(p, n));
        }
        circuit States {
            node x[3];
            Capacitor(n, gnd) { c = 1 F } for n in x;
            Mem m[k](x[k], x[k + 1]) { g = 0.5 S + 0.2 S * k } for k in 0..2;
            Inductor l(x[2], gnd) { l = 2 H };
            input x[0..2];
            output x;
        }""", 1.5),
    "drives": ("""
        use std.passive: Capacitor, Resistor;
        use std.sources: CurrentSource;
        use std.compute: Multiplier;
        circuit Drives(vin, clk) {
            param r: resistance = 2 Ohm in (0, inf) trainable;
            param k[2]: A/V^2 = [0.3 A/V^2, -0.2 A/V^2] trainable;
            node x[3], y;
            drive vin = sin(0.1 V, 1 V, 0.7 Hz);
            drive clk = pulse(0 V, 1 V, 0.1 s, 0.2 s, 0.1 s, 0.4 s, 1 s);
            Resistor(vin, x[0]);
            Resistor t(x[i], x[i + 1]) { r = r } for i in 0..2;
            Capacitor(n, gnd) { c = 1 F } for n in x + y;
            Capacitor(x[0], x[2]) { c = 0.3 F };
            Capacitor(vin, y) { c = 0.3 F };
            Capacitor(x[2], clk) { c = 0.2 F };
            Multiplier m(a, clk, y) { k = k[0] } for a in x;
            Multiplier(x[1], y, x[0]) { k = k[1] };
            CurrentSource(gnd, y) { i = exp(0 A, 0.3 A, 0.1 s, 0.2 s) };
            CurrentSource(gnd, x[1]) { i = dc(0.1 A) };
            Resistor(y, gnd);
            input x[1..3];
            output y, vin, x[0];
        }""", 1.5),
    "rails": ("""
        use std.passive: Capacitor;
        use std.compute: Transconductor, Bias;
        circuit Rails {
            node x[3] rail [-0.5 V, 0.6 V] g = 5 S;
            node y rail [-1 V, 1 V] g = 10 S;
            Capacitor(n, gnd) { c = 1 F } for n in x;
            Capacitor(y, gnd) { c = 2 F };
            Transconductor w(a, b) { gm = 1.5 S } for a in x, b in x if a != b;
            Transconductor v(a, y) { gm = 3 S } for a in x;
            Bias b(n) { i = 0.1 A } for n in x;
            input x;
            output y, x[0];
        }""", 1.0),
}


UNCOUPLED = PROGRAMS["drives"][0].replace("Capacitor(vin, y)", "Capacitor(y, gnd)").replace("Capacitor(x[2], clk)",
                                                                                           "Capacitor(x[2], gnd)")
"""The circuit `drives` without capacitors to driven nodes."""


def circuit(name: str, *inputs: float):
    """A circuit of this list; its inputs are the given voltages, or 0.3, -0.2 and 0.45."""
    text, _ = PROGRAMS[name]
    flat = kc.compile(kc.Source(f"{name}.kc", text))
    return flat.with_initial(inputs or (0.3, -0.2, 0.45)[: len(flat.inputs)])


def module(name: str, solver: str = "rk4", steps: int = 3, **named) -> CircuitModule:
    """Module of a circuit of this list, in float64 and run by torch unless said otherwise."""
    named = {"dtype": torch.float64, "backend": "torch", **named}
    return CircuitModule(circuit(name), solver, steps, PROGRAMS[name][1], **named)


def samples(name: str, batch: int = 2):
    """float64[batch, inputs]: the voltages of `circuit`, then others near them."""
    first = torch.tensor(circuit(name).nodes.initial[circuit(name).inputs])
    return first + 0.3 * torch.sin(torch.arange(batch, dtype=torch.float64))[:, None]
