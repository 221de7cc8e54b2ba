"""Samples of a source, checked, fitted to a circuit and split into parts for training, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kcompile.diagnostics import Diagnostic, UsageError, nearest, printable
from kcompile.ir.circuit import frozen
from kcompile.registry import find
from kcompile.train.sources.base import Samples, SampleSource, as_images, class_targets

_MIN_SAMPLES = 2


@dataclass(frozen=True, eq=False)
class Part:
    """Samples in order: inputs float32[n, features], targets int64[n] classes or float32[n, numbers]."""

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def count(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in three parts, of which validation and test may be empty.

    image: (channels, height, width) where the inputs are pixels. classes: how many, 0 for numbers. class_names: as far as
    the source names them. digest: hash of all values, in hexadecimal.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    image: tuple[int, int, int] | None
    classes: int
    class_names: tuple[str, ...]
    digest: str

    @property
    def features(self) -> int:
        return self.train.inputs.shape[1]

    @property
    def numbers(self) -> int:
        """How many values a circuit reads out for a sample."""
        return self.classes or self.train.targets.shape[1]


Arrays = tuple[ArrayLike, ArrayLike]
"""Inputs [n, features], [n, height, width] or [n, channels, height, width], and targets [n] or [n, numbers]."""


def read_samples(data: str | Arrays, target: str | None = None) -> Samples:
    """Samples of arrays, or of a text of `--data`: a data set of scikit-learn, or a file; target: column of a table.

    Raises `UsageError` KC0560 for what names none, KC0501 and KC0561 for files, KC0503 for what is no array of numbers,
    `ToolMissing` KC0711.
    """
    if not isinstance(data, str):
        inputs, targets = (np.asarray(part) for part in data)
        for part, what in ((inputs, "inputs"), (targets, "targets")):
            if part.dtype.kind not in "fiub" or part.ndim == 0:
                raise UsageError(Diagnostic("KC0503", f"the {what} are not an array of numbers, one row a sample"))
        _refuse_target(target, "an array")
        return Samples(as_images(inputs), class_targets(targets))
    return _read(data, target)


def _refuse_target(target: str | None, what: str) -> None:
    if target is not None:
        raise UsageError(Diagnostic("KC0567", f"the recipe names the target column `{printable(target, 60)}`, "
                                    f"{what} has no columns"))


def _read(text: str, target: str | None) -> Samples:
    sources: dict[str, SampleSource] = find("kcompile.train.sources", "SOURCE")
    chosen = next((one for one in sources.values() if one.takes(text)), None)
    if chosen is None:
        names = [name for one in sources.values() for name in one.accepts.split(", ")]
        missing = ", and there is no such file" if not _exists(text) else ""
        raise UsageError(Diagnostic("KC0560", f"`{printable(text, 80)}` names no data set{missing}", hint=nearest(text, names)
                                    or "accepted: " + "; ".join(one.accepts for one in sources.values())))
    if not chosen.tables:
        _refuse_target(target, f"`{printable(text, 60)}`")
    return chosen.read(text, target)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def make_data(name: str, samples: Samples, *, labels: bool, validation: float, test: float, seed: int) -> Data:
    """Data of samples; labels: targets are classes; validation, test: shares, of the rest and of the whole; seed: of the split.

    The test share is cut off where the source has no test part. Raises `UsageError` KC0561, KC0562, KC0564.
    """
    held = _part(samples.inputs, samples.targets, labels, "sample")
    own_test = None if samples.test is None else _part(*samples.test, labels, "test sample")
    if own_test is not None and own_test.inputs.shape[1:] != held.inputs.shape[1:]:
        raise UsageError(Diagnostic("KC0561", f"a test sample has {own_test.inputs.shape[1]} inputs, "
                                    f"a training sample {held.inputs.shape[1]}"))
    image = samples.inputs.shape[1:] if samples.inputs.ndim == 4 else None
    order = np.random.default_rng(seed).permutation(held.count)
    cut = round(test * held.count) if own_test is None else 0
    tested, rest = order[:cut], order[cut:]
    kept = round(validation * len(rest))
    parts = [_take(held, np.sort(rows)) for rows in (rest[kept:], rest[:kept], tested)]
    if own_test is not None:
        parts[2] = own_test
    if parts[0].count < _MIN_SAMPLES:
        raise UsageError(Diagnostic("KC0564", f"{printable(name, 80)} holds {held.count} samples, of which {parts[0].count} are "
                                    f"left to train with", hint="shares are set by `validation` and `test` of the recipe"))
    classes = max(int(part.targets.max(initial=-1)) for part in parts) + 1 if labels else 0
    return Data(name, *parts, image=image, classes=max(classes, len(samples.classes)) if labels else 0,
                class_names=samples.classes, digest=_digest(parts))


def check_fit(data: Data, inputs: int, outputs: int, pair: bool) -> None:
    """Raise `UsageError` KC0563 unless data fit a circuit; pair: two outputs are read for each value."""
    problems = []
    if data.features != inputs:
        problems.append(Diagnostic("KC0563", f"a sample of {printable(data.name, 80)} has {data.features} inputs, the circuit "
                                   f"declares {inputs} `input` nodes"))
    each = 2 if pair else 1
    what = f"{data.numbers} classes" if data.classes else f"{data.numbers} numbers"
    # A set may lack its last classes; a circuit for more of them is fine.
    larger = bool(data.classes) and outputs % each == 0 and outputs > each * data.numbers
    if outputs != each * data.numbers and not larger:
        problems.append(Diagnostic("KC0563", f"{what} need {each * data.numbers} `output` nodes, the circuit declares {outputs}",
                                   hint="`readout` of the recipe says how outputs are read"))
    if problems:
        raise UsageError(*problems)


def _part(inputs: np.ndarray, targets: np.ndarray, labels: bool, what: str) -> Part:
    if len(inputs) != len(targets):
        raise UsageError(Diagnostic("KC0561", f"there are {len(inputs):,} samples and {len(targets):,} targets"))
    if len(inputs) == 0 or inputs.size == 0:
        raise UsageError(Diagnostic("KC0564", "there is no sample"))
    with np.errstate(over="ignore"):
        flat = np.ascontiguousarray(inputs.reshape(len(inputs), -1), dtype=np.float32)
    wrong = np.argwhere(~np.isfinite(flat))
    if len(wrong):
        row, column = (int(k) for k in wrong[0])
        given = float(inputs.reshape(len(inputs), -1)[row, column])
        raise UsageError(Diagnostic("KC0562", f"input {column} of {what} {row} is {given}",
                                    hint="values are finite float32 numbers"))
    values = _labels(targets, what) if labels else _numbers(targets, what)
    return Part(frozen(flat), frozen(values))


def _labels(targets: np.ndarray, what: str) -> np.ndarray:
    if targets.ndim != 1 and targets.shape[1:] != (1,):
        raise UsageError(Diagnostic("KC0562", f"a target of shape {targets.shape[1:]} is not a class",
                                    hint="numbers are learned with loss = \"mse\""))
    values = targets.reshape(-1)
    wrong = ~np.isfinite(values) | (values != np.round(values)) | (values < 0) | (values >= len(values))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UsageError(Diagnostic("KC0562", f"the class of {what} {row} is {values[row]}, classes are counted 0, 1, 2, ...",
                                    hint="numbers are learned with loss = \"mse\""))
    return values.astype(np.int64)


def _numbers(targets: np.ndarray, what: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(targets.reshape(len(targets), -1), dtype=np.float32)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = (int(k) for k in wrong[0])
        raise UsageError(Diagnostic("KC0562", f"target {column} of {what} {row} is {values[row, column]}"))
    return values


def _take(part: Part, rows: np.ndarray) -> Part:
    return Part(frozen(part.inputs[rows]), frozen(part.targets[rows]))


def _digest(parts: Iterable[Part]) -> str:
    found: Any = hashlib.sha256()
    for part in parts:
        for array in (part.inputs, part.targets):
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
