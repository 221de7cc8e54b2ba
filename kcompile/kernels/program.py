"""A circuit, a schedule and a method as one call of generated C++: batches forward, and their adjoint."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.kernels.build import load_library, need_compiler
from kcompile.kernels.packed import Columns, Packed
from kcompile.kernels.plan import Plan
from kcompile.kernels.source import VECTOR_BYTES, kernel_source
from kcompile.kernels.strips import find_strips
from kcompile.kernels.structs import POINTER, BatchStruct, ControlStruct, ProblemStruct
from kcompile.sim.pack import System
from kcompile.sim.schedule import Schedule
from kcompile.sim.tableau import Tableau
from kcompile.sim.tolerance import MOST, SHORTEST, check_reached, check_tolerances

WIDTHS = (1, 2, 4)
"""Vectors that a tile may have; the smallest that holds a thread's share of a batch, or the largest."""

SAVED_BYTES = 256 << 20
"""Bytes of stages that a thread keeps for the adjoint; beyond, steps are run again from states kept between them."""

KEPT_BYTES = 1 << 30
"""Bytes of stages that are kept between a run and its adjoint; beyond, the adjoint runs again."""


@dataclass(frozen=True, eq=False)
class Kept:
    """States of every stage of a run, for its adjoint; width: vectors of its tiles."""

    states: np.ndarray
    width: int


class Program:
    """Integrates batches of a circuit in generated C++; made once, called with parameter columns and initial states.

    Rows are the nodes by number, then the inner states. lower, upper: float64[unknowns], the ideal rail; record: steps after
    which states are returned, 0 for the start. Raises `ToolMissing` KC0717; a first call KC0718.
    """

    def __init__(self, system: System, schedule: Schedule, method: Tableau, *, lower: np.ndarray, upper: np.ndarray,
                 record: Sequence[int], double: bool = False, threads: int | None = None) -> None:
        need_compiler()  # known at the door, though a library is built for the first batch of its size
        self._plan = Plan(system, schedule, method, lower=lower, upper=upper, record=record, double=double)
        self._real = self._plan.real
        self.threads = threads or len(os.sched_getaffinity(0))
        """Threads of the next call."""
        self._libraries: dict[int, ctypes.CDLL] = {}
        self._tiles = Packed(self._plan.groups, self._real)
        self._problem = ProblemStruct(**{name: value.ctypes.data if isinstance(value, np.ndarray) else value
                                         for name, value in self._plan.fields.items()})

    # ---- evaluation ---------------------------------------------------------------------------------------------------

    def _width(self, batch: int) -> int:
        lanes = VECTOR_BYTES // self._real.itemsize
        return next((width for width in WIDTHS if width * lanes * self.threads >= batch), WIDTHS[-1])

    def _library(self, width: int) -> ctypes.CDLL:
        if width not in self._libraries:
            self._libraries[width] = load_library(kernel_source(self._plan.laws, self._real.itemsize == 8, width))
        return self._libraries[width]

    @cached_property
    def _strips(self) -> tuple[Packed, ctypes.CDLL] | None:
        """What runs a single sample, where that is faster than one lane of a tile."""
        strips = find_strips(self._plan)
        return None if strips is None else (Packed(strips.groups, self._real), load_library(strips.source))

    def forward(self, start: np.ndarray, columns: Columns, drives: np.ndarray | None = None,
                kept: Kept | None = None) -> np.ndarray:
        """States float[batch, records, unknowns].

        start: float[batch, unknowns]; columns: one list for each group of the system, one column float[n] for each parameter
        of its model, None for waveforms; drives: [steps, stages, driven] or [batch, steps, stages, driven]; kept: what
        `keep` made, written for the adjoint.
        """
        start = np.ascontiguousarray(start, dtype=self._real)
        ends = np.empty((len(start), len(self._plan.record), self._plan.system.size), dtype=self._real)
        form = self._strips if len(start) == 1 and kept is None else None
        self._call(start, columns, drives, form=form, kept=kept, ends=ends.ctypes.data)
        return ends

    def adaptive(self, start: np.ndarray, columns: Columns, *, rtol: float, atol: float, most: int = MOST
                 ) -> tuple[np.ndarray, np.ndarray]:
        """(states float[batch, unknowns] at the end, int[batch] steps tried), with steps of its own for each sample.

        The local error of a step is kept below atol + rtol |y|, root mean square over the unknowns; rtol is at least four
        units in the last place. Circuits without waveforms, methods with an estimate of the error. Raises `UsageError` KC0503,
        `SimulatorFailed` KC0601 where a sample needs more than `most` steps, or steps that the precision of its numbers cannot
        make.
        """
        error = self._plan.method.error
        if error is None or self._plan.drives is not None or any(one.waves for one in self._plan.groups.values()):
            raise UsageError(Diagnostic("KC0503", "steps are chosen for each sample in circuits without waveforms, by `tsit5`",
                                        hint="take the backend `torch`, or fixed steps"))
        check_tolerances(rtol, atol, self._real)
        start = np.ascontiguousarray(start, dtype=self._real)
        ends = np.empty((len(start), 1, self._plan.system.size), dtype=self._real)
        steps = np.zeros(len(start), dtype=np.int32)
        weights = np.array(error)
        ends_of_slices = np.bincount(self._plan.schedule.slices, self._plan.schedule.lengths)
        control = ControlStruct(rtol=rtol, atol=atol, shortest=SHORTEST * float(np.finfo(self._real).eps), most=most,
                                order=self._plan.method.order, error=weights.ctypes.data, slice_length=ends_of_slices.ctypes.data,
                                steps=steps.ctypes.data)
        form = self._strips if len(start) == 1 else None
        self._call(start, columns, None, form=form, control=control, ends=ends.ctypes.data)
        check_reached((steps < 0) | ~np.isfinite(ends[:, 0]).all(axis=1), rtol)
        return ends[:, 0], steps

    def keep(self, batch: int) -> Kept | None:
        """Room for the states of every stage of a batch, None where it is more than 1 GiB."""
        width = self._width(batch)
        tile = width * VECTOR_BYTES // self._real.itemsize
        count = -(-batch // tile) * tile * self._plan.rows * (self._plan.schedule.count * self._plan.method.stages + 1)
        if count * self._real.itemsize > KEPT_BYTES:
            return None
        room = np.empty(count + VECTOR_BYTES, dtype=self._real)
        skip = -room.ctypes.data % VECTOR_BYTES // self._real.itemsize
        return Kept(room[skip : skip + count], width)

    def adjoint(self, start: np.ndarray, columns: Columns, cotangent: np.ndarray, drives: np.ndarray | None = None,
                wants_drives: bool = False, kept: Kept | None = None
                ) -> tuple[np.ndarray, list[list[np.ndarray | None]], np.ndarray | None]:
        """Derivatives of sum(cotangent * states): to start, to every column, and to the drives of each sample if wanted.

        cotangent: as the states; the others as `forward` was given them. Without `kept` the steps are run again.
        """
        start = np.ascontiguousarray(start, dtype=self._real)
        cotangent = np.ascontiguousarray(cotangent, dtype=self._real)
        start_bar = np.zeros_like(start)
        shape = (len(start), self._plan.schedule.count, self._plan.method.stages, len(self._plan.system.driven))
        drives_bar = np.zeros(shape, dtype=self._real) if wants_drives else None
        bars = {(number, p): np.zeros(one.runs.count, dtype=self._real) for number, one in self._plan.groups.items()
                for p, param in enumerate(one.group.model.params) if param.waveform is None}
        self._call(start, columns, drives, bars=bars, kept=kept, is_adjoint=1, cotangent=cotangent.ctypes.data,
                   start_bar=start_bar.ctypes.data, drives_bar=None if drives_bar is None else drives_bar.ctypes.data)
        return start_bar, self._unsorted(bars), drives_bar

    def _call(self, start: np.ndarray, columns: Columns, drives: np.ndarray | None, *,
              bars: dict[tuple[int, int], np.ndarray] | None = None, control: ControlStruct | None = None,
              form: tuple[Packed, ctypes.CDLL] | None = None, kept: Kept | None = None, **arrays: int | None) -> None:
        plan, size, width = self._plan, len(start), self._width(len(start)) if kept is None else kept.width
        if size == 0:
            return
        packed, library = form or (self._tiles, self._library(width))
        packed.load(columns)
        self._problem.groups = packed.address
        drives = plan.drives if drives is None else np.ascontiguousarray(drives, dtype=self._real)
        segment, stage_bytes = plan.schedule.count, plan.rows * width * VECTOR_BYTES * plan.method.stages
        if segment * stage_bytes > SAVED_BYTES:
            segment = max(1, int(np.sqrt(segment / plan.method.stages)))
        batch = BatchStruct(size=size, threads=self.threads, segment=segment, start=start.ctypes.data,
                            drives_each=int(drives is not None and drives.ndim == 4),
                            drives=None if drives is None else drives.ctypes.data,
                            push=None if plan.push is None else plan.push.ctypes.data,
                            kept=None if kept is None else kept.states.ctypes.data, **arrays)
        problem = ctypes.byref(self._problem)
        if control is not None:
            failed = library.integrate_adaptive(problem, ctypes.byref(batch), ctypes.byref(control))
        else:
            failed = library.integrate(problem, ctypes.byref(batch), None if bars is None else self._pointers(bars))
        if failed:
            raise MemoryError("not enough memory for the tiles of a batch")

    def _pointers(self, bars: dict[tuple[int, int], np.ndarray]) -> ctypes.Array[ctypes.c_void_p]:
        most = self._plan.max_params
        pointers = (POINTER * max(1, len(self._plan.groups) * most))()
        for k, number in enumerate(self._plan.groups):
            for p in range(most):
                if (number, p) in bars:
                    pointers[k * most + p] = bars[number, p].ctypes.data
        return pointers

    def _unsorted(self, places: dict[tuple[int, int], np.ndarray]) -> list[list[np.ndarray | None]]:
        found: list[list[np.ndarray | None]] = [[None] * len(g.model.params) for g in self._plan.system.groups]
        for (number, p), bar in places.items():
            column = np.empty_like(bar)
            column[self._plan.groups[number].runs.order] = bar
            found[number][p] = column
        return found

