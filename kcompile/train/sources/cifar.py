"""The binary version of CIFAR-10: batches of one byte for the class and 3,072 for the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kcompile.train.sources.base import Samples, as_images, malformed, read_bytes

_RECORD = 1 + 3 * 32 * 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Cifar:
    name: ClassVar[str] = "cifar"
    accepts: ClassVar[str] = "DIR or FILE of CIFAR-10's binary version, data_batch_1.bin"
    tables: ClassVar[bool] = False

    def takes(self, text: str) -> bool:
        path = Path(text)
        return path.suffix == ".bin" or bool(_batches(path)) or _is_python_version(path)

    def read(self, text: str, target: str | None) -> Samples:
        path = Path(text)
        if _is_python_version(path):
            raise malformed(path, "is the Python version of CIFAR-10, whose batches are pickles and can run code; it is not read",
                            "take the binary version: data_batch_1.bin to data_batch_5.bin, test_batch.bin")
        batches = _batches(path) if path.is_dir() else [path]
        parts = [_read(batch) for batch in batches]
        test = path / "test_batch.bin"
        inputs, targets = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        return Samples(inputs, targets, _read(test) if test.is_file() else None, CLASSES)


def _batches(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("data_batch_*.bin"))
    except (OSError, ValueError):
        return []


def _is_python_version(path: Path) -> bool:
    try:
        inside = path / "data_batch_1"
        return inside.is_file() or (path.name.startswith(("data_batch_", "test_batch")) and path.suffix == "" and path.is_file())
    except (OSError, ValueError):
        return False


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    data = read_bytes(path)
    if not data or len(data) % _RECORD:
        raise malformed(path, f"holds {len(data):,} bytes, not a multiple of {_RECORD:,}")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, _RECORD)
    return as_images(records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64)


SOURCE = Cifar()
