"""`--target python`: files that run with numpy alone and compute what we compute."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.lower.python import MAX_COUPLED
from kcompile.sim.pack import System
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse

ROOT = Path(__file__).parents[2]
MODELS = [*sorted((ROOT / "examples").glob("*.kc")), *sorted((ROOT / "tests" / "golden" / "spice").glob("*.kc"))]
PROGRAMS = 60

# Runs every file of a folder; nothing of this project or of scipy is there. `rhs` at the points of NAME.npz goes to NAME.npy.
RUNNER = """
import importlib.util, pathlib, sys
import numpy as np
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    points = np.load(path.with_suffix(".npz"))
    rows = [module.rhs(float(t), y, int(k)) for k, t, y in zip(points["phase"], points["time"], points["y"])]
    np.savez(path.with_suffix(".out.npz"), rhs=rows, initial=module.INITIAL, names=module.NODES)
assert not {"kcompile", "scipy", "sympy"} & set(sys.modules), sys.modules
"""


def text_of(circuit: kc.Circuit) -> str:
    [artifact] = kc.lower(circuit, "python")
    assert artifact.name == f"{circuit.name}.py"
    return artifact.text


def points(circuit: kc.Circuit, system: System) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    ends = np.cumsum([0.0, *(phase.duration for phase in circuit.phases or ())])
    rows = [(k, ends[k] + part * (circuit.phases[k].duration if circuit.phases else 1.0))
            for k in range(max(len(circuit.phases), 1)) for part in (0.1303, 0.3707, 0.7109)]
    return {"phase": np.array([k for k, _ in rows]), "time": np.array([t for _, t in rows]),
            "y": rng.normal(size=(len(rows), system.size))}


def compare(circuits: dict[str, kc.Circuit], folder: Path) -> list[str]:
    """Names of circuits whose file computes something else."""
    systems = {name: System(circuit) for name, circuit in circuits.items()}
    asked = {name: points(circuit, systems[name]) for name, circuit in circuits.items()}
    for name, circuit in circuits.items():
        (folder / f"{name}.py").write_text(text_of(circuit), encoding="ascii")
        np.savez(folder / f"{name}.npz", **asked[name])
    done = subprocess.run([sys.executable, "-W", "error", "-c", RUNNER, str(folder)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {name: np.load(folder / f"{name}.out.npz") for name in circuits}
    return [name for name in circuits if not agree(circuits[name], systems[name], asked[name], found[name])]


def agree(circuit: kc.Circuit, system: System, asked: dict[str, np.ndarray], found: np.lib.npyio.NpzFile) -> bool:
    if tuple(found["names"]) != circuit.nodes.names or not close(found["initial"], system.initial):
        return False
    rows = zip(asked["phase"], asked["time"], asked["y"], found["rhs"], strict=True)
    with np.errstate(all="ignore"):
        return all(close(theirs, system.rhs(int(k), float(t), y, float(t) + 1e-9)) for k, t, y, theirs in rows)


def close(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether two columns differ by no more than 1e-12 of the largest value that is finite; islands of capacitors may spoil
    more values than one that is not."""
    finite = np.isfinite(ours)
    if not finite.all():
        finite &= np.isfinite(theirs)
    scale = np.abs(ours[finite]).max(initial=0.0)
    return bool(np.all(np.abs(theirs[finite] - ours[finite]) <= 1e-12 * scale))


def test_examples_and_goldens(tmp_path: Path) -> None:
    circuits = {path.stem: kc.compile(path, settings={"n": 12} if path.stem == "edges" else None) for path in MODELS}
    assert compare(circuits, tmp_path) == []


def test_generated_programs(tmp_path: Path) -> None:
    circuits = {}
    for seed in range(PROGRAMS):
        source = kc.Source("generated.kc", random_program(seed))
        for top in tops(Module(parse(source, Reporter()))):
            circuit = kc.compile(source, top=top.name.id)
            if circuit.nodes.count < MAX_COUPLED:
                circuits[f"program_{seed}_{top.name.id}"] = circuit
    assert len(circuits) >= PROGRAMS
    assert compare(circuits, tmp_path) == []


def test_a_changed_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = kc.compile(next(path for path in MODELS if path.stem == "laws"))
    text = text_of(circuit)
    for old, new in (("0.001*out", "0.00100001*out"), ("through(into, n1_vin, 0, i_1)", "through(into, n1_out, 0, i_1)"),
                     ("INITIAL = ", "INITIAL = 1.1 * "), ("1e-15, 1e-15", "1e-15, 2e-15"), ("x y", "x z")):
        assert old in text, old
        monkeypatch.setattr(sys.modules[__name__], "text_of", lambda _, old=old, new=new: text.replace(old, new))
        assert compare({"laws": circuit}, tmp_path) == ["laws"], old


def run(path: Path, *arguments: str, scipy: bool = True) -> np.ndarray:
    """Rows that a file prints."""
    hide = [] if scipy else ["-c", f"import sys; sys.modules['scipy'] = None; sys.argv = {[str(path), *arguments]!r}; "
                             f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"]
    done = subprocess.run([sys.executable, *(hide or [str(path), *arguments])], capture_output=True, text=True, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return np.genfromtxt(done.stdout.splitlines(), delimiter=",", names=True)


@pytest.mark.parametrize("scipy", [True, False])
def test_files_integrate(scipy: bool, tmp_path: Path) -> None:
    for stem, until, inputs in (("slices", None, [0.4, -0.2]), ("waves", "20e-9", None), ("line", "10e-9", None)):
        circuit = kc.compile(next(path for path in MODELS if path.stem == stem), inputs=inputs)
        (tmp_path / f"{stem}.py").write_text(text_of(circuit))
        rows = run(tmp_path / f"{stem}.py", until or "1.5", "21", scipy=scipy)
        ours = kc.simulate(circuit, until=float(until or 1.5), points=21)
        theirs = np.array([list(row) for row in rows])
        assert np.allclose(theirs[:, 0], ours.time, rtol=1e-8)
        assert np.abs(theirs[:, 1:] - ours.values[:, : ours.nodes]).max() < 1e-5 * np.ptp(ours.values[:, : ours.nodes])


@pytest.mark.parametrize("scipy", [True, False])
def test_a_file_does_not_step_over_a_short_pulse(scipy: bool, tmp_path: Path) -> None:
    circuit = kc.compile(kc.Source("t.kc", """use std.passive: Resistor, Capacitor;
use std.sources: CurrentSource;
circuit T(vin) {
    node x, y, z;
    drive vin = pulse(0 V, 1 V, delay = 22.3 ns, rise = 0.05 ns, width = 0.2 ns);
    drive y = pulse(0 V, 1 V, delay = 1 ns, rise = 0.05 ns, width = 0.2 ns, period = 7 ns);
    Resistor(vin, x);
    Resistor(y, x);
    CurrentSource(gnd, z) { i = pwl(31 ns, 0 A, 31.1 ns, 1 mA, 31.2 ns, 0 A) };
    Capacitor(n, gnd) for n in x + z;
}
"""))
    (tmp_path / "t.py").write_text(text_of(circuit))
    theirs = np.array([list(row) for row in run(tmp_path / "t.py", "60e-9", "3", scipy=scipy)])
    ours = kc.simulate(circuit, until=60e-9, points=3).values
    assert np.abs(theirs[:, 1:] - ours).max() < 1e-5 * np.abs(ours).max()


def test_a_file_does_not_go_on_after_its_phases(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(text_of(kc.compile(next(path for path in MODELS if path.stem == "slices"))))
    done = subprocess.run([sys.executable, str(tmp_path / "t.py"), "1.6"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "the phases end at 1.5 s\n")


def test_without_an_end_the_file_says_how(tmp_path: Path) -> None:
    (tmp_path / "rc.py").write_text(text_of(kc.compile(next(path for path in MODELS if path.stem == "rc"))))
    done = subprocess.run([sys.executable, str(tmp_path / "rc.py")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "python Rc.py UNTIL [POINTS]" in done.stderr


def test_names_that_python_does_not_take(tmp_path: Path) -> None:
    words = ("lambda", "None", "np", "y", "exp_", "rhs", "main", "print", "i_0", "d", "__import__", "class", "t", "v", "states",
             "self")
    laws = "".join(f"device {word}({word}0, {word}) {{ param {word}1: conductance = 1 mS; I({word}0, {word}) <+ {word}1 * "
                   f"V({word}0, {word}) * exp(V({word}0) / 1 V); }}\n" for word in words)
    banks = "\n".join(f"{word} {word}_{k}(x, {word});" for k, word in enumerate(words))
    source = kc.Source("names.kc", "use std.passive: Capacitor;\n" + laws + "circuit yield2 {\n"
                       f"node x, {', '.join(words)}; Capacitor(n, gnd) for n in x + {' + '.join(words)};\n{banks} }}")
    assert compare({"names": kc.compile(source)}, tmp_path) == []


def test_sums_of_a_thousand_terms(tmp_path: Path) -> None:
    body = " + ".join(f"{k} mA * tanh(V(p, n) / {k + 1} V)" for k in range(1_000))
    nested = "V(p) / 1 V"
    for k in range(25):
        nested = f"tanh({nested} * ({k} + {nested} / {k + 1}))" if k < 4 else f"({nested} + sin({k} * V(n) / 1 V))"
    source = kc.Source("sum.kc", f"device D(p, n) {{ I(p, n) <+ {body} + 1 A * {nested}; I(p) <+ ddt(1 F * V(p)); }}\n"
                       "circuit T { node x; D(x, gnd); }")
    assert compare({"sum": kc.compile(source)}, tmp_path) == []


def test_the_file_is_plain_python() -> None:
    for path in MODELS:
        text = text_of(kc.compile(path, settings={"n": 8} if path.stem == "edges" else None))
        assert text.isascii()
        tree = ast.parse(text)
        modules = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names} | {
            node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules == {"sys", "numpy", "scipy.integrate"}


def test_many_nodes_joined_by_capacitors_are_refused() -> None:
    source = kc.Source("chain.kc", f"use std.passive: Capacitor;\ncircuit Chain {{ node x[{MAX_COUPLED + 1}]; "
                       f"Capacitor(x[0], gnd); Capacitor(x[k], x[k + 1]) for k in 0..{MAX_COUPLED}; }}")
    with pytest.raises(kc.UsageError) as caught:
        kc.lower(source, "python")
    assert caught.value.diagnostics[0].code == "KC0540"


def test_a_hundred_thousand_instances(tmp_path: Path) -> None:
    source = kc.Source("many.kc", """use std.passive: Capacitor;
use std.kirchhoff: ShiftRelu;
circuit Many {
    node x[300], y[300];
    param w[300, 300]: conductance = 0.5 S trainable;
    Capacitor(n, gnd) { c = 1 F } for n in x + y;
    ShiftRelu k(x[i], y[j]) { k = w[i, j], th = 0.001 V * (i - j) / 300 } for i in 0..300, j in 0..300;
}
""")
    circuit = kc.compile(source)
    started = time.process_time()
    text_of(circuit)
    assert time.process_time() - started < 1.0
    assert compare({"many": circuit}, tmp_path) == []
