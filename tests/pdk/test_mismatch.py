"""Specimens: what is drawn has the deviations that were measured, and none of it is in a circuit that nobody drew."""

from __future__ import annotations

import numpy as np
import pytest

import kcompile as kc
from kcompile.pdk.cell import load_cells
from kcompile.pdk.mismatch import DRAWN, draw_specimen

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x, y, z;
    Capacitor(n, gnd) { c = 1 pF } for n in x + y + z;
    phase run for 300 ns {
        TanhPair a(x, y) { k = 4 } for i in 0..400;
        TanhPair b(y, z) { k = -1 } for i in 0..400;
    }
    input x;
    output y;
}
"""


def columns(circuit: kc.Circuit, name: str) -> list[np.ndarray]:
    return [table.params[name] for table in circuit.tables if name in table.params]


@pytest.fixture(scope="module")
def circuit() -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", NET))


def test_deviations_are_those_of_the_fit_and_fall_with_units_and_area(circuit: kc.Circuit) -> None:
    unit = load_cells("sky130")["tanh_pair"].mismatch
    alone = draw_specimen(circuit, 1, 0, bias=False)
    for name, wide in zip(DRAWN, (unit.offset, unit.gain, unit.imbalance), strict=True):
        strong, weak = columns(alone, name)
        # 400 draws know a deviation to 3.5 %; four of these are allowed.
        assert weak.std() == pytest.approx(wide, rel=0.14)
        assert strong.std() == pytest.approx(wide / 2, rel=0.14)
        for large, small in zip(columns(draw_specimen(circuit, 1, 0, area=9.0, bias=False), name), (strong, weak), strict=True):
            np.testing.assert_allclose(large, small / 3, rtol=1e-12)


def test_bias_lines_move_all_cells_alike(circuit: kc.Circuit) -> None:
    unit = load_cells("sky130")["tanh_pair"].mismatch
    moves = []
    for number in range(60):
        own, moved = (draw_specimen(circuit, 2, number, bias=bias) for bias in (False, True))
        apart = [after - before for after, before in zip(columns(moved, "gain"), columns(own, "gain"), strict=True)]
        assert np.ptp(np.concatenate(apart)) < 1e-12
        np.testing.assert_array_equal(columns(moved, "offset")[0], columns(own, "offset")[0])
        moves.append(apart[0][0])
    assert np.std(moves) == pytest.approx(unit.bias_gain, rel=0.4)


def test_a_specimen_is_a_function_of_its_number(circuit: kc.Circuit) -> None:
    one, same, other = (draw_specimen(circuit, 3, number) for number in (0, 0, 1))
    np.testing.assert_array_equal(columns(one, "offset")[0], columns(same, "offset")[0])
    assert not np.array_equal(columns(one, "offset")[0], columns(other, "offset")[0])


def test_a_specimen_without_deviations_is_the_cell(circuit: kc.Circuit) -> None:
    specimen = draw_specimen(circuit, 4, 0)
    ideal = specimen.with_params({f"run.{bank}.{name}": np.zeros(400) for bank in "ab" for name in DRAWN})
    start = [0.2]
    waves = [kc.simulate(one.with_initial(start), points=11, rtol=1e-10).values for one in (circuit, ideal, specimen)]
    np.testing.assert_allclose(waves[1], waves[0], atol=1e-9)
    assert np.abs(waves[2] - waves[0]).max() > 1e-4


def test_a_circuit_without_cells_has_no_specimens() -> None:
    text = "use std.passive: Capacitor; circuit P { node x; Capacitor(x, gnd); input x; output x; }"
    plain = kc.compile(kc.Source("p.kc", text))
    with pytest.raises(kc.UsageError, match="KC0726"):
        draw_specimen(plain, 0, 0)
