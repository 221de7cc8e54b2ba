"""Fixed linear maps of node-major tensors, each with its transpose, so that no gradient scatters into memory.

A sum into nodes is a product with a sparse matrix in rows (CSR); its gradient is a choice of rows, and the other way round.
The order of additions is fixed, so results do not depend on threads.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


class Rows(Protocol):
    """A linear map of the rows of a matrix."""

    def __call__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Linear:
    """A map and its transpose, differentiable any number of times."""

    forward: Rows
    backward: Rows

    def __call__(self, x: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return self.forward(x)
        return _Apply.apply(x, self)  # pyright: ignore[reportReturnType]


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, linear: Linear) -> Tensor:
        ctx.linear = linear
        return linear.forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return Linear(ctx.linear.backward, ctx.linear.forward)(gradients[0]), None


def select(index: np.ndarray, rows: int, like: Tensor) -> Linear:
    """Map from x[rows, batch] to x[index]."""
    count = len(index)
    if np.array_equal(index, np.arange(rows)):
        return Linear(_same, _same)
    ones = scipy.sparse.csr_array((np.ones(count), (index, np.arange(count))), shape=(rows, count))
    chosen = torch.tensor(index, dtype=torch.int64, device=like.device)
    return Linear(lambda x: x.index_select(0, chosen), _product(ones, like))


def product(matrix: scipy.sparse.csr_array, like: Tensor) -> Linear:
    """Map from x to matrix @ x."""
    return Linear(_product(matrix, like), _product(scipy.sparse.csr_array(matrix.T), like))


def incidence(matrix: scipy.sparse.csr_array, like: Tensor) -> Linear:
    """Map from x to matrix @ x, where a column has at most one 1, one -1 and nothing else."""
    entries = scipy.sparse.coo_array(matrix)
    rows, columns = _shape(matrix)
    ends = np.full((2, columns), rows)  # the row after the last is zero
    for k, sign in enumerate((1.0, -1.0)):
        ends[k, entries.col[entries.data == sign]] = entries.row[entries.data == sign]
    plus, minus = (torch.as_tensor(row, device=like.device) for row in ends)
    everywhere = not np.any(ends == rows)

    def difference(x: Tensor) -> Tensor:
        if not everywhere:
            x = torch.cat([x, x.new_zeros(1, x.shape[1])])
        return x.index_select(0, plus).sub_(x.index_select(0, minus))

    return Linear(_product(matrix, like), difference)


def _same(x: Tensor) -> Tensor:
    return x


def _product(matrix: scipy.sparse.csr_array, like: Tensor) -> Rows:
    matrix.sum_duplicates()
    starts, places = (torch.as_tensor(part.astype(np.int32), device=like.device) for part in (matrix.indptr, matrix.indices))
    values = torch.as_tensor(matrix.data, dtype=like.dtype, device=like.device)
    # Sums of rows are twice as fast as a sparse product in float32, and can be compiled; in float64 they take up to four times
    # as long.
    if like.dtype == torch.float32 and len(values):
        return lambda x: embedding_bag(places, x, starts, mode="sum", per_sample_weights=values, include_last_offset=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        sparse = torch.sparse_csr_tensor(starts, places, values, _shape(matrix), check_invariants=True)
    return lambda x: sparse @ x


def _shape(matrix: scipy.sparse.csr_array) -> tuple[int, int]:
    rows, columns = matrix.shape  # pyright: ignore[reportGeneralTypeIssues]
    return rows, columns
