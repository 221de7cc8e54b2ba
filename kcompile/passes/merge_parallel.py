"""The pass `merge-parallel`: one device for several that lie side by side, where the algebra is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, frozen
from kcompile.ir.device import DeviceModel
from kcompile.passes.base import Contract, Pass, PassLog, devices


@dataclass(frozen=True)
class MergeParallel(Pass):
    """Joins devices of one law on the same nodes into one, where their currents add to a current of the same law.

    That is so where the law is proportional to a parameter (a conductance, a capacitance, the gain of a ReLU device) or to
    its reciprocal (a resistance) and all other parameters are equal. The values add, or their reciprocals. A sum outside the
    limits of the parameter, a shared parameter and a law with states are left as they are. Parameters that could have been
    trained apart become one: run it on trained values.
    """

    name: ClassVar[str] = "merge-parallel"
    contract: ClassVar[Contract] = Contract.EXACT

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        from kcompile.passes.linearity import scale_parameters
        from kcompile.passes.models import take_masked

        tables = list(circuit.tables)
        keep = [np.ones(table.count, dtype=bool) for table in tables]
        outside = 0
        for model in circuit.models:
            for name, by_reciprocal in list(scale_parameters(model).items())[:1]:
                for group in _groups(tables, model, name):
                    outside += _merge(tables, keep, group, name, by_reciprocal)
        made = take_masked(replace(circuit, tables=tuple(tables)), keep)
        log.count("devices", devices(circuit), devices(made))
        if outside:
            log.fact("sums outside the limits, left apart", outside)
        return made


PASS = MergeParallel


def _groups(tables: Sequence[InstanceTable], model: DeviceModel, name: str) -> list[list[int]]:
    """Banks of a model whose devices may be joined: of one phase, with a parameter of their own that is or is not fixed."""
    groups: dict[tuple[int | None, bool], list[int]] = {}
    for k, table in enumerate(tables):
        if table.model is model and name not in table.ties and not table.waves:
            groups.setdefault((table.phase, name in table.fixed), []).append(k)
    return list(groups.values())


def _merge(tables: list[InstanceTable], keep: list[np.ndarray], group: list[int], name: str, by_reciprocal: bool) -> int:
    """Put the sums into the first row of each set of parallel rows, mark the others; number of sums outside the limits."""
    parts = [tables[k] for k in group]
    others = [param for param in parts[0].model.params if param.name != name]
    columns = [np.concatenate([t.nodes[:, k] for t in parts]) for k in range(parts[0].nodes.shape[1])]
    columns += [np.concatenate([t.params[param.name] for t in parts]) for param in others]
    columns += [np.concatenate([_tied(t, param.name, tables) for t in parts]) for param in others]
    values = np.concatenate([t.params[name] for t in parts])
    if not len(values) or not columns:
        return 0
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), dtype=bool)
    new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    sizes = np.bincount(place)
    with np.errstate(all="ignore"):
        sums = np.bincount(place, 1 / values if by_reciprocal else values)
        sums = 1 / sums if by_reciprocal else sums
    [param] = [param for param in parts[0].model.params if param.name == name]
    right = param.interval.holds(sums) & np.isfinite(sums) & (not param.integral or sums == np.round(sums))
    merged = (right & (sizes > 1))[place]
    first = np.zeros(len(order), dtype=bool)
    first[order[new]] = True  # lexsort is stable: the first of equal rows is the first of the circuit
    values = np.where(merged & first, sums[place], values)
    at = 0
    for k, table in zip(group, parts, strict=True):
        rows = slice(at, at + table.count)
        keep[k] &= ~merged[rows] | first[rows]
        if np.any(merged[rows]):
            tables[k] = replace(table, params={**table.params, name: frozen(values[rows].copy())})
        at += table.count
    return int(np.sum(~right & (sizes > 1)))


def _tied(table: InstanceTable, name: str, tables: Sequence[InstanceTable]) -> np.ndarray:
    """float64[n]: where a parameter is tied, and whether it may be trained, as a number that differs where that differs."""
    from kcompile.passes.models import is_trained

    tie = table.ties.get(name)
    if tie is None:
        return np.full(table.count, -2.0 - is_trained(table, name))
    known = sorted({one.shared for other in tables for one in other.ties.values()})
    return known.index(tie.shared) * 2.0**32 + tie.index
