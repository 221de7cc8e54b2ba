"""Grids of parameters: places within the limits, and gradients that pass the rounding."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc  # noqa: E402
from benchmarks.small_nets import NET  # noqa: E402
from kcompile.train.grid import grids_of  # noqa: E402
from kcompile.train.recipe import Recipe  # noqa: E402

OPEN = kc.Source("open.kc", """use std.passive: Capacitor;
device W(a, b) { param g: conductance = 3 S in (2 S, 4 S) trainable; I(a, b) <+ g * V(a, b); }
circuit Open { node x, y; Capacitor(n, gnd) { c = 1 F } for n in x + y; W w(x, y); input x; output y; }
""")


def test_a_grid_keeps_to_the_limits() -> None:
    grid = grids_of(kc.compile(NET), Recipe(grid={"i0": 3.0}))["mix.w.i0"]
    values = torch.tensor([7.9, -7.9, 4.4, 4.6], requires_grad=True)
    assert grid(values).tolist() == [6.0, -6.0, 3.0, 6.0], "9 lies beyond the limit of 8"
    grid(values).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [1.0] * 4, "gradients pass"


def test_limits_without_a_place_are_refused() -> None:
    with pytest.raises(kc.UsageError, match=r"no multiple of 2 lies within the limits \(2\.0, 4\.0\) of `w\.g`"):
        grids_of(kc.compile(OPEN), Recipe(grid={"g": 2.0}))
