"""Random networks of mixed laws, for comparing simulators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import kcompile as kc

LAWS = ("ShiftRelu", "ShiftTanh", "ShiftRelu1", "ShiftLeakyRelu1", "ShiftRelu2", "ShiftTanh1", "ShiftTanh2", "Conductance")


def random_network(seed: int | tuple[int, ...], laws: Sequence[Sequence[str]] | None = None,
                   rail: str = "[-4 V, 4 V]") -> kc.Circuit:
    """A network of 3 to 6 nodes, two slices of one second, two laws in each, with random weights and a rail.

    laws: those of each slice; without them they are drawn.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 7))
    phases = []
    for k, name in enumerate(("first", "second")):
        drawn = rng.choice(LAWS, size=2, replace=False) if laws is None else laws[k]
        lines = [f"        {law} w{k}(a, b) for a in all, b in all if a != b;" for k, law in enumerate(drawn)]
        phases.append(f"    phase {name} for 1 s {{\n" + "\n".join(lines) + "\n    }\n")
    text = (f"use std.passive: Capacitor;\nuse std.kirchhoff;\ncircuit Net {{\n    node x[{count}] rail {rail};\n"
            "    node all = gnd + x;\n    Capacitor(n, gnd) { c = 1 F } for n in x;\n"
            + "".join(phases) + "    input x;\n    output x;\n}\n")
    circuit = kc.compile(kc.Source(f"network_{seed}.kc", text))
    shapes = {name: values.shape for name, values in circuit.parameters().items()}
    weights = {name: rng.normal(scale=1.2 / np.sqrt(count), size=shapes[name]) for name in circuit.trainable()}
    return circuit.with_params(weights)


def random_inputs(circuit: kc.Circuit, seed: int, count: int) -> np.ndarray:
    """float64[count, inputs] in volts."""
    return np.random.default_rng([seed, 1]).uniform(-1.0, 1.0, size=(count, len(circuit.inputs)))
