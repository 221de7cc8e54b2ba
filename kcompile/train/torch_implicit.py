"""One step of an implicit Runge-Kutta method: Newton for a batch, and the derivative of the root it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kcompile.sim.tableau import Tableau
from kcompile.train.linear import Linear
from kcompile.train.torch_capacitance import Rates
from kcompile.train.torch_laws import Registers, evaluate
from kcompile.train.torch_step import Part, combined, flow_of

MAX_UNKNOWNS = 1_000
"""Unknowns of a circuit: matrices of a batch are dense."""

BLOCK_BYTES = 64 << 20
"""Bytes of the matrices of the samples that are solved together."""

_FULL, _CAREFUL = 12, 60
"""Newton steps at full length, and then, from the start again, steps that must make the residual smaller."""
_HALVINGS = 24


class NoRoot(Exception):
    """Newton found no root; sample, unknown with the largest residual, and that residual in volts or units of a state."""

    def __init__(self, sample: int, unknown: int, residual: float) -> None:
        super().__init__(sample, unknown, residual)
        self.sample, self.unknown, self.residual = sample, unknown, residual


@dataclass(frozen=True, eq=False)
class ImplicitStep:
    """The call of `SliceStep`; `prepared` and `waves` have an entry for the values of each group, then for its partials.

    partials: partial derivatives, in the order of the columns of `entries`, which sums them into the rows of a matrix
    [size, size]. nodes: how many of the unknowns are voltages.
    """

    parts: tuple[Part, ...]
    partials: tuple[Part, ...]
    entries: Linear
    method: Tableau
    nodes: int

    def __call__(self, y: Tensor, rates: Rates, prepared: Sequence[Registers], known: Tensor,
                 waves: Sequence[Mapping[str, Tensor]], inflow: Tensor | None) -> Tensor:
        """Unknowns after a step, [size, batch]; raises `NoRoot`."""
        width = max(1, BLOCK_BYTES // (y.shape[0] ** 2 * y.element_size()))
        ends, first = [], 0
        for part, volts in zip(y.split(width, dim=1), known.split(width, dim=2), strict=True):
            try:
                ends.append(self._block(part, rates, prepared, volts, waves, inflow))
            except NoRoot as error:
                raise NoRoot(first + error.sample, error.unknown, error.residual) from None
            first += width
        return torch.cat(ends, dim=1)

    def _block(self, y: Tensor, rates: Rates, prepared: Sequence[Registers], known: Tensor,
               waves: Sequence[Mapping[str, Tensor]], inflow: Tensor | None) -> Tensor:
        x, increments = y, []
        for i, row in enumerate(((), *self.method.rows)):
            now = [{name: wave[i] for name, wave in group.items()} for group in waves]

            def rate(x: Tensor, i: int = i, now: Sequence[Mapping[str, Tensor]] = now) -> Tensor:
                flow = flow_of(self.parts, x, known[i], prepared, now)
                return rates(flow if inflow is None else flow + inflow[:, i, None])

            def jacobian(x: Tensor, i: int = i, now: Sequence[Mapping[str, Tensor]] = now) -> Tensor:
                return self._jacobian(x, rates, prepared, known[i], now)

            base, own = combined(y, row, increments), self.method.diagonal[i]
            if own == 0.0:
                increments.append(rate(base))
                continue
            stage = Stage(rate, jacobian, own, self.nodes)
            near = stage.near_root(x.detach(), base.detach())
            x = _Root.apply(stage.residual(near, base), near, stage)
            # The rate at the root by the equation, not by the law: a stiff law makes much of the last digits of a voltage.
            increments.append((x - base) / own)
        return x

    def _jacobian(self, x: Tensor, rates: Rates, prepared: Sequence[Registers], known: Tensor,
                  waves: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """Derivatives of the rates to the unknowns, [batch, size, size]."""
        size, batch = x.shape
        volts, columns = torch.cat([x, known]), [x.new_zeros(0, batch)]
        for part in self.partials:
            fast = {name: gather(volts) for name, gather in part.inputs} | dict(waves[part.place])
            columns += [value.expand(part.count, batch) for value in evaluate(part.kernel, prepared[part.place], fast)]
        flow = self.entries(torch.cat(columns)).view(size, size * batch)
        return rates(flow).view(size, size, batch).permute(2, 0, 1)


@dataclass(frozen=True, eq=False)
class Stage:
    """The equation x = base + own rate(x) of a stage, in unknowns [size, batch]."""

    rate: Callable[[Tensor], Tensor]
    jacobian: Callable[[Tensor], Tensor]
    own: float
    nodes: int

    def residual(self, x: Tensor, base: Tensor) -> Tensor:
        return x - base - self.own * self.rate(x)

    def matrix(self, x: Tensor) -> Tensor:
        """Derivative of the residual to x, [batch, size, size]."""
        return torch.eye(len(x), dtype=x.dtype, device=x.device) - self.own * self.jacobian(x)

    @torch.no_grad()
    def near_root(self, start: Tensor, base: Tensor) -> Tensor:
        """Unknowns from which one Newton step leads to the root to the last digits; raises `NoRoot`.

        Each sample takes the steps it would take alone. At kinks full steps come to the right active set within a few; what
        they do not find is sought again from the start, by steps that must make the residual smaller.
        """
        x, tolerance = start, torch.finfo(start.dtype).eps ** 0.75
        found = torch.zeros(start.shape[1], dtype=torch.bool, device=start.device)
        residual = self.residual(x, base)
        for k in range(_FULL + _CAREFUL):
            matrix = self.matrix(x)
            move = -_solve(matrix, residual)
            found = found | (move.abs() <= tolerance * _worth(matrix, x)).all(dim=0)
            if bool(found.all()):
                return x
            if k == _FULL:
                x = torch.where(found, x, start)
                residual = self.residual(x, base)
                continue
            x, residual = self._moved(x, base, residual, torch.where(found, 0.0, move), k > _FULL)
        lost = int(torch.nonzero(~found)[0])
        size = torch.nan_to_num(residual[:, lost].abs(), nan=torch.inf)
        unknown = int(size.argmax())
        raise NoRoot(lost, unknown, float(size[unknown]))

    def _moved(self, x: Tensor, base: Tensor, residual: Tensor, move: Tensor, careful: bool) -> tuple[Tensor, Tensor]:
        """Unknowns after a Newton step, and their residual."""
        moved = x + move
        new = self.residual(moved, base)
        if not careful:
            return moved, new
        # Voltages are weighed together; each state, whose unit is its own, by itself.
        unit = x.abs() + move.abs()
        unit = torch.cat([unit[: self.nodes].amax(dim=0, keepdim=True).expand(self.nodes, -1), unit[self.nodes :]])

        def level(values: Tensor) -> Tensor:
            return torch.where(unit > 0.0, values.abs() / unit, 0.0).amax(dim=0)

        before, length = level(residual), torch.ones_like(x[:1])
        for _ in range(_HALVINGS):
            worse = ~(level(new) <= (1.0 - 0.1 * length[0]) * before) & move.any(dim=0)
            if not bool(worse.any()):
                break
            length = torch.where(worse, 0.5 * length, length)
            moved = x + length * move
            new = self.residual(moved, base)
        return moved, new


def _worth(matrix: Tensor, x: Tensor) -> Tensor:
    """What the terms of each equation are worth in its own unknown, [size, batch]; rounding moves a root by digits of it."""
    terms = torch.bmm(matrix.abs(), x.t().abs()[:, :, None])[:, :, 0]
    return (terms / matrix.diagonal(dim1=1, dim2=2).abs().clamp(min=1.0)).t()


def _solve(matrix: Tensor, right: Tensor, transposed: bool = False) -> Tensor:
    """[size, batch]; not finite where a matrix is singular."""
    factors, pivots, _ = torch.linalg.lu_factor_ex(matrix)
    return torch.linalg.lu_solve(factors, pivots, right.t()[:, :, None], adjoint=transposed)[:, :, 0].t()


class _Root(torch.autograd.Function):
    """One Newton step to the root. Its derivative is that of the root: -matrix^-1 d(residual), at fixed unknowns.

    The matrix is made again for the gradient: kept, the matrices of all steps would take more memory than anything else.
    A gradient of this gradient would miss how the matrix depends on the root, so there is none.
    """

    @staticmethod
    def forward(ctx: Any, residual: Tensor, near: Tensor, stage: Stage) -> Tensor:
        ctx.save_for_backward(near)
        ctx.stage = stage
        return near - _solve(stage.matrix(near), residual)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor, None, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("implicit steps are differentiable once")
        (near,) = ctx.saved_tensors
        return -_solve(ctx.stage.matrix(near), cotangents[0], transposed=True), None, None
