"""Blocks of repeated structure as subcircuits: their ports, their cards, and where their nodes and devices are found.

Inside a block the node at offset k is `nK`, an earlier one it needs `mK`, a hub `hN`. Gates and shared parameters that a
block needs are handed down to it under their own names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kcompile.ir.blocks import Block, Blocks, find_blocks
from kcompile.ir.circuit import InstanceTable
from kcompile.lower.columns import number
from kcompile.lower.frame import Frame

Cards = Callable[[InstanceTable, np.ndarray, np.ndarray], str]
"""Cards of some rows of a bank, for names of nodes, object[nodes]; instances are numbered from 0."""

_PER_LINE = 16


@dataclass(frozen=True)
class BlockView:
    """One subcircuit: name, ports, shared parameters it needs, cards, (node, volts) of the nodes that end in it."""

    name: str
    ports: str
    params: tuple[str, ...]
    cards: str
    initials: tuple[tuple[str, str], ...]


class BlockWriter:
    """The blocks of one circuit as text; `cards` writes devices as the netlist does."""

    def __init__(self, frame: Frame, cards: Cards) -> None:
        self._frame = frame
        self._found = find_blocks(frame.circuit)
        self._tables = frame.circuit.tables
        self._views: list[BlockView] = []
        self._gates: list[tuple[str, ...]] = []
        for k, block in enumerate(self._found.blocks):
            self._gates.append(self._gates_of(block))
            nodes = self._local_nodes(block)
            text = self._children(block) if block.children else "".join(
                cards(self._tables[table], rows, nodes) for table, rows in self._rows(self._found.of(block.first)))
            params = tuple(dict.fromkeys(re.findall(r"\{([a-z0-9_]+)\}", text)))
            ports = _wrapped([*self._ports(block), *self._gates[k]])
            self._views.append(BlockView(f"{frame.top}_block_{k}", ports, params, text, tuple(self._initials(block))))

    @property
    def blocks(self) -> Blocks:
        return self._found

    @property
    def views(self) -> list[BlockView]:
        """Subcircuits, children before their parents."""
        return self._views

    def loose(self) -> Iterator[tuple[int, np.ndarray]]:
        """(table, rows) of the devices that stand in the top by themselves."""
        found, top = self._found, [position for kind, position in self._found.top if kind < 0]
        parts = [found.of(position) for position in top] + [found.devices[found.starts[-1] :]]
        yield from self._rows(np.concatenate(parts))

    def instances(self) -> str:
        """Cards of the blocks in the top."""
        texts, order = self._frame.names.nodes, self._found.order
        cards = []
        for k, (kind, position) in enumerate(self._found.top):
            if kind >= 0:
                block = self._found.blocks[kind]
                nodes = [texts[order[position + offset]] for offset in (*block.inner, *block.outer)]
                cards.append(self._card(f"Xblock_{k}", kind, [*nodes, *(texts[hub] for hub in block.hubs)]))
        return "".join(cards)

    def node_paths(self) -> dict[int, str]:
        """Path of every node inside a block: `xblock_3.x0.n5`."""
        found: dict[int, str] = {}
        for kind, position, path in self._walk():
            for offset in self._hidden(self._found.blocks[kind]):
                found[int(self._found.order[position + offset])] = f"{path}.{_local(offset)}"
        return found

    def row_paths(self) -> dict[tuple[int, int], tuple[str, int, int]]:
        """(table, row) of every device inside a block to its path, and the table and number it is written as there."""
        found: dict[tuple[int, int], tuple[str, int, int]] = {}
        for kind, position, path in self._walk():
            block = self._found.blocks[kind]
            if not block.children:
                written = [(table, j) for table, rows in self._rows(self._found.of(block.first)) for j in range(len(rows))]
                # Devices of like positions are in one order, which the cards keep within each bank.
                names = dict(zip(self._in_order(block.first), written, strict=True))
                for place, here in zip(self._found.of(block.first).tolist(), self._found.of(position).tolist(), strict=True):
                    found[here[0], here[1]] = (path, *names[place[0], place[1]])
        return found

    # ---- contents -----------------------------------------------------------------------------------------------------

    def _rows(self, places: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(table, rows) of devices, bank by bank."""
        for table in np.unique(places[:, 0]).tolist():
            yield table, places[places[:, 0] == table, 1]

    def _in_order(self, position: int) -> Iterator[tuple[int, int]]:
        for table, rows in self._rows(self._found.of(position)):
            yield from ((table, row) for row in rows.tolist())

    def _local_nodes(self, block: Block) -> np.ndarray:
        """object[nodes]: names inside a block of every node its devices touch, at its first occurrence."""
        texts = np.full(self._frame.circuit.nodes.count, "", dtype=object)
        texts[0] = "0"
        for offset in (*range(block.length), *block.outer):
            texts[self._found.order[block.first + offset]] = _local(offset)
        for hub in block.hubs:
            texts[hub] = f"h{hub}"
        return texts

    def _ports(self, block: Block, offset: int = 0) -> list[str]:
        """Names of a block's ports, in a parent where it begins at an offset."""
        return [*(_local(offset + one) for one in (*block.inner, *block.outer)), *(f"h{hub}" for hub in block.hubs)]

    def _children(self, block: Block) -> str:
        return "".join(self._card(f"X{j}", child, self._ports(self._found.blocks[child], offset))
                       for j, (child, offset) in enumerate(block.children))

    def _card(self, name: str, kind: int, nodes: list[str]) -> str:
        view = self._views[kind]
        params = [f"{param}={{{param}}}" for param in view.params]
        return _wrapped([name, *nodes, *self._gates[kind], view.name, *(["params:", *params] if params else [])]) + "\n"

    def _gates_of(self, block: Block) -> tuple[str, ...]:
        if block.children:
            return tuple(dict.fromkeys(gate for child, _ in block.children for gate in self._gates[child]))
        gates = (self._frame.gate(self._tables[table]) for table, _ in self._rows(self._found.of(block.first)))
        return tuple(dict.fromkeys(gate for gate in gates if gate is not None))

    def _hidden(self, block: Block) -> list[int]:
        """Offsets of nodes that end in this block: its children show them, and it does not."""
        shown = [offset + one for child, offset in block.children for one in self._found.blocks[child].inner]
        return [offset for offset in (shown if block.children else [0]) if offset not in set(block.inner)]

    def _initials(self, block: Block) -> Iterator[tuple[str, str]]:
        for offset in self._hidden(block):
            volts = self._frame.circuit.nodes.initial[self._found.order[block.first + offset]]
            yield _local(offset), number(float(volts))

    def _walk(self) -> Iterator[tuple[int, int, str]]:
        """(block, position, path) of every occurrence of every block."""
        waiting = [(kind, position, f"xblock_{k}") for k, (kind, position) in enumerate(self._found.top) if kind >= 0]
        while waiting:
            kind, position, path = waiting.pop()
            yield kind, position, path
            waiting += [(child, position + offset, f"{path}.x{j}")
                        for j, (child, offset) in enumerate(self._found.blocks[kind].children)]


def _local(offset: int) -> str:
    return f"n{offset}" if offset >= 0 else f"m{-offset}"


def _wrapped(words: list[str]) -> str:
    """Words on continued lines."""
    return "\n+ ".join(" ".join(words[k : k + _PER_LINE]) for k in range(0, len(words), _PER_LINE))
