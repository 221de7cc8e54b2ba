"""The sparse Jacobian against central differences of the right-hand side, for every law of the standard library."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit
from kcompile.sim.pack import System

STD = Path(kc.__file__).parent / "std"
DEVICES = {path.stem: dict(re.findall(r"^device (\w+)\(([^)]*)\)", path.read_text(), re.MULTILINE))
           for path in sorted(STD.glob("*.kc"))}
LAWS = [(module, name) for module, devices in DEVICES.items() for name in devices]


def program(rng: np.random.Generator, laws: list[tuple[str, str]], copies: int = 2) -> str:
    """A circuit with free, driven and floating-capacitor nodes, two phases and a rail, and the given laws between them."""
    names = [f"f[{k}]" for k in range(4)] + ["vin", "gnd", "island[0]", "island[1]"]
    lines = ["node f[4] rail [-0.4 V, 0.6 V]; node island[2], vin;",
             "drive vin = sin(0.1 V, 1 V, 1 Hz, phase = 20);",
             "Cap(n, gnd) { c = 1 F } for n in f; Cap(island[0], island[1]) { c = 2 F }; Cap(vin, island[0]) { c = 0.5 F };",
             "Cap(island[1], f[3]) { c = 0.7 F }; Cap(f[0], f[1]) { c = 0.3 F };"]
    phases: dict[str, list[str]] = {"first": [], "second": [], "": []}
    for module, name in laws:
        if name == "Capacitor":
            continue
        terminals = len(DEVICES[module][name].split(","))
        for _ in range(copies):
            ends = rng.choice(names, terminals, replace=False)
            where = str(rng.choice(["first", "second", ""]))
            phases[where].append(f"{module}_{name}({', '.join(ends)}) {{ {values(rng, module, name)} }};")
    lines += phases[""]
    lines += [f"phase {name} for 1 s {{ {' '.join(phases[name])} }}" for name in ("first", "second")]
    return "\n".join([*device_sources(laws), CAP, "circuit Top {", *lines, "}"])


CAP = "device Cap(p, n) { param c: capacitance; I(p, n) <+ ddt(c * V(p, n)); }"


def device_sources(laws: list[tuple[str, str]]) -> list[str]:
    """Declarations of the laws, each under the name of its module too: two modules hold a `Conductance`."""
    found = []
    for module, name in laws:
        text = (STD / f"{module}.kc").read_text()
        body = re.search(rf"^device {name}\(.*?^\}}", text, re.MULTILINE | re.DOTALL)
        assert body is not None
        found.append(body[0].replace(f"device {name}(", f"device {module}_{name}(", 1))
    return found


def values(rng: np.random.Generator, module: str, name: str) -> str:
    """Assignments of order 1 to every parameter of a law, in its own unit and inside its limits."""
    text = device_sources([(module, name)])[0]
    units = {"conductance": "S", "voltage": "V", "current": "A", "resistance": "Ohm", "inductance": "H", "real": "",
             "V^-1": "V^-1", "A/V^2": "A/V^2", "capacitance": "F"}
    given = []
    for param, dimension, rest in re.findall(r"param (\w+): ([^=;]+?)(?: = ([^;]*))?;", text):
        if dimension == "waveform":
            given.append(f"{param} = sin(0.3 A, 1 A, 2 Hz)")
            continue
        value = float(rng.uniform(0.3, 2.0)) * (1 if "(0, inf)" in rest else float(rng.choice([-1.0, 1.0])))
        given.append(f"{param} = {value!r} {units[dimension]}")
    return ", ".join(given)


def differences(system: System, k: int, time: float, y: np.ndarray, h: float) -> np.ndarray:
    columns = []
    for i in range(system.size):
        step = np.zeros(system.size)
        step[i] = h
        columns.append((system.rhs(k, time, y + step, time) - system.rhs(k, time, y - step, time)) / (2 * h))
    return np.stack(columns, axis=1)


def check(circuit: Circuit, rng: np.random.Generator, points: int = 6) -> int:
    """Compare at random points; those with a kink within the step are redrawn. Returns the number compared."""
    system = System(circuit)
    compared = 0
    for _ in range(10 * points):
        y, time = rng.normal(size=system.size), float(rng.uniform(0, 2))
        for k in range(len(system.slices)):
            coarse, fine = differences(system, k, time, y, 2e-5), differences(system, k, time, y, 1e-5)
            if np.abs(coarse - fine).max(initial=0) > 1e-6:
                continue
            found = system.jacobian(k, time, y)
            assert found.shape == (system.size, system.size)
            dense = found.toarray()
            np.testing.assert_allclose(dense, fine, atol=2e-8 * (1 + np.abs(fine).max(initial=0)))
            compared += 1
        if compared >= points * len(system.slices):
            break
    return compared


def test_the_library_is_found() -> None:
    assert len(LAWS) >= 25
    assert ("kirchhoff", "Conductance") in LAWS and ("passive", "Conductance") in LAWS


@pytest.mark.parametrize(("module", "name"), [law for law in LAWS if law[1] != "Capacitor"])
def test_each_law_alone(module: str, name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, module + name)))
    circuit = kc.compile(kc.Source("jacobian.kc", program(rng, [(module, name)], copies=4)))
    assert check(circuit, rng, 4) >= 8


@pytest.mark.parametrize("seed", range(8))
def test_random_circuits_of_every_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = kc.compile(kc.Source("jacobian.kc", program(rng, LAWS)))
    assert len(System(circuit).state_names) == 2
    assert check(circuit, rng, 3) >= 3


DIAGONAL = """use std.kirchhoff: ShiftTanh; use std.passive: Capacitor;
circuit Top { node x[3]; Capacitor(n, gnd) { c = 2 F } for n in x;
ShiftTanh(a, b) { i0 = 1 A, th = 0.2 V } for a in x, b in x if a != b; }"""


def test_a_circuit_whose_capacitors_all_reach_ground() -> None:
    """The diagonal path of the capacitance matrix, and two terminals on one node."""
    circuit = kc.compile(kc.Source("jacobian.kc", DIAGONAL.replace("if a != b", "")))
    assert check(circuit, np.random.default_rng(1)) == 6


def test_kinks_take_the_side_that_the_reference_states() -> None:
    """At the kink itself: 0 for relu and abs, the slope for leaky_relu, the first argument's for min and max."""
    laws = {"relu(V(a)) * 1 S": 0.0, "abs(V(a)) * 1 S": 0.0, "leaky_relu(V(a), 0.25) * 1 S": 0.25,
            "min(V(a), 3 * V(a)) * 1 S": 1.0, "max(2 * V(a), V(a)) * 1 S": 2.0, "min(3 * V(a), V(a)) * 1 S": 3.0,
            "1 A * sign(V(a))": 0.0, "if(V(a) < 0, 1 A, 2 A)": 0.0, "if(V(a) < 0, 3 S * V(a), 5 S * V(a))": 5.0}
    for law, wanted in laws.items():
        text = f"device L(a) {{ I(gnd, a) <+ {law}; }}\n{CAP}\ncircuit Top {{ node a; Cap(a, gnd) {{ c = 1 F }}; L(a); }}"
        system = System(kc.compile(kc.Source("kink.kc", text)))
        assert system.jacobian(0, 0.0, np.zeros(1)).toarray()[0, 0] == wanted, law


FUNCTIONS = ["tanh", "sigmoid", "softplus", "exp", "sqrt", "sin", "cos", "atan", "log"]


@pytest.mark.parametrize("law", [
    *(f"{name}({'abs(V(a) / 1 V) + 0.3' if name in ('sqrt', 'log') else 'V(a, b) / 1 V'})" for name in FUNCTIONS),
    "pow(V(a) / 1 V, 3)", "pow(abs(V(a) / 1 V) + 0.5, -2)", "pow(abs(V(a) / 1 V) + 0.5, 0.7)", "pow(abs(V(a) / 1 V) + 1, -1.5)",
    "(V(a) / 1 V) / (2 + sin(V(b) / 1 V))", "if(V(a) > V(b), V(a) * V(b) / 1 V / 1 V, sin(V(b, a) / 1 V))",
    "max(V(a), V(b), V(a) * V(b) / 1 V) / 1 V", "min(V(a), tanh(V(b) / 1 V) * 1 V) / 1 V", "abs(V(a, b)) / 1 V",
    "leaky_relu(V(a, b), 0.3) / 1 V", "softplus(-V(a, b) / 0.1 V)", "sign(V(a)) * V(b) / 1 V"])
def test_each_function(law: str) -> None:
    text = f"""device L(a, b) {{ I(a, b) <+ 1 A * ({law}); }}\n{CAP}
        circuit Top {{ node a, b; Cap(a, gnd) {{ c = 1 F }}; Cap(a, b) {{ c = 0.5 F }}; Cap(b, gnd) {{ c = 2 F }}; L(a, b); }}"""
    circuit = kc.compile(kc.Source("function.kc", text))
    assert check(circuit, np.random.default_rng(len(law))) == 6
