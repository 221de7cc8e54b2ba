"""Models in a folder and the command line that is run there, as the tests of it share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FILES = {
    "low_pass.kc": """use std.passive: Resistor, Capacitor;
circuit LowPass(vin, vout) {
    drive vin = pulse(0 V, 1 V, rise = 1 ns);
    Resistor R1(vin, vout) { r = 10 kOhm };
    Capacitor C1(vout, gnd) { c = 1 pF };
    output vout;
}
""",
    "net.kc": """use std.passive: Capacitor, Inductor;
use std.kirchhoff: ShiftRelu;
circuit Cell(a) { node y; Capacitor(y, gnd) { c = 1 F }; ShiftRelu w(a, y) { k = 1 S }; }
circuit Net {
    param n: integer = 2 in [1, 8];
    param s: conductance = 1 S in [0 S, 2 S] trainable;
    node x[n, 3], a[4];
    Capacitor(m, gnd) { c = 1 F } for m in x + a;
    Inductor L1(a[0], gnd) { l = 1 H };
    Cell cell[k](a[k]) for k in 0..3;
    phase mix for 1 s { ShiftRelu w(x[0, j], a[j]) { k = s } for j in 0..3; }
    phase read for 500 ms { ShiftRelu r(x[n - 1, j], a[j]) { k = 0.5 S } for j in 0..3; }
    input a;
    output x;
}
""",
    "two.kc": """use std.passive: Capacitor, Resistor;
circuit A { node a; Capacitor(a, gnd); Resistor(a, gnd); }
circuit B { node b; Capacitor(b, gnd); Resistor(b, gnd); }
""",
    "wrong file.kc": "use std.passive: Resistor;\ncircuit W(a, b) { drive a = dc(1 V); Resistr R1(a, b) { r = 1 V }; }\n",
}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


def refused(done: Done, exit_code: int, *parts: str) -> None:
    """The exit code, every part in the message, and nothing on the standard output."""
    assert done.code == exit_code, done
    for part in parts:
        assert part in done.err, done.err
    assert done.out == ""
