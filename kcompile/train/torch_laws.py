"""Laws as tensors: the steps of a kernel through torch functions with the meaning of `ir/meaning.py`.

Derivatives are those of `ir/expr.py`, at kinks too. float32 has no room for the guards of float64, so it has its own: exp(x)
stops at x = 88 and 1/x at |x| = 1e-37.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kcompile.ir.meaning import EXPONENT_LIMIT, SMALLEST
from kcompile.sim.kernel import Kernel, Step

_EXPONENT_LIMIT = {torch.float64: EXPONENT_LIMIT, torch.float32: 88.0}
_SMALLEST = {torch.float64: SMALLEST, torch.float32: 1e-37}


class _Exp(torch.autograd.Function):
    """e to the power min(x, limit), with itself as derivative, beyond the limit too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.exp(torch.clamp(x, max=_EXPONENT_LIMIT[x.dtype]))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradients[0] * y


def _exp(x: Tensor) -> Tensor:
    return _Exp.apply(x)  # pyright: ignore[reportReturnType]


def _log(x: Tensor) -> Tensor:
    smallest = _SMALLEST[x.dtype]
    return torch.log(torch.where(x <= smallest, smallest, x))


def _sqrt(x: Tensor) -> Tensor:
    return torch.where(x <= 0.0, 0.0, torch.sqrt(torch.where(x <= 0.0, 1.0, x)))


def _recip(x: Tensor) -> Tensor:
    smallest = _SMALLEST[x.dtype]
    small = torch.abs(x) < smallest
    huge = torch.where(x < 0.0, x.new_full((), -1.0 / smallest), x.new_full((), 1.0 / smallest))
    return torch.where(small, huge, torch.reciprocal(torch.where(small, 1.0, x)))


def _power(x: Tensor, exponent: Tensor) -> Tensor:
    return torch.where(x > 0.0, _exp(exponent * _log(x)), 0.0)


def _softplus(x: Tensor) -> Tensor:
    # log1p(exp(x)) has all digits up to 40, and is x from there on.
    return torch.nn.functional.softplus(x, threshold=40.0)


def _sign(x: Tensor) -> Tensor:
    return torch.where(torch.isnan(x), x, torch.sign(x))


def _min(a: Tensor, b: Tensor) -> Tensor:
    return torch.where((a <= b) | torch.isnan(a), a, b)


def _max(a: Tensor, b: Tensor) -> Tensor:
    return torch.where((a >= b) | torch.isnan(a), a, b)


def _leaky_relu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0.0, x, slope * x)


def _select(condition: Tensor, then: Tensor, otherwise: Tensor) -> Tensor:
    return torch.where(condition != 0.0, then, otherwise)


def _real(test: Any) -> Any:
    return lambda a, b: test(a, b).to(a.dtype)


OPERATIONS = {
    "add": torch.add, "mul": torch.mul, "recip": _recip, "exp": _exp, "log": _log, "sqrt": _sqrt, "power": _power,
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": _softplus, "sin": torch.sin, "cos": torch.cos,
    "atan": torch.atan, "relu": torch.relu, "leaky_relu": _leaky_relu, "abs": torch.abs, "sign": _sign, "min": _min,
    "max": _max, "lt": _real(torch.lt), "le": _real(torch.le), "eq": _real(torch.eq), "ne": _real(torch.ne),
    "both": torch.minimum, "either": torch.maximum, "negate": lambda x: 1.0 - x, "select": _select,
}
"""Every operator of `meaning.OPERATIONS`, by the same name."""

Registers = Sequence[Tensor | None]


def prepare(kernel: Kernel, slow: Mapping[str, Tensor], like: Tensor) -> Registers:
    """Registers with constants, slow inputs and what follows from them; dtype and device are those of `like`."""
    registers: list[Tensor | None] = [None] * kernel.size
    for place, value in kernel.constants:
        registers[place] = like.new_full((), value)
    for place, name in enumerate(kernel.inputs):
        if name in slow:
            registers[place] = slow[name]
    _run(kernel.first, registers)
    return registers


def evaluate(kernel: Kernel, prepared: Registers, fast: Mapping[str, Tensor]) -> list[Tensor]:
    """Outputs of a kernel; shapes are those that its inputs broadcast to, () for a constant."""
    registers = list(prepared)
    for place, name in enumerate(kernel.inputs):
        if registers[place] is None:
            registers[place] = fast[name]
    _run(kernel.then, registers)
    return [_filled(registers[place]) for place in kernel.outputs]


def _filled(value: Tensor | None) -> Tensor:
    assert value is not None
    return value


def _run(steps: Iterable[Step], registers: list[Tensor | None]) -> None:
    for step in steps:
        registers[step.target] = OPERATIONS[step.operation](*(_filled(registers[a]) for a in step.arguments))
