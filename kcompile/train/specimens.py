"""Specimens of a circuit of cells as values of one module's parameters, so that another specimen is no other module."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from kcompile.ir.circuit import InstanceTable
from kcompile.pdk.mismatch import Lot, Normals, deviations
from kcompile.train.circuit_module import CircuitModule


def specimen_values(lot: Lot, normals: Normals, values: Mapping[str, Tensor], like: Tensor, factor: float = 1.0
                    ) -> dict[str, Tensor]:
    """`values` of parameters by full name, and with them the deviations of every cell of a specimen, times a factor.

    What `values` leave out is that of the circuit. Gradients reach strengths through the deviations too, which fall with them.
    like: has the dtype and device of the result.
    """
    found = dict(values)
    shared = _tensor(factor * normals.shared, like)
    for table, cell, own in zip(lot.circuit.tables, lot.cells, normals.own, strict=True):
        if cell is not None and own is not None:
            strength = _column(table, cell.strength, values, like)
            columns = deviations(cell.mismatch, strength, _tensor(factor * own, like), shared)
            for bank, rows in table.rows_by_bank():
                found |= {f"{bank}.{name}": column[rows] for name, column in columns.items()}
    return found


@torch.no_grad()
def set_values(module: CircuitModule, values: Mapping[str, Tensor]) -> None:
    """Put values into all parameters of a module, in place; those of a specimen into a module of its lot's circuit."""
    for name, parameter in module.named_parameters():
        parameter.copy_(values[name])


def _column(table: InstanceTable, name: str, values: Mapping[str, Tensor], like: Tensor) -> Tensor:
    """One value for each device of a table: those that are given, and those of the circuit elsewhere."""
    if name in table.ties and table.ties[name].shared in values:
        tie = table.ties[name]
        return values[tie.shared].reshape(-1)[torch.from_numpy(tie.index.astype(np.int64)).to(like.device)]
    column = _tensor(table.params[name], like)
    for bank, rows in table.rows_by_bank():
        if f"{bank}.{name}" in values:
            where = torch.arange(table.count, device=like.device)[rows]
            column = column.index_copy(0, where, values[f"{bank}.{name}"].reshape(-1))
    return column


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(values.copy(), dtype=like.dtype, device=like.device)
