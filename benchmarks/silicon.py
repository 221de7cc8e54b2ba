"""Circuits on the transistors of SkyWater 130: laws of cells against their transistors, and trained networks in ngspice.

    python -m benchmarks.silicon
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

import kcompile as kc
from benchmarks.row import Row, table
from benchmarks.trained import ROOT, read_example
from kcompile.characterize.conditions import Bench, Condition, conditions
from kcompile.characterize.currents import measure_currents
from kcompile.characterize.run import characterize
from kcompile.ir.circuit import Circuit
from kcompile.pdk.cell import load_cells
from kcompile.pdk.devices import block
from kcompile.pdk.find import find_library
from kcompile.pdk.fit import read_fit
from kcompile.pdk.load import load_pdk
from kcompile.pdk.trim import Transistor, trim
from kcompile.report.monte_carlo import Specimens, draw_laws, draw_transistors
from kcompile.report.sensitivity import SOURCES, find_sensitivity
from kcompile.train.data import Part
from kcompile.train.encoding import make_encoding
from kcompile.train.judge import make_module
from kcompile.train.objective import Objective
from kcompile.train.recipe import Recipe, read_recipe
from kcompile.verify.process import run_limited
from kcompile.verify.rawfile import read_raw
from kcompile.verify.run_ngspice import NGSPICE
from kcompile.verify.transistors import Confirmation, confirm

RUNS = 15
POINTS = 200
SLICE_POINTS = CLOCKED_POINTS = 20
MISMATCH_POINTS, LAW_DRAWS, TRANSISTOR_DRAWS = 8, 1000, 20
GROUPS = 4000
"""Groups of specimens on laws, each as large as that on transistors."""
TRAINING_POINTS = 1000
GOOD = 0.95
EXAMPLE, ON_SPECIMENS = (ROOT / "examples" / f"two_moons_sky130{name}.toml" for name in ("", "_mismatch"))
OFFSETS = """use sky130.tanh_pair: TanhPair; use sky130.idac: Idac; use sky130.gate_cap: GateCapacitor;
circuit Offsets {
    pdk sky130;
    node x[2], h[4], y[2];
    node all = x + h + y;
    GateCapacitor(n, gnd) { c = 2 pF } for n in all;
    phase run for 1 us {
        TanhPair w(all[i], all[j]) { k = 1 + (i + j) % 3 } for i in 0..8, j in 0..8 if i < j and (i + j) % 2 == 1;
        TanhPair leak(n, gnd) { k = 2 } for n in all;
        Idac b(all[k]) { code = 5 * (k % 3) - 6 + k } for k in 0..8;
    }
    input x;
    output y;
}
"""
FRESH = 12345
"""Seed of points that no training has seen."""


@dataclass(frozen=True, eq=False)
class Decided:
    """Points on laws and on transistors: int64[points] classes of both, and of the points themselves; float64[points] volts by
    which the laws decide."""

    report: Confirmation
    laws: np.ndarray
    transistors: np.ndarray
    classes: np.ndarray
    margin: np.ndarray


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield from models()
    yield from characterization()
    yield from cells()
    yield from capacitors()
    yield from offsets()
    yield from rails()
    yield from moons()
    yield from slices()
    yield from clocked()
    yield from mismatch()
    yield from sources()
    yield from training()


def models() -> Iterator[Row]:
    """What reading models costs a deck of one transistor of each kind, and its currents beside those of the whole library."""
    found = find_library("sky130")
    kinds = sorted({one.model for one in load_cells("sky130")["tanh_pair"].transistors})
    cards = "".join(f"xm{k} {'0 0 a a' if 'pfet' in kind else 'a a 0 0'} {kind} w=2 l=1\n" for k, kind in enumerate(kinds))
    part, section = found.library.parts[0].split()
    library = f".lib {found.folder / part} {section.format(corner=found.library.corners['tt'])}\n"
    options = "".join(f".options {one}\n" for one in found.library.options)
    decks = {"none": "r1 a 0 1\n", "cut": f".include models.lib\n{options}{cards}", "whole": f"{library}{options}{cards}"}
    text = trim(found, "tt", [Transistor(kind, 2.0, 1.0) for kind in kinds]).text
    ran: dict[str, list[tuple[float, np.ndarray]]] = {name: [] for name in decks}
    for _ in range(RUNS):
        for name, body in decks.items():
            ran[name].append(run_deck(f"* models\n{body}va a 0 1\n.dc va 0 1.8 0.1\n.end\n", text))
    seconds = {name: float(np.median([one for one, _ in runs])) for name, runs in ran.items()}
    cut, whole = (seconds[name] - seconds["none"] for name in ("cut", "whole"))
    equal = np.array_equal(ran["cut"][0][1], ran["whole"][0][1])
    yield Row(f"models of {len(kinds)} kinds of transistors, cut from the library / the whole library: seconds of ngspice beyond "
              f"a deck without models, median of {RUNS}; all currents", "< 0.1 s, equal digits",
              f"{cut:.3f} / {whole:.2f} s; {'equal' if equal else 'other'} digits", cut < 0.1 and equal)


def characterization() -> Iterator[Row]:
    """All cells measured from nothing, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            characterize("sky130", out=Path(folder), watch=lambda said: print(said, file=sys.stderr))
            seconds.append(time.perf_counter() - started)
    yield Row(f"`kcompile pdk characterize sky130` from nothing, on {os.cpu_count()} cores; again, with nothing changed",
              "< 15 min; unchanged cells are not run", f"{seconds[0] / 60:.1f} min; {seconds[1]:.1f} s", seconds[0] < 900)


def run_deck(main: str, models: str) -> tuple[float, np.ndarray]:
    """Seconds of a run, and all its values; past the audit, which lets no deck read the library of a foundry."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("main.cir", main), ("models.lib", models)):
            Path(folder, name).write_text(text)
        before = time.perf_counter()
        run_limited([NGSPICE.find(), "-n", "-b", "-r", "out.raw", "main.cir"], folder)
        seconds = time.perf_counter() - before
        return seconds, read_raw(Path(folder, "out.raw")).values


def cells() -> Iterator[Row]:
    """The fits that stand beside the cells."""
    wanted = {"tanh_pair": ("<= 0.5 / - / 0.1 % of full scale", 5e-3, 1e-3), "relu": ("<= 1 / - / - % of full scale", 1e-2, 1e-2),
              "idac": ("<= 1 / - / - % of the current of each code", 1e-2, 1e-2)}
    for cell in load_cells("sky130").values():
        if cell.currents is not None:
            fit = read_fit(cell.folder)
            typical = fit.errors["tt", 27.0]
            said = " / ".join(f"{100 * typical[key]:.2g}" for key in ("worst", "most", "median"))
            text, worst, median = wanted.get(cell.name, ("", 0.0, 0.0))
            yield Row(f"`{cell.name}`: law against transistors over the range, tt at 27 C, worst / 95 % / median", text,
                      f"{said} %", typical["worst"] <= worst and typical["median"] <= median if text else None)
            worst = max(one["worst"] for one in fit.errors.values())
            yield Row(f"`{cell.name}`: the worst of {len(fit.errors)} corners and temperatures, each with its own constants", "",
                      f"{100 * worst:.2g} % of full scale")
            if len(cell.law.terminals) < 2:
                continue
            balance = max(one["imbalance"] for one in fit.errors.values())
            yield Row(f"`{cell.name}`: currents of both terminals apart, worst of all corners and temperatures",
                      "<= 1 % of full scale", f"{100 * balance:.2g} %", balance <= 0.01)
    cells, signals = load_cells("sky130"), load_pdk("sky130").signals
    assert signals is not None
    there = Bench(find_library("sky130"), signals, cells["relu"], cells["bias"])
    leaks = []
    for units in ((4, 0), (-4, 0), (4, 1)):
        found = measure_currents(there, Condition("tt", 27.0), units)
        against = found.s - found.d < -0.05
        leaks += [np.abs(one[against]).max() for one in (found.into, found.out)]
    yield Row("`relu`: what leaks at either terminal from 50 mV below its threshold on, tt at 27 C", "<= 1e-5 of full scale",
              f"{max(leaks):.1e}", max(leaks) <= 1e-5)


def capacitors() -> Iterator[Row]:
    """Capacitors of gates beside those of metals."""
    cells = load_cells("sky130")
    gates, mim = cells["gate_cap"].fit, cells["mim"].capacitor
    assert gates.plates is not None and mim is not None
    worst = max(one["worst"] for one in gates.errors.values())
    yield Row("`gate_cap`: farads for each square micrometre of gates / of the plates of `mim`", "denser",
              f"{1e15 * gates.plates.density:.2f} / {1e15 * mim.area:.2f} fF", gates.plates.density > mim.area)
    typical = gates.errors["tt", 27.0]["worst"]
    yield Row("`gate_cap`: farads over the range apart from the law, all sizes, tt at 27 C / the worst of "
              f"{len(gates.errors)} corners and temperatures", "", f"{100 * typical:.2g} / {100 * worst:.2g} %")
    shares = [one["SHARE"] for one in gates.constants.values()]
    yield Row("`gate_cap`: farads in other conditions, of those in tt at 27 C", "",
              f"{100 * min(shares):.1f} to {100 * max(shares):.1f} %")


def offsets() -> Iterator[Row]:
    """A circuit of codes and capacitors of gates, in the typical condition and the furthest ones."""
    circuit = kc.compile(kc.Source("offsets.kc", OFFSETS))
    starts = list(np.random.default_rng(FRESH).uniform(-0.25, 0.25, (SLICE_POINTS, len(circuit.inputs))))
    for corner, temperature in (("tt", 27.0), ("ff", 85.0), ("ss", -40.0)):
        found = confirm(circuit, starts, corner=corner, temperature=temperature, watch=_said)
        said = " / ".join(f"{100 * float(value):.2g}" for value in (
            np.median(found.error), np.quantile(found.error, 0.95), found.error.max()))
        yield Row(f"a network with `idac` and `gate_cap`, {SLICE_POINTS} starting points, {corner} at {temperature:g} C: "
                  "distance of all waveforms from the laws, median / 95 % / worst of the swing", "<= 0.3 / 2 % / -", f"{said} %",
                  bool(np.median(found.error) <= 3e-3 and np.quantile(found.error, 0.95) <= 0.02))


def rails() -> Iterator[Row]:
    """What holds a rail, under all the current that it carries, from the lowest to the highest rail."""
    signals, found, cells = load_pdk("sky130").signals, find_library("sky130"), load_cells("sky130")
    assert signals is not None and cells["rail"].carries is not None
    worst = {}
    for condition in conditions(signals):
        models = trim(found, condition.corner, cells["bias"].transistors | cells["rail"].transistors).text
        options = "".join(f".options {one}\n" for one in found.library.options)
        head = (f"* rail\n.include models.lib\n{options}.options gmin=1e-15 reltol=1e-5 abstol=1e-14 vntol=1e-7\n.temp "
                f"{condition.temperature}\n{cells['bias'].netlist}{cells['rail'].netlist}vdd vdd 0 {signals.supply}\n"
                f"iref vdd vbn {signals.unit_current * signals.bias_units}\nxbias vbn vcn vbp vcp vdd 0 bias\n")
        off = []
        for amperes in (-cells["rail"].carries, 0.0, cells["rail"].carries):
            body = (f"xrail i o vbn vcn vdd 0 rail\ni1 0 o {amperes}\nvi i 0 1\n.dc vi {signals.common_mode - 0.25} "
                    f"{signals.common_mode + 0.25} 0.025\n.save v(o) v(i)\n.end\n")
            values = run_deck(head + body, models)[1]
            off.append(np.abs(values[:, -1] - values[:, -2]).max())
        worst[str(condition)] = max(off)
    ordered = sorted(worst, key=lambda one: -worst[one])
    yield Row("`rail`: error from -0.25 to 0.25 V with none and all of what it carries, tt at 27 C; worst of 15 corners and "
              "temperatures; of the others", "<= 2 mV / - / -", f"{1e3 * worst['tt 27 C']:.2g} / "
              f"{1e3 * worst[ordered[0]]:.2g} mV ({ordered[0]}) / {1e3 * worst[ordered[1]]:.2g} mV",
              worst["tt 27 C"] <= 2e-3)


def slices() -> Iterator[Row]:
    """A circuit of two time slices, loaded and read by its own transistors, from random starting voltages."""
    circuit = kc.compile(ROOT / "examples" / "slices_sky130.kc")
    starts = np.random.default_rng(FRESH).uniform(-0.25, 0.25, (SLICE_POINTS, len(circuit.inputs)))
    found = confirm(circuit, list(starts), watch=_said)
    name = f"slices_sky130.kc, two time slices, {SLICE_POINTS} starting points"
    said = " / ".join(f"{100 * float(value):.2g}" for value in (
        np.median(found.error), np.quantile(found.error, 0.95), found.error.max()))
    assert found.read_error is not None
    yield Row(f"{name}: distance of all waveforms from the laws, median / 95 % / worst of the swing; of what is read from its "
              "node", "", f"{said} %; {1e3 * found.read_error:.2g} mV")


def moons() -> Iterator[Row]:
    """The two moons that examples/two_moons_sky130.kc tells apart, on fresh points."""
    found = decide(POINTS)
    error = found.report.error
    median, most, worst = float(np.median(error)), float(np.quantile(error, 0.95)), float(error.max())
    name = f"two moons on transistors, {POINTS} fresh points"
    yield Row(f"{name}: distance of all waveforms from the laws, median / 95 % / worst of the swing", "<= 0.3 / 2 % / -",
              f"{100 * median:.2g} / {100 * most:.2g} / {100 * worst:.2g} %", median <= 3e-3 and most <= 0.02)
    ends = found.report.error[:, -1] * found.report.swing
    safe = found.margin > 2 * ends.max()
    same = found.laws == found.transistors
    yield Row(f"{name}: decided alike wherever the margin exceeds the error", "all", f"{np.sum(same & safe)} of {np.sum(safe)}",
              bool(np.all(same[safe])))
    native, silicon = (100 * float(np.mean(one == found.classes)) for one in (found.laws, found.transistors))
    yield Row(f"{name}: accuracy of laws / transistors", "within 1 point", f"{native:.1f} / {silicon:.1f} %",
              abs(native - silicon) <= 1.0)
    power = float(found.report.power.mean())
    yield Row(f"{name}: power, energy of one run, seconds of ngspice for a point", "",
              f"{1e6 * power:.3g} uW, {1e12 * power * found.report.latency:.3g} pJ, {found.report.seconds / POINTS:.2g} s")


def clocked() -> Iterator[Row]:
    """The same network as a chip with clocks, loading, rails and read-out of its own."""
    found = decide(CLOCKED_POINTS, clocked=True)
    report, name = found.report, f"two moons with clocks, loading, rails and read-out, {CLOCKED_POINTS} fresh points"
    said = " / ".join(f"{100 * float(value):.2g}" for value in (
        np.median(report.error), np.quantile(report.error, 0.95), report.error.max()))
    assert report.read_error is not None
    yield Row(f"{name}: distance of all waveforms from the laws, median / 95 % / worst of the swing; of what is read from its "
              "node", "", f"{said} %; {1e3 * report.read_error:.2g} mV")
    safe = found.margin > 2 * (report.error[:, -1] * report.swing).max()
    same = found.laws == found.transistors
    yield Row(f"{name}: decided alike wherever the margin exceeds the error; of all", "all",
              f"{np.sum(same & safe)} of {np.sum(safe)}; {np.sum(same)} of {CLOCKED_POINTS}", bool(np.all(same[safe])))
    power = float(report.power.mean())
    yield Row(f"{name}: power, energy of one run from loading to read-out", "",
              f"{1e6 * power:.3g} uW, {1e12 * power * report.latency:.3g} pJ")


def mismatch() -> Iterator[Row]:
    """The same network with transistors that are apart: specimens on laws and in ngspice, at the same points."""
    circuit, recipe, volts, classes = fresh(MISMATCH_POINTS)
    laws = draw_laws(circuit, volts, LAW_DRAWS, seed=0, recipe=recipe)
    transistors = draw_transistors(circuit, volts, range(1, TRANSISTOR_DRAWS + 1), watch=_said)
    name = f"two moons, {MISMATCH_POINTS} points, {LAW_DRAWS:,} specimens on laws and {TRANSISTOR_DRAWS} on transistors"
    yield from agreement(name, laws, transistors)
    found = [100 * one.accuracies(classes) for one in (laws, transistors)]
    yield Row(f"{name}: accuracy, mean over specimens on laws / transistors", "",
              " / ".join(f"{one.mean():.1f} +- {one.std(ddof=1):.1f}" for one in found) + " %")


def agreement(name: str, laws: Specimens, transistors: Specimens) -> Iterator[Row]:
    """Whether so few specimens on transistors could be specimens on laws, by one test of all end voltages together.

    All end voltages of a specimen share its cells and its bias lines, so that they are far from independent: where few specimens
    happen to spread widely, many leave the 95 % interval that each would have alone. Of groups of 20 specimens on laws, 36 % have
    more than a tenth of 16 end voltages outside, so that this would refuse laws that are right. What is asked instead is how far
    all end voltages are off together, and how far groups of as many specimens on laws are, which have the same dependence.
    Specimens on transistors agree unless they are among the 5 % farthest. The last number says what this test is worth: how often
    it finds groups that spread 1.5 times as far, or whose means are all off by half of the spread.
    """
    few, many = (one.ends.reshape(len(one.ends), -1) for one in (transistors, laws))
    few, many = ((one - many.mean(axis=0)) / many.std(axis=0, ddof=1) for one in (few, many))
    rng = np.random.default_rng(0)
    groups = np.array([rng.choice(many, len(few), replace=False) for _ in range(GROUPS)])

    def spread(one: np.ndarray) -> np.ndarray:
        """Logarithm of the spread, in units of that of all specimens on laws."""
        return np.log(one.std(axis=-2, ddof=1))

    def mean(one: np.ndarray) -> np.ndarray:
        return one.mean(axis=-2)

    kinds = (("spread", spread, 1.5 * groups, "1.5 times the spread"), ("means", mean, groups + 0.5, "half of the spread"))
    for what, of, wrong, fault in kinds:
        mine, theirs, found = (np.sqrt(np.square(of(one)).mean(axis=-1)) for one in (few, groups, wrong))
        share, power = float(np.mean(theirs >= mine)), float(np.mean(found > np.quantile(theirs, 0.95)))
        yield Row(f"{name}: {what} of all {few.shape[1]} end voltages; groups of {len(few)} specimens on laws that are as far "
                  "from all of these", ">= 5 %", f"rms {mine:.2f}; {100 * share:.0f} %; "
                  f"{fault} would be found in {100 * power:.0f} %", share >= 0.05)


def sources() -> Iterator[Row]:
    """Where the spread comes from, to first order, and what a pair's offset says of the process."""
    circuit, recipe, volts, classes = fresh(POINTS)
    objective = Objective(recipe, make_encoding(read_example(EXAMPLE).samples(recipe), recipe))
    found = find_sensitivity(circuit, objective, Part(volts, classes), torch.from_numpy(volts).float())
    drawn = draw_laws(circuit, volts, LAW_DRAWS, seed=0, recipe=recipe)
    whole, first = (float(np.sqrt(np.square(one).sum())) for one in (drawn.spread / np.sqrt(drawn.spread.size), found.sources))
    yield Row(f"two moons, {POINTS} points: spread of end voltages by {' / '.join(SOURCES)}, to first order; together, and of "
              f"{LAW_DRAWS:,} specimens", "within 10 %", f"{' / '.join(f'{1e3 * one:.1f}' for one in found.sources)} mV; "
              f"{1e3 * first:.1f} and {1e3 * whole:.1f} mV", abs(first - whole) <= 0.1 * whole)
    best = np.argsort(-found.gains)[:3]
    yield Row(f"two moons, {POINTS} points: whose area buys most, share of the variance of margins", "", ", ".join(
        f"{found.names[k]} {100 * found.shares[k]:.0f} %" for k in best))
    for cell in load_cells("sky130").values():
        if cell.drawn:
            pair = next(one for one in block(cell, cell.subcircuits[0], {cell.strength: 1.0}, "").devices
                        if one.name == cell.symmetric[0][0])
            yield Row(f"`{cell.name}`: offset of one unit times the root of the area of a transistor of its pair (Pelgrom)", "",
                      f"{1e3 * cell.mismatch.offset * np.sqrt(pair.area):.2f} mV um")


def training() -> Iterator[Row]:
    """What mismatch costs, and what training on specimens gains back."""
    equal, plain, trained = recovered(TRAINING_POINTS, LAW_DRAWS)
    lost, back = equal - plain.mean(), trained.mean() - plain.mean()
    name = f"two moons, {TRAINING_POINTS:,} fresh points, {LAW_DRAWS:,} specimens on laws"
    said = " / ".join(f"{100 * one.mean():.2f} +- {100 * one.std(ddof=1):.2f}" for one in (plain, trained))
    yield Row(f"{name}: accuracy of equal cells / of specimens / of specimens after training on specimens; gained back of "
              "the loss", ">= 50 %", f"{100 * equal:.2f} / {said} %; {100 * back / lost:.0f} %", bool(back >= 0.5 * lost))
    good = [binomtest(int(np.sum(one >= GOOD)), LAW_DRAWS) for one in (plain, trained)]
    ranges = [one.proportion_ci(0.95, "wilson") for one in good]
    yield Row(f"{name}: yield at an accuracy of {100 * GOOD:.0f} % with 95 % intervals, before / after training on specimens", "",
              " / ".join(f"{100 * one.statistic:.1f} ({100 * part.low:.1f} to {100 * part.high:.1f}) %"
                         for one, part in zip(good, ranges, strict=True)))


def recovered(points: int, specimens: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Accuracy of the network with equal cells; of its specimens; of specimens of the network that was trained on specimens."""
    circuit, recipe, volts, classes = fresh(points)
    equal = make_module(circuit, recipe)(torch.from_numpy(volts).float()).argmax(dim=1).numpy()
    plain, trained = (draw_laws(one, volts, specimens, seed=0, recipe=recipe).accuracies(classes)
                      for one in (circuit, fresh(1, ON_SPECIMENS)[0]))
    return float(np.mean(equal == classes)), plain, trained


def fresh(points: int, recipe: Path = EXAMPLE) -> tuple[Circuit, Recipe, np.ndarray, np.ndarray]:
    """The network that a recipe trained, the recipe, and points that it has not seen: volts [points, inputs] and classes."""
    from sklearn.datasets import make_moons

    example = read_example(recipe)
    chosen = read_recipe(example.recipe)
    circuit = kc.compile(example.program, weights=example.weights)
    inputs, classes = make_moons(points, noise=0.1, random_state=FRESH)
    return circuit, chosen, make_encoding(example.samples(chosen), chosen).volts(torch.from_numpy(inputs)).numpy(), classes


def decide(points: int, clocked: bool = False) -> Decided:
    """Fresh points on laws and transistors, with clocks where these are asked for."""
    circuit, _, volts, classes = fresh(points)
    report = confirm(circuit, list(volts), watch=_said, clocked=clocked)
    outputs = [report.names.index(circuit.nodes.name(int(node))) for node in circuit.outputs]
    laws, transistors = (one[:, -1, outputs] for one in (report.laws, report.transistors))
    margin = np.abs(laws[:, 1] - laws[:, 0])
    return Decided(report, laws.argmax(axis=1), transistors.argmax(axis=1), classes, margin)


def _said(done: int, total: int) -> None:
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(table(rows()))
