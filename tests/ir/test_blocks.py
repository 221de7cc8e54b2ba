"""Repeated structure: blocks written out again are the circuit, and large ones become small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.ir.blocks import Blocks, find_blocks
from kcompile.ir.circuit import Circuit

LC = """use std.passive;
circuit Lc(vin, vout) {
    param n: integer = 100 in [4, 100000];
    node x[n];
    drive vin = pulse(0 V, 1 V, rise = 1 ns);
    Capacitor(m, gnd) for m in x + vout;
    Resistor(vin, x[0]);
    Inductor L(x[k], x[k + 1]) for k in 0..n - 1;
    Resistor(x[n - 1], vout);
    output vout;
}"""
RING = """use std.passive; use std.oscillator;
circuit Ring {
    param n: integer = 64 in [4, 100000];
    node p[n], pump;
    drive pump = sin(0 V, 1 V, 1 MHz);
    Capacitor(m, gnd) for m in p;
    PhaseCoupling(p[k], p[(k + 1) % n]) for k in 0..n;
    PhaseLock(m) for m in p;
    Conductance(m, pump) for m in p;
    initial p[3] = 0.5 V;
    output p[0];
}"""
GRID = """use std.passive; use std.kirchhoff: ShiftRelu;
circuit Grid {
    param n: integer = 12 in [4, 1000];
    param w[3]: conductance = [1 S, -2 S, 0.5 S];
    node x[n, n], y[n, n];
    Capacitor(m, gnd) { c = 1 F } for m in x + y;
    phase one for 1 s { ShiftRelu(x[i, j + d - 1], y[i, j]) { k = w[d] } for i in 0..n, j in 0..n, d in 0..3
        if 0 <= j + d - 1 < n; }
    phase two for 1 s { ShiftRelu(y[i, j], x[i - 1, j]) { k = 1 S } for i in 1..n, j in 0..n; }
    output x[0, 0];
}"""


def compiled(text: str, **settings: float) -> Circuit:
    return kc.compile(kc.Source("t.kc", text), settings=settings)


def cells(found: Blocks) -> Iterator[tuple[int, int]]:
    """(position of the prototype, position) of every node, through the blocks."""
    waiting = list(found.top)
    while waiting:
        kind, position = waiting.pop()
        if kind < 0:
            yield position, position
        elif found.blocks[kind].children:
            waiting += [(child, position + offset) for child, offset in found.blocks[kind].children]
        else:
            yield found.blocks[kind].first, position


def written_out(circuit: Circuit, found: Blocks) -> Counter[tuple[object, ...]]:
    """Devices as the blocks say them: those of the prototype, moved."""
    place = np.zeros(circuit.nodes.count, dtype=int)
    place[found.order] = np.arange(len(found.order))
    hubs = {hub for block in found.blocks for hub in block.hubs}
    devices = [(t, r, 0) for t, r in found.devices[found.starts[-1]:].tolist()]
    devices += [(t, r, position - first) for first, position in cells(found) for t, r in found.of(first).tolist()]
    counted: Counter[tuple[object, ...]] = Counter()
    for t, r, moved in devices:
        nodes = [n if n == 0 or n in hubs else int(found.order[place[n] + moved]) for n in circuit.tables[t].nodes[r].tolist()]
        counted[device(circuit, t, r, nodes)] += 1
    return counted


def device(circuit: Circuit, t: int, r: int, nodes: list[int]) -> tuple[object, ...]:
    table = circuit.tables[t]
    ties = tuple((name, tie.shared, int(tie.index[r])) for name, tie in sorted(table.ties.items()))
    waves = tuple(wave.arguments[r].tobytes() for wave in table.waves.values())
    values = tuple(float(column[r]) for column in table.params.values())
    return (id(table.model), table.phase, tuple(nodes), values, ties, waves)


def assert_says_the_circuit(circuit: Circuit) -> Blocks:
    found = find_blocks(circuit)
    flat = Counter(device(circuit, t, r, table.nodes[r].tolist())
                   for t, table in enumerate(circuit.tables) for r in range(table.count))
    assert written_out(circuit, found) == flat
    assert sorted(found.order.tolist()) == list(range(1, circuit.nodes.count))
    assert sorted(position for _, position in cells(found)) == list(range(circuit.nodes.count - 1))
    return found


@pytest.mark.parametrize("text", [LC, RING, GRID], ids=["lc", "ring", "grid"])
def test_blocks_written_out_are_the_circuit(text: str) -> None:
    for n in (4, 7, 16, 33):
        assert_says_the_circuit(compiled(text, n=n))


def test_blocks_of_random_programs() -> None:
    made = [assert_says_the_circuit(kc.compile(kc.Source("t.kc", random_program(seed)), top="Top")) for seed in range(120)]
    assert sum(bool(found.blocks) for found in made) > 30


def test_a_node_inside_a_block_is_touched_from_nowhere_else() -> None:
    """Ports hold every node that a device outside an occurrence needs, and every node with a name of its own."""
    for circuit in (compiled(LC, n=50), compiled(RING, n=40), compiled(GRID, n=9)):
        found = find_blocks(circuit)
        owner = np.repeat(np.arange(len(found.starts)), np.diff(np.append(found.starts, len(found.devices))))
        touched: dict[int, set[int]] = {}
        for (t, r), position in zip(found.devices.tolist(), owner.tolist(), strict=True):
            for node in circuit.tables[t].nodes[r].tolist():
                touched.setdefault(node, set()).add(position)
        named = {int(n) for n in (*circuit.outputs, *circuit.inputs, *circuit.ports, *circuit.driven)}
        waiting = list(found.top)
        while waiting:
            kind, position = waiting.pop()
            if kind < 0:
                continue
            block = found.blocks[kind]
            waiting += [(child, position + offset) for child, offset in block.children]
            inside = set(range(position, position + block.length))
            for offset in set(range(block.length)) - set(block.inner):
                node = int(found.order[position + offset])
                assert touched.get(node, set()) <= inside and node not in named


def test_a_line_of_a_thousand_sections_is_some_dozen_lines() -> None:
    for text, n in ((LC, 1000), (RING, 1000), (GRID, 40)):
        circuit = compiled(text, n=n)
        found = find_blocks(circuit)
        assert found.lines * 10 < sum(table.count for table in circuit.tables)


def test_different_values_repeat_nothing() -> None:
    circuit = compiled(LC, n=30)
    values = np.arange(1.0, 30.0) * 1e-9
    assert find_blocks(circuit.with_params({"L.l": values})).lines > 40
    initial = compiled(LC.replace("output vout", "initial x[k] = 1 V * k for k in 0..n; output vout"), n=30)
    assert not find_blocks(initial).blocks


def test_small_and_empty_circuits() -> None:
    assert not find_blocks(compiled("circuit T { }")).blocks
    assert not find_blocks(compiled("use std.passive; circuit T { node a; Capacitor(a, gnd); Resistor(a, gnd); }")).blocks
