"""Currents to rates: the capacitances of a circuit as tensors, so that they may be trained like any other parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import torch
from torch import Tensor

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.sim.kernel import make_kernel
from kcompile.sim.pack import Group, System
from kcompile.train.linear import Linear, product, select
from kcompile.train.torch_laws import evaluate, prepare

MAX_ISLAND = 2_000
"""Nodes that capacitors join: the matrix of an island is inverted as a dense one."""


@dataclass(frozen=True, eq=False)
class Rates:
    """Scales currents [size, batch] to rates per second, or per step where it was multiplied by one.

    scale: [size, 1]; blocks: [islands, m, m] for each size m of an island, each with the unknowns it takes.
    """

    scale: Tensor
    blocks: tuple[Tensor, ...]
    places: tuple[Linear, ...]
    back: Linear | None

    def times(self, seconds: Tensor) -> Rates:
        return Rates(self.scale * seconds, tuple(block * seconds for block in self.blocks), self.places, self.back)

    def __call__(self, flow: Tensor) -> Tensor:
        scaled = flow * self.scale
        if self.back is None:
            return scaled
        parts = [scaled]
        for block, place in zip(self.blocks, self.places, strict=True):
            parts.append(torch.bmm(block, place(flow).view(*block.shape[:2], flow.shape[1])).flatten(0, 1))
        return self.back(torch.cat(parts))


class Capacitance:
    """Where the capacitors of a system are; makes `Rates` from values of parameters."""

    def __init__(self, system: System, like: Tensor) -> None:
        self._groups = tuple((k, group) for k, group in enumerate(system.groups) if group.model.law.capacitances)
        self._kernels = tuple(make_kernel([branch.value for branch in group.model.law.capacitances],
                                          [param.name for param in group.model.params]) for _, group in self._groups)
        self._like, self._size, self._free = like, system.size, len(system.free)
        ends = [_unknown_ends(system, group) for _, group in self._groups]
        start, stop = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0), dtype=np.int64)
        self.count = len(start)
        live = start != stop
        self._diagonal = product(_matrix(self._size, self.count, (start, live & (start >= 0)), (stop, live & (stop >= 0))), like)
        joined = live & (start >= 0) & (stop >= 0) & self._present()
        self._islands(start, stop, joined)
        self._inflow(system, start, stop)

    def _present(self) -> np.ndarray:
        """bool[capacitors]: those that are not zero, or may become another value by training."""
        parts = []
        for (_, group), kernel in zip(self._groups, self._kernels, strict=True):
            columns = {name: np.concatenate([table.params[name] for table in group.tables]) for name in group.tables[0].params}
            trained = {param.name for param in group.model.params if param.trainable}
            for branch, value in zip(group.model.law.capacitances, kernel.prepare(columns)({}), strict=True):
                moves = bool(trained & {symbol.name for symbol in branch.value.free_symbols})
                parts.append(np.broadcast_to(moves | (value != 0.0), (group.count,)))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def _islands(self, start: np.ndarray, stop: np.ndarray, joined: np.ndarray) -> None:
        self._blocks: list[tuple[Linear, Linear, tuple[int, int, int]]] = []
        self._back: Linear | None = None
        edges = np.flatnonzero(joined)
        graph = scipy.sparse.coo_array((np.ones(len(edges)), (start[edges], stop[edges])), shape=(self._size, self._size))
        _, island = scipy.sparse.csgraph.connected_components(graph, directed=False)
        sizes = np.bincount(island, minlength=1)[island]
        if sizes.max(initial=0) > MAX_ISLAND:
            raise UsageError(Diagnostic("KC0552", f"capacitors join {sizes.max():,} nodes into one island, of which training "
                                        f"takes at most {MAX_ISLAND:,}"))
        back, at = np.arange(self._size), self._size
        rank = np.zeros(self._size, dtype=np.int64)
        for m in np.unique(sizes[sizes > 1]):
            members = np.flatnonzero(sizes == m)
            members = members[np.argsort(island[members], kind="stable")]
            back[members] = at + np.arange(len(members))
            rank[members] = np.arange(len(members))
            at += len(members)
            inside = np.flatnonzero(joined & (sizes[start] == m))
            a, b = rank[start[inside]], rank[stop[inside]]
            rows = np.concatenate([a * m + b % m, b * m + a % m])
            entries = (-np.ones(len(rows)), (rows, np.tile(inside, 2)))
            apart = scipy.sparse.csr_array(entries, shape=(len(members) * int(m), self.count))
            diagonal = scipy.sparse.csr_array((np.ones(len(members)), (np.arange(len(members)) * m + np.arange(len(members)) % m,
                                                                       members)), shape=(len(members) * int(m), self._size))
            matrix = product(scipy.sparse.csr_array(scipy.sparse.hstack([apart, diagonal])), self._like)
            self._blocks.append((select(members, self._size, self._like), matrix, (len(members) // int(m), int(m), int(m))))
        if self._blocks:
            self._back = select(back, at, self._like)
            self._in_island = torch.as_tensor(sizes > 1, device=self._like.device)[:, None]

    def _inflow(self, system: System, start: np.ndarray, stop: np.ndarray) -> None:
        """Capacitors between an unknown and a driven node: which, and the place of the driven node."""
        pairs = [(here, -2 - there, np.flatnonzero((here >= 0) & (there <= -2)))
                 for here, there in ((start, stop), (stop, start))]
        which = np.concatenate([live for _, _, live in pairs])
        free = np.concatenate([here[live] for here, _, live in pairs])
        self.driven = np.concatenate([place[live] for _, place, live in pairs])
        self.coupled = bool(self._present()[which].any()) if len(which) else False
        self._picked = select(which, self.count, self._like)
        self._into = product(scipy.sparse.csr_array((np.ones(len(which)), (free, np.arange(len(which)))),
                                                    shape=(self._size, len(which))), self._like)

    def values(self, columns: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Farads [capacitors, 1]; `columns` has one mapping per group of the system, to [count, 1]."""
        parts = []
        for (k, group), kernel in zip(self._groups, self._kernels, strict=True):
            for value in evaluate(kernel, prepare(kernel, columns[k], self._like), {}):
                parts.append(value.expand(group.count, 1))
        return torch.cat(parts) if parts else self._like.new_zeros(0, 1)

    def rates(self, values: Tensor) -> Rates:
        """Rates from currents, for capacitances [capacitors, 1]."""
        diagonal = self._diagonal(values)
        if self._back is None:
            scale = torch.cat([torch.reciprocal(diagonal[: self._free]), diagonal.new_ones(self._size - self._free, 1)])
            return Rates(scale, (), (), None)
        blocks = tuple(torch.linalg.inv(matrix(torch.cat([values, diagonal])).view(shape)) for _, matrix, shape in self._blocks)
        node = torch.where(self._in_island[: self._free], 1.0, diagonal[: self._free])
        scale = torch.cat([torch.reciprocal(node), diagonal.new_ones(self._size - self._free, 1)])
        return Rates(scale, blocks, tuple(place for place, _, _ in self._blocks), self._back)

    def inflow(self, values: Tensor, slopes: Tensor) -> Tensor:
        """Currents [size, instants] through capacitors to driven nodes, whose slopes are [driven, instants] in V/s."""
        places = torch.as_tensor(self.driven, device=slopes.device)
        return self._into(self._picked(values) * slopes.index_select(0, places))


def _unknown_ends(system: System, group: Group) -> np.ndarray:
    """int64[2, branches * count]: unknowns at both ends of each capacitor, -1 for ground, -2 - k for driven node k."""
    place = np.full(system.circuit.nodes.count, -1, dtype=np.int64)
    place[system.free] = np.arange(len(system.free))
    place[system.driven] = -2 - np.arange(len(system.driven))
    column = {name: place[group.ends[:, k]] for k, name in enumerate(group.model.terminals)} | {"gnd": np.full(group.count, -1)}
    branches = group.model.law.capacitances
    return np.array([np.concatenate([column[branch.start] for branch in branches]),
                     np.concatenate([column[branch.stop] for branch in branches])])


def _matrix(rows: int, columns: int, *ones: tuple[np.ndarray, np.ndarray]) -> scipy.sparse.csr_array:
    """Matrix with a one at (row, column) for each column that is live, for each pair of rows and live columns."""
    row = np.concatenate([row[live] for row, live in ones])
    column = np.concatenate([np.flatnonzero(live) for _, live in ones])
    return scipy.sparse.csr_array((np.ones(len(row)), (row, column)), shape=(rows, columns))
