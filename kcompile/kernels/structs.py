"""The structures of `templates/cpp/head.cpp.j2`, field by field in its order."""

from __future__ import annotations

import ctypes

POINTER = ctypes.c_void_p


class GroupStruct(ctypes.Structure):
    """Devices of one law during one time slice."""

    _fields_ = [("law", ctypes.c_int32), ("homes", ctypes.c_int32),
                *((name, POINTER) for name in ("home", "runs", "others", "start", "middle", "columns", "strides")),
                ("devices", ctypes.c_int64)]


class ProblemStruct(ctypes.Structure):
    """A circuit, its steps and its method."""

    _fields_ = [*((name, ctypes.c_int32) for name in ("rows", "slices", "stages", "is_chained")),
                ("first_group", POINTER), ("groups_of", POINTER), ("groups", POINTER),
                ("group_count", ctypes.c_int32), ("entries", ctypes.c_int32),
                *((name, POINTER) for name in ("row_start", "row_other", "inverse", "lower", "upper", "a", "b")),
                ("steps", ctypes.c_int32), ("driven", ctypes.c_int32),
                *((name, POINTER) for name in ("step_slice", "step_length", "driven_rows")),
                ("unknowns", ctypes.c_int32), ("records", ctypes.c_int32),
                ("unknown_rows", POINTER), ("record_steps", POINTER)]


class BatchStruct(ctypes.Structure):
    """A batch, or its adjoint."""

    _fields_ = [*((name, ctypes.c_int32) for name in ("size", "threads", "drives_each", "segment", "is_adjoint")),
                *((name, POINTER) for name in (
                    "start", "drives", "push", "ends", "cotangent", "start_bar", "drives_bar", "kept"))]


class ControlStruct(ctypes.Structure):
    """Tolerances of steps that are chosen."""

    _fields_ = [*((name, ctypes.c_double) for name in ("rtol", "atol", "shortest")), ("most", ctypes.c_int32),
                ("order", ctypes.c_int32), *((name, POINTER) for name in ("error", "slice_length", "steps"))]
