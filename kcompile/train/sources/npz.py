"""Arrays of numpy: x and y, or x_train, y_train, x_test and y_test."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kcompile.diagnostics import accepted, printable
from kcompile.inputs import cannot_read
from kcompile.train.sources.base import Samples, as_images, class_targets, malformed

_NAMES = ("x", "y"), ("x_train", "y_train"), ("x_test", "y_test")
MAX_ARRAYS = 4 << 30


@dataclass(frozen=True)
class Npz:
    name: ClassVar[str] = "npz"
    accepts: ClassVar[str] = "FILE.npz with x and y, or x_train, y_train, x_test, y_test"
    tables: ClassVar[bool] = False

    def takes(self, text: str) -> bool:
        return text.lower().endswith(".npz")

    def read(self, text: str, target: str | None) -> Samples:
        path = Path(text)
        held = _arrays(path)
        names = next((pair for pair in _NAMES[:2] if set(pair) <= set(held)), None)
        if names is None:
            raise malformed(path, f"holds {', '.join(map(printable, sorted(held)[:8])) or 'no array'}",
                            accepted(["x and y", "x_train and y_train with x_test and y_test"]))
        test = tuple(held[name] for name in _NAMES[2]) if set(_NAMES[2]) <= set(held) else None
        return Samples(as_images(held[names[0]]), _targets(path, held[names[1]]),
                       None if test is None else (as_images(test[0]), _targets(path, test[1])))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > MAX_ARRAYS:
            raise malformed(path, f"holds {size >> 20:,} MiB, at most {MAX_ARRAYS >> 20:,} are read")
        wanted = {name for pair in _NAMES for name in pair}
        with np.load(path, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files if name in wanted}
            rest = {name: np.zeros(0) for name in held.files if name not in wanted}
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, TypeError, KeyError, NotImplementedError) as error:
        raise cannot_read(path, error) from None
    for name, array in found.items():
        if array.ndim == 0 or array.dtype.kind not in "fiub":
            raise malformed(path, f"holds `{name}` of type {array.dtype} and shape {array.shape}, arrays of numbers are needed")
    return {**rest, **found}


def _targets(path: Path, values: np.ndarray) -> np.ndarray:
    if values.ndim > 2:
        raise malformed(path, f"holds targets of shape {values.shape}, (n,) or (n, numbers) is needed")
    return class_targets(values)


SOURCE = Npz()
