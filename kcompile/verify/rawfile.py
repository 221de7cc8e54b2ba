"""ngspice's raw files, read by their labels: version 46 adds a `Command:` line that 39 does not have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCALES = ("time", "v-sweep", "v(v-sweep)", "frequency")
"""What runs go over; versions of ngspice spell the voltage of a sweep in two ways."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Vectors of one run, first what it ran over: `time`, or the inner voltage of a sweep; values float64[points, names], or
    complex128 where it ran over `frequency`."""

    names: tuple[str, ...]
    values: np.ndarray

    @property
    def time(self) -> np.ndarray:
        return np.real(self.values[:, 0])

    def columns(self, names: tuple[str, ...]) -> np.ndarray:
        """float64[points, len(names)]; names in lower case, `KeyError` for one that is not there."""
        place = {name: k for k, name in enumerate(self.names)}
        return self.values[:, [place[name] for name in names]]


def read_raw(path: Path) -> Raw:
    """First plot of a binary raw file; raises `ValueError` saying what is wrong with it."""
    data = np.fromfile(path, dtype=np.uint8)
    head, found, _ = data.tobytes().partition(b"Binary:\n")
    if not found:
        raise ValueError("the raw file has no `Binary:` section")
    count = points = None
    names: list[str] = []
    in_variables, kind = False, "<f8"
    for line in head.decode("ascii", "replace").split("\n"):
        label, _, rest = line.partition(":")
        if in_variables and line.startswith("\t"):
            names += [name.lower() for name in line.split("\t")[2:3]]
        elif label == "Variables":
            in_variables = True
        elif label == "No. Variables":
            count = int(rest)
        elif label == "No. Points":
            points = int(rest)
        elif label == "Flags" and "complex" in rest:
            kind = "<c16"
    if not count or points is None or len(names) != count or names[0] not in SCALES:
        raise ValueError(f"the head of the raw file is not that of a run over {' or '.join(SCALES)}")
    if (kind == "<c16") != (names[0] == "frequency"):
        raise ValueError("the raw file holds complex vectors where real ones belong, or the other way round")
    body = data[len(head) + len(found) :]
    row = np.dtype(kind).itemsize * count
    whole = min(points, len(body) // row)
    values = np.frombuffer(body[: whole * row].tobytes(), dtype=kind).reshape(whole, count)
    return Raw(tuple(names), values)
