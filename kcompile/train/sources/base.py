"""What a source of samples is, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.inputs import MAX_INPUT_BYTES, cannot_read


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets as a source holds them, unchecked.

    inputs: [n, features], or [n, channels, height, width] for images, in [0, 1] where the source has bytes.
    targets: int64[n] classes, or float64[n, numbers]. test: the part that the source itself keeps for testing.
    classes: names of the classes where the source has names.
    """

    inputs: np.ndarray
    targets: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None = None
    classes: tuple[str, ...] = ()


class SampleSource(Protocol):
    """Object `SOURCE` of a file of this folder."""

    name: str
    accepts: str
    """What the command line takes for it, in words."""
    tables: bool
    """Whether it has columns with names, of which one is the target."""

    def takes(self, text: str) -> bool:
        """Whether a text of `--data` names samples of this source."""
        ...

    def read(self, text: str, target: str | None) -> Samples:
        """The samples; target: column of a table. Raises `UsageError` KC0501, KC0560, KC0561, `ToolMissing` KC0711."""
        ...


def malformed(path: Path, what: str, hint: str = "") -> UsageError:
    """The error KC0561 for a file."""
    return UsageError(Diagnostic("KC0561", f"{printable(str(path))} {what}", hint=hint))


def read_bytes(path: Path) -> bytes:
    """Content of a file; raises `UsageError` KC0501."""
    try:
        if path.stat().st_size > MAX_INPUT_BYTES:
            raise UsageError(Diagnostic("KC0501", f"{printable(str(path))} is larger than {MAX_INPUT_BYTES >> 20} MiB"))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise cannot_read(path, error) from None


def class_targets(values: np.ndarray) -> np.ndarray:
    """int64[n] of one whole number per sample, float64[n, numbers] of anything else."""
    flat = values.reshape(len(values), -1)
    return flat[:, 0].astype(np.int64) if values.dtype.kind in "iub" and flat.shape[1] == 1 else flat.astype(np.float64)


def as_images(pixels: np.ndarray) -> np.ndarray:
    """Bytes as float32 in [0, 1]; images [n, height, width] get one channel."""
    scaled = (pixels / np.float32(255.0)).astype(np.float32) if pixels.dtype == np.uint8 else pixels
    return scaled[:, None] if scaled.ndim == 3 else scaled
