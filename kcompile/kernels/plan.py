"""A circuit, a schedule and a method as the arrays that a kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kcompile.kernels.law_code import LawCode
from kcompile.kernels.runs import Runs, sort_into_runs, sort_one_by_one
from kcompile.sim.pack import Group, System
from kcompile.sim.schedule import Schedule, stage_values
from kcompile.sim.tableau import Tableau
from kcompile.sim.waveform import Sources

_SHARED = 1.5
"""Devices of a run, on average, from which on loops over them pay."""


@dataclass(frozen=True, eq=False)
class PackedGroup:
    """A group of the system as a kernel sees it; waves: float[steps, stages, n] of waveform parameters, by their number."""

    group: Group
    law: int
    runs: Runs
    waves: dict[int, np.ndarray]


class Plan:
    """Arrays of a run. Rows are the nodes by number, then the inner states.

    laws: those of the groups, by number; groups: by their index in `System.groups`, only those with flows; fields: values of
    the structure `Problem` of the templates but for its groups, arrays where it has pointers, None for null; drives:
    [steps, stages, driven] of the circuit's own waveforms; push: flow that driven nodes push through capacitors, [steps, stages,
    rows]. lower, upper: float64[unknowns], the ideal rail; record: steps after which states are returned, 0 for the start.
    """

    def __init__(self, system: System, schedule: Schedule, method: Tableau, *, lower: np.ndarray, upper: np.ndarray,
                 record: Sequence[int], double: bool) -> None:
        self.real = np.dtype(np.float64 if double else np.float32)
        self.system, self.schedule, self.method = system, schedule, method
        self.record = np.asarray(record, dtype=np.int32)
        times = schedule.stage_times(method)
        self.laws: list[LawCode] = []
        self.groups = {k: self._pack(group, times) for k, group in enumerate(system.groups) if LawCode(group.model).flows}
        nodes = system.circuit.nodes.count
        self.rows = nodes + system.size - len(system.free)
        self._unknown_rows = np.concatenate([system.free, np.arange(nodes, self.rows)])
        self.fields = self._fields(lower, upper)
        self.push = self._pushes(times)
        self.drives = np.ascontiguousarray(
            np.concatenate([stage_values(Sources(s.wave), times) for s in system.circuit.stimuli], axis=2),
            dtype=self.real) if system.circuit.stimuli else None

    @property
    def max_params(self) -> int:
        return max((len(law.model.params) for law in self.laws), default=0)

    def ends(self, group: Group) -> np.ndarray:
        """int[n, ends]: rows of the terminals and the inner states of each instance."""
        states = group.states + (self.system.circuit.nodes.count - len(self.system.free))
        return np.concatenate([group.ends, states], axis=1)

    def _pack(self, group: Group, times: np.ndarray) -> PackedGroup:
        ends = self.ends(group)
        law = LawCode(group.model)
        runs = sort_into_runs(ends, law.home, law.pairs)
        if runs.count < _SHARED * (len(runs.start) - 1):
            law = LawCode(group.model, single=True)
            runs = sort_one_by_one(ends, law.home)
        number = next((k for k, one in enumerate(self.laws) if one.model is law.model and one.single == law.single), None)
        if number is None:
            number = len(self.laws)
            self.laws.append(law)
        place = {p.name: k for k, p in enumerate(group.model.params)}
        waves: dict[int, np.ndarray] = {}
        for name, rows, sources in group.waves:
            column = waves.setdefault(place[name], np.zeros((*times.shape, group.count)))
            column[:, :, rows] = stage_values(sources, times)
        waves = {k: np.ascontiguousarray(column[:, :, runs.order], dtype=self.real) for k, column in waves.items()}
        return PackedGroup(group, number, runs, waves)

    def _fields(self, lower: np.ndarray, upper: np.ndarray) -> dict[str, int | np.ndarray | None]:
        system, method = self.system, self.method
        numbers = {id(packed.group): k for k, packed in enumerate(self.groups.values())}
        parts = [[numbers[id(g)] for g in part.groups if id(g) in numbers] for part in system.slices]
        starts, others, inverse = system.inverse_capacitance()
        top = np.finfo(self.real).max
        has_rail = bool(np.any(np.isfinite(lower)) or np.any(np.isfinite(upper)))
        limits = [np.full(self.rows, -top), np.full(self.rows, top)]
        for limit, given in zip(limits, (lower, upper), strict=True):
            limit[self._unknown_rows] = np.clip(given, -top, top)
        return {
            "rows": self.rows, "slices": len(parts), "stages": method.stages,
            "is_chained": int(not np.any(np.tril(method.a, -2))),
            "first_group": _whole(np.cumsum([0, *map(len, parts)])), "groups_of": _whole([n for part in parts for n in part]),
            "group_count": len(self.groups), "entries": 0 if others is None else len(others), "row_start": _whole(starts),
            "row_other": _whole([] if others is None else others), "inverse": inverse.astype(self.real),
            "lower": limits[0].astype(self.real) if has_rail else None,
            "upper": limits[1].astype(self.real) if has_rail else None,
            "a": np.ascontiguousarray(method.a), "b": np.array(method.weights),
            "steps": self.schedule.count, "driven": len(system.driven), "step_slice": _whole(self.schedule.slices),
            "step_length": np.ascontiguousarray(self.schedule.lengths), "driven_rows": _whole(system.driven),
            "unknowns": system.size, "records": len(self.record), "unknown_rows": _whole(self._unknown_rows),
            "record_steps": self.record}

    def _pushes(self, times: np.ndarray) -> np.ndarray | None:
        flows = self.system.pushes(times, self.schedule.starts + 0.5 * self.schedule.lengths)
        if flows is None:
            return None
        push = np.zeros((*times.shape, self.rows), dtype=self.real)
        push[:, :, self._unknown_rows[: flows.shape[2]]] = flows
        return push


def _whole(values: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.int32)
