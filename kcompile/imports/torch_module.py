"""Networks of PyTorch as circuits: a stack of layers in time slices, or a right-hand side dx/dt = f(x).

A stack is exact. Inputs stay on their nodes, and a layer has one second to put its weighted sums, as charge on 1 F, on
nodes of its own. A right-hand side is exact as long as it has one hidden layer: each hidden unit is one device that
senses all states and drives all of them. With more hidden layers their sums stand on nodes that follow within `tau`,
so the states lag, by an error in proportion to tau.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.imports.base import Imported, circuit_name
from kcompile.imports.relaxation import measured
from kcompile.imports.stack import Activation, Layer, Stack, read_stack
from kcompile.inputs import check_positive
from kcompile.syntax.check_device import MAX_TERMINALS

if TYPE_CHECKING:
    import torch

SETTLE = 30
"""Times tau that hidden nodes have to settle before the states start to move: exp(-30) is 1e-13."""

_TERMS = 6
"""Terms of a sum on one line."""


def import_torch(module: torch.nn.Module, *, ode: float | None = None, tau: float | None = None, name: str = "Net") -> Imported:
    """Program and values of a module made of linear layers and activations.

    ode: seconds for which dx/dt = module(x) runs; without it the program computes module(x). tau: time constant in
    seconds of the nodes of hidden layers, for a right-hand side with more than one of these.
    Raises `CompileError` KC0525 for layers that are not taken, KC0527 for networks that cannot be expressed.
    """
    for value, what in ((ode, "the time of the equation"), (tau, "tau")):
        if value is not None:
            check_positive(value, what)
    if tau is not None and ode is None:
        raise _cannot("tau belongs to a right-hand side, a stack of layers is exact without", "give the time to run as well")
    stack = read_stack(module)
    if ode is None:
        return _feed_forward(stack, name)
    if stack.inputs != stack.outputs:
        raise _cannot(f"a right-hand side has as many outputs as inputs, this network has {stack.outputs} and {stack.inputs}",
                      "without a time to run, the program computes the network itself")
    layers = stack.layers if not stack.last else (*stack.layers, Layer(stack.last, np.eye(stack.outputs), None))
    if len(layers) == 1:
        if tau is not None:
            raise _cannot("this right-hand side has no hidden layer to follow within tau", "it is exact without")
        return _direct(layers[0], ode, name)
    if tau is not None:
        return _relaxing(layers, ode, tau, name)
    if len(layers) == 2 and stack.inputs <= MAX_TERMINALS:
        return _neurons(*layers, ode, name)
    raise _cannot(f"this right-hand side has {len(layers) - 1} hidden layers and {stack.inputs} states; an exact circuit takes "
                  f"one and {MAX_TERMINALS}",
                  "give tau, the time in which hidden layers follow: the error is in proportion to it, and is measured")


def _cannot(message: str, hint: str) -> UsageError:
    return UsageError(Diagnostic("KC0527", message, hint=hint))


# ---- parts of programs ------------------------------------------------------------------------------------------------


@dataclass
class _Writer:
    """Laws, banks and values of a program under construction."""

    laws: dict[str, list[str]] = field(default_factory=dict)
    std: dict[str, str] = field(default_factory=lambda: {"Capacitor": "passive"})
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def weight(self, before: Sequence[Activation]) -> tuple[str, str]:
        """Name and parameter of the law that weighs a function of a voltage: a current into its second terminal."""
        if not before:
            self.std["Transconductor"] = "compute"
            return "Transconductor", "gm"
        first = "".join(activation.name for activation in before) + "Weight"
        body = ["    param w: conductance = 0 S trainable;", f"    I(gnd, b) <+ w * {applied(before, 'V(a)')};", "}"]
        # Activations of one name may differ in their constants.
        names = (f"{first}{number or ''}" for number in itertools.chain([0], itertools.count(2)))
        name = next(name for name in names if self.laws.get(name, [name, *body])[1:] == body)
        self.laws[name] = [f"device {name}(a, b) {{", *body]
        return name, "w"

    def layer(self, number: int, layer: Layer, source: str, target: str, phase: str = "") -> Iterator[str]:
        """Banks that put act(source) times the weights, and the bias, into the nodes of `target`."""
        law, param = self.weight(layer.before)
        bank = f"layer{number}"
        yield f"{law} {bank}(a, b) for b in {target}, a in {source};"
        self.weights[f"{phase}{bank}.{param}"] = layer.weight.reshape(-1)
        yield from self.bias(f"bias{number}", layer.bias, target, phase)

    def bias(self, bank: str, bias: np.ndarray | None, target: str, phase: str = "") -> Iterator[str]:
        if bias is not None:
            self.std["Bias"] = "compute"
            yield f"Bias {bank}(b) for b in {target};"
            self.weights[f"{phase}{bank}.i"] = bias

    def imported(self, name: str, purpose: Sequence[str], items: Iterable[str], notes: tuple[str, ...] = ()) -> Imported:
        """Program of the lines inside its circuit."""
        body = list(items)
        uses: dict[str, list[str]] = {}
        for device, folder in sorted(self.std.items()):
            uses.setdefault(folder, []).append(device)
        lines = [f"// {line}" for line in purpose]
        lines += [f"use std.{folder}: {', '.join(devices)};" for folder, devices in sorted(uses.items(), reverse=True)]
        for law in self.laws.values():
            lines += ["", *law]
        top = circuit_name(name, {*self.std, *self.laws})
        lines += ["", f"circuit {top} {{", *(f"    {line}" if line else "" for line in body), "}"]
        return Imported(top, "\n".join(lines) + "\n", {key: np.array(value) for key, value in self.weights.items()}, notes)


def applied(functions: Sequence[Activation], argument: str) -> str:
    """Text of functions of a voltage, the first innermost."""
    for activation in functions:
        argument = activation.text.format(argument if argument.endswith(")") and argument.count("(") == 1 else f"({argument})")
    return argument


def _phase(name: str, seconds: str, items: Iterable[str]) -> Iterator[str]:
    yield f"phase {name} for {seconds} {{"
    yield from (f"    {item}" for item in items)
    yield "}"


def _seconds(value: float) -> str:
    return f"{float(value)!r}".removesuffix(".0") + " s"


def _shape(stack: Sequence[Layer]) -> str:
    return " -> ".join(map(str, [stack[0].weight.shape[1], *(len(layer.weight) for layer in stack)]))


# ---- the constructions ------------------------------------------------------------------------------------------------


def _feed_forward(stack: Stack, name: str) -> Imported:
    writer = _Writer()
    hidden = len(stack.layers) - (not stack.last)
    banks = ["x", *(f"h{k + 1}" for k in range(hidden)), "y"]
    sizes = [stack.inputs, *(len(layer.weight) for layer in stack.layers), stack.outputs]
    items = [f"node {', '.join(f'{bank}[{size}]' for bank, size in zip(banks, sizes, strict=False))};",
             f"Capacitor(n, gnd) {{ c = 1 F }} for n in {' + '.join(banks)};", ""]
    for k, layer in enumerate(stack.layers):
        items += _phase(f"slice{k + 1}", "1 s", writer.layer(k + 1, layer, banks[k], banks[k + 1], f"slice{k + 1}."))
    if stack.last:
        law, param = writer.weight(stack.last)
        items += _phase(f"slice{hidden + 1}", "1 s",
                        [f"{law} last({banks[-2]}[k], y[k]) {{ fixed {param} = 1 S }} for k in 0..{stack.outputs};"])
    return writer.imported(name, [f"A network imported from PyTorch, {_shape(stack.layers)}; exact: the inputs stay, and each "
                                  "slice puts the sums of one layer", "on nodes of its own. Values come from a file: --weights."],
                           [*items, "", "input x;", "output y;"])


def _ode(writer: _Writer, purpose: str, name: str, items: Iterable[str], notes: tuple[str, ...] = ()) -> Imported:
    return writer.imported(name, [f"The right-hand side of dx/dt = f(x), imported from PyTorch; {purpose}",
                                  "Values come from a file: --weights."], [*items, "", "input x;", "output x;"], notes)


def _direct(layer: Layer, ode: float, name: str) -> Imported:
    writer = _Writer()
    return _ode(writer, "exact.", name, [
        f"node x[{len(layer.weight)}];", "Capacitor(n, gnd) { c = 1 F } for n in x;", "",
        *_phase("flow", _seconds(ode), writer.layer(1, layer, "x", "x", "flow."))])


def _neurons(first: Layer, second: Layer, ode: float, name: str) -> Imported:
    """One device per hidden unit: it senses every state and drives every state."""
    writer = _Writer()
    count, states = first.weight.shape
    names = [f"x{k}" for k in range(states)]
    terms = [f"w{k} * {applied(first.before, f'V({one})')}" for k, one in enumerate(names)]
    if first.bias is not None:
        terms.append("b")
    lines = [" + ".join(terms[k : k + _TERMS]) for k in range(0, len(terms), _TERMS)]
    driven = applied(second.before, ("\n" + " " * 8 + "+ ").join(lines))
    law = [f"device Neuron({', '.join(names)}) {{", *(f"    param w{k}: real = 0 trainable;" for k in range(states))]
    law += ["    param b: voltage = 0 V trainable;"] if first.bias is not None else []
    law += [f"    param v{k}: conductance = 0 S trainable;" for k in range(states)]
    law += [f"    I(gnd, {one}) <+ v{k} * {driven};" for k, one in enumerate(names)]
    writer.laws["Neuron"] = [*"\n".join(law).split("\n"), "}"]
    for k in range(states):
        writer.weights[f"flow.hidden.w{k}"] = first.weight[:, k]
        writer.weights[f"flow.hidden.v{k}"] = second.weight[k]
    if first.bias is not None:
        writer.weights["flow.hidden.b"] = first.bias
    terminals = ", ".join(f"x[{k}]" for k in range(states))
    items = [f"node x[{states}];", "Capacitor(n, gnd) { c = 1 F } for n in x;", "",
             *_phase("flow", _seconds(ode), [f"Neuron hidden({terminals}) for k in 0..{count};",
                                             *writer.bias("bias", second.bias, "x", "flow.")])]
    return _ode(writer, "exact: a device per hidden unit.", name, items)


def _relaxing(layers: Sequence[Layer], ode: float, tau: float, name: str) -> Imported:
    writer = _Writer()
    writer.std["Conductance"] = "passive"
    banks = ["x", *(f"h{k + 1}" for k in range(len(layers) - 1))]
    sizes = [layers[0].weight.shape[1], *(len(layer.weight) for layer in layers)]
    hidden = " + ".join(banks[1:])
    items = [f"param tau: time = {_seconds(tau)} in (0, inf);",
             f"node {', '.join(f'{bank}[{size}]' for bank, size in zip(banks, sizes, strict=False))};",
             "Capacitor(n, gnd) { c = 1 F } for n in x;", f"Capacitor(n, gnd) {{ c = tau * 1 S }} for n in {hidden};",
             f"Conductance(n, gnd) {{ g = 1 S }} for n in {hidden};"]
    for k, layer in enumerate(layers[:-1]):
        items += writer.layer(k + 1, layer, banks[k], banks[k + 1])
    items += ["", f"phase settle for {SETTLE} * tau {{}}",
              *_phase("flow", _seconds(ode), writer.layer(len(layers), layers[-1], banks[-1], "x", "flow."))]
    note = measured(layers, ode, tau)
    return _ode(writer, "hidden layers follow within tau.", name, items, (note,))
