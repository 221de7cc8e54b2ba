"""Backends against the public form of the same network: nanoseconds per edge, stage and sample, one thread.

    python -m benchmarks.backends

The public form gathers both ends of every edge and adds with two scatters, batch first, in torchdiffeq's `rk4`. All variants
take turns, so the ratios hold on a busy machine. `kernel` is what the backend `cpp` calls, without torch, with parameters that
stay where they are between calls.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torchdiffeq
from torch import Tensor

import kcompile as kc
from benchmarks.processor import machine
from benchmarks.row import Row, table
from benchmarks.turns import one_core, ratio, take_turns
from kcompile.ir.circuit import frozen
from kcompile.kernels.program import Program
from kcompile.sim.pack import System
from kcompile.sim.schedule import fixed_schedule
from kcompile.sim.tableau import RK4, Tableau

OWN = 5.0
"""Times its own forward that the forward with the gradient may take."""

NOTE = """The forms are timed in turn on cores whose speed varies: 256 nodes came to 108x an hour before 95.8x. tanh is bound by
divisions and polynomials, which fill both vector ports of this processor; an AMD EPYC gave 47x.
Why 1,000 nodes fall short by half is not known."""


@dataclass(frozen=True)
class Case:
    """One network and batch; wanted: times as fast as the public form of generated C++ is to be, forward and with gradients."""

    law: str
    nodes: int
    edges: int
    batch: int
    steps: int
    forward: float | None = None
    gradient: float | None = None
    others: tuple[str, ...] = ()

    @property
    def is_dense(self) -> bool:
        """Whether every node is connected to every other, both ways."""
        return self.edges == self.nodes * (self.nodes - 1)

    def __str__(self) -> str:
        edges = "connected both ways" if self.is_dense else f"{self.edges:,} edges"
        return f"{self.law}, {self.nodes:,} nodes, {edges}, batch {self.batch}"


CASES = (Case("ShiftRelu1", 256, 16_384, 32, 20, 100.0, 45.0, ("torch", "compiled")), Case("ShiftTanh1", 64, 1_024, 32, 20, 40.0),
         Case("ShiftRelu1", 64, 1_024, 32, 20), Case("ShiftRelu1", 64, 1_024, 1, 20, 20.0),
         Case("ShiftRelu1", 64, 64 * 63, 1, 20, 60.0), Case("ShiftRelu1", 1_000, 100_000, 256, 4, 300.0))


def network(case: Case) -> tuple[kc.Circuit, np.ndarray]:
    """A network of devices between random or all nodes, and int[2, edges], the two ends of each."""
    rng = np.random.default_rng(0)
    if case.is_dense:
        ends = np.argwhere(~np.eye(case.nodes, dtype=bool)).T
    else:
        start = rng.integers(0, case.nodes, case.edges)
        ends = np.stack([start, (start + rng.integers(1, case.nodes, case.edges)) % case.nodes])
    lines = "\n".join(f"    {case.law}(x[{a}], x[{b}]);" for a, b in ends.T)
    text = (f"use std.passive: Capacitor;\nuse std.kirchhoff: {case.law};\ncircuit Net {{\n    node x[{case.nodes}];\n"
            f"    Capacitor(n, gnd) {{ c = {case.edges / case.nodes / 2} F }} for n in x;\n{lines}\n"
            "    input x;\n    output x;\n}\n")
    circuit = kc.compile(kc.Source("net.kc", text))
    return circuit.with_params({name: rng.normal(size=case.edges) for name in circuit.trainable()}), ends


class Public(torch.nn.Module):
    """The published formulation, with the parameters of a circuit."""

    def __init__(self, case: Case, circuit: kc.Circuit, ends: np.ndarray) -> None:
        super().__init__()
        values = circuit.parameters()
        self.p = torch.nn.ParameterList(torch.tensor(values[name], dtype=torch.float32) for name in circuit.trainable())
        self.start, self.stop = torch.tensor(ends + 1)
        self.farads = float(values["Capacitor[0].c"][0])
        self.case = case

    def rates(self, time: Tensor, x: Tensor) -> Tensor:
        """dx/dt, [batch, nodes]."""
        volts = torch.cat([torch.zeros_like(x[:, :1]), x], dim=1)
        between = volts[:, self.start] - volts[:, self.stop]
        if self.case.law == "ShiftRelu1":
            flow = self.p[1] * torch.relu(between - self.p[0])
        else:
            flow = torch.tanh(self.p[1] * between + self.p[0])
        into = torch.zeros_like(volts).scatter_add(1, self.start.expand_as(flow), -flow)
        return into.scatter_add(1, self.stop.expand_as(flow), flow)[:, 1:] / self.farads

    def forward(self, x: Tensor) -> Tensor:
        h = 1.0 / self.case.steps
        return torchdiffeq.odeint(self.rates, x, torch.tensor([0.0, 1.0]), method="rk4", options={"step_size": h})[-1]


def program(circuit: kc.Circuit, steps: int, method: Tableau, *, double: bool = False) -> tuple[Program, list[list[np.ndarray]]]:
    """One second of a circuit in generated C++, in one thread, and the columns of its parameters, rounded to float32."""
    system = System(circuit)
    schedule = fixed_schedule(circuit, steps, 1.0)
    free = np.full(system.size, np.inf)
    columns = [[frozen(np.concatenate([t.params[p.name] for t in g.tables]).astype(np.float32)) for p in g.model.params]
               for g in system.groups]
    return Program(system, schedule, method, lower=-free, upper=free, record=(schedule.count,), double=double,
                   threads=1), columns


class Kernel(torch.nn.Module):
    """The generated C++ alone; it has no gradients."""

    def __init__(self, case: Case, circuit: kc.Circuit) -> None:
        super().__init__()
        self.program, self.columns = program(circuit, case.steps, RK4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.program.forward(x.numpy(), self.columns)[:, 0])


def forward(module: torch.nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        module(x)


def gradient(module: torch.nn.Module, x: Tensor) -> None:
    module.zero_grad()
    module(x).square().sum().backward()


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    yield machine()
    with one_core():
        for case in CASES:
            yield from _rows(case)


def _rows(case: Case) -> Iterator[Row]:
    circuit, ends = network(case)
    x = torch.randn(case.batch, case.nodes, generator=torch.Generator().manual_seed(0))
    modules: dict[str, torch.nn.Module] = {"public": Public(case, circuit, ends)}
    for name in ("cpp", *case.others):
        modules[name] = kc.CircuitModule(circuit, "rk4", case.steps, 1.0, backend=name)
    modules["kernel"] = Kernel(case, circuit)
    right = modules["public"](x).detach()
    error = max(float((module(x).detach() - right).abs().max() / right.abs().max()) for module in modules.values())
    runs = {f"forward, {name}": partial(forward, module, x) for name, module in modules.items()}
    wanted = {"forward, cpp": case.forward}
    if case.gradient is not None:
        runs |= {f"forward and gradient, {name}": partial(gradient, module, x) for name, module in modules.items()
                 if name != "kernel"}
        wanted["forward and gradient, cpp"] = case.gradient
    times = take_turns(runs)
    for name, found in times.items():
        times_as_fast = ratio(times[f"{name.partition(', ')[0]}, public"], found)
        each = statistics.median(found) / (4 * case.steps * case.edges * case.batch) * 1e9
        least = wanted.get(name)
        yield Row(f"{case}: {name}", f"{least:g}x" if least else "", f"{each:.3g} ns, {times_as_fast:.1f}x",
                  times_as_fast >= least if least else None)
    if case.gradient is not None:
        over = ratio(times["forward and gradient, cpp"], times["forward, cpp"])
        yield Row(f"{case}: forward and gradient over forward, cpp", f"<= {OWN:g}", f"{over:.1f}", over <= OWN)
    yield Row(f"{case}: largest difference, of the largest output", "", f"{error:.1e} (torchdiffeq's `rk4` is the 3/8 rule)")


if __name__ == "__main__":
    print(table(rows()))
