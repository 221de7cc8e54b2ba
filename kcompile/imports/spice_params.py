"""Parameters that are made of others."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping

from kcompile.diagnostics import CompileError, Diagnostic
from kcompile.imports.spice_function import MAX_DEPTH, MAX_OPERANDS, evaluate, is_too_large, replaced
from kcompile.syntax import nodes
from kcompile.syntax.contribution import names


def in_order(values: Mapping[str, nodes.Expr]) -> list[str]:
    """Names of parameters, each after those of them that it reads; raises `CompileError` KC0535."""
    read = {name: [one.id for one in names(value) if one.id in values] for name, value in values.items()}
    try:
        return list(graphlib.TopologicalSorter(read).static_order())
    except graphlib.CycleError as error:
        name = error.args[1][0]
        raise CompileError(Diagnostic("KC0535", f"the value of `{name[:40]}` depends on itself", values[name].span)) from None


def known(values: Mapping[str, nodes.Expr]) -> dict[str, float]:
    """Values of the parameters that have one."""
    found: dict[str, float] = {}
    for name in in_order(values):
        value = evaluate(values[name], found)
        if value is not None:
            found[name] = value
    return found


def written_out(values: Mapping[str, nodes.Expr]) -> dict[str, nodes.Expr]:
    """Parameters in terms of others than these; raises `CompileError` KC0535."""
    found: dict[str, nodes.Expr] = {}
    for name in in_order(values):
        found[name] = replaced(values[name], lambda part: found.get(part.id) if isinstance(part, nodes.Name) else None)
        if is_too_large(found[name]):
            raise CompileError(Diagnostic("KC0535", f"the value of `{name[:40]}` has more than {MAX_OPERANDS:,} operands, or "
                                          f"{MAX_DEPTH} operators inside one another", values[name].span))
    return found
