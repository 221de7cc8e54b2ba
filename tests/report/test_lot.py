"""Many specimens: first order against differences and against draws, yields and their intervals, areas."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc  # noqa: E402
from benchmarks.small_nets import blobs  # noqa: E402
from kcompile.cli import cli  # noqa: E402
from kcompile.ir.circuit import Circuit  # noqa: E402
from kcompile.pdk.mismatch import Normals, make_lot  # noqa: E402
from kcompile.report.lot import LotStudy, study_lot  # noqa: E402
from kcompile.report.propagation import propagate  # noqa: E402
from kcompile.report.sensitivity import BIAS, SOURCES, Sensitivity, find_sensitivity  # noqa: E402
from kcompile.train.data import Part, make_data  # noqa: E402
from kcompile.train.encoding import make_encoding  # noqa: E402
from kcompile.train.judge import make_module, start_volts, tensors_of  # noqa: E402
from kcompile.train.objective import Objective  # noqa: E402
from kcompile.train.recipe import Recipe  # noqa: E402
from kcompile.train.sources.base import Samples  # noqa: E402
from kcompile.train.specimens import set_values  # noqa: E402

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x[2], y[2];
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 200 ns {
        TanhPair plus(x[k], y[1]) { k = 2 } for k in 0..2;
        TanhPair minus(x[k], y[0]) { k = -2 } for k in 0..2;
        TanhPair leak(y[k], gnd) { k = 1 } for k in 0..2;
    }
    input x;
    output y;
}
"""
RECIPE = Recipe(standardize=True, input_scale=0.004, scale=20.0, steps=40, dtype="float64")
"""Inputs so small that mismatch decides often."""


@pytest.fixture(scope="module")
def circuit() -> Circuit:
    return kc.compile(kc.Source("net.kc", NET))


@pytest.fixture(scope="module")
def study() -> tuple[Objective, Part, torch.Tensor]:
    data = make_data("blobs", Samples(*blobs()), labels=True, validation=0.1, test=0.2, seed=0)
    objective = Objective(RECIPE, make_encoding(data, RECIPE))
    part = Part(data.test.inputs[:6], data.test.targets[:6])
    return objective, part, start_volts(objective, tensors_of(part)[0])


def only(normals: Normals, source: int, factor: float) -> Normals:
    """Numbers of one source, times a factor."""
    keep = np.eye(5)[source] * factor
    return Normals(normals.shared * keep[3:], tuple(None if own is None else own * keep[:3, None] for own in normals.own))


def test_slopes_are_differences_of_the_simulator(circuit: Circuit, study) -> None:
    lot, start = make_lot(circuit), study[2][0].numpy()
    slopes = next(propagate(lot, RECIPE, study[2]))
    none = only(lot.normals((0,)), 0, 0.0)

    def volts(normals: Normals) -> np.ndarray:
        return kc.simulate(lot.specimen(normals).with_initial(start), points=2, rtol=1e-10).read_out

    np.testing.assert_allclose(slopes.nominal, volts(none), atol=1e-7)
    firsts = [0, *np.cumsum([own.shape[1] for own in none.own if own is not None])]
    assert slopes.own.shape == (2, 3, firsts[-1]) == (2, 3, 6)
    tables = [k for k, own in enumerate(none.own) if own is not None]
    for table, first in zip(tables, firsts, strict=False):
        for number in range(3):
            moved = []
            for sign in (1, -1):
                own = none.own[table].copy()
                own[number, 1] = sign * 0.01
                moved.append(volts(Normals(none.shared, (*none.own[:table], own, *none.own[table + 1 :]))))
            np.testing.assert_allclose(slopes.own[:, number, first + 1], (moved[0] - moved[1]) / 0.02, rtol=2e-3, atol=1e-6)
    for number in range(2):
        moved = [volts(Normals(sign * 0.01 * np.eye(2)[number], none.own)) for sign in (1, -1)]
        np.testing.assert_allclose(slopes.shared[:, number], (moved[0] - moved[1]) / 0.02, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("source", range(5), ids=SOURCES)
def test_each_source_spreads_the_outputs_as_draws_do(circuit: Circuit, study, source: int) -> None:
    """600 draws know a deviation to 3 %; a third of the deviations is well inside the first order."""
    objective, part, volts = study
    lot, factor = make_lot(circuit), 1 / 3
    module = make_module(lot.circuit, RECIPE)
    ends = []
    for number in range(600):
        drawn = lot.specimen(only(lot.normals((1, number)), source, factor)).parameters()
        set_values(module, {name: torch.from_numpy(value.copy()) for name, value in drawn.items()})
        with torch.no_grad():
            ends.append(module(volts).numpy())
    spread = np.sqrt(np.var(ends, axis=0, ddof=1).mean()) / factor
    assert spread == pytest.approx(find_sensitivity(circuit, objective, part, volts).sources[source], rel=0.1)


def test_what_area_buys_is_what_linear_draws_say(circuit: Circuit, study) -> None:
    """The same normal numbers with and without half of a cell's variance, on outputs that move in proportion."""
    objective, part, volts = study
    found = find_sensitivity(circuit, objective, part, volts)
    assert found.names[-1] == BIAS and found.names[:2] == ("run.plus[0]", "run.plus[1]") and len(found.names) == 7
    # Two transistors of 8 um2 and two of 1 um2 in the tail, two of 2, 8 and 1 um2 above it; the bias lines have 16 units.
    np.testing.assert_allclose(found.areas[:-1], [80, 80, 80, 80, 40, 40])
    rng = np.random.default_rng(0)
    slopes = list(propagate(make_lot(circuit), RECIPE, volts))
    own, shared = rng.standard_normal((100_000, 3, 6)), rng.standard_normal((100_000, 2))

    def right(doubled: int) -> float:
        share = np.where(np.arange(7) == doubled, np.sqrt(0.5), 1.0)
        found = []
        for one, target in zip(slopes, part.targets, strict=True):
            moved = np.einsum("njc,ojc->no", own * share[:6], one.own) + share[6] * shared @ one.shared.T + one.nominal
            found.append(np.mean(moved.argmax(axis=1) == target))
        return float(np.mean(found))

    now = right(-1)
    assert 0.6 < now < 0.95, "mismatch decides often"
    assert found.expected == pytest.approx(now, abs=2e-3)
    np.testing.assert_allclose(found.gains, [right(k) - now for k in range(7)], rtol=0.1, atol=3e-4)
    assert found.shares.sum() == pytest.approx(1.0) and found.gains.max() > 0.003


def test_numbers_gain_what_their_variance_loses(circuit: Circuit) -> None:
    x, y = blobs()
    recipe = Recipe(loss="mse", standardize=True, standardize_targets=True, input_scale=0.01, scale=20.0, steps=40)
    numbers = Samples(x, 300.0 + 40.0 * np.stack([y, -y], axis=1))
    data = make_data("blobs", numbers, labels=False, validation=0.1, test=0.2, seed=0)
    objective = Objective(recipe, make_encoding(data, recipe))
    found = study_lot(circuit, objective, data.test, 300)
    one = found.sensitivity
    assert found.figure == "rms_error" and found.limit == pytest.approx(1.05 * found.nominal)
    # Mean squares over specimens: equal cells, and what the spread of outputs is worth in units of the targets.
    gain = objective.encoding.target_gain.mean() * 20.0
    assert one.expected**2 == pytest.approx(found.nominal**2 + gain**2 * np.square(one.sources).sum(), rel=1e-3)
    assert one.expected == pytest.approx(np.sqrt(np.square(found.figures).mean()), rel=0.05)
    doubled = one.expected**2 - (one.expected - one.gains) ** 2
    np.testing.assert_allclose(doubled, one.shares * (one.expected**2 - found.nominal**2) / 2, rtol=0.05)


def test_yield_and_its_interval() -> None:
    nothing = Sensitivity(np.zeros(5), 0.0, (), np.zeros(0), np.zeros(0), np.zeros(0))
    figures = np.array([0.9, 0.95, 0.95, 0.99])
    assert LotStudy("accuracy", 9, 1.0, figures, 0.95, 0.0, nothing).good == 3
    assert LotStudy("rms_error", 9, 1.0, figures, 0.95, 0.0, nothing).good == 3
    none = LotStudy("accuracy", 9, 1.0, np.zeros(10), 0.5, 0.0, nothing)
    z2 = 1.959963985**2
    assert none.good == 0 and none.interval == pytest.approx((0.0, z2 / (10 + z2)), abs=1e-9)


def test_options_that_need_each_other(tmp_path) -> None:
    path = tmp_path / "net.kc"
    path.write_text(NET)
    for words in (["--monte-carlo", "9"], ["--data", "moons", "--yield-at", "0.9"]):
        done = CliRunner().invoke(cli, ["report", str(path), *words])
        assert done.exit_code == 2 and "--monte-carlo" in done.output
