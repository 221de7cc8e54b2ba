"""`balance-capacitance`: the same voltages later, lighter cells, and circuits that were refused before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.ir.circuit import Circuit
from kcompile.passes.balance_capacitance import BalanceCapacitance
from kcompile.passes.find import known_passes
from kcompile.passes.parse_pipeline import parse_pipeline
from kcompile.passes.pipeline import Outcome
from kcompile.pdk.placement import SHARE, place, weigh

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x[2], y[2], r;
    drive r = pulse(-0.1 V, 0.1 V, 100 ns, 20 ns, 20 ns, 100 ns, 300 ns);
    Capacitor(n, gnd) { c = CAP } for n in x + y;
    phase mix for 400 ns {
        TanhPair w(a, b) { k = 3 } for a in x, b in y;
        TanhPair v(x[0], r) { k = -5 };
    }
    phase rest for 200 ns { TanhPair u(y[k], gnd) { k = 4 - 6 * k } for k in 0..2; }
    input x;
    output y;
}
"""


def net(capacitor: str = "100 fF", **options) -> Circuit:
    return kc.compile(kc.Source("net.kc", NET.replace("CAP", capacitor)), inputs=[0.15, -0.1], **options)


def balanced(circuit: Circuit, text: str = "balance-capacitance") -> Outcome:
    return parse_pipeline(text, known_passes()).run(circuit)


@pytest.mark.parametrize("seed", range(6))
def test_voltages_are_the_same_a_factor_later(seed: int) -> None:
    """Over the whole run: two slices, a drive that moves, and strengths and capacitances that are drawn."""
    rng = np.random.default_rng(seed)
    units = {"mix.w.k": 4, "mix.v.k": 1, "rest.u.k": 2}
    drawn = {name: rng.choice([-9.0, -4.0, -1.0, 1.0, 2.0, 6.0, 12.0], count) for name, count in units.items()}
    before = net().with_params({**drawn, "Capacitor[0].c": rng.uniform(40e-15, 400e-15, 4)})
    run = balanced(before).runs[0]
    after, factor = balanced(before).circuit, run.results["factor"]
    assert factor > 1 and after.duration == pytest.approx(factor * 600e-9, rel=1e-12)
    times = np.linspace(0.0, 600e-9, 61)
    one = kc.simulate(before, points=61, rtol=1e-10)
    other = kc.simulate(after, points=61, rtol=1e-10)
    np.testing.assert_allclose(other.time, factor * times, rtol=1e-9, atol=0)
    assert np.ptp(one.values) > 0.1
    np.testing.assert_allclose(other.values, one.values, rtol=1e-6, atol=1e-8)
    # The worst node has the share and no other one more; what the cells weigh is what it was.
    placed = place(after)
    assert placed.share.max() == pytest.approx(SHARE, rel=1e-8) and placed.share.max() <= SHARE
    np.testing.assert_array_equal(placed.load, weigh(before).load)
    np.testing.assert_allclose(placed.target, factor * weigh(before).target, rtol=1e-12)


def test_the_factor_is_the_smallest_and_is_found_once() -> None:
    found = balanced(net("300 fF"), "balance-capacitance{share=4%}")
    facts = {fact.name: fact.value for fact in found.runs[0].facts}
    # x[0] has two cells of 3 units at 4.963 fF each, and 5 crossed units at 8.262 fF.
    load = (6 * 4.96292 + 5 * 8.26192) * 1e-15
    assert facts["at"] == "x[0]" and facts["worst load share"] == pytest.approx(load / 300e-15, rel=1e-5)
    assert facts["capacitances and times multiplied by"] == pytest.approx(load / 300e-15 / 0.04, rel=1e-5)
    assert facts["worst load share then"] == pytest.approx(0.04) and facts["median then"] < facts["median"]
    again = balanced(found.circuit)
    assert again.circuit is found.circuit and "factor" not in again.runs[0].results
    light = net("3 pF")
    assert balanced(light).circuit is light, "a circuit below the share is not made faster"
    assert str(parse_pipeline("balance-capacitance{share=2.5 %}", known_passes())) == "balance-capacitance{share=0.025}"


def test_every_node_gets_a_capacitor_that_can_be_made() -> None:
    made = place(balanced(net("72 fF"), "balance-capacitance{share=99.9%}").circuit)
    least, left = made.least[made.target > 0], made.explicit[made.target > 0]
    assert left.min() == pytest.approx(least.max(), rel=1e-8) and left.min() >= least.max() > 5e-15


def test_a_circuit_that_was_refused_works_on_transistors_afterwards(tmp_path: Path) -> None:
    # One slice, without clocks: nothing but the load is between laws and transistors.
    one = NET.replace("    }\n    phase rest for 200 ns {", "   ")
    (tmp_path / "net.kc").write_text(one.replace("CAP", "60 fF"))
    words = ["verify", str(tmp_path / "net.kc"), "--input", "0.15,-0.1"]
    with pytest.raises(kc.UsageError, match=r"KC0726.*\n(.*\n)*.*balance-capacitance"):
        CliRunner().invoke(cli, words, catch_exceptions=False)
    worst = {}
    for share in (0.4, 0.04):
        done = CliRunner().invoke(cli, [*words, "--passes", f"balance-capacitance{{share={share}}}"])
        assert done.exit_code == 0, done.output
        assert ("KC0728" in done.stderr) == (share > SHARE)
        worst[share] = float(done.output.split("passed: ")[1].split(" ")[0])
    assert worst[0.04] < worst[0.4] / 3 and worst[0.04] < 0.015


def test_circuits_without_cells_and_shares_that_are_none_are_refused() -> None:
    plain = kc.Source("plain.kc", "use std.passive: Capacitor; circuit P { node x; Capacitor(x, gnd); output x; }")
    with pytest.raises(kc.UsageError, match="KC0726"):
        balanced(kc.compile(plain))
    for share in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(kc.UsageError, match="KC0803"):
            BalanceCapacitance(share)
