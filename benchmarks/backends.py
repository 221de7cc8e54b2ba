"""Backends against the public form of the same network: nanoseconds per edge, stage and sample, one thread.

    python -m benchmarks.backends

The public form gathers both ends of every edge and adds with two scatters, batch first; here it runs in the same RK4 loop,
without the overhead of an outside integrator. All variants take turns, so the ratios hold on a busy machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

import kcompile as kc
from benchmarks.row import Row, table

STEPS, BATCH, ROUNDS, SECONDS = 20, 32, 5, 0.7
SIZES = ((64, 1024), (256, 16384))
WANTED = {(256, "forward"): 100.0, (256, "forward and gradient"): 45.0}
"""Times as fast as the public form, of generated C++."""


def network(nodes: int, edges: int) -> tuple[kc.Circuit, np.ndarray]:
    """A network of relu devices between random nodes, and int[2, edges], the two ends of each."""
    rng = np.random.default_rng(0)
    start = rng.integers(0, nodes, edges)
    ends = np.stack([start, (start + rng.integers(1, nodes, edges)) % nodes])
    lines = "\n".join(f"    ShiftRelu2(x[{a}], x[{b}]);" for a, b in ends.T)
    text = (f"use std.passive: Capacitor;\nuse std.kirchhoff: ShiftRelu2;\ncircuit Net {{\n    node x[{nodes}];\n"
            f"    Capacitor(n, gnd) {{ c = {edges / nodes / 2} F }} for n in x;\n{lines}\n    input x;\n    output x;\n}}\n")
    circuit = kc.compile(kc.Source("net.kc", text))
    return circuit.with_params({name: rng.normal(size=edges) for name in circuit.trainable()}), ends


class Public(torch.nn.Module):
    """The published formulation, with the parameters of a circuit."""

    def __init__(self, circuit: kc.Circuit, ends: np.ndarray) -> None:
        super().__init__()
        values = circuit.parameters()
        self.p = torch.nn.ParameterList(torch.tensor(values[name], dtype=torch.float32) for name in circuit.trainable())
        self.start, self.stop = torch.tensor(ends + 1)
        self.farads = float(values["Capacitor[0].c"][0])

    def rates(self, x: Tensor) -> Tensor:
        """dx/dt, [batch, nodes]."""
        volts = torch.cat([torch.zeros_like(x[:, :1]), x], dim=1)
        flow = torch.relu(self.p[0] * volts[:, self.start] + self.p[1] * volts[:, self.stop] + self.p[2])
        into = torch.zeros_like(volts).scatter_add(1, self.start.expand_as(flow), -flow)
        return into.scatter_add(1, self.stop.expand_as(flow), flow)[:, 1:] / self.farads

    def forward(self, x: Tensor) -> Tensor:
        h = 1.0 / STEPS
        for _ in range(STEPS):
            k1 = self.rates(x)
            k2 = self.rates(x + h / 2 * k1)
            k3 = self.rates(x + h / 2 * k2)
            k4 = self.rates(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x


def forward(module: torch.nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        module(x)


def gradient(module: torch.nn.Module, x: Tensor) -> None:
    module.zero_grad()
    module(x).square().sum().backward()


def _seconds(run: Callable[[], None]) -> float:
    """Fastest of the runs in `SECONDS`."""
    run()
    found, stop = [], time.perf_counter() + SECONDS
    while time.perf_counter() < stop or not found:
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def rows() -> Iterator[Row]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for nodes, edges in SIZES:
        circuit, ends = network(nodes, edges)
        x = torch.randn(BATCH, nodes, generator=torch.Generator().manual_seed(0))
        modules: dict[str, torch.nn.Module] = {"public form": Public(circuit, ends)}
        for name in ("cpp", "torch", "compiled"):
            modules[f"backend `{name}`"] = kc.CircuitModule(circuit, "rk4", STEPS, 1.0, backend=name)
        right = modules["public form"](x)
        error = max(float((module(x) - right).detach().abs().max() / right.detach().abs().max()) for module in modules.values())
        start = time.perf_counter()
        forward(modules["backend `compiled`"], x)
        gradient(modules["backend `compiled`"], x)
        compiling = time.perf_counter() - start
        for what, run in (("forward", forward), ("forward and gradient", gradient)):
            times: dict[str, list[float]] = {name: [] for name in modules}
            for _ in range(ROUNDS):
                for name, module in modules.items():
                    times[name].append(_seconds(partial(run, module, x)))
            public = times["public form"]
            for name, found in times.items():
                ratio = statistics.median(a / b for a, b in zip(public, found, strict=True))
                each = statistics.median(found) / (4 * STEPS * edges * BATCH) * 1e9
                least = WANTED.get((nodes, what)) if name == "backend `cpp`" else None
                wanted = f"{least:g}x" if least else ""
                yield Row(f"{nodes} nodes, {edges:,} edges, batch {BATCH}: {what}, {name}", wanted,
                          f"{each:.3g} ns, {ratio:.1f}x", ratio >= least if least else None)
        yield Row(f"{nodes} nodes, {edges:,} edges: largest difference of all, of the largest output", "<= 1e-5",
                  f"{error:.1e}", error <= 1e-5)
        yield Row(f"{nodes} nodes, {edges:,} edges: first runs of `compiled`", "", f"{compiling:.0f} s")
    torch.set_num_threads(threads)


if __name__ == "__main__":
    print(table(rows()))
