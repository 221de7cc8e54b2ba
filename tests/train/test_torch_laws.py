"""Every operator in torch has the value of `ir/meaning.py` and the derivative of `ir/expr.py`."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

torch = pytest.importorskip("torch", reason="torch is not installed")

from kcompile.ir import meaning  # noqa: E402
from kcompile.ir.expr import OPERATOR_OF, number  # noqa: E402
from kcompile.sim.kernel import make_kernel  # noqa: E402
from kcompile.train.torch_laws import OPERATIONS  # noqa: E402

KINKS = [0.0, -0.0, 1.0, -1.0, 1e-320, -1e-320, 1e-300, -1e-300, 1e-200, 709.0, 710.0, -710.0, 40.0, 40.1, 1e300, -1e300]
SMOOTH = np.concatenate([np.linspace(-3.7, 4.1, 23), [-30.5, 31.5, 1e-3]])
TRUTHS = ("both", "either", "negate")
"""Operators of conditions, which are flat whatever they are made of."""
CLASSES = {name: cls for cls, name in OPERATOR_OF.items()}


def points(name: str, values: np.ndarray) -> list[np.ndarray]:
    """Arguments of an operator: every value, and for two or three arguments every pair of values."""
    if (name in CLASSES and CLASSES[name].nargs == {1}) or name == "negate":
        return [values]
    first, second = (part.reshape(-1) for part in np.meshgrid(values, values))
    return [(np.abs(first) > 1.0).astype(first.dtype), first, second] if name == "select" else [first, second]


def expression(name: str, count: int) -> tuple:
    """A law that is one operator, and its arguments; the exponent of `power` is a number."""
    symbols = [sympy.Symbol(f"x{k}", real=True) for k in range(count)]
    if name in ("add", "mul"):
        return (sympy.Add if name == "add" else sympy.Mul)(*symbols), symbols
    if name == "power":
        return CLASSES[name](symbols[0], number(1.5)), symbols[:1]
    return CLASSES[name](*symbols), symbols


def test_torch_has_every_operator() -> None:
    assert list(OPERATIONS) == list(meaning.OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_values_at_all_points(name: str) -> None:
    arguments = points(name, np.concatenate([SMOOTH, KINKS, [np.nan, np.inf, -np.inf]]))
    if name == "power":
        arguments[1] = np.full_like(arguments[0], 1.5)
    with np.errstate(all="ignore"):
        wanted = meaning.OPERATIONS[name](*arguments)
    found = OPERATIONS[name](*map(torch.tensor, arguments)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=4e-15, atol=1e-300)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in TRUTHS])
def test_derivatives_are_those_of_the_symbolic_law(name: str) -> None:
    arguments = points(name, np.concatenate([SMOOTH, KINKS[:6], KINKS[8:14]]))
    expr, symbols = expression(name, len(arguments))
    tensors = [torch.tensor(values, requires_grad=True) for values in arguments[: len(symbols)]]
    value = OPERATIONS[name](*tensors, *([torch.tensor(1.5, dtype=torch.float64)] if name == "power" else []))
    found = torch.autograd.grad(value.sum(), tensors, allow_unused=True) if value.requires_grad else [None] * len(tensors)
    for symbol, gradient in zip(symbols, found, strict=True):
        kernel = make_kernel([sympy.diff(expr, symbol)], [])
        inputs = {f"x{k}": values for k, values in enumerate(arguments)}
        (wanted,) = kernel.prepare({})({name: inputs[name] for name in kernel.inputs})
        wanted = np.broadcast_to(wanted, arguments[0].shape)
        kept = ~((np.abs(arguments[0]) < 1e-300) & (arguments[0] != 0)) if name == "power" else slice(None)
        gradient = np.zeros_like(wanted) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(gradient[kept], wanted[kept], rtol=1e-13, atol=1e-15, err_msg=f"d{name}/d{symbol}")


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("power", *TRUTHS)])
def test_derivatives_are_slopes(name: str) -> None:
    arguments = points(name, SMOOTH[np.abs(SMOOTH) < 5])
    for k, values in enumerate(arguments):
        if name == "select" and k == 0:
            continue
        h = 1e-6
        moved = [[v + sign * h * (j == k) for j, v in enumerate(arguments)] for sign in (-1, 1)]
        slope = (meaning.OPERATIONS[name](*moved[1]) - meaning.OPERATIONS[name](*moved[0])) / (2 * h)
        tensors = [torch.tensor(v, requires_grad=j == k) for j, v in enumerate(arguments)]
        value = OPERATIONS[name](*tensors)
        gradient = torch.autograd.grad(value.sum(), tensors[k])[0].numpy() if value.requires_grad else np.zeros_like(values)
        # At equal arguments, and where a comparison jumps, there is no slope.
        smooth = np.abs(arguments[0] - arguments[-1]) > 1e-3 if len(arguments) == 2 else np.full(values.shape, True)
        np.testing.assert_allclose(gradient[smooth], slope[smooth], rtol=1e-6, atol=1e-7, err_msg=f"{name}, argument {k}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_float32_neither_overflows_nor_loses_a_gradient(name: str) -> None:
    arguments = points(name, np.array([0.0, 1e-45, -1e-45, 1.0, 87.0, 100.0, -100.0, 1e10], dtype=np.float32))
    tensors = [torch.tensor(values, requires_grad=True) for values in arguments]
    value = OPERATIONS[name](*tensors)
    assert value.dtype == torch.float32 and torch.isfinite(value).all()
    if value.requires_grad and name != "power":
        assert all(torch.isfinite(g).all() for g in torch.autograd.grad(value.sum(), tensors, allow_unused=True) if g is not None)
