"""How far every node voltage and device current of a circuit goes, proved by intervals or seen in samples.

Two arguments prove a bound. A box is never left when on each of its faces the current into that node points inwards,
whatever the other nodes do inside the box. And in a finite time no node goes further than its fastest rate allows. Nodes with
capacitors to others or to a moving source, and inner states, are outside the first argument; what neither closes is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.bounds import bound
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.expr import Expression
from kcompile.ir.structure import capacitance_matrix
from kcompile.passes.error_bound import Box
from kcompile.passes.liveness import ends_of, read_terminals

MAX_ROUNDS = 10
"""Times that the box of a node may grow, each time to twice its width: bounds reach a thousand times where they began."""

_GROWTH = 1.0

_HALVINGS = 9
"""Steps back from a bound that grew too far; each halves what it is too wide."""


@dataclass(frozen=True, eq=False)
class Ranges:
    """box: bounds of node voltages in volts, and of inner states; proved: bool[nodes], where an interval argument gave them.

    samples: simulations behind the other bounds, which say what was seen and no more; states are always sampled. With none
    of them what is not proved is infinite.
    """

    circuit: Circuit
    box: Box
    proved: np.ndarray
    samples: int

    @property
    def largest(self) -> np.ndarray:
        """float64[nodes]: largest magnitude of each voltage."""
        return np.maximum(np.abs(self.box.lower), np.abs(self.box.upper))

    def currents(self, table: InstanceTable) -> np.ndarray:
        """float64[n]: bound of the largest current of each device of a bank, for voltages and states in their ranges."""
        parts = [self.box.largest(table, branch.value) for branch in table.model.law.currents]
        return np.max(parts, axis=0) if parts else np.zeros(table.count)

    def proved_currents(self, table: InstanceTable) -> np.ndarray:
        """bool[n]: devices whose bound follows from proved ones."""
        read = {name for branch in table.model.law.currents for name in read_terminals(table.model, branch.value)}
        proved = np.full(table.count, not table.model.states)
        for terminal in read:
            proved &= self.proved[ends_of(table, terminal)]
        return proved


@dataclass(frozen=True, eq=False)
class Start:
    """float64[nodes] each: between which voltages every node starts; a driven node, what its source does at any time."""

    lower: np.ndarray
    upper: np.ndarray


def start_of(circuit: Circuit, lower: float | None, upper: float | None) -> Start:
    """The declared box of input voltages; the initial voltages where none is declared."""
    from kcompile.ir.waves import extent

    low, high = circuit.nodes.initial.copy(), circuit.nodes.initial.copy()
    if lower is not None and upper is not None:
        low[circuit.inputs], high[circuit.inputs] = lower, upper
    for stimulus in circuit.stimuli:
        low[stimulus.nodes], high[stimulus.nodes] = extent(stimulus.wave.kind, stimulus.wave.arguments)
    return Start(low, high)


def find_ranges(circuit: Circuit, start: Start, until: float | None, samples: int,
                seed: int = 0) -> Ranges:
    """Ranges of all nodes from a box of starting voltages up to `until` seconds, the end of the phases by default."""
    duration = until if until is not None else circuit.duration
    lower, upper = _invariant_box(circuit, start)
    if duration is not None:
        slow, fast = _reach(circuit, start, duration, lower, upper)
        lower, upper = np.maximum(lower, slow), np.minimum(upper, fast)
    proved = np.isfinite(lower) & np.isfinite(upper)
    stateful = any(table.model.states for table in circuit.tables)
    if samples == 0 or (proved.all() and not (stateful and duration is not None)):
        return Ranges(circuit, Box(lower, upper), proved, 0)
    if duration is None:
        raise UsageError(Diagnostic("KC0508", "some voltages have to be sampled, and the circuit has no phases, so the time to "
                                    "simulate must be given", hint="for example range-analysis{until=50ns}"))
    moves = not np.array_equal(start.lower[circuit.inputs], start.upper[circuit.inputs])
    count = samples if moves else 1
    seen = _sampled(circuit, start, duration, count, seed)
    box = Box(np.where(proved, lower, seen.lower), np.where(proved, upper, seen.upper), seen.states)
    return Ranges(circuit, box, proved, count)


# ---- a box that is never left -----------------------------------------------------------------------------------------


def _invariant_box(circuit: Circuit, start: Start) -> np.ndarray:
    """float64[2, nodes]: lower and upper bound of every node, infinite where no box closes."""
    box = np.stack([start.lower, start.upper])
    free, _ = _simple_nodes(circuit)
    openly = np.array([[-np.inf], [np.inf]])
    box[:, np.setdiff1d(circuit.free, free)] = openly
    # Where nothing amplifies, no node leaves the range of all starting voltages and sources: that is tried before growing.
    common = np.array([[start.lower.min()], [start.upper.max()]])
    outwards = np.array([[-1.0], [1.0]])
    step = _GROWTH * np.maximum(box[1] - box[0], 0.01 * max(np.abs(common).max(), 1e-300))
    outside = box.copy()  # the last bounds that did not hold
    patience = np.full(circuit.nodes.count, MAX_ROUNDS)
    for _ in range(3 * MAX_ROUNDS):
        left = _leaving(circuit, free, box)
        moved = left.any(axis=0)
        if not moved.any():
            return _tightened(circuit, free, outside, box)
        outside = np.where(left, box, outside)
        patience[moved] -= 1
        box = np.where(left, np.where(outwards * box < outwards * common, common, box + outwards * step), box)
        box[:, patience < 0] = openly
        with np.errstate(invalid="ignore"):
            step = np.where(moved, _GROWTH * (box[1] - box[0]), step)
    box[:, circuit.free] = openly
    return box


def _leaving(circuit: Circuit, free: np.ndarray, box: np.ndarray) -> np.ndarray:
    """bool[2, nodes]: which finite faces of a box a current can push a node through."""
    left = np.zeros_like(box, dtype=bool)
    currents = _face_currents(circuit, box)
    left[0, free] = currents[0, free] < 0
    left[1, free] = currents[1, free] > 0
    return left & np.isfinite(box)


def _tightened(circuit: Circuit, free: np.ndarray, outside: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A smaller box that is never left, found by halving the way back from one that is to one that was left."""
    for _ in range(_HALVINGS):
        with np.errstate(invalid="ignore"):
            tried = np.where(np.isfinite(inside), 0.5 * (outside + inside), inside)
        for _ in range(_HALVINGS):
            left = _leaving(circuit, free, tried)
            if not left.any():
                inside = tried
                break
            outside = np.where(left, tried, outside)
            tried = np.where(left, inside, tried)
    return inside


def _simple_nodes(circuit: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Free nodes whose capacitors all go to ground or to a constant voltage, and the capacitance of every node in farad."""
    matrix = capacitance_matrix(circuit)
    diagonal = matrix.diagonal()
    moving = np.ones(circuit.nodes.count, dtype=bool)
    moving[0] = False
    for stimulus in circuit.stimuli:
        if stimulus.wave.kind == "dc":
            moving[stimulus.nodes] = False
    coupled = abs(matrix) @ moving.astype(float) - np.where(moving, diagonal, 0.0)
    free = circuit.free
    return free[coupled[free] <= 0], diagonal


def _face_currents(circuit: Circuit, box: np.ndarray) -> np.ndarray:
    """float64[2, nodes]: smallest current into each node at its lower bound, largest at its upper one, in ampere.

    Other nodes are anywhere in the box; of several phases the worst counts.
    """
    sums: dict[int | None, np.ndarray] = {None: np.zeros(box.shape)}
    for table in circuit.tables:
        known = Box(*box).known(table)
        flow = sums.setdefault(table.phase, np.zeros(box.shape))
        for branch in table.model.law.currents:
            ends = [(ends_of(table, end), sign) for end, sign in ((branch.start, -1), (branch.stop, 1)) if end != "gnd"]
            pinned = dict(known)
            for k, terminal in enumerate(table.model.terminals):
                low, high = known[f"V({terminal})"]
                here = [(table.nodes[:, k] == node, face[node]) for node, _ in ends for face in box]
                pinned[f"V({terminal})"] = (np.stack([np.where(mask, value, low) for mask, value in here]),
                                            np.stack([np.where(mask, value, high) for mask, value in here]))
            low, high = (np.broadcast_to(part, (2 * len(ends), table.count)) for part in bound(branch.value, pinned))
            with np.errstate(invalid="ignore"):
                for j, (node, sign) in enumerate(ends):
                    bottom, top = (low, high) if sign > 0 else (-high, -low)
                    np.add.at(flow[0], node, bottom[2 * j])
                    np.add.at(flow[1], node, top[2 * j + 1])
    phases = [flow for phase, flow in sums.items() if phase is not None]
    every = np.stack(phases) if phases else np.zeros((1, *box.shape))
    with np.errstate(invalid="ignore"):
        total = sums[None] + np.stack([every[:, 0].min(axis=0), every[:, 1].max(axis=0)])
    return np.where(np.isnan(total), [[-np.inf], [np.inf]], total)


def _ends(circuit: Circuit) -> Iterator[tuple[InstanceTable, str, float, Expression]]:
    """(bank, terminal, sign, expression): a current into the node at a terminal, of every branch with two different ends."""
    for table in circuit.tables:
        for branch in table.model.law.currents:
            for end, sign in ((branch.start, -1.0), (branch.stop, 1.0)):
                if end != "gnd":
                    yield table, end, sign, branch.value


# ---- how far a node gets in a time ------------------------------------------------------------------------------------


def _reach(circuit: Circuit, start: Start, duration: float, lower: np.ndarray,
           upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds from the largest rates over a box that is proved, or over everything."""
    free, capacitance = _simple_nodes(circuit)
    slow, fast = np.full(circuit.nodes.count, -np.inf), np.full(circuit.nodes.count, np.inf)
    slow[0] = fast[0] = 0.0
    slow[circuit.driven], fast[circuit.driven] = start.lower[circuit.driven], start.upper[circuit.driven]
    for _ in range(3):  # a smaller box has smaller rates
        low, high = np.maximum(lower, slow), np.minimum(upper, fast)
        down, up = _travel(circuit, low, high, duration)
        with np.errstate(all="ignore"):
            slow[free] = start.lower[free] + down[free] / capacitance[free]
            fast[free] = start.upper[free] + up[free] / capacitance[free]
        slow[np.isnan(slow)], fast[np.isnan(fast)] = -np.inf, np.inf
        if not np.isfinite(fast[free]).any() and not np.isfinite(slow[free]).any():
            break
    return slow, fast


def _travel(circuit: Circuit, lower: np.ndarray, upper: np.ndarray, duration: float) -> tuple[np.ndarray, np.ndarray]:
    """float64[nodes] each: charge that at most leaves and enters every node in the time, in coulomb."""
    box = Box(lower, upper)
    flows: dict[int | None, list[np.ndarray]] = {}
    for table, end, sign, value in _ends(circuit):
        low, high = bound(value, box.known(table))
        pair = (low, high) if sign > 0 else (-high, -low)
        sums = flows.setdefault(table.phase, [np.zeros(circuit.nodes.count), np.zeros(circuit.nodes.count)])
        with np.errstate(invalid="ignore"):  # an open bound both ways is none
            for total, part in zip(sums, pair, strict=True):
                np.add.at(total, ends_of(table, end), np.broadcast_to(part, (table.count,)))
    zero = [np.zeros(circuit.nodes.count)] * 2
    always = flows.get(None, zero)
    lengths = [phase.duration for phase in circuit.phases] or [duration]
    down = np.zeros(circuit.nodes.count)
    up = down.copy()
    with np.errstate(all="ignore"):
        for k, length in enumerate(lengths):
            out, into = flows.get(k, zero)
            down = down + np.minimum(always[0] + out, 0.0) * length
            up = up + np.maximum(always[1] + into, 0.0) * length
    return down, up


# ---- samples ----------------------------------------------------------------------------------------------------------


def _sampled(circuit: Circuit, start: Start, duration: float, count: int, seed: int) -> Box:
    """Smallest and largest voltages and states of simulations from corners and inner points of the box of inputs."""
    from kcompile.sim.integrate import simulate

    rng = np.random.default_rng(seed)
    inputs = circuit.inputs
    lows, highs = [], []
    for k in range(count):
        share = rng.random(len(inputs))
        if k % 2:  # every other one is a corner
            share = np.round(share)
        values = start.lower[inputs] + share * (start.upper[inputs] - start.lower[inputs])
        waves = simulate(circuit.with_initial(values) if len(inputs) else circuit, until=duration)
        lows.append(waves.values.min(axis=0))
        highs.append(waves.values.max(axis=0))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    at = count_nodes = circuit.nodes.count - 1
    states = {}
    for table in circuit.tables:
        size = table.count * len(table.model.states)
        if size:
            states[table.bank] = tuple(part[at : at + size].reshape(table.count, -1) for part in (low, high))
        at += size
    return Box(np.append(0.0, low[:count_nodes]), np.append(0.0, high[:count_nodes]), states)
