"""Pins of a chip that say the strength of a device: a line for each bit, and one for the sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcompile.lower.frame import Frame
from kcompile.pdk.placement import Bank


@dataclass(frozen=True)
class Bit:
    """One line: pin of the chip, pin of the cell, what it is for, and whether the program has it high."""

    pin: str
    inner: str
    use: str
    high: bool


def claim_bits(frame: Frame, banks: Sequence[Bank]) -> dict[tuple[int, int], tuple[Bit, ...]]:
    """Lines of all devices whose strengths are bits, by (id of the table, row), under names that are free in the chip."""
    found = {}
    for bank in banks:
        row = frame.names.row(bank.table)
        for i in bank.present if bank.cell.bits else ():
            levels = bank.cell.levels(int(bank.strengths[i]))
            said = [*(f"bit of weight {1 << k} of" for k in range(bank.cell.bits)), "sign of"]
            found[id(bank.table), i] = tuple(
                Bit(frame.names.space.claim(f"{row % i}_{inner}"), inner, f"{use} {bank.table.name(i)}", high)
                for (inner, high), use in zip(levels.items(), said, strict=True))
    return found
