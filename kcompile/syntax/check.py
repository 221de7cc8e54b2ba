"""Checks of a whole module that need no values: every constant, device and circuit of the file."""

from __future__ import annotations

from kcompile.diagnostics import Reporter
from kcompile.syntax import nodes
from kcompile.syntax.check_circuit import CircuitChecker
from kcompile.syntax.check_device import DeviceChecker
from kcompile.syntax.infer import ERROR, Inference, Type
from kcompile.syntax.load import Module

MAX_HIERARCHY = 32


def check(module: Module, report: Reporter) -> None:
    """Report the mistakes of a module and of the modules it uses; imported ones first, each once."""
    _check(module, report, {})
    _check_recursion(module, report)


def _check(module: Module, report: Reporter, done: dict[int, dict[str, Type]]) -> dict[str, Type]:
    """Types of the constants a module can say."""
    if id(module) in done:
        return done[id(module)]
    constants: dict[str, Type] = {}
    done[id(module)] = constants
    for name, (declaration, owner) in module.names.items():
        if owner is not module:
            theirs = _check(owner, report, done)
            if isinstance(declaration, nodes.Const):
                constants[name] = theirs.get(name, ERROR)

    def lookup(name: nodes.Name) -> Type:
        if name.id in constants:
            return constants[name.id]
        report.error("KC0201", f"`{name.id}` is not known here", name.span,
                     hint="constants are declared before they are used")
        return ERROR

    for declaration in module.own:
        if isinstance(declaration, nodes.Const):
            found = Inference(report, lookup).infer(declaration.value)
            if found.kind not in ("number", "error"):
                report.error("KC0305", "a constant is a number", declaration.value.span)
            constants[declaration.name.id] = found if found.kind == "number" else ERROR
    for declaration in module.own:
        if isinstance(declaration, nodes.Device):
            DeviceChecker(declaration, constants, report).check()
        elif isinstance(declaration, nodes.Circuit):
            CircuitChecker(declaration, module, constants, report).check()
    return constants


def instantiated(circuit: nodes.Circuit) -> list[nodes.Instance]:
    """Instance statements of a circuit, those of its phases included."""
    found = []
    for item in circuit.items:
        if isinstance(item, nodes.Instance):
            found.append(item)
        elif isinstance(item, nodes.Phase):
            found += [inner for inner in item.items if isinstance(inner, nodes.Instance)]
    return found


def _check_recursion(module: Module, report: Reporter) -> None:
    """Report circuits that contain themselves, or are nested too deep."""
    depths: dict[int, int] = {}

    def depth(circuit: nodes.Circuit, owner: Module, chain: tuple[int, ...]) -> int:
        if id(circuit) not in depths:
            deepest = 0
            for item in instantiated(circuit):
                found = owner.names.get(item.model.id)
                if found is None or not isinstance(found[0], nodes.Circuit):
                    continue
                if id(found[0]) in (*chain, id(circuit)):
                    report.error("KC0209", f"`{item.model.id}` contains itself through this instance", item.model.span)
                elif len(chain) >= MAX_HIERARCHY:
                    report.error("KC0406", f"circuits are nested more than {MAX_HIERARCHY} deep", item.model.span)
                else:
                    deepest = max(deepest, 1 + depth(found[0], found[1], (*chain, id(circuit))))
            depths[id(circuit)] = deepest
        return depths[id(circuit)]

    for declaration, owner in module.names.values():
        if isinstance(declaration, nodes.Circuit):
            depth(declaration, owner, ())
