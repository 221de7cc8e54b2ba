"""Circuits of cells on the models of their process in ngspice, against the laws of the cells in the own simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit
from kcompile.lower.base import BenchOptions
from kcompile.lower.transistors import build_transistors
from kcompile.pdk.find import find_library
from kcompile.pdk.load import load_pdk
from kcompile.pdk.placement import at_condition
from kcompile.pdk.trim import MISMATCH
from kcompile.sim.integrate import simulate
from kcompile.verify.deck import Deck, deck_of
from kcompile.verify.retry import run_retried
from kcompile.verify.run_ngspice import probe_ngspice, run_ngspice

TRANSISTORS = "transistors"
"""What `--against` calls this."""
STEPS = 200
"""Largest steps of a run; the first sample is run with half of them too, which shows what they are worth."""
POINTS = 201
RTOL = 1e-4
TOLERANCE = 0.05
"""Of the swing: a law is a per cent away from its transistors, and a network adds up what its cells are away."""


@dataclass(frozen=True, eq=False)
class Confirmation:
    """What transistors do, beside what laws say, at equal instants from 0 to `until` seconds.

    laws, transistors: float64[samples, POINTS, nodes], volts against the common mode of all nodes that have an equation; power:
    watts from the supply, float64[samples], the mean over time; step_error: volts, largest change of the first sample with the
    steps halved; latency: seconds from the start to the read-out, more than `until` where clocks load and read; read_error: volts
    by which what is read is away from its node at most, None where nodes are read themselves; clocks: seconds from and to which
    each clock of the chip is on; tolerance: error up to which it passes; retries: what was tried for samples that found no
    solution at once.
    """

    circuit: str
    pdk: str
    tool: str
    corner: str
    temperature: float
    names: tuple[str, ...]
    until: float
    laws: np.ndarray
    transistors: np.ndarray
    power: np.ndarray
    step_error: float
    seconds: float
    latency: float
    read_error: float | None
    clocks: Mapping[str, tuple[float, float]]
    tolerance: float
    retries: Mapping[int, tuple[str, ...]]

    @property
    def passed(self) -> bool:
        return float(self.error.max(initial=0.0)) <= self.tolerance

    @property
    def swing(self) -> float:
        """Volts: largest minus smallest voltage that the laws say."""
        return float(np.ptp(self.laws)) or 1.0

    @property
    def error(self) -> np.ndarray:
        """float64[samples, POINTS, nodes]: distance over the swing."""
        return np.abs(self.transistors - self.laws) / self.swing

    def record(self) -> dict[str, Any]:
        """JSON-ready form."""
        error = self.error
        found = {"median": np.median(error, axis=(0, 1)), "most": np.quantile(error, 0.95, axis=(0, 1)),
                 "worst": error.max(axis=(0, 1))}
        return {"circuit": self.circuit, "pdk": self.pdk, "against": self.tool, "corner": self.corner,
                "temperature": self.temperature, "samples": len(self.laws), "swing": self.swing, "tolerance": self.tolerance,
                "passed": self.passed, "worst": float(error.max()), "step_error": self.step_error / self.swing,
                "power": float(self.power.mean()), "energy": float(self.power.mean()) * self.latency,
                "latency": self.latency, "read_error": self.read_error,
                "clocks": {name: list(window) for name, window in self.clocks.items()},
                "retries": {str(sample): list(tries) for sample, tries in self.retries.items()},
                "errors": {name: {key: float(values[k]) for key, values in found.items()} for k, name in enumerate(self.names)}}


def confirm(circuit: Circuit, inputs: Sequence[np.ndarray] | None = None, *, corner: str = "tt", temperature: float = 27.0,
            until: float | None = None, rtol: float = RTOL, tolerance: float = TOLERANCE, seed: int = 1,
            watch: Callable[[int, int], None] | None = None, clocked: bool = False) -> Confirmation:
    """Confirmation of a circuit of cells, for its own starting voltages or for several inputs, float64[inputs] each.

    clocked: with clocks, loading and read-out, which circuits of several time slices always have.
    In a corner that ends in `_mm` the transistors are drawn apart by `seed`, and the laws are those of equal ones.
    Raises what lowering raises, `UsageError` KC0508 without an end, `ToolMissing`, `SimulatorFailed`.
    """
    until = until if until is not None else circuit.duration
    if until is None:
        raise UsageError(Diagnostic("KC0508", "the circuit has no phases, so the time to simulate must be given",
                                    hint="for example --until 1us"))
    options = BenchOptions(until=until, max_step=until / STEPS, rtol=rtol, corner=corner, temperature=temperature, seed=seed,
                           clocked=clocked)
    tool = f"ngspice {probe_ngspice().version}"
    samples = [circuit] if inputs is None else [circuit.with_initial(one) for one in inputs]
    seen = circuit.free.tolist()
    laws_there = at_condition(circuit, corner.removesuffix(MISMATCH), temperature)
    times = np.linspace(0.0, until, POINTS)
    laws, theirs, step_error, retries = [], [], 0.0, {}
    for k, one in enumerate(samples):
        found = run_transistors(one, options, times, seen)
        native = simulate(replace(laws_there, nodes=one.nodes), until=until, times=times, rtol=1e-8)
        laws.append(native.values[:, [node - 1 for node in seen]])
        theirs.append(found)
        tries = found.tries
        if k == 0:
            finer = run_transistors(one, replace(options, max_step=until / STEPS / 2), times, seen)
            step_error = float(np.abs(finer.volts - found.volts).max(initial=0.0))
            tries += tuple(f"half of the steps, {text}" for text in finer.tries)
        if tries:
            retries[k] = tries
        if watch is not None:
            watch(k + 1, len(samples))
    return Confirmation(circuit.name, circuit.pdk or "", tool, corner, temperature, tuple(circuit.nodes.names[n] for n in seen),
                        until, np.array(laws), np.array([one.volts for one in theirs]), np.array([one.watts for one in theirs]),
                        step_error, sum(one.seconds for one in theirs), theirs[0].latency, _read_error(circuit, theirs, seen),
                        theirs[0].clocks, tolerance, retries)


def _read_error(circuit: Circuit, found: Sequence[Trace], seen: list[int]) -> float | None:
    """Largest distance in volts of what is read from its node at the end."""
    columns = [seen.index(node) for node in circuit.outputs.tolist() if node in seen]
    apart = [np.abs(one.reads - one.volts[-1, columns]) for one in found if one.reads.size]
    return float(np.max(apart)) if apart else None


@dataclass(frozen=True, eq=False)
class Trace:
    """One starting point on transistors: volts float64[times, seen], and of the pins that show outputs, float64[outputs], empty
    without such; seconds of the chip until these can be read, and from and to which each of its clocks is on; mean watts from the
    supply; wall seconds of the run, and what was tried where it did not succeed at once."""

    volts: np.ndarray
    reads: np.ndarray
    latency: float
    clocks: Mapping[str, tuple[float, float]]
    watts: float
    seconds: float
    tries: tuple[str, ...]


def run_transistors(circuit: Circuit, options: BenchOptions, times: np.ndarray, seen: list[int]) -> Trace:
    """Trace of a circuit from its starting voltages; `options` have an end and a largest step."""
    netlist = build_transistors(circuit, options)
    signals, step, clocks = load_pdk(circuit.pdk or "").signals, options.max_step, netlist.clocks
    until = options.until if clocks is None else clocks.end
    assert signals is not None and until is not None and step is not None
    vectors = [netlist.nodes[node - 1].lower() for node in seen]
    modules = find_library(circuit.pdk or "").modules

    def deck(cut: int) -> Deck:
        made = netlist if cut == 1 else build_transistors(circuit, replace(options, max_step=step / cut))
        return deck_of(circuit.name, made.artifacts, modules)

    wanted = (*vectors, *netlist.reads, "i(vdd)")
    run, tries = run_retried(deck, lambda made: run_ngspice(made, expected=wanted, until=until, places=netlist.names.place))
    own = np.minimum(run.raw.time, until)
    at = times if clocks is None else clocks.chip_times(times)
    columns = run.raw.columns(wanted)
    volts = np.stack([np.interp(at, own, column) for column in columns[:, : len(vectors)].T], axis=1) - netlist.common
    reads = columns[-1, len(vectors) : -1] - netlist.common
    amperes = -trapezoid(columns[:, -1], own) / (own[-1] - own[0])
    return Trace(volts, reads, until, netlist.windows, float(signals.supply * amperes), run.seconds, tries)
