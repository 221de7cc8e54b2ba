"""Circuit to the arrays of C dv/dt = i(v, z, t), dz/dt = h(v, z, t), with the Jacobian in sparse form.

Unknowns are ordered: free nodes in declaration order, then inner states bank by bank. `I(a, b) <+ f` takes f out of node
a and puts it into node b. A capacitor to a driven node contributes C dv_drive/dt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import sympy

from kcompile.ir.circuit import Circuit, InstanceTable
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression, potential, symbol
from kcompile.ir.structure import capacitance_matrix
from kcompile.sim.kernel import Kernel, Prepared, make_kernel
from kcompile.sim.kinks import kinks
from kcompile.sim.waveform import Sources


@dataclass(frozen=True, eq=False)
class LawKernels:
    """Kernels of one law: currents then rates, their partial derivatives that are not zero, and what changes sign at kinks."""

    values: Kernel
    partials: Kernel
    places: tuple[tuple[int, str], ...]
    """(output, input name) of each partial derivative."""
    derivatives: tuple[Expression, ...]
    initials: Kernel
    kinks: Kernel


def law_kernels(model: DeviceModel) -> LawKernels:
    """Kernels of a device model."""
    law = model.law
    outputs = [branch.value for branch in law.currents] + list(law.rates)
    inputs = [potential(t) for t in model.terminals] + [symbol(s.name) for s in model.states]
    slow = [param.name for param in model.params if param.waveform is None]
    partials, places = [], []
    for k, output in enumerate(outputs):
        for one in inputs:
            derivative = sympy.diff(output, one)
            if derivative != 0:
                partials.append(derivative)
                places.append((k, one.name))
    return LawKernels(make_kernel(outputs, slow), make_kernel(partials, slow), tuple(places),
                      tuple(partials), make_kernel(law.initials, slow),
                      make_kernel(kinks(outputs, slow), slow))


@dataclass(frozen=True, eq=False)
class Group:
    """All instances of one model in one phase, table by table: ends int32[n, terminals], states int[n, states] in the
    unknowns.
    """

    model: DeviceModel
    phase: int | None
    tables: tuple[InstanceTable, ...]
    kernels: LawKernels
    ends: np.ndarray
    states: np.ndarray
    values: Prepared
    partials: Prepared
    kinks: Prepared
    initials: np.ndarray
    waves: tuple[tuple[str, np.ndarray, Sources], ...]
    """(parameter, rows, sources): tables of a group may use different kinds of waveform."""

    @property
    def count(self) -> int:
        return len(self.ends)


@dataclass(frozen=True, eq=False)
class Slice:
    """What is connected during one time slice: groups, and the incidence of their outputs on the unknowns."""

    groups: tuple[Group, ...]
    incidence: scipy.sparse.csr_array
    jacobian_keys: np.ndarray
    jacobian_order: np.ndarray
    jacobian_signs: np.ndarray
    jacobian_sources: np.ndarray


class System:
    """The equations of a circuit.

    `slices` has one entry per phase, or one when there are no phases; `groups` are those of all slices, each once.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.free = circuit.free
        self.driven = circuit.driven
        self._unknown = np.full(circuit.nodes.count, -1, dtype=np.int64)
        self._unknown[self.free] = np.arange(len(self.free))
        self._stimuli = [(stimulus.nodes, Sources(stimulus.wave)) for stimulus in circuit.stimuli]
        self.groups, self.state_names = self._groups()
        self.size = len(self.free) + len(self.state_names)
        self._capacitance(circuit)
        count = max(len(circuit.phases), 1)
        self.slices = tuple(self._slice([g for g in self.groups if g.phase in (None, k)]) for k in range(count))
        self.initial = np.concatenate([circuit.nodes.initial[self.free], *self._initial_states(self.groups)])

    # ---- construction -------------------------------------------------------------------------------------------------

    def _groups(self) -> tuple[tuple[Group, ...], list[str]]:
        merged: dict[tuple[int, int | None], list[InstanceTable]] = {}
        for table in self.circuit.tables:
            merged.setdefault((id(table.model), table.phase), []).append(table)
        place = len(self.free)
        state_at: dict[int, int] = {}
        names: list[str] = []
        for table in self.circuit.tables:  # declaration order of states, independent of grouping
            state_at[id(table)] = place
            states = table.model.states
            names += [f"{table.name(row)}.{s.name}" for row in range(table.count) for s in states] if states else []
            place += table.count * len(states)
        kernels: dict[int, LawKernels] = {}
        groups = []
        for (_, phase), tables in merged.items():
            model = tables[0].model
            if id(model) not in kernels:
                kernels[id(model)] = law_kernels(model)
            groups.append(self._group(model, phase, kernels[id(model)], tables, state_at))
        return tuple(groups), names

    def _group(self, model: DeviceModel, phase: int | None, kernels: LawKernels, tables: list[InstanceTable],
               state_at: dict[int, int]) -> Group:
        width = len(model.states)
        ends = np.concatenate([table.nodes for table in tables])
        states = np.concatenate([state_at[id(t)] + np.arange(t.count * width).reshape(t.count, width) for t in tables])
        columns = {p.name: np.concatenate([t.params[p.name] for t in tables]) for p in model.params if p.waveform is None}
        starts = np.cumsum([0, *(t.count for t in tables)])
        waves = tuple((p.name, np.arange(starts[k], starts[k + 1]), Sources(t.waves[p.name]))
                      for p in model.waveforms for k, t in enumerate(tables))
        first = kernels.initials.prepare(columns)({})
        initials = np.stack([np.broadcast_to(v, (len(ends),)) for v in first], axis=1) if width else np.zeros((len(ends), 0))
        return Group(model, phase, tuple(tables), kernels, ends, states, kernels.values.prepare(columns),
                     kernels.partials.prepare(columns), kernels.kinks.prepare(columns), initials, waves)

    def _initial_states(self, groups: Iterable[Group]) -> list[np.ndarray]:
        values = np.zeros(len(self.state_names))
        for group in groups:
            values[group.states - len(self.free)] = group.initials
        return [values]

    def _capacitance(self, circuit: Circuit) -> None:
        full = capacitance_matrix(circuit)
        inner = scipy.sparse.csc_array(full[self.free][:, self.free])
        self._coupling = scipy.sparse.csr_array(full[self.free][:, self.driven]) if len(self.driven) else None
        diagonal = inner.diagonal()
        self._diagonal = diagonal if (inner.nnz == np.count_nonzero(diagonal)) else None
        self._factor = scipy.sparse.linalg.splu(inner) if self._diagonal is None else None
        # The Jacobian needs C^-1 times a sparse matrix; for floating capacitors the inverse couples their whole island.
        self._inverse = None if self._factor is None else scipy.sparse.csc_array(scipy.sparse.linalg.inv(inner))

    def _slice(self, groups: list[Group]) -> Slice:
        rows, columns, signs = [], [], []
        entries: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        at = offset = 0
        for group in groups:
            n = group.count
            for output, (minus, plus) in enumerate(self._outputs(group)):
                for places, sign in ((minus, -1.0), (plus, 1.0)):
                    live = np.flatnonzero(places >= 0)
                    rows.append(places[live])
                    columns.append(at + output * n + live)
                    signs.append(np.full(len(live), sign))
            at += n * (len(group.model.law.currents) + len(group.model.law.rates))
            for partial, (output, name) in enumerate(group.kernels.places):
                inputs = self._inputs(group, name)
                for places, sign in zip(tuple(self._outputs(group))[output], (-1.0, 1.0), strict=True):
                    live = np.flatnonzero((places >= 0) & (inputs >= 0))
                    entries.append((places[live], inputs[live], np.full(len(live), sign), offset + partial * n + live))
            offset += n * len(group.kernels.places)
        shape = (self.size, at)
        incidence = scipy.sparse.coo_array((_cat(signs, float), (_cat(rows, int), _cat(columns, int))), shape=shape)
        row, column, sign, source = (_cat([e[k] for e in entries], float if k == 2 else int) for k in range(4))
        keys, order = np.unique(column * self.size + row, return_inverse=True)
        return Slice(tuple(groups), scipy.sparse.csr_array(incidence), keys, order, sign, source)

    def _outputs(self, group: Group) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(unknowns an output is taken from, unknowns it is added to), -1 where there is none."""
        column = {name: group.ends[:, k] for k, name in enumerate(group.model.terminals)}
        column["gnd"] = np.zeros(group.count, dtype=np.int64)
        nowhere = np.full(group.count, -1)
        for branch in group.model.law.currents:
            yield self._unknown[column[branch.start]], self._unknown[column[branch.stop]]
        for k in range(len(group.model.states)):
            yield nowhere, group.states[:, k]

    def _inputs(self, group: Group, name: str) -> np.ndarray:
        for k, terminal in enumerate(group.model.terminals):
            if name == f"V({terminal})":
                return self._unknown[group.ends[:, k]]
        return group.states[:, [s.name for s in group.model.states].index(name)]

    def unknown_name(self, unknown: int) -> str:
        """Name of a free node or an inner state."""
        free = len(self.free)
        return self.circuit.nodes.name(int(self.free[unknown])) if unknown < free else self.state_names[unknown - free]

    def inverse_capacitance(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """(int[rows + 1], int[entries] or None, float64): inverse capacitances by row of nodes and states, 1 for a state.

        Rows are the nodes by number, then the states; those of ground and driven nodes are zero. A diagonal one is one value
        for each row; a sparse one has the starts of rows and the columns of its entries, which are rows too.
        """
        nodes = self.circuit.nodes.count
        size = nodes + len(self.state_names)
        values = np.zeros(size)
        values[nodes:] = 1.0
        if self._diagonal is not None:
            values[self.free] = np.reciprocal(self._diagonal)
            return np.arange(size + 1), None, values
        assert self._inverse is not None
        inner = self._inverse.tocoo()
        states = np.arange(nodes, size)
        entries = scipy.sparse.csr_array((np.concatenate([inner.data, values[states]]), (
            np.concatenate([self.free[inner.row], states]), np.concatenate([self.free[inner.col], states]))), shape=(size, size))
        return entries.indptr, entries.indices, entries.data

    def pushes(self, times: np.ndarray, ahead: np.ndarray) -> np.ndarray | None:
        """float64[steps, stages, free]: current that capacitors to driven nodes push into free ones, None where there are none.

        times: float64[steps, stages]; ahead: float64[steps], an instant inside the smooth piece of each step.
        """
        if self._coupling is None or not self._coupling.nnz:
            return None
        rates = np.stack([np.stack([np.concatenate([s.rate(float(t), float(inside)) for _, s in self._stimuli]) for t in row])
                          for row, inside in zip(times, ahead, strict=True)])
        return -(rates.reshape(-1, rates.shape[2]) @ self._coupling.T.toarray()).reshape(*rates.shape[:2], -1)

    # ---- evaluation ---------------------------------------------------------------------------------------------------

    def voltages(self, time: float, y: np.ndarray) -> np.ndarray:
        """float64[nodes]: all node voltages, ground and driven ones included."""
        v = np.zeros(self.circuit.nodes.count)
        v[self.free] = y[: len(self.free)]
        for ids, sources in self._stimuli:
            v[ids] = sources.value(time)
        return v

    def drives(self, times: np.ndarray) -> np.ndarray:
        """float64[times, driven]: voltages of the driven nodes."""
        parts = [np.array([sources.value(float(time)) for time in times]) for _, sources in self._stimuli]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(times), 0))

    def _fast(self, group: Group, v: np.ndarray, y: np.ndarray, time: float) -> dict[str, np.ndarray]:
        columns = {f"V({name})": v[group.ends[:, k]] for k, name in enumerate(group.model.terminals)}
        for k, state in enumerate(group.model.states):
            columns[state.name] = y[group.states[:, k]]
        for name, rows, sources in group.waves:
            columns.setdefault(name, np.zeros(group.count))[rows] = sources.value(time)
        return columns

    def _per_second(self, flow: np.ndarray) -> np.ndarray:
        nodes = flow[: len(self.free)]
        rate = nodes / self._diagonal if self._factor is None else self._factor.solve(nodes)
        return np.concatenate([rate, flow[len(self.free) :]])

    def rhs(self, k: int, time: float, y: np.ndarray, ahead: float) -> np.ndarray:
        """dy/dt in slice k; `ahead` is a time inside the same smooth piece of the waveforms."""
        return self._per_second(self.flow(k, time, y, ahead))

    def flow(self, k: int, time: float, y: np.ndarray, ahead: float) -> np.ndarray:
        """float64[unknowns]: current into each free node, in amperes, then the rate of each state; arguments as of `rhs`."""
        part = self.slices[k]
        v = self.voltages(time, y)
        outputs = []
        for group in part.groups:
            values = group.values(self._fast(group, v, y, time))
            outputs += [np.broadcast_to(value, (group.count,)) for value in values]
        flow = part.incidence @ np.concatenate(outputs) if outputs else np.zeros(self.size)
        if self._coupling is not None and self._coupling.nnz:
            rates = np.concatenate([sources.rate(time, ahead) for _, sources in self._stimuli])
            flow[: len(self.free)] -= self._coupling @ rates
        return flow

    def jacobian(self, k: int, time: float, y: np.ndarray) -> scipy.sparse.csc_array:
        """d(dy/dt)/dy in slice k, sparse [size, size]."""
        part = self.slices[k]
        v = self.voltages(time, y)
        partials = []
        for group in part.groups:
            if group.kernels.places:
                values = group.partials(self._fast(group, v, y, time))
                partials += [np.broadcast_to(value, (group.count,)) for value in values]
        data = np.concatenate(partials)[part.jacobian_sources] * part.jacobian_signs if partials else np.zeros(0)
        summed = np.bincount(part.jacobian_order, data, minlength=len(part.jacobian_keys))
        row, column = part.jacobian_keys % self.size, part.jacobian_keys // self.size
        if self._diagonal is not None:
            scale = np.concatenate([np.reciprocal(self._diagonal), np.ones(len(self.state_names))])
            return scipy.sparse.csc_array((summed * scale[row], (row, column)), shape=(self.size, self.size))
        flow = scipy.sparse.csc_array((summed, (row, column)), shape=(self.size, self.size))
        states = scipy.sparse.eye_array(len(self.state_names))
        return scipy.sparse.csc_array(scipy.sparse.block_diag([self._inverse, states]) @ flow)

    def kinks(self, k: int, time: float, y: np.ndarray) -> np.ndarray:
        """float64[kinks]: for each kink of each device connected in slice k, a value whose sign says on which side it is."""
        v = self.voltages(time, y)
        values = [np.broadcast_to(value, (group.count,)) for group in self.slices[k].groups if group.kernels.kinks.outputs
                  for value in group.kinks(self._fast(group, v, y, time))]
        return np.concatenate(values) if values else np.zeros(0)

    def next_extreme(self, k: int, time: float) -> float:
        """First instant after a time at which a sine turns round that slice k sees, in seconds; inf where there is none."""
        sources = [s for _, s in self._stimuli] + [s for group in self.slices[k].groups for _, _, s in group.waves]
        return min((one.next_extreme(time) for one in sources), default=np.inf)

    def corners(self, stop: float) -> np.ndarray:
        """Instants in (0, stop) where a waveform has a corner."""
        sources = [s for _, s in self._stimuli] + [s for g in self.slices for h in g.groups for _, _, s in h.waves]
        found = [one.corners(stop) for one in sources]
        return np.unique(np.concatenate(found)) if found else np.zeros(0)


def _cat(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)
