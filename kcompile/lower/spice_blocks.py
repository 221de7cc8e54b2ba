"""Blocks of repeated structure as subcircuits: their ports, their contents, and where their nodes are found.

Inside a block the node at offset k is `nK`, an earlier one it needs `mK`, a hub `hN`. A gate or a shared parameter that a
block needs is handed down to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kcompile.ir.blocks import Block, Blocks
from kcompile.ir.circuit import Circuit


@dataclass(frozen=True)
class BlockView:
    """One subcircuit for a template: name, ports, parameters, children as cards, initial voltages of its hidden nodes."""

    name: str
    ports: tuple[str, ...]
    params: tuple[str, ...]
    cards: str
    initials: tuple[tuple[str, float], ...]


class BlockNames:
    """Names of the blocks of one circuit, `TOP_block_0`, ... `gates` and `params` are what each block hands down."""

    def __init__(self, circuit: Circuit, blocks: Blocks, top: str, nodes: Sequence[str]) -> None:
        self._circuit = circuit
        self._blocks = blocks
        self._top = top
        self._nodes = nodes
        self._position = np.full(circuit.nodes.count, -1, dtype=np.int64)
        self._position[blocks.order] = np.arange(len(blocks.order))

    def name(self, k: int) -> str:
        """Subcircuit of a block."""
        return f"{self._top}_block_{k}"

    def local_nodes(self, block: Block) -> np.ndarray:
        """object[nodes]: the name inside a block of every node its devices touch, at its first occurrence."""
        texts = np.full(self._circuit.nodes.count, "", dtype=object)
        texts[0] = "0"
        for offset in (*range(block.length), *block.outer):
            texts[self._blocks.order[block.first + offset]] = _local(offset)
        for hub in block.hubs:
            texts[hub] = f"h{hub}"
        return texts

    def ports(self, block: Block) -> list[str]:
        """Ports of a block by their names inside it."""
        return [*map(_local, (*block.inner, *block.outer)), *(f"h{hub}" for hub in block.hubs)]

    def outside(self, block: Block, position: int) -> list[str]:
        """Nodes that the ports of a block stand for in the circuit, where its first node is at a position."""
        own = [self._nodes[int(self._blocks.order[position + offset])] for offset in (*block.inner, *block.outer)]
        return [*own, *(self._nodes[hub] for hub in block.hubs)]

    def inside(self, child: Block, offset: int) -> list[str]:
        """Nodes that the ports of a child stand for in its parent."""
        return [*(_local(offset + one) for one in (*child.inner, *child.outer)), *(f"h{hub}" for hub in child.hubs)]

    def hidden(self, block: Block) -> list[int]:
        """Offsets of nodes that end in this block: what its children show and it does not."""
        shown = [offset + one for child, offset in block.children for one in self._blocks.blocks[child].inner] or [0]
        return [offset for offset in shown if offset not in set(block.inner)]

    def hidden_nodes(self) -> Iterator[tuple[int, str]]:
        """(node, path) of every node inside a block, `xblock_3.x0.n5`."""
        for k, (kind, position) in enumerate(self._blocks.top):
            if kind >= 0:
                yield from self._paths(kind, position, f"xblock_{k}")

    def _paths(self, kind: int, position: int, path: str) -> Iterator[tuple[int, str]]:
        block = self._blocks.blocks[kind]
        for offset in self.hidden(block):
            yield int(self._blocks.order[position + offset]), f"{path}.{_local(offset)}"
        for j, (child, offset) in enumerate(block.children):
            yield from self._paths(child, position + offset, f"{path}.x{j}")

    def cells(self) -> Iterator[tuple[int, int, str]]:
        """(block, position, path) of every single node in a block, however deep."""
        waiting = [(kind, position, f"xblock_{k}") for k, (kind, position) in enumerate(self._blocks.top) if kind >= 0]
        while waiting:
            kind, position, path = waiting.pop()
            block = self._blocks.blocks[kind]
            if not block.children:
                yield kind, position, path
            waiting += [(child, position + offset, f"{path}.x{j}") for j, (child, offset) in enumerate(block.children)]


def _local(offset: int) -> str:
    return f"n{offset}" if offset >= 0 else f"m{-offset}"
