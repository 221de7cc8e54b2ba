"""The groups of a circuit as structures of a kernel, with the parameter columns that were given last."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np

from kcompile.kernels.plan import PackedGroup
from kcompile.kernels.source import VECTOR_BYTES
from kcompile.kernels.structs import POINTER, GroupStruct

Columns = Sequence[Sequence[np.ndarray | None]]
"""One list for each group of the system, one column float[n] for each parameter of its model, None for waveforms."""


class Packed:
    """Sorts columns into the order that a kernel visits devices in; those of the last call are there already."""

    def __init__(self, groups: Mapping[int, PackedGroup], real: np.dtype) -> None:
        self._groups, self._real = groups, real
        self._structs = (GroupStruct * max(1, len(groups)))()
        self.address = ctypes.addressof(self._structs)
        self._given: list[bytes] = []
        self._held: list[object] = []

    def load(self, columns: Columns) -> None:
        """Let the structures point to these columns."""
        given = [np.asarray(column, dtype=self._real) for number in self._groups for column in columns[number]
                 if column is not None]
        # Values are compared, not identities: whoever owns a column may write into it.
        bits = [column.tobytes() for column in given]
        if self._held and bits == self._given:
            return
        self._given, self._held = bits, []
        left = iter(given)
        for k, one in enumerate(self._groups.values()):
            runs, params = one.runs, one.group.model.params
            sorted_columns = [_aligned(next(left), runs.order) if param.waveform is None else one.waves[p]
                              for p, param in enumerate(params)]
            pointers = (POINTER * max(1, len(params)))(*(column.ctypes.data for column in sorted_columns))
            strides = (ctypes.c_int64 * max(1, len(params)))(*(0 if p.waveform is None else runs.count for p in params))
            self._held += [sorted_columns, pointers, strides]
            arrays = (runs.home, runs.runs, runs.others, runs.start, runs.middle)
            self._structs[k] = GroupStruct(one.law, len(runs.home), *(array.ctypes.data for array in arrays),
                                           ctypes.addressof(pointers), ctypes.addressof(strides), runs.count)


def _aligned(column: np.ndarray, order: np.ndarray) -> np.ndarray:
    """column[order] from the beginning of a cache line on."""
    room = np.empty(len(order) + VECTOR_BYTES // column.itemsize, dtype=column.dtype)
    skip = -room.ctypes.data % VECTOR_BYTES // column.itemsize
    return np.take(column, order, out=room[skip : skip + len(order)])
