"""Nodes joined by capacitors: each such island reaches ground, a driven node, or a port that another circuit answers for."""

from __future__ import annotations

from collections.abc import Iterable

Ports = tuple[int | None, ...]
"""The island of each port: 0 reaches ground, ports of one number are joined, None has no capacitor."""


class Islands:
    """Islands of one circuit; `known` nodes have a voltage whatever they are joined to."""

    def __init__(self, known: Iterable[str]) -> None:
        self._next: dict[str, str] = {"0": "0"}
        for node in known:
            self._next[node] = "0"

    def join(self, one: str, other: str) -> None:
        """Put a capacitor between two nodes; between a node and itself it does nothing."""
        if one == other:
            return
        first, second = self._root(one), self._root(other)
        # Ground stays the root of its island.
        self._next[second if first == "0" else first] = first if first == "0" else second

    def join_ports(self, nodes: Iterable[str], ports: Ports) -> None:
        """Put an instance at nodes whose ports are joined as `ports` says."""
        of: dict[int, str] = {0: "0"}
        for node, island in zip(nodes, ports, strict=True):
            if island is not None:
                self.join(node, of.setdefault(island, node))

    def holds(self, node: str) -> bool:
        """Whether a node has a capacitor, or is known."""
        return node in self._next

    def loose(self, nodes: Iterable[str], ports: Iterable[str]) -> list[str]:
        """Nodes whose islands reach neither ground nor one of the ports."""
        reached = {"0", *(self._root(port) for port in ports if port in self._next)}
        return [node for node in nodes if node in self._next and self._root(node) not in reached]

    def of(self, ports: Iterable[str]) -> Ports:
        """Islands of the ports of a circuit."""
        roots: dict[str, int] = {"0": 0}
        return tuple(roots.setdefault(self._root(port), len(roots)) if port in self._next else None for port in ports)

    def _root(self, node: str) -> str:
        path = []
        self._next.setdefault(node, node)
        while self._next[node] != node:
            path.append(node)
            node = self._next[node]
        for one in path:
            self._next[one] = node
        return node
