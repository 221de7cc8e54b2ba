"""What the arguments of a waveform must keep to, whoever gives them, and between which values it stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kcompile.syntax.functions import WAVEFORMS


def broken_rules(kind: str, arguments: np.ndarray) -> Iterator[tuple[str, str]]:
    """(argument, rule it breaks) of a waveform, float64[uses, arguments].

    The argument is empty where the rule is a whole sentence.
    """
    if WAVEFORMS[kind].repeats:
        if not np.all(np.isfinite(arguments)):
            yield "", "the times and values of `pwl` are finite"
        elif np.any(np.diff(arguments[:, ::2], axis=1) <= 0) or np.any(arguments[:, :1] < 0):
            yield "", "the times of `pwl` start at 0 or later and increase"
        return
    columns = {argument.name: arguments[:, k] for k, argument in enumerate(WAVEFORMS[kind].arguments)}
    for name, column in columns.items():
        endless = name in ("width", "period", "fall_delay")
        if np.any(~np.isfinite(column) & ~(endless & (column > 0))):
            yield name, "is finite"
        elif name in ("rise", "fall", "rise_tau", "fall_tau", "period") and np.any(column <= 0):
            yield name, "is above 0: simulators replace a rise of 0 by a step of their own"
        elif name in ("delay", "rise_delay", "fall_delay", "width", "damping", "frequency") and np.any(column < 0):
            yield name, "is not negative"
    if kind == "pulse":
        busy = columns["rise"] + columns["width"] + columns["fall"]
        if np.any(columns["period"] < busy * (1 - 1e-12)):
            yield "period", "is at least rise + width + fall"
    if kind == "exp" and np.any(columns["fall_delay"] <= columns["rise_delay"]):
        yield "fall_delay", "is later than rise_delay"


def extent(kind: str, arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each waveform at any time, float64[uses] each."""
    if WAVEFORMS[kind].repeats:
        values = arguments[:, 1::2]
        return values.min(axis=1), values.max(axis=1)
    columns = {argument.name: arguments[:, k] for k, argument in enumerate(WAVEFORMS[kind].arguments)}
    if kind == "dc":
        return columns["value"], columns["value"]
    if kind == "sin":
        return columns["offset"] - np.abs(columns["amplitude"]), columns["offset"] + np.abs(columns["amplitude"])
    v1, v2 = columns["v1"], columns["v2"]
    if kind == "exp":  # a fall that is faster than the rise goes beyond v1
        return v1 - np.abs(v2 - v1), v1 + np.abs(v2 - v1)
    return np.minimum(v1, v2), np.maximum(v1, v2)
