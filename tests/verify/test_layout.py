"""Netlists of layouts: the same circuit as the simulated one, in one way, and no planted fault passes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.diagnostics import render_text
from kcompile.lower.base import BenchOptions
from kcompile.lower.chip import Chip
from kcompile.lower.transistors import build_transistors
from kcompile.pdk.devices import block
from kcompile.verify.layout import compare_netlists

pytest.importorskip("klayout", reason="klayout is not installed")


def network(seed: int) -> kc.Circuit:
    """A circuit of cells with some nodes, rails and random strengths, some of them 0."""
    rng = np.random.default_rng(seed)
    inner, rails = int(rng.integers(1, 6)), int(rng.integers(0, 4))
    text = f"""use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {{
    pdk sky130;
    node x[2], h[{inner}], y[2]{f", r[{rails}]" if rails else ""};
    node all = x + h + y;
    {f"drive r[k] = dc(0.1 V * k) for k in 0..{rails};" if rails else ""}
    Capacitor(n, gnd) {{ c = 2 pF }} for n in all;
    TanhPair w(all[i], all[j]) for i in 0..{inner + 4}, j in 0..{inner + 4} if i < j;
    {"TanhPair b(a, c) for a in all, c in r;" if rails else ""}
    TanhPair leak(n, gnd) for n in h;
    input x;
    output y;
}}
"""
    circuit = kc.compile(kc.Source("net.kc", text))
    return circuit.with_params({name: rng.integers(-4, 5, value.shape).astype(float)
                                for name, value in circuit.parameters().items() if name in circuit.trainable()})


def netlists(circuit: kc.Circuit) -> tuple[str, str, frozenset[str]]:
    options = BenchOptions(until=1e-6)
    layout = next(one.text for one in kc.lower(circuit, "layout") if one.name == "Net_lvs.spice")
    models = frozenset(one.model for cell in Chip(circuit, options).cells for one in cell.transistors)
    return build_transistors(circuit, options).artifacts[0].text, layout, models


@pytest.mark.parametrize("seed", range(20))
def test_the_layout_of_a_network_matches_in_one_way(seed: int) -> None:
    report = kc.verify(network(seed), against="klayout")
    assert report.passed, report
    assert report.devices[0] == report.devices[1] > 13


def swap_pins(layout: str, rng: np.random.Generator) -> str:
    """A terminal of one block and one of its bias lines are swapped; both terminals alone make the same circuit."""
    lines = layout.splitlines()
    places = [k for k, line in enumerate(lines) if re.match(r"x(w|b|leak)_", line)]
    at = int(rng.choice(places))
    words = lines[at].split()
    words[2], words[4] = words[4], words[2]
    lines[at] = " ".join(words)
    return "\n".join(lines) + "\n"


def widen(layout: str, rng: np.random.Generator) -> str:
    """One transistor is half a micrometre wider."""
    places = list(re.finditer(r" w=([0-9.]+) (?=l=[0-9.]+ nf)", layout))
    one = places[int(rng.integers(len(places)))]
    return f"{layout[: one.start()]} w={float(one[1]) + 0.5:.6g} {layout[one.end():]}"


def leave_out(layout: str, rng: np.random.Generator) -> str:
    """One transistor is missing."""
    lines = layout.splitlines()
    places = [k for k, line in enumerate(lines) if " nf=1 " in line]
    del lines[int(rng.choice(places))]
    return "\n".join(lines) + "\n"


def short(layout: str, rng: np.random.Generator) -> str:
    """Two nodes are one net, inside."""
    head, top = layout.split(".subckt net\n")
    pins = sorted(set(re.findall(r"\b(?:x|h|y)_\d+\b", top)) - {"x_0"})
    other = str(rng.choice(pins))
    first, rest = top.split("\nxbias", 1)
    return f"{head}.subckt net\n{first}\nxbias{re.sub(rf'(?<!xcap_){other}(?= )', 'x_0', rest)}"


@pytest.mark.parametrize("fault", [swap_pins, widen, leave_out, short])
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_fault_is_caught(fault, seed: int) -> None:
    simulated, layout, models = netlists(network(seed))
    wrong = fault(layout, np.random.default_rng(seed))
    assert wrong != layout
    report = compare_netlists("Net", simulated, wrong, models)
    assert not report.passed


def test_sizes_are_numbers_that_say_what_the_cell_says() -> None:
    chip = Chip(network(0), BenchOptions(until=1e-6))
    pair = next(part for part in chip.parts if part.subcircuit == "tanh_pair")
    found = block(pair.cell, "tanh_pair", {"k": 3.0}, "three")
    tail = next(device for device in found.devices if device.name == "xt")
    assert (tail.width, tail.length, tail.units, tail.model) == (2.0, 4.0, 6, "sky130_fd_pr__nfet_01v8")
    assert found.area == pytest.approx(3 * (2 * 8 + 2 * 1 + 2 * 2 + 2 * 8 + 2 * 1))


def test_the_command_line_writes_what_layout_tools_read(tmp_path: Path) -> None:
    (tmp_path / "net.kcir").write_text(next(one.text for one in kc.lower(network(1), "ir")))
    done = CliRunner().invoke(cli, [str(tmp_path / "net.kcir"), "--target", "layout", "-o", str(tmp_path / "out"), "--check"])
    assert done.exit_code == 0 and "passed: all nets, pins and sizes match" in done.output, done.output
    places = json.loads((tmp_path / "out" / "Net_placement.json").read_text())["places"]
    for k, one in enumerate(places):
        for other in places[:k]:
            apart = (abs(one["x"] - other["x"]), abs(one["y"] - other["y"]))
            assert max(apart) >= min(one["side"], other["side"]) - 1e-9, "blocks overlap"
    constraints = json.loads(next((tmp_path / "out").glob("tanh_pair_k*.const.json")).read_text())
    assert constraints[0]["constraint"] == "SymmetricBlocks" and ["mm1", "mm2"] in constraints[0]["pairs"]
    uses = {one["pin"]: one["use"] for one in json.loads((tmp_path / "out" / "Net_pins.json").read_text())}
    assert uses["x_0"] == "input" and uses["y_1"] == "output" and uses["vdd"] == "supply"


def test_a_circuit_without_cells_has_no_layout() -> None:
    with pytest.raises(kc.UsageError) as caught:
        kc.lower(Path(__file__).parents[2] / "examples" / "low_pass.kc", "layout", until=1e-6)
    assert "KC0726" in render_text(caught.value.diagnostics)
