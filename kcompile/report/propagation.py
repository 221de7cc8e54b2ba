"""What the deviations of cells move the outputs by, to first order, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from kcompile.ir.circuit import InstanceTable
from kcompile.pdk.cell import Cell
from kcompile.pdk.mismatch import DRAWN, Lot, deviations
from kcompile.train.judge import make_module
from kcompile.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Slopes:
    """Of one sample: volts of the outputs of equal cells, float64[outputs], and what one standard deviation moves them by, in
    volts: of each cell's own, float64[outputs, 3, cells] in the order of `DRAWN`, and of the bias lines, float64[outputs, 2]."""

    nominal: np.ndarray
    own: np.ndarray
    shared: np.ndarray

    def times(self, matrix: np.ndarray) -> Slopes:
        """Slopes of the rows of a matrix [values, outputs] times the outputs."""
        return Slopes(*(np.tensordot(matrix, one, axes=1) for one in (self.nominal, self.own, self.shared)))

    @property
    def variances(self) -> np.ndarray:
        """float64[outputs, cells + 1]: variance that each cell gives, and the bias lines last."""
        return np.concatenate([np.square(self.own).sum(axis=1), np.square(self.shared).sum(axis=1)[:, None]], axis=1)


def cells_of(lot: Lot) -> list[tuple[InstanceTable, Cell]]:
    """Tables of cells, whose rows in order are the cells of all slopes."""
    return [(table, cell) for table, cell in zip(lot.circuit.tables, lot.cells, strict=True) if cell is not None]


def propagate(lot: Lot, recipe: Recipe, volts: torch.Tensor) -> Iterator[Slopes]:
    """Slopes of each sample; volts: starting voltages [samples, inputs] in the dtype of the recipe."""
    module = make_module(lot.circuit, recipe)
    places, count = [], 0
    for table, _ in cells_of(lot):
        for bank, rows in table.rows_by_bank():
            index = count + np.arange(table.count)[rows]
            places += [(f"{bank}.{name}", number, index) for number, name in enumerate(DRAWN)]
        count += table.count
    named = dict(module.named_parameters())
    drawn = [named[name] for name, _, _ in places]
    own, shared = _deviations(lot)
    for row in volts:
        outputs = module(row[None])[0]
        slopes = np.zeros((len(outputs), 3, count))
        for k, output in enumerate(outputs):
            found = torch.autograd.grad(output, drawn, retain_graph=True)
            for (_, number, index), slope in zip(places, found, strict=True):
                slopes[k, number, index] = slope.cpu().numpy()
        yield Slopes(outputs.detach().double().cpu().numpy(), slopes * own, (slopes * shared).sum(axis=2)[:, 1:])


def _deviations(lot: Lot) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations float64[3, cells]: of each cell's own, and what the bias lines do."""
    found = [[], []]
    for table, cell in cells_of(lot):
        units, ones = table.params[cell.strength], np.ones((3, table.count))
        for into, own, shared in zip(found, (ones, 0 * ones), (np.zeros(2), np.ones(2)), strict=True):
            columns = deviations(cell.mismatch, units, own, shared)
            into.append(np.stack([np.broadcast_to(columns[name], table.count) for name in DRAWN]))
    own, shared = (np.concatenate(one, axis=1) for one in found)
    return own, shared
