"""What comes from outside a program: model files, input voltages, weights, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kcompile.diagnostics import Diagnostic, UsageError, printable
from kcompile.units import REAL, VOLTAGE, Dimension, format_unit, parse_quantity

MAX_INPUT_BYTES = 1 << 30


def read_quantity(text: str, dimension: Dimension, what: str) -> float:
    """Value in SI units of a text such as `50ns`; a plain number is in SI units. Raises `UsageError` KC0503."""
    try:
        value, found = parse_quantity(text)
    except ValueError as error:
        raise UsageError(Diagnostic("KC0503", f"{what}: {printable(str(error), 80)}", hint=_example(dimension))) from None
    if found not in (None, dimension):
        raise UsageError(Diagnostic("KC0503", f"{what} is a {dimension}, `{printable(text, 40)}` is a {found}",
                                    hint=_example(dimension)))
    return value


def check_positive(value: float, what: str) -> None:
    """Raise `UsageError` KC0503 unless a number is positive and finite."""
    if not 0 < value < float("inf"):
        raise UsageError(Diagnostic("KC0503", f"{what} is a positive number, not {value!r}"))


def _example(dimension: Dimension) -> str:
    unit = format_unit(dimension)
    return "write a number" if unit == "1" else f"write a number of {unit}, for example `1.5 {unit}` or `20m{unit}`"


def read_array(values: ArrayLike, what: str) -> np.ndarray:
    """float64 array of a value from Python; raises `UsageError` KC0503 when it is not made of numbers."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(Diagnostic("KC0503", f"{what} is not an array of numbers")) from None


def read_settings(pairs: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a dictionary; raises `UsageError` KC0503."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(Diagnostic("KC0503", f"`{printable(pair, 80)}` is not NAME=VALUE",
                                        hint="for example --set R1.r=2kOhm"))
        found[name.strip()] = value.strip()
    return found


def read_voltages(text: str) -> np.ndarray:
    """Input voltages, float64[n]: `v1,v2,...`, a `.npy` file or a `.csv` file.

    Raises `UsageError` KC0501 for a file that cannot be read, KC0503 for what is not a number, KC0506 for NaN.
    """
    suffix = Path(text).suffix.lower()
    if suffix == ".npy":
        values = _read_npy(Path(text))
    elif suffix == ".csv":
        values = _read_numbers(read_text(Path(text)), f"{printable(text, 80)}")
    else:
        values = _read_numbers(text, "--input")
    values = values.reshape(-1)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise UsageError(Diagnostic("KC0506", f"input voltage {wrong[0]} is {values[wrong[0]]}"))
    return values


def read_text(path: Path) -> str:
    """UTF-8 text of a file; raises `UsageError` KC0501."""
    try:
        if path.stat().st_size > MAX_INPUT_BYTES:
            raise UsageError(Diagnostic("KC0501", f"{printable(str(path))} is larger than {MAX_INPUT_BYTES >> 20} MiB"))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise cannot_read(path, error) from None


def cannot_read(path: Path, error: Exception) -> UsageError:
    """The error KC0501 for a file."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UsageError(Diagnostic("KC0501", f"{printable(str(path))} cannot be read: {printable(reason)}"))


def _read_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
        return np.asarray(values, dtype=np.float64)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise cannot_read(path, error) from None


def _read_numbers(text: str, what: str) -> np.ndarray:
    cells = [cell for line in text.splitlines() for cell in line.split(",") if cell.strip()]
    if not cells:
        raise UsageError(Diagnostic("KC0503", f"{what} holds no numbers", hint="for example --input 0.1,0.2"))
    values = np.empty(len(cells))
    for k, cell in enumerate(cells):
        try:
            values[k] = float(cell)
        except ValueError:
            values[k] = _with_unit(cell.strip(), f"{what}: value {k}")
    return values


def _with_unit(cell: str, what: str) -> float:
    try:
        value, found = parse_quantity(cell)
    except ValueError:
        found = REAL
    if found != VOLTAGE:
        raise UsageError(Diagnostic("KC0503", f"{what} is `{printable(cell, 40)}`, not a number of volts",
                                    hint="for example --input 0.5,200mV, or a file that ends in .npy or .csv"))
    return value


def read_weights(path: Path) -> Mapping[str, np.ndarray]:
    """Arrays by full parameter name from a safetensors file; raises `UsageError` KC0501."""
    import safetensors
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except OSError as error:
        raise cannot_read(path, error) from None
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise UsageError(Diagnostic("KC0501", f"{printable(str(path))} is not a safetensors file: {printable(str(error))}",
                                    hint="weights are written by safetensors.numpy.save_file({name: array}, path)")) from None
