"""Published KirchhoffNets, imported: size, agreement with ngspice, likelihood, accuracy, and the cost of the largest.

    KCOMPILE_DATA=FOLDER python -m benchmarks.imported

The checkpoints are not part of the project. They are looked for in `kirchhoffnet/NAME/{config.yaml,model.pth}` and
`mnist.npz` of the folder that KCOMPILE_DATA names, or of `../shared/data` beside the checkout.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse

import kcompile as kc
from benchmarks.child import run
from benchmarks.row import Row, table

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("KCOMPILE_DATA") or ROOT.parent / "shared" / "data")

EXACT_PASSES = ("canonicalize,dead-devices,dead-nodes,simplify,fold-constants,merge-parallel,range-analysis{samples=0},"
                "scale{time=1 us,samples=0},outline,inline")
PASSES = ("--passes", EXACT_PASSES)
"""Words that add every exact pass to the compilation of the MNIST network."""

SECONDS, BYTES = 60.0, 3e9
SAMPLES, TIGHT = 100, 1e-5
LINES = 40
POINTS, STEPS = 4000, 100
IMAGES, IMAGE_STEPS = 500, 16
EXACT_IMAGES, EXACT_STEPS, EXACT = 2, 128, 1e-5


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes about twenty minutes, nearly all of it in ngspice."""
    parts: list[tuple[str, str, Sequence[Path], Callable[[], Iterator[Row]]]] = [
        ("mnist", f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB", files("mnist"), _mnist_cost),
        ("mnist", "as published", [*files("mnist"), DATA / "mnist.npz"], _mnist_images)]
    for name, known in (("twomoon", "about 1.04, 1.011 in training"), ("pinwheel", "about 2.28, 2.334 in training")):
        parts.append((name, "as published", files(name), lambda name=name, known=known: _generated(name, known)))
    for name, wanted, needed, measure in parts:
        if all(path.is_file() for path in needed):
            yield from measure()
        else:
            yield Row(name, wanted, "not measured: no data")


def files(name: str) -> list[Path]:
    """Configuration and checkpoint of a published network."""
    return [DATA / "kirchhoffnet" / name / file for file in ("config.yaml", "model.pth")]


def _imported(name: str) -> tuple[kc.Imported, kc.Circuit]:
    imported = kc.import_kirchhoffnet(*files(name))
    return imported, kc.compile(kc.Source(f"{name}.kc", imported.text), weights=imported.weights)


# ---- generation -------------------------------------------------------------------------------------------------------


def _generated(name: str, known: str) -> Iterator[Row]:
    imported, circuit = _imported(name)
    devices = sum(table.count for table in circuit.tables if table.phase is not None)
    lines = imported.text.count("\n")
    yield Row(f"{name}: lines of the program, {devices:,} devices", f"< {LINES}", str(lines), lines < LINES)
    density = log_density(circuit, _fresh(name))
    yield Row(f"{name}: nats per point, {POINTS:,} fresh points, run backwards", known, f"{-density.mean():.3f}")
    noise = np.random.default_rng(0).normal(size=(SAMPLES, len(circuit.inputs)))
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the work is in ngspice, a process of its own for each sample
        reports = list(pool.map(lambda start: kc.verify(circuit.with_initial(start), tolerance=TIGHT), noise))
    seconds = time.perf_counter() - started
    errors = np.array([report.attempts[-1].worst for report in reports])
    yield Row(f"{name}: native against ngspice, {SAMPLES} samples of noise, the worst", f"< {TIGHT:g}",
              f"{errors.max():.1e}, median {np.median(errors):.1e}, in {seconds:.0f} s", bool(errors.max() < TIGHT))


def _fresh(name: str) -> np.ndarray:
    """float64[points, 2] of the distribution that a network learned."""
    rng = np.random.default_rng(1)
    if name == "twomoon":
        upper = np.arange(POINTS) % 2 == 0
        angle = rng.uniform(0.0, np.pi, POINTS)
        x, y = np.where(upper, np.cos(angle), 1 - np.cos(angle)), np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
        return np.column_stack([x, y]) + rng.normal(scale=0.1, size=(POINTS, 2))
    along, across = 1 + rng.normal(scale=0.3, size=POINTS), rng.normal(scale=0.1, size=POINTS)
    angle = 2 * np.pi / 5 * rng.integers(5, size=POINTS) + 0.25 * np.exp(along)
    return 2 * np.column_stack([along * np.cos(angle) + across * np.sin(angle), across * np.cos(angle) - along * np.sin(angle)])


# ---- images -----------------------------------------------------------------------------------------------------------


def _mnist_cost() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        program, values = f"{folder}/mnist.kc", f"{folder}/mnist.safetensors"
        commands = [["import", "kirchhoffnet", *map(str, files("mnist")), "-o", program, values],
                    [program, "--weights", values, *PASSES, "-o", folder]]
        measured = [run(words) for words in commands]
        written = sum(path.stat().st_size for path in Path(folder).iterdir())
    seconds, memory = sum(one[0] for one in measured), max(one[1] for one in measured)
    yield Row("mnist: checkpoint to program to netlist, 460,136 devices" + ", all exact passes",
              f"< {SECONDS:g} s, < {BYTES / 1e9:g} GB", f"{seconds:.1f} s, {memory / 1e9:.2f} GB, {written / 1e6:.0f} MB written",
              seconds < SECONDS and memory < BYTES)


def _mnist_images() -> Iterator[Row]:
    circuit = _imported("mnist")[1]
    with np.load(DATA / "mnist.npz") as digits:
        images, labels = digits["x_test"][:IMAGES].reshape(IMAGES, -1) / 255.0, digits["y_test"][:IMAGES]
    found = np.concatenate([read_out(circuit, part, IMAGE_STEPS) for part in np.array_split(images, IMAGES // 50)])
    accuracy = float(np.mean(found.argmax(axis=1) == labels))
    expected = 0.9942
    spread = 3 * np.sqrt(expected * (1 - expected) / IMAGES)
    yield Row(f"mnist: accuracy on {IMAGES} test images, Runge-Kutta of {IMAGE_STEPS} steps per slice on the columns",
              f"{expected:.2%} of 10,000, so > {expected - spread:.2%}", f"{accuracy:.2%}", accuracy > expected - spread)
    exact = read_out(circuit, images[:EXACT_IMAGES], EXACT_STEPS)
    native = np.stack([kc.simulate(circuit.with_initial(image), points=2).read_out for image in images[:EXACT_IMAGES]])
    error = float(np.abs(native - exact).max() / np.ptp(exact))
    yield Row(f"mnist: read-out of `simulate` against {EXACT_STEPS} steps, {EXACT_IMAGES} images, of full scale", f"< {EXACT:g}",
              f"{error:.1e}", error < EXACT)


# ---- the columns, integrated without the compiler -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Slice:
    """Devices of one phase: int32[devices] ends, float64[devices, 1] parameters in their order."""

    seconds: float
    law: str
    nodes: int
    source: np.ndarray
    target: np.ndarray
    params: tuple[np.ndarray, ...]

    @cached_property
    def incidence(self) -> scipy.sparse.csr_array:
        """float64[nodes, devices]: -1 where a device takes its current from, 1 where it puts it."""
        count = len(self.source)
        every = np.arange(count)
        places = (np.concatenate([self.source, self.target]), np.concatenate([every, every]))
        return scipy.sparse.csr_array((np.repeat([-1.0, 1.0], count), places), shape=(self.nodes, count))

    def rates(self, v: np.ndarray) -> np.ndarray:
        """dv/dt, float64[nodes, samples], of voltages of that shape; ground stays."""
        out = self.incidence @ self.current(v)
        out[0] = 0.0
        return out

    def current(self, v: np.ndarray) -> np.ndarray:
        """float64[devices, samples]."""
        p = self.params
        if self.law == "ShiftTanh2":
            return np.tanh(p[0] * v[self.source] + p[1] * v[self.target] + p[2])
        return p[1] * np.maximum(v[self.source] - v[self.target] - p[0], 0.0)

    def divergence(self, v: np.ndarray) -> np.ndarray:
        """Trace of d(dv/dt)/dv of a ShiftTanh2 network, float64[samples]."""
        slope = 1.0 - self.current(v) ** 2
        inner = self.params[1] * (self.target > 0)[:, None] - self.params[0] * (self.source > 0)[:, None]
        return np.sum(slope * inner, axis=0)


def slices(circuit: kc.Circuit) -> list[_Slice]:
    found = []
    for k, phase in enumerate(circuit.phases):
        tables = [table for table in circuit.tables if table.phase == k]
        nodes = np.concatenate([table.nodes for table in tables])
        params = tuple(np.concatenate([table.params[p.name] for table in tables])[:, None] for p in tables[0].model.params)
        found.append(_Slice(phase.duration, tables[0].model.name, circuit.nodes.count, nodes[:, 0], nodes[:, 1], params))
    return found


def read_out(circuit: kc.Circuit, inputs: np.ndarray, steps: int) -> np.ndarray:
    """float64[samples, outputs] of float64[samples, inputs], by a classical Runge-Kutta method with 1 F on every node."""
    v = np.zeros((circuit.nodes.count, len(inputs)))
    v[circuit.inputs] = inputs.T
    for part in slices(circuit):
        v = _runge_kutta(part.rates, v, part.seconds, steps)
    return v[circuit.outputs].T


def log_density(circuit: kc.Circuit, points: np.ndarray) -> np.ndarray:
    """float64[points] of float64[points, outputs], in nats: the flow backwards to normal noise, and the divergence along it."""
    v = np.zeros((circuit.nodes.count + 1, len(points)))  # the last row is the integral of the divergence
    v[circuit.outputs] = points.T
    for part in reversed(slices(circuit)):
        v = _runge_kutta(lambda v, part=part: -np.vstack([part.rates(v[:-1]), part.divergence(v[:-1])]), v, part.seconds, STEPS)
    noise = v[circuit.inputs]
    # Run backwards, the row gathers minus the integral of the divergence, by which the forward flow thins the density.
    return -0.5 * np.sum(noise**2, axis=0) - 0.5 * len(noise) * np.log(2 * np.pi) + v[-1]


def _runge_kutta(rates: Callable[[np.ndarray], np.ndarray], v: np.ndarray, seconds: float, steps: int) -> np.ndarray:
    h = seconds / steps
    for _ in range(steps):
        a = rates(v)
        b = rates(v + h / 2 * a)
        c = rates(v + h / 2 * b)
        v = v + h / 6 * (a + 2 * b + 2 * c + rates(v + h * c))
    return v


if __name__ == "__main__":
    print(table(rows()))
