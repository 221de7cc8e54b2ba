"""What an import gives: a program, and the values of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Imported:
    """A program in the standard layout, and values for its parameters by full name, in its own order; SI units.

    `name` is that of its top circuit.
    """

    name: str
    text: str
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
