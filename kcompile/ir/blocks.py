"""Repeated structure of a flat circuit, found again: blocks of neighbouring nodes with their devices that occur many times.

Every device belongs to the last of its nodes, in an order where banks of one size are interleaved. Two nodes are alike when
their devices are: same law, values, phase, and the same distances to their other nodes. Runs of alike nodes are then paired,
and pairs paired again, as long as a netlist of subcircuits gets shorter by it (the idea of Re-Pair, Larsson and Moffat,
2000). A line of n alike sections becomes about log2(n) blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable

MAX_BLOCKS = 4096
"""Blocks that are made; a circuit with more kinds of structure is written flat from there on."""

_LINE = 3
"""Cost of a line of a netlist besides its nodes, in nodes."""

_HUB = 16
"""A node with this many times more devices than the middle one is wired to everybody, and named rather than counted to."""

_TRIED = 4
"""Pairs whose gain is computed in each round, the most frequent ones."""


@dataclass(frozen=True, eq=False)
class Block:
    """`length` nodes in a row and their devices; offsets count from the first of them.

    children: (block, offset) of the two blocks it consists of, none for a single node with its devices. first: position of its
    first occurrence. inner: offsets of nodes that others need, so that they are ports; outer: offsets of earlier nodes it
    needs; hubs: nodes it needs by number.
    """

    length: int
    children: tuple[tuple[int, int], ...]
    first: int
    inner: tuple[int, ...]
    outer: tuple[int, ...]
    hubs: tuple[int, ...]

    @property
    def ports(self) -> int:
        return len(self.inner) + len(self.outer) + len(self.hubs)


@dataclass(frozen=True, eq=False)
class Blocks:
    """order: int64[nodes - 1], node numbers by position; blocks: children come before their parents.

    top: (block, first position) of each part of the circuit, block -1 for a node whose devices are written one by one.
    """

    order: np.ndarray
    blocks: tuple[Block, ...]
    top: tuple[tuple[int, int], ...]
    starts: np.ndarray
    """int64[nodes]: where the devices of each position begin in `devices`."""
    devices: np.ndarray
    """int64[n, 2]: (table, row), by position and kind; devices of like positions are in the same order."""

    def of(self, position: int) -> np.ndarray:
        """int64[n, 2]: (table, row) of the devices that belong to a position."""
        return self.devices[self.starts[position] : self.starts[position + 1]]

    @cached_property
    def lines(self) -> int:
        """Cards of a netlist of these blocks."""
        inside = sum(len(block.children) or len(self.of(block.first)) for block in self.blocks)
        outside = sum(1 if kind >= 0 else len(self.of(position)) for kind, position in self.top)
        return inside + outside + int(len(self.devices) - self.starts[-1])


def find_blocks(circuit: Circuit) -> Blocks:
    """Blocks of a circuit; without repetition every device is on its own."""
    return _Finder(circuit).find()


class _Finder:
    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._order = _interleaved(circuit)
        self._position = np.full(circuit.nodes.count, -1, dtype=np.int64)
        self._position[self._order] = np.arange(len(self._order))
        self._visible = np.zeros(len(self._order) + 1, dtype=bool)
        for ids in (circuit.ports, circuit.inputs, circuit.outputs, circuit.driven):
            self._visible[self._position[ids]] = True
        self._hub = self._hubs()
        self._visible[self._position[np.flatnonzero(self._hub)]] = True

    def _hubs(self) -> np.ndarray:
        """bool[nodes]: nodes that very many devices touch."""
        count = self._circuit.nodes.count
        degree = np.zeros(count, dtype=np.int64)
        for table in self._circuit.tables:
            degree += np.bincount(table.nodes.ravel(), minlength=count)
        hubs = degree > _HUB * max(float(np.median(degree[1:])) if count > 1 else 0.0, 1.0)
        hubs[0] = False
        return hubs

    def find(self) -> Blocks:
        owner, kind, places = self._devices()
        last = len(self._order)  # devices between ground and hubs belong to nobody, and come last
        owner = np.where(owner < 0, last, owner)
        sequence = np.lexsort((kind, owner))
        owner, kind, places = owner[sequence], kind[sequence], places[sequence]
        starts = np.searchsorted(owner, np.arange(last + 1))
        self._blocks: list[Block] = []
        symbols = self._symbols(starts, kind)
        top = self._paired(symbols, starts, places)
        return Blocks(self._order, tuple(self._blocks), tuple(top), starts, places)

    # ---- kinds of devices and of nodes --------------------------------------------------------------------------------

    def _devices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position that each device belongs to (-1 for none), its kind, and int64[n, 2] its table and row."""
        groups: dict[tuple[object, ...], list[int]] = {}
        for k, table in enumerate(self._circuit.tables):
            ties = tuple((name, tie.shared) for name, tie in sorted(table.ties.items()))
            waves = tuple((name, wave.kind, wave.arguments.shape[1]) for name, wave in sorted(table.waves.items()))
            groups.setdefault((id(table.model), table.phase, ties, waves), []).append(k)
        owners, kinds, places = [], [], []
        known = 0
        for members in groups.values():
            tables = [self._circuit.tables[k] for k in members]
            ends = np.concatenate([table.nodes for table in tables])
            owner = self._owner(ends)
            if tables[0].waves:
                owner[:] = -1  # a source of its own beside each device: these are written one by one
            columns = [*self._distances(ends, owner).T, *_values(tables)]
            number = _row_numbers(columns, len(ends))
            owners.append(owner)
            kinds.append(known + number)
            known += int(number.max(initial=-1)) + 1
            places += [np.stack([np.full(t.count, k), np.arange(t.count)], axis=1) for k, t in zip(members, tables, strict=True)]
        if not owners:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, np.zeros((0, 2), dtype=np.int64)
        return np.concatenate(owners), np.concatenate(kinds), np.concatenate(places)

    def _owner(self, ends: np.ndarray) -> np.ndarray:
        counted = np.where(self._hub[ends], -1, self._position[ends])
        return counted.max(axis=1, initial=-1)

    def _distances(self, ends: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Distance of each terminal from the owner; ground and hubs by number, below zero."""
        return np.where(self._hub[ends] | (ends == 0), -1 - ends.astype(np.int64), owner[:, None] - self._position[ends])

    def _symbols(self, starts: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """int64[positions]: equal where two nodes are alike."""
        known: dict[tuple[object, ...], int] = {}
        initial = self._circuit.nodes.initial[self._order]
        found = np.empty(len(self._order), dtype=np.int64)
        kinds, edges = kind.tolist(), starts.tolist()
        for p in range(len(found)):
            start = None if self._visible[p] else float(initial[p])
            found[p] = known.setdefault((start, *kinds[edges[p] : edges[p + 1]]), len(known))
        return found

    # ---- pairs --------------------------------------------------------------------------------------------------------

    def _paired(self, symbols: np.ndarray, starts: np.ndarray, places: np.ndarray) -> list[tuple[int, int]]:
        self._reach = self._last_owner(starts, places)
        block_of: dict[int, int] = {}
        tokens, at = symbols.copy(), np.arange(len(symbols))
        fresh = int(symbols.max(initial=-1)) + 1
        counts = np.bincount(symbols)
        for symbol in np.flatnonzero(counts > 1).tolist():
            positions = np.flatnonzero(symbols == symbol)
            devices = int(starts[positions[0] + 1] - starts[positions[0]])
            if devices and len(self._blocks) < MAX_BLOCKS:
                block = self._single(positions, starts, places)
                block_of[symbol] = len(self._blocks)
                self._blocks.append(block)
        while len(self._blocks) < MAX_BLOCKS:
            best = self._best_pair(tokens, at, block_of)
            if best is None:
                break
            block, where = best
            block_of[fresh] = len(self._blocks)
            self._blocks.append(block)
            tokens[where] = fresh
            keep = np.ones(len(tokens), dtype=bool)
            keep[where + 1] = False
            tokens, at = tokens[keep], at[keep]
            fresh += 1
        return self._without_idle([(block_of.get(int(t), -1), int(p)) for t, p in zip(tokens, at, strict=True)], starts)

    def _best_pair(self, tokens: np.ndarray, at: np.ndarray, block_of: dict[int, int]) -> tuple[Block, np.ndarray] | None:
        """The pair of neighbours whose joining shortens a netlist most, and where it occurs; None when none does."""
        known = np.array(sorted(block_of), dtype=np.int64)
        joined = np.isin(tokens[:-1], known) & np.isin(tokens[1:], known)
        pairs, counts = np.unique(np.stack([tokens[:-1], tokens[1:]], axis=1)[joined], axis=0, return_counts=True)
        best: tuple[float, Block, np.ndarray] | None = None
        for k in np.argsort(-counts, kind="stable")[:_TRIED].tolist():
            first, second = (int(symbol) for symbol in pairs[k])
            where = np.flatnonzero((tokens[:-1] == first) & (tokens[1:] == second))
            if first == second:
                where = _apart(where)
            if len(where) < 2:
                continue
            a, b = self._blocks[block_of[first]], self._blocks[block_of[second]]
            block = self._joined(block_of[first], block_of[second], at[where])
            gain = len(where) * (a.ports + b.ports + _LINE - block.ports) - (a.ports + b.ports + block.ports + 4 * _LINE)
            if gain > 0 and (best is None or gain > best[0]):
                best = gain, block, where
        return None if best is None else best[1:]

    def _last_owner(self, starts: np.ndarray, places: np.ndarray) -> np.ndarray:
        """int64[positions]: last position with a device that needs this one."""
        count = len(self._order)
        reach = np.arange(count)
        owner = np.repeat(np.arange(count + 1), np.diff(np.append(starts, len(places))))
        for k, table in enumerate(self._circuit.tables):
            mine = places[:, 0] == k
            rows, owners = places[mine, 1], owner[mine]
            for column in table.nodes[rows].T:
                touched = self._position[column]
                np.maximum.at(reach, touched[touched >= 0], owners[touched >= 0])
        return reach

    def _single(self, positions: np.ndarray, starts: np.ndarray, places: np.ndarray) -> Block:
        first = int(positions[0])
        ends = np.unique(np.concatenate([self._circuit.tables[k].nodes[row] for k, row in
                                         places[starts[first] : starts[first + 1]].tolist()]))
        ends = ends[ends > 0]
        outer = self._position[ends[~self._hub[ends]]] - first
        return Block(1, (), first, self._inner(1, positions), tuple(sorted(outer[outer < 0].tolist())),
                     tuple(ends[self._hub[ends]].tolist()))

    def _joined(self, a: int, b: int, positions: np.ndarray) -> Block:
        one, two = self._blocks[a], self._blocks[b]
        length = one.length + two.length
        outer = {*one.outer, *(offset + one.length for offset in two.outer)}
        return Block(length, ((a, 0), (b, one.length)), int(positions[0]), self._inner(length, positions),
                     tuple(sorted(offset for offset in outer if offset < 0)), tuple(sorted({*one.hubs, *two.hubs})))

    def _inner(self, length: int, positions: np.ndarray) -> tuple[int, ...]:
        """Offsets of nodes that are needed outside at any of the occurrences."""
        places = positions[:, None] + np.arange(length)
        needed = (self._reach[places] >= positions[:, None] + length) | self._visible[places]
        return tuple(np.flatnonzero(needed.any(axis=0)).tolist())

    def _without_idle(self, top: list[tuple[int, int]], starts: np.ndarray) -> list[tuple[int, int]]:
        """The parts of the circuit, without blocks of one device that no other block holds: a card is as short as they are."""
        inside = {child for block in self._blocks for child, _ in block.children}
        idle = {k for k, block in enumerate(self._blocks)
                if not block.children and k not in inside and starts[block.first + 1] - starts[block.first] < 2}
        number = {old: new for new, old in enumerate(k for k in range(len(self._blocks)) if k not in idle)}
        self._blocks = [replace(block, children=tuple((number[child], offset) for child, offset in block.children))
                        for k, block in enumerate(self._blocks) if k not in idle]
        return [(number.get(kind, -1), position) for kind, position in top]


def _interleaved(circuit: Circuit) -> np.ndarray:
    """int64: nodes without ground, banks of one size side by side: x[0], y[0], x[1], y[1], ..."""
    sizes: dict[int, list[int]] = {}
    for bank in circuit.nodes.banks:
        sizes.setdefault(bank.count, []).append(bank.first)
    parts = [(np.array(firsts)[None, :] + np.arange(size)[:, None]).ravel() for size, firsts in sizes.items()]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def _values(tables: Sequence[InstanceTable]) -> list[np.ndarray]:
    """Columns of everything that tells instances of one group apart besides their nodes."""
    columns = [np.concatenate([table.params[name] for table in tables])
               for name in tables[0].params if name not in tables[0].ties]
    columns += [np.concatenate([table.ties[name].index for table in tables]) for name in tables[0].ties]
    for name in tables[0].waves:
        columns += list(np.concatenate([table.waves[name].arguments for table in tables]).T)
    return columns


def _row_numbers(columns: Sequence[np.ndarray], count: int) -> np.ndarray:
    """int64[count]: equal numbers for equal rows."""
    if not columns or not count:
        return np.zeros(count, dtype=np.int64)
    order = np.lexsort(columns)
    new = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    number = np.empty(count, dtype=np.int64)
    number[order] = np.concatenate([[0], np.cumsum(new)])
    return number


def _apart(where: np.ndarray) -> np.ndarray:
    """Every other one of each run of consecutive numbers, so that pairs of equal neighbours do not overlap."""
    run = np.concatenate([[0], np.cumsum(np.diff(where) != 1)])
    within = np.arange(len(where)) - np.searchsorted(run, run)
    return where[within % 2 == 0]
