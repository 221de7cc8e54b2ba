"""A checkpoint of PyTorch as arrays, read without running anything in it.

A `.pth` file is a zip archive with a pickle, and a pickle is a program. `torch.load(weights_only=True)` refuses all but
tensors and containers. Sizes are looked at before anything is unpacked or converted.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kcompile.diagnostics import CompileError, Diagnostic, ToolMissing, UsageError, accepted, nearest, printable
from kcompile.inputs import cannot_read

MAX_CHECKPOINT = 1 << 30
"""Bytes of a checkpoint, unpacked."""

MAX_ENTRIES = 1 << 16
"""Files in the archive of a checkpoint."""


def need_torch() -> Any:
    """The module `torch`; raises `ToolMissing` KC0711 where it is not installed."""
    try:
        import torch
    except ImportError:
        raise ToolMissing(Diagnostic("KC0711", "networks of PyTorch need torch, which is not installed",
                                     hint="pip install 'kcompile[torch,yaml]'; for the CPU build add "
                                     "--extra-index-url https://download.pytorch.org/whl/cpu")) from None
    return torch


def read_checkpoint(path: Path, shapes: Mapping[str, tuple[Sequence[int], int]]) -> dict[str, np.ndarray]:
    """float64[rows, columns] by key; `shapes` says for each key how many rows it may have, and its columns.

    Raises KC0501 where the file cannot be read, KC0523 where it is no checkpoint, KC0524 where it does not fit.
    """
    found = _load(path)
    if not found:
        raise CompileError(Diagnostic("KC0524", f"{printable(str(path))} holds no arrays"))
    problems = [Diagnostic("KC0524", f"{printable(str(path))} has no `{key}`", hint=nearest(key, map(str, found)) or
                           accepted(printable(str(k), 60) for k in found)) for key in shapes if key not in found]
    problems += [Diagnostic("KC0524", f"{printable(str(path))} holds `{printable(str(key), 80)}`, which the configuration does "
                            "not name", hint=accepted(shapes)) for key in found if key not in shapes]
    if problems:
        raise CompileError(*problems[:100])
    return {key: _array(path, key, found[key], *shape) for key, shape in shapes.items()}


def _load(path: Path) -> dict[Any, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        raise _not_one(path, "it is not a zip archive", "a checkpoint is written by torch.save(model.state_dict(), path), "
                       "with torch 1.6 or later") from None
    except (OSError, ValueError, NotImplementedError) as error:
        raise cannot_read(path, error) from None
    size = sum(entry.file_size for entry in entries)
    if size > MAX_CHECKPOINT or len(entries) > MAX_ENTRIES:
        raise _not_one(path, f"its {len(entries):,} parts unpack to {size:,} bytes, at most {MAX_ENTRIES:,} and "
                       f"{MAX_CHECKPOINT:,} are read")
    torch = need_torch()
    try:
        with warnings.catch_warnings(action="ignore"):
            found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # noqa: BLE001 - a damaged or hostile archive raises nearly anything inside torch
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "weights_only" in str(error) or "Weights only" in str(error):
            reason = "it holds more than arrays, and would run code when it is opened"
        raise _not_one(path, reason) from None
    if not isinstance(found, dict):
        raise _not_one(path, f"it holds a {type(found).__name__}, not arrays by name",
                       "save the state: torch.save(model.state_dict(), path)")
    return found


def _not_one(path: Path, reason: str, hint: str = "") -> UsageError:
    return UsageError(Diagnostic("KC0523", f"{printable(str(path))} is not a checkpoint: {printable(reason)}", hint=hint))


def _array(path: Path, key: str, tensor: Any, rows: Sequence[int], columns: int) -> np.ndarray:
    torch = need_torch()
    wanted = f"({' or '.join(map(str, rows))}, {columns})"
    if not isinstance(tensor, torch.Tensor):
        raise _misfit(path, f"`{key}` is a {type(tensor).__name__}, not an array of the shape {wanted}")
    if tensor.layout != torch.strided or not tensor.is_floating_point() or tensor.is_quantized or tensor.is_meta:
        raise _misfit(path, f"`{key}` is an array of {tensor.dtype} ({tensor.layout}), not of floating-point numbers")
    if tensor.ndim != 2 or tensor.shape[0] not in rows or tensor.shape[1] != columns:
        raise _misfit(path, f"`{key}` has the shape {tuple(tensor.shape)}, the configuration asks for {wanted}")
    values = tensor.detach().to(torch.float64).numpy()
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise _misfit(path, f"`{key}` is {values[row, column]} at [{row}, {column}]")
    return values


def _misfit(path: Path, reason: str) -> CompileError:
    return CompileError(Diagnostic("KC0524", f"{printable(str(path))}: {reason}"))
