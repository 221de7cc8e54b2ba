"""What an import gives: a program, and the values of its parameters."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kcompile.syntax.functions import RESERVED

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Imported:
    """A program in the standard layout, and values for its parameters by full name, in its own order; SI units.

    `name` is that of its top circuit; `notes` are sentences that its user should know.
    """

    name: str
    text: str
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def circuit_name(text: str, taken: Container[str]) -> str:
    """A name for the top circuit made of the words of a text, other than those the program has taken."""
    name = "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text[:60]))
    if not name or name[0].isdigit():
        return f"Net{name}"
    return f"{name}Net" if name in RESERVED or name in taken else name
