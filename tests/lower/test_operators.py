"""Every operator of the language at 200 points: native kernel, ngspice, and Verilog-A through OSDI in ngspice and VACASK,
against references written here by hand.

The references follow docs/language.md: where floating point overflows or is undefined, the meaning is fixed there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import kcompile as kc
from kcompile.lower.columns import number
from kcompile.lower.frame import Netlist
from kcompile.lower.spice_law import law_subcircuit
from kcompile.lower.spice_names import Namespace, NetlistNames
from kcompile.lower.veriloga_law import LawModule, law_module
from kcompile.render import render
from kcompile.sim.pack import law_kernels
from kcompile.verify.compare import Simulator
from kcompile.verify.deck import Deck
from kcompile.verify.run_ngspice import run_ngspice

A, B = "(V(a) / 1 V)", "(V(b) / 1 V)"


def clamped_exp(x: float) -> float:
    return math.exp(min(x, 709.0))


def guarded(x: float) -> float:
    if abs(x) >= 1e-300:
        return 1.0 / x
    return -1e300 if x < 0 else 1e300


def fraction(x: float, exponent: float) -> float:
    return clamped_exp(exponent * math.log(max(x, 1e-300))) if x > 0 else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


Reference = Callable[[float, float], float]
OPERATORS: dict[str, tuple[str, Reference]] = {
    "add": (f"{A} + {B}", lambda a, b: a + b),
    "subtract": (f"{A} - {B}", lambda a, b: a - b),
    "difference of nodes": ("V(a, b) / 1 V", lambda a, b: a - b),
    "multiply": (f"{A} * {B}", lambda a, b: a * b),
    "divide": (f"{A} / {B}", lambda a, b: a * guarded(b)),
    "minus": (f"-{A}", lambda a, b: -a),
    "tanh": (f"tanh({A})", lambda a, b: math.tanh(a)),
    "sigmoid": (f"sigmoid({A})", lambda a, b: 1.0 / (1.0 + clamped_exp(-a))),
    "softplus": (f"softplus({A})", lambda a, b: softplus(a)),
    "exp": (f"exp({A})", lambda a, b: clamped_exp(a)),
    "log": (f"log({A})", lambda a, b: math.log(max(a, 1e-300))),
    "sqrt": (f"sqrt({A})", lambda a, b: math.sqrt(max(a, 0.0))),
    "sin": (f"sin({A})", lambda a, b: math.sin(a)),
    "cos": (f"cos({A})", lambda a, b: math.cos(a)),
    "atan": (f"atan({A})", lambda a, b: math.atan(a)),
    "relu": (f"relu({A})", lambda a, b: max(a, 0.0)),
    "leaky_relu": (f"leaky_relu({A})", lambda a, b: a if a > 0 else 0.01 * a),
    "leaky_relu of a slope": (f"leaky_relu({A}, slope = 0.3)", lambda a, b: a if a > 0 else 0.3 * a),
    "leaky_relu of a negative slope": (f"leaky_relu({A}, -2)", lambda a, b: a if a > 0 else -2.0 * a),
    "abs": (f"abs({A})", lambda a, b: abs(a)),
    "sign": (f"sign({A})", lambda a, b: float((a > 0) - (a < 0))),
    "min": (f"min({A}, {B})", lambda a, b: min(a, b)),
    "max": (f"max({A}, {B})", lambda a, b: max(a, b)),
    "min of four": (f"min({A}, {B}, 3, {A} * {B})", lambda a, b: min(a, b, 3.0, a * b)),
    **{f"pow {e}": (f"pow({A}, {e})", lambda a, b, e=e: math.prod([a] * e)) for e in (0, 1, 2, 3, 5, 8, 20)},
    **{f"pow -{e}": (f"pow({A}, -{e})", lambda a, b, e=e: guarded(math.prod([a] * e))) for e in (1, 2, 3, 30)},
    "pow 0.5": (f"pow({A}, 0.5)", lambda a, b: fraction(a, 0.5)),
    "pow 1.7": (f"pow({A}, 1.7)", lambda a, b: fraction(a, 1.7)),
    "pow -0.5": (f"pow({A}, -0.5)", lambda a, b: guarded(fraction(a, 0.5))),
    "less": (f"if({A} < {B}, 2, -3)", lambda a, b: 2.0 if a < b else -3.0),
    "less or equal": (f"if({A} <= {B}, 2, -3)", lambda a, b: 2.0 if a <= b else -3.0),
    "greater": (f"if({A} > {B}, {A}, {B})", lambda a, b: a if a > b else b),
    "greater or equal": (f"if({A} >= {B}, 2, -3)", lambda a, b: 2.0 if a >= b else -3.0),
    "equal": (f"if({A} == {B}, 2, -3)", lambda a, b: 2.0 if a == b else -3.0),
    "not equal": (f"if({A} != {B}, 2, -3)", lambda a, b: 2.0 if a != b else -3.0),
    "chain": (f"if(-1 < {A} <= {B} < 50, 2, -3)", lambda a, b: 2.0 if -1 < a <= b < 50 else -3.0),
    "and": (f"if({A} > 0 and {B} > 0, 2, -3)", lambda a, b: 2.0 if a > 0 and b > 0 else -3.0),
    "or": (f"if({A} > 0 or {B} > 0, 2, -3)", lambda a, b: 2.0 if a > 0 or b > 0 else -3.0),
    "not": (f"if(not {A} > 0, 2, -3)", lambda a, b: 2.0 if not a > 0 else -3.0),
    "signed square": (f"-pow({A}, 2) + pow(-{A}, 3)", lambda a, b: -(a * a) - a * a * a),
    "exp of a square": (f"exp(-pow({A}, 2) - abs({B}))", lambda a, b: clamped_exp(-(a * a) - abs(b))),
    "sigmoid by hand": (f"1 / (1 + exp(-{A}))", lambda a, b: 1.0 / (1.0 + clamped_exp(-a))),
    "quotient of exps": (f"{B} / (exp({A}) + exp(-{A}))", lambda a, b: b / (clamped_exp(a) + clamped_exp(-a))),
    "nested": (f"tanh({A}) / (1 + abs({B})) + exp(-pow({A}, 2))",
               lambda a, b: math.tanh(a) / (1 + abs(b)) + clamped_exp(-(a * a))),
}

INEXACT = ("signed square", "nested")
"""Sums are taken in another order: the last digits of a difference are relative to its terms."""

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1e-3, -1e-3, 1e-12, -1e-12, 1e-30, 10.0, -10.0, 30.0, -30.0, 36.0,
           -36.0, 100.0, -100.0, 229.0, 230.0, 700.0, -700.0, 708.0, 709.0, 710.0, -710.0, -745.0, 1e3, -1e3, 1e6, -1e6]


def points(huge: bool) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (a, b): special values, ties for the kinks, and logarithmically spread ones."""
    rng = np.random.default_rng(7)
    spread = rng.choice([-1.0, 1.0], 200) * 10.0 ** rng.uniform(-6, 6, 200)
    a = np.array([*SPECIAL, *SPECIAL, *spread[:130]])
    b = np.array([*SPECIAL, *reversed(SPECIAL), *rng.permutation(spread)[:130]])
    if huge:
        extremes = np.array([1e-300, -1e-300, 1e300, -1e300, 1e-301, -1e-301, 5e-324])
        a, b = np.concatenate([a, extremes, np.ones(7)]), np.concatenate([b, np.ones(7), extremes])
    return a, b


def model(expression: str):
    circuit = kc.compile(kc.Source("operator.kc", f"""
use std.passive: Capacitor;
device Law(a, b, out) {{ I(gnd, out) <+ 1 A * ({expression}); }}
circuit Top {{ node a, b, out; Capacitor(n, gnd) for n in a + b + out; Law(a, b, out); }}"""))
    return next(m for m in circuit.models if m.name == "Law")


def solved_by_newton(wanted: np.ndarray) -> np.ndarray:
    """Which points can be solved: ngspice computes f(x0) - f'(x0) x0 + f'(x0) x, and gives up where one of these overflows."""
    return np.abs(wanted) < 1e301


def floor_of(name: str, a: np.ndarray) -> float | np.ndarray:
    """What errors in ngspice are relative to at least: it rounds f at f'(x) x, which is 1e6 times f for sin(1e6)."""
    return np.maximum(np.abs(a) * 4.5e-4, 1e-30) if name in ("sin", "cos") else 1e-12 if name in INEXACT else 1e-30


def reference(law: Reference, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([law(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])


def assert_close(found: np.ndarray, wanted: np.ndarray, a: np.ndarray, b: np.ndarray, floor: float | np.ndarray) -> None:
    """Equal to 1e-12 where float64 is finite; where it is not, the value found is not finite either."""
    finite = np.isfinite(wanted)
    assert finite.sum() > 150
    with np.errstate(all="ignore"):  # the points where inf - inf stands here are judged by the other rule
        error = np.abs(found - wanted) / np.maximum(np.abs(wanted), floor)
    wrong = np.flatnonzero(np.where(finite, ~(error <= 1e-12), np.isfinite(found)))
    assert not len(wrong), [(a[k], b[k], found[k], wanted[k]) for k in wrong[:5]]


@pytest.mark.parametrize("name", OPERATORS)
def test_native_kernel(name: str) -> None:
    expression, law = OPERATORS[name]
    a, b = points(huge=True)
    built = model(expression)
    value = law_kernels(built).values.prepare({})({"V(a)": a, "V(b)": b, "V(out)": a})[0]
    wanted = reference(law, a, b)
    assert_close(np.broadcast_to(value, a.shape), wanted, a, b, 1e-12 if name in INEXACT else 1e-300)


@pytest.mark.parametrize("name", OPERATORS)
def test_ngspice(name: str) -> None:
    """One deck with an operator at every point; the value is the current into 1 Ohm."""
    expression, law = OPERATORS[name]
    a, b = points(huge=False)
    wanted = reference(law, a, b)
    kept = solved_by_newton(wanted)
    a, b, wanted = a[kept], b[kept], wanted[kept]
    sub = law_subcircuit(model(expression), "top", False, Namespace())
    lines = ["* operators", f".subckt {sub.name} {' '.join(sub.ports)}"]
    lines += [f"B{s.name} {s.plus} {s.minus} {s.quantity}={s.text}" for s in sub.sources]
    lines.append(f".ends {sub.name}")
    for i in range(len(a)):
        lines += [f"Va{i} a{i} 0 {number(a[i])}", f"Vb{i} b{i} 0 {number(b[i])}", f"Xx{i} a{i} b{i} o{i} {sub.name}",
                  f"Rr{i} o{i} 0 1"]
    vectors = tuple(f"v(o{i})" for i in range(len(a)))
    lines += [".options reltol=1e-6 abstol=1e-15 vntol=1e-12 gmin=1e-280 noopiter klu", ".tran 1e-3 2e-3 0 1e-3 uic"]
    lines += [f".save {' '.join(vectors[k : k + 8])}" for k in range(0, len(vectors), 8)]
    run = run_ngspice(Deck("top_tb.cir", {"top_tb.cir": "\n".join([*lines, ".end", ""])}), expected=vectors, until=2e-3)
    assert_close(run.raw.columns(vectors)[-1], wanted, a, b, floor_of(name, a))


# ---- Verilog-A: all operators in one file, at all points in one run ------------------------------------------------------

LOAD = "use std.passive: Capacitor, Conductance; circuit Top { node n; Capacitor(n, gnd); Conductance(n, gnd); }"


@pytest.fixture(scope="module")
def modules() -> dict[str, LawModule]:
    """Module of each operator, and one that turns its current into a voltage."""
    space = Namespace()
    made = {name: law_module(model(expression), "op", False, space) for name, (expression, _) in OPERATORS.items()}
    load = next(m for m in kc.compile(kc.Source("load.kc", LOAD)).models if m.name == "Conductance")
    return {**made, "": law_module(load, "load", False, space)}


def run(simulator: Simulator, modules: dict[str, LawModule], ending: str, lines: list[str],
        outputs: dict[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Values of each operator's outputs, in a deck of these lines."""
    laws = render("veriloga/laws.va.j2", {"source_name": "operators", "modules": list(modules.values())})
    bench = f"operators_tb.{ending}"
    every = tuple(vector for each in outputs.values() for vector in each)
    netlist = Netlist((), every, (), NetlistNames(kc.compile(kc.Source("load.kc", LOAD))))
    found = simulator(Deck(bench, {bench: "\n".join([*lines, ""]), "operators.va": laws}), netlist, 2e-3).raw
    return {name: found.columns(vectors)[-1] for name, vectors in outputs.items()}


@pytest.fixture(scope="module")
def in_osdi(osdi: Simulator, modules: dict[str, LawModule]) -> dict[str, np.ndarray]:
    """Value of each operator at its points, as the current of a module into 1 Ohm."""
    a, b = points(huge=False)
    lines = ["* operators", ".control", "pre_osdi operators.osdi", ".endc"]
    lines += [f".model {module.name} {module.name}" for module in modules.values()]
    lines += [f"Va{i} a{i} 0 {number(a[i])}\nVb{i} b{i} 0 {number(b[i])}" for i in range(len(a))]
    outputs: dict[str, tuple[str, ...]] = {}
    for k, (name, (_, law)) in enumerate(OPERATORS.items()):
        kept = np.flatnonzero(solved_by_newton(reference(law, a, b)))
        lines += [f"Nx{k}_{i} a{i} b{i} o{k}_{i} {modules[name].name}\nRr{k}_{i} o{k}_{i} 0 1" for i in kept]
        outputs[name] = tuple(f"v(o{k}_{i})" for i in kept)
    every = [vector for each in outputs.values() for vector in each]
    lines += [".options reltol=1e-6 abstol=1e-15 vntol=1e-12 klu", ".tran 1e-3 2e-3 0 1e-3"]
    lines += [f".save {' '.join(every[k : k + 8])}" for k in range(0, len(every), 8)]
    return run(osdi, modules, "cir", [*lines, ".end"], outputs)


@pytest.mark.parametrize("name", OPERATORS)
def test_osdi(name: str, in_osdi: dict[str, np.ndarray]) -> None:
    a, b = points(huge=False)
    wanted = reference(OPERATORS[name][1], a, b)
    kept = solved_by_newton(wanted)
    assert_close(in_osdi[name], wanted[kept], a[kept], b[kept], floor_of(name, a[kept]))


@pytest.fixture(scope="module")
def in_vacask(vacask: Simulator, modules: dict[str, LawModule]) -> dict[str, np.ndarray]:
    """The same in VACASK, into the conductance of another module."""
    a, b = points(huge=False)
    load = modules[""]
    lines = ["// operators", "ground 0", 'load "operators.osdi"', "model vsource vsource"]
    lines += [f"model {module.name} {module.name}" for module in modules.values()]
    lines += [f"va{i} (a{i} 0) vsource dc={number(a[i])}\nvb{i} (b{i} 0) vsource dc={number(b[i])}" for i in range(len(a))]
    outputs: dict[str, tuple[str, ...]] = {}
    for k, (name, (_, law)) in enumerate(OPERATORS.items()):
        kept = np.flatnonzero(solved_by_newton(reference(law, a, b)))
        lines += [f"nx{k}_{i} (a{i} b{i} o{k}_{i}) {modules[name].name}\nnr{k}_{i} (o{k}_{i} 0) {load.name} g=1" for i in kept]
        outputs[name] = tuple(f"o{k}_{i}" for i in kept)
    lines += ["control", "abort always", "options reltol=1e-6 abstol=1e-15 vntol=1e-12 nr_residualcheck=0",
              'analysis operators_tb tran step=1e-3 stop=2e-3 maxstep=1e-3 icmode="uic" ic={ }', "endc"]
    return run(vacask, modules, "sim", lines, outputs)


@pytest.mark.parametrize("name", OPERATORS)
def test_vacask(name: str, in_vacask: dict[str, np.ndarray]) -> None:
    """VACASK solves for residuals, which lose nothing where a slope is large."""
    a, b = points(huge=False)
    wanted = reference(OPERATORS[name][1], a, b)
    kept = solved_by_newton(wanted)
    assert_close(in_vacask[name], wanted[kept], a[kept], b[kept], 1e-12 if name in INEXACT else 1e-30)
