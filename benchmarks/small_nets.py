"""A small circuit and data that tests and measurements of training share."""

from __future__ import annotations

import numpy as np

import kcompile as kc

NET = kc.Source("net.kc", """use std.passive: Capacitor;
use std.kirchhoff: ShiftTanh;

circuit Net {
    node x[2], h[2], y[2] rail [-4 V, 4 V];
    node all = x + h + y;
    Capacitor(n, gnd) { c = 1 F } for n in all;
    phase mix for 1 s {
        ShiftTanh w(a, b) for a in all, b in h + y if a != b;
    }
    input x;
    output y;
}
""")


def blobs(count: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points of two classes that a line parts: float64[count, 2], int64[count]."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    return rng.normal(scale=0.4, size=(count, 2)) + np.where(classes == 0, -1.0, 1.0)[:, None], classes
