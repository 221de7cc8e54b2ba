"""The circuit as a picture shows it: vertices and lines, one for each instance where these are few, for each bank otherwise.

What stands between a node and ground alone is a line of text at the node: nearly every node has a capacitor there, and a ground
drawn once would be joined to everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, Phase
from kcompile.ir.device import DeviceModel
from kcompile.ir.names import Path

MAX_INSTANCES = 200
"""Instances that are drawn one by one; a larger circuit is drawn bank by bank."""

MAX_GROUPS = 40
"""Groups of nodes, and of devices, in a picture; the largest are drawn, the others counted."""

MAX_LABELS = 40
"""Lines up to which each has a label; of more the picture says once what they are."""

MAX_WORDS = 3
"""Devices named at a node or line; the others are counted."""


@dataclass(frozen=True)
class Vertex:
    """`kind`: node, input, output, driven or device; `lines` are its texts, the name first; `phase` that of a device."""

    kind: str
    lines: tuple[str, ...]
    phase: int | None = None


@dataclass(frozen=True)
class Line:
    """Joins two vertices by number; `directed`: the first end is only read. `phase` is None for always."""

    start: int
    stop: int
    label: str
    phase: int | None
    directed: bool


@dataclass(frozen=True)
class Graph:
    """`title` says what is drawn; `notes` what is not."""

    title: str
    vertices: tuple[Vertex, ...]
    lines: tuple[Line, ...]
    phases: tuple[str, ...]
    notes: tuple[str, ...] = ()


def graph_of(circuit: Circuit) -> Graph:
    """Graph of a circuit."""
    total = sum(table.count for table in circuit.tables)
    return _Banks(circuit).graph() if total > MAX_INSTANCES else _Instances(circuit).graph()


def _title(circuit: Circuit) -> str:
    nodes, devices = circuit.nodes.count - 1, sum(table.count for table in circuit.tables)
    return f"{circuit.name}: {nodes:,} node{'s' * (nodes != 1)}, {devices:,} device{'s' * (devices != 1)}"


def _readers(model: DeviceModel) -> set[str]:
    """Terminals through which no current flows."""
    law = model.law
    ends = {end for branch in (*law.currents, *law.capacitances) for end in (branch.start, branch.stop)}
    return set(model.terminals) - ends


def _reading(lines: list[Line]) -> tuple[str, ...]:
    return ("a dashed line starts where a voltage is read and no current flows",) if any(line.directed for line in lines) else ()


def _words(words: list[str]) -> str:
    """Distinct words, the first few of them."""
    counted = {word: words.count(word) for word in dict.fromkeys(words)}
    shown = [f"{word} x {n}" if n > 1 else word for word, n in counted.items()]
    more = f" +{len(shown) - MAX_WORDS}" if len(shown) > MAX_WORDS else ""
    return ", ".join(shown[:MAX_WORDS]) + more


def _label(table: InstanceTable, row: int, phases: tuple[Phase, ...]) -> str:
    """Label of an instance without its phase, which has a colour, or the name of its device where it has none."""
    if _is_unnamed(table):
        return table.model.name
    return table.name(row).removeprefix(f"{phases[table.phase].name}." if table.phase is not None else "")


def _is_unnamed(table: InstanceTable) -> bool:
    """Whether instances have no label; clamps of rails are called after their nodes."""
    return table.bank.split(".")[-1].split("[")[0] == table.model.name or table.bank.startswith("rail.")


class _Instances:
    """Every node and every instance."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._at_ground: dict[int, list[str]] = {}
        self._between: dict[tuple[int, int, int | None, bool], list[str]] = {}
        self._devices: list[tuple[Vertex, list[tuple[int, str, bool]]]] = []
        self._joining: set[str] = set()
        """Devices that are lines."""

    def graph(self) -> Graph:
        circuit = self._circuit
        for table in circuit.tables:
            readers = _readers(table.model)
            for row in range(table.count):
                self._add(table, row, [int(node) for node in table.nodes[row]], readers)
        roles = dict.fromkeys(range(1, circuit.nodes.count), "node")
        for kind, nodes in (("input", circuit.inputs), ("output", circuit.outputs), ("driven", circuit.driven)):
            roles |= dict.fromkeys(nodes.tolist(), kind)
        vertices = [Vertex(roles[node], tuple(self._lines_of(node))) for node in range(1, circuit.nodes.count)]
        lines = [Line(a - 1, b - 1, _words(names), phase, directed)
                 for (a, b, phase, directed), names in self._between.items()]
        for vertex, ends in self._devices:
            vertices.append(vertex)
            lines += [Line(node - 1, len(vertices) - 1, terminal, vertex.phase, reads) for node, terminal, reads in ends]
        notes = _reading(lines)
        if len(lines) > MAX_LABELS:
            models = [table.model.name for table in circuit.tables for _ in range(table.count)]
            notes = (f"lines: {_words([name for name in models if name in self._joining])}", *notes)
            lines = [replace(line, label="") for line in lines]
        return Graph(_title(circuit), tuple(vertices), tuple(lines), tuple(phase.name for phase in circuit.phases), notes)

    def _lines_of(self, node: int) -> Iterator[str]:
        yield self._circuit.nodes.name(node)
        if node in self._at_ground:
            yield _words(self._at_ground[node])

    def _add(self, table: InstanceTable, row: int, ends: list[int], readers: set[str]) -> None:
        name = _label(table, row, self._circuit.phases)
        touched = list(dict.fromkeys(node for node in ends if node))
        if len(touched) == 1:
            self._at_ground.setdefault(touched[0], []).append(name)
        elif len(touched) == 2:
            self._joining.add(table.model.name)
            at = [{t for t, end in zip(table.model.terminals, ends, strict=True) if end == node} for node in touched]
            a, b = touched[::-1] if at[1] <= readers else touched
            directed = at[0] <= readers or at[1] <= readers
            key = (a, b, table.phase, directed) if directed or a < b else (b, a, table.phase, directed)
            self._between.setdefault(key, []).append(name)
        elif touched:
            vertex = Vertex("device", (name,), table.phase)
            terminals = zip(table.model.terminals, ends, strict=True)
            self._devices.append((vertex, [(end, t, t in readers) for t, end in terminals if end]))


class _Banks:
    """A vertex for each group of nodes and each group of devices; groups are banks, alike but for the numerals in their names."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._names: list[str] = []
        self._counts: list[int] = []
        self._group = np.full(circuit.nodes.count, -1)
        """Group of each node, -1 of ground."""

    def graph(self) -> Graph:
        self._group_nodes()
        at_ground: dict[int, list[str]] = {}
        groups: dict[tuple[object, ...], list[InstanceTable]] = {}
        for table in self._circuit.tables:
            ends = self._ends(table)
            if (np.count_nonzero(table.nodes, axis=1) <= 1).all():
                for group in sorted(frozenset().union(*ends)):
                    at_ground.setdefault(group, []).append(table.model.name)
            else:
                named = ends if _is_unnamed(table) else _skeleton(table.bank)
                groups.setdefault((named, table.model.name, table.phase), []).append(table)
        vertices = [Vertex(self._role(k), (name, f"{count:,} node{'s' * (count != 1)}", *(
            [_words(list(dict.fromkeys(at_ground[k])))] if k in at_ground else [])))
            for k, (name, count) in enumerate(zip(self._names, self._counts, strict=True))]
        lines: list[Line] = []
        for tables in sorted(groups.values(), key=lambda tables: -sum(table.count for table in tables))[:MAX_GROUPS]:
            self._add(tables, vertices, lines)
        left = len(groups) - MAX_GROUPS
        notes = (f"{left:,} smaller groups of devices are not drawn",) if left > 0 else ()
        return Graph(_title(self._circuit), tuple(vertices), tuple(lines), tuple(phase.name for phase in self._circuit.phases),
                     notes + _reading(lines))

    def _ends(self, table: InstanceTable) -> tuple[frozenset[int], ...]:
        """Groups of nodes at each terminal of a bank."""
        return tuple(frozenset(int(g) for g in np.unique(self._group[column]) if g >= 0) for column in table.nodes.T)

    def _group_nodes(self) -> None:
        sizes: dict[str, int] = {}
        banks = self._circuit.nodes.banks
        names = [_skeleton(_bank_label(bank.path)) for bank in banks]
        for bank, name in zip(banks, names, strict=True):
            sizes[name] = sizes.get(name, 0) + bank.count
        largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_GROUPS]
        shown = {name: k for k, name in enumerate(name for name in sizes if name in set(largest))}
        self._names, self._counts = list(shown), [sizes[name] for name in shown]
        if len(shown) < len(sizes):
            self._names.append("others")
            self._counts.append(sum(sizes.values()) - sum(self._counts))
        groups = np.array([shown.get(name, len(shown)) for name in names], dtype=np.int64)
        self._group[1:] = np.repeat(groups, [bank.count for bank in banks])

    def _role(self, group: int) -> str:
        members = np.flatnonzero(self._group == group)
        for kind, nodes in (("driven", self._circuit.driven), ("output", self._circuit.outputs), ("input", self._circuit.inputs)):
            if np.isin(nodes, members).any():
                return kind
        return "node"

    def _add(self, tables: list[InstanceTable], vertices: list[Vertex], lines: list[Line]) -> None:
        first, model = tables[0], tables[0].model
        name = model.name if _is_unnamed(first) else f"{_skeleton(first.bank)}: {model.name}"
        vertices.append(Vertex("device", (name, f"x {sum(table.count for table in tables):,}"), first.phase))
        ends = [frozenset().union(*groups) for groups in zip(*map(self._ends, tables), strict=True)]
        readers = _readers(model)
        for group in sorted(frozenset().union(*ends)):
            here = [terminal for terminal, groups in zip(model.terminals, ends, strict=True) if group in groups]
            lines.append(Line(group, len(vertices) - 1, ", ".join(here), first.phase, readers.issuperset(here)))


def _skeleton(name: str) -> str:
    """Name with its numerals folded, unless they are extents."""
    return re.sub(r"(?<![\[,0-9])[0-9]+(?![\],0-9])", "*", name)


def _bank_label(path: Path) -> str:
    """Name of a bank of nodes, with its extents."""
    parts = []
    for segment in path:
        text = segment.text if isinstance(segment.text, str) else segment.text[0]
        parts.append(f"{text}[{','.join(map(str, segment.extents))}]" if segment.extents else text)
    return ".".join(parts)
