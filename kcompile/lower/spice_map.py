"""The map from netlist names to source names and lines: one entry per bank, with a rule for its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kcompile.diagnostics import Span
from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.names import Path
from kcompile.lower.spice_names import NetlistNames


def map_view(circuit: Circuit, names: NetlistNames, letters: Mapping[int, str], ports: list[str],
             parameters: Mapping[str, str | None], node_paths: Mapping[int, str],
             row_paths: Mapping[tuple[int, int], str]) -> dict[str, object]:
    """JSON-ready map. In a rule `{i}` is the row, `{0}`, `{1}` its subscripts; `places` lists folded statements.

    A bank with members inside subcircuits of repeated structure has a list of names instead of a rule, those members with
    their path.
    """
    nodes = []
    for bank, base in zip(circuit.nodes.banks, names.node_bases, strict=True):
        first = names.nodes[bank.first]
        rule = first if first == base else _rule(base, bank.path)
        members = range(bank.first, bank.first + bank.count)
        inside = node_paths and any(n in node_paths for n in members)
        listed = [node_paths.get(n, names.nodes[n]) for n in members] if inside else None
        entry: dict[str, object] = {"netlist": listed or rule, "count": bank.count}
        nodes.append({**entry, **_source(bank.path, bank.count), "place": _place(bank.span)})
    instances = []
    for k, table in enumerate(circuit.tables):
        row = letters[id(table)] + names.row(table)
        inside = row_paths and any((k, i) in row_paths for i in range(table.count))
        listed = [row_paths.get((k, i), row % i) for i in range(table.count)] if inside else None
        instances.append(_instances(table, listed or row.replace("%.0s", "").replace("%d", "{i}"), circuit))
    return {"format": 1, "circuit": circuit.name, "ports": ports, "nodes": nodes, "instances": instances,
            "parameters": {name: text for name, text in parameters.items() if text is not None}}


def _instances(table: InstanceTable, names: str | list[str], circuit: Circuit) -> dict[str, object]:
    entry: dict[str, object] = {"netlist": names, "count": table.count, "model": table.model.name}
    entry |= _source(table.path, table.count)
    if table.phase is not None:
        entry["phase"] = circuit.phases[table.phase].name
    entry["place"] = _place(table.span)
    if table.origin is not None and table.span is not None:
        lines = [table.span.source.position(int(start))[0] for start in table.origin]
        entry["lines"] = _compress(np.array(lines))
    return entry


def _rule(base: str, path: Path) -> str:
    width = sum(s.index.shape[1] if s.index is not None else len(s.extents) for s in path)
    return base + "".join(f"_{{{k}}}" for k in range(width))


def _source(path: Path, count: int) -> dict[str, object]:
    """Source rule, and the extents or columns its subscripts run over."""
    parts, columns, k = [], [], 0
    for segment in path:
        width = segment.index.shape[1] if segment.index is not None else len(segment.extents)
        subscripts = ",".join(f"{{{k + j}}}" for j in range(width))
        text = segment.text if isinstance(segment.text, str) else "{name}"
        parts.append(f"{text}[{subscripts}]" if width else text)
        if segment.index is not None:
            columns += [_compress(segment.index[:, j]) for j in range(width)]
        elif segment.extents:
            rows = np.unravel_index(np.arange(count) % int(np.prod(segment.extents)), segment.extents)
            regular = len(path) == 1 or all(s.index is None and not s.extents for s in path if s is not segment)
            columns += [{"extent": e} for e in segment.extents] if regular else [_compress(c) for c in rows]
        k += width
    found: dict[str, object] = {"source": ".".join(parts)}
    if columns:
        found["subscripts"] = columns
    texts = next((s.text for s in path if not isinstance(s.text, str)), None)
    if texts is not None:
        found["names"] = list(texts)
    return found


def _compress(column: np.ndarray) -> object:
    """A column as start, step and count where it is regular, as a list otherwise."""
    column = np.asarray(column, dtype=np.int64)
    steps = np.unique(np.diff(column))
    if len(column) > 2 and len(steps) == 1:
        return {"start": int(column[0]), "step": int(steps[0]), "count": len(column)}
    return column.tolist()


def _place(span: Span | None) -> str | None:
    return str(span) if span is not None else None
