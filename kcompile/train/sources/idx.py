"""The idx files of MNIST: a folder, or a file of images beside its file of labels; .gz as well."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.inputs import MAX_INPUT_BYTES, cannot_read
from kcompile.train.sources.base import Samples, as_images, malformed, read_bytes

_BYTES = 0x08
"""Code of the type of the values; no other occurs in these sets."""


@dataclass(frozen=True)
class Idx:
    name: ClassVar[str] = "idx"
    accepts: ClassVar[str] = "DIR or FILE of MNIST, train-images-idx3-ubyte[.gz]"
    tables: ClassVar[bool] = False

    def takes(self, text: str) -> bool:
        path = Path(text)
        return ("images" in path.name and "idx3-ubyte" in path.name) or bool(_images(path, "train"))

    def read(self, text: str, target: str | None) -> Samples:
        path = Path(text)
        images = _images(path, "train") if path.is_dir() else path
        assert images is not None
        inputs, targets = _pair(images)
        test = _images(images.parent, "t10k")
        return Samples(inputs, targets, _pair(test) if test is not None and test != images else None)


def _images(folder: Path, part: str) -> Path | None:
    """File of the images of a part of the set."""
    try:
        return next(iter(sorted(folder.glob(f"{part}-images*idx3-ubyte*"))), None)
    except (OSError, ValueError):
        return None


def _pair(images: Path) -> tuple[np.ndarray, np.ndarray]:
    pixels = _read(images, 3)
    labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    classes = _read(labels, 1)
    return as_images(pixels), classes.astype(np.int64)


def _read(path: Path, dimensions: int) -> np.ndarray:
    data = read_bytes(path)
    if path.suffix == ".gz":
        data = _unpacked(path, data)
    start = 4 + 4 * dimensions
    if len(data) < start or data[:2] != b"\0\0" or data[2] != _BYTES or data[3] != dimensions:
        raise malformed(path, f"is not an idx file of bytes with {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise malformed(path, f"says it holds {math.prod(shape):,} values, {len(data) - start:,} are there")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path, data: bytes) -> bytes:
    decoder = zlib.decompressobj(wbits=31)
    try:
        found = decoder.decompress(data, MAX_INPUT_BYTES)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise cannot_read(path, error) from None
    if decoder.unconsumed_tail:
        raise UsageError(Diagnostic("KC0501", f"{printable(str(path))} is larger than {MAX_INPUT_BYTES >> 20} MiB when unpacked"))
    if not decoder.eof:
        raise malformed(path, "ends before its compressed content does")
    return found


SOURCE = Idx()
