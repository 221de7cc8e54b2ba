"""A module of PyTorch as arrays: linear layers and the activations between them, checked against the module itself."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kcompile.diagnostics import CompileError, Diagnostic, printable
from kcompile.imports.checkpoint import need_torch

if TYPE_CHECKING:
    import torch

ACCEPTED = "accepted: Linear, Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, Identity, and Sequential of these"
MAX_UNITS = 1 << 14
"""Inputs or outputs of one layer."""

_SAMPLES = 16


@dataclass(frozen=True)
class Activation:
    """A function of a voltage: its name, its text in a law with `{}` for the argument, and itself."""

    name: str
    text: str
    apply: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Layer:
    """weight @ act(x) + bias, where act is the functions `before`, first to last; float64[out, in], float64[out] or None."""

    before: tuple[Activation, ...]
    weight: np.ndarray
    bias: np.ndarray | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float64[samples, out] of float64[samples, in]."""
        for activation in self.before:
            x = activation.apply(x)
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


@dataclass(frozen=True, eq=False)
class Stack:
    """Layers one after the other, then the functions `last`. There is at least one layer."""

    layers: tuple[Layer, ...]
    last: tuple[Activation, ...]

    @property
    def inputs(self) -> int:
        return self.layers[0].weight.shape[1]

    @property
    def outputs(self) -> int:
        return self.layers[-1].weight.shape[0]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float64[samples, outputs] of float64[samples, inputs]."""
        for layer in self.layers:
            x = layer(x)
        for activation in self.last:
            x = activation.apply(x)
        return x


def read_stack(module: torch.nn.Module) -> Stack:
    """Stack that computes what a module computes, in float64; linear layers without a function between them become one.

    Raises `CompileError` KC0525 for a layer that is not taken, KC0527 where `forward` is not the layers in a row.
    """
    torch = need_torch()
    if not isinstance(module, torch.nn.Module):
        raise CompileError(Diagnostic("KC0526", f"a torch.nn.Module is expected, not a {type(module).__name__}"))
    layers: list[Layer] = []
    functions: list[Activation] = []
    for path, one in _flat(module, ""):
        if isinstance(one, Activation):
            functions.append(one)
            continue
        weight, bias = (None if values is None else _array(path, values) for values in (one.weight, one.bias))
        assert weight is not None
        if layers and weight.shape[1] != len(layers[-1].weight):
            raise CompileError(Diagnostic("KC0527", f"the layer `{path}` has {weight.shape[1]} inputs, the one before it "
                                          f"{len(layers[-1].weight)} outputs"))
        if layers and not functions:
            layers[-1] = _joined(layers[-1], weight, bias)
        else:
            layers.append(Layer(tuple(functions), weight, bias))
        functions = []
    if not layers:
        raise CompileError(Diagnostic("KC0525", "the network has no Linear layer", hint=ACCEPTED))
    stack = Stack(tuple(layers), tuple(functions))
    _check(module, stack)
    return stack


def _flat(module: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, Linear or Activation) in order. A class of the user's own counts as its children; `_check` tells if it is more."""
    nn = need_torch().nn
    kind = type(module)
    if kind is nn.Linear:
        yield path, module
    elif kind in (nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Softplus):
        yield path, _activation(module, path)
    elif kind is nn.Sequential or (not kind.__module__.startswith("torch.") and any(module.children())):
        for name, child in module.named_children():
            yield from _flat(child, f"{path}.{name}".lstrip("."))
    elif kind is not nn.Identity:
        what = f"the layer `{path}`" if path else "the network itself"
        raise CompileError(Diagnostic("KC0525", f"{what} is a {kind.__name__}, which is not taken", hint=ACCEPTED))


def _activation(module: Any, path: str) -> Activation:
    name = type(module).__name__
    if name == "Tanh":
        return Activation(name, "1 V * tanh({} / 1 V)", np.tanh)
    if name == "ReLU":
        return Activation(name, "relu({})", lambda x: np.maximum(x, 0.0))
    if name == "Sigmoid":
        return Activation(name, "1 V * sigmoid({} / 1 V)", lambda x: np.exp(-np.logaddexp(0.0, -x)))
    if name == "LeakyReLU":
        slope = _constant(path, "negative_slope", module.negative_slope)
        return Activation(name, f"leaky_relu({{}}, slope = {slope!r})", lambda x: np.where(x > 0.0, x, slope * x))
    # PyTorch goes over to x where beta x exceeds the threshold; at 20 the difference is 2e-9.
    beta, threshold = (_constant(path, key, getattr(module, key)) for key in ("beta", "threshold"))
    if beta <= 0.0 or threshold < 20.0:
        raise CompileError(Diagnostic("KC0525", f"the Softplus `{path}` has beta = {beta:g} and threshold = {threshold:g}",
                                      hint="accepted: a positive beta, a threshold of 20 or more"))
    text = "1 V * softplus({} / 1 V)" if beta == 1.0 else f"1 V / {beta!r} * softplus({beta!r} * {{}} / 1 V)"
    return Activation(name, text, lambda x: np.logaddexp(0.0, beta * x) / beta)


def _constant(path: str, name: str, value: Any) -> float:
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise CompileError(Diagnostic("KC0525", f"`{name}` of the layer `{path}` is {printable(repr(value), 40)}, not a number"))
    return float(value)


def _array(path: str, values: Any) -> np.ndarray:
    torch = need_torch()
    if not values.is_floating_point() or values.is_meta or max(values.shape) > MAX_UNITS or min(values.shape) == 0:
        raise CompileError(Diagnostic("KC0525", f"the layer `{path}` holds {values.dtype} of the shape {tuple(values.shape)}",
                                      hint=f"accepted: floating-point numbers, 1 to {MAX_UNITS:,} inputs and outputs"))
    array = values.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(array).all():
        raise CompileError(Diagnostic("KC0525", f"the layer `{path}` has a value that is not finite"))
    return array


def _joined(first: Layer, weight: np.ndarray, bias: np.ndarray | None) -> Layer:
    """One layer that does what two do in a row."""
    inner = np.zeros(len(weight)) if first.bias is None else weight @ first.bias
    both = None if first.bias is None and bias is None else inner + (0.0 if bias is None else bias)
    return replace(first, weight=weight @ first.weight, bias=both)


def _check(module: Any, stack: Stack) -> None:
    """Raise KC0527 where a module computes something else than its layers in a row, at some inputs and times."""
    torch = need_torch()
    x = np.random.default_rng(0).normal(scale=2.0, size=(_SAMPLES, stack.inputs))
    x[0] = 0.0
    wanted = stack(x)
    timed = _takes_time(module)
    for time in (0.0, 1.5) if timed else (0.0,):
        given = (torch.tensor(time, dtype=torch.float64),) if timed else ()
        try:
            with torch.no_grad():
                found = copy.deepcopy(module).to("cpu", torch.float64).eval()(*given, torch.from_numpy(x)).numpy()
        except Exception as error:  # noqa: BLE001 - `forward` is the user's own code and may raise anything
            raise CompileError(Diagnostic("KC0527", f"`forward` of `{type(module).__name__}` fails with {type(error).__name__}: "
                                          f"{printable(str(error).split(chr(10))[0])}")) from None
        if np.shape(found) != wanted.shape or not np.allclose(found, wanted, rtol=1e-8, atol=1e-8):
            raise CompileError(Diagnostic(
                "KC0527", f"`forward` of `{type(module).__name__}` does not apply its layers one after the other",
                hint="functions such as torch.tanh(x) and x ** 3 are not seen; build the network of layers, in their order"))


def _takes_time(module: Any) -> bool:
    """Whether `forward` is a right-hand side f(t, x)."""
    parameters = inspect.signature(module.forward).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) == 2
