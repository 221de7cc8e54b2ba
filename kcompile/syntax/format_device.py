"""A device of the syntax tree as canonical text: SI units, one statement a line, brackets only where they are needed."""

from __future__ import annotations

from collections.abc import Iterator

from kcompile.syntax import nodes
from kcompile.units import REAL, format_unit

_LEVEL = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
_NOT, _COMPARISON, _MINUS, _ATOM = 3, 4, 7, 8


def format_device(device: nodes.Device) -> str:
    """Text of a device, ending with `}` on a line of its own."""
    head = f"device {device.name.id}({', '.join(t.id for t in device.terminals)}) {{"
    return "\n".join([head, *(f"    {line}" for line in _items(device)), "}"])


def _items(device: nodes.Device) -> Iterator[str]:
    for item in device.items:
        match item:
            case nodes.Param():
                default = f" = {format_expr(item.default)}" if item.default is not None else ""
                interval = f" in {_interval(item.interval)}" if item.interval is not None else ""
                yield f"param {item.name.id}: {item.dimension.text}{default}{interval}{' trainable' * item.trainable};"
            case nodes.State():
                initial = f" = {format_expr(item.initial)}" if item.initial is not None else ""
                yield f"state {item.name.id}: {item.dimension.text}{initial};"
            case nodes.Contribution():
                yield f"I({', '.join(t.id for t in item.terminals)}) <+ {format_expr(item.value)};"
            case nodes.Equation():
                yield f"ddt({item.arguments[0].id}) = {format_expr(item.value)};"


def _interval(interval: nodes.Interval) -> str:
    opening, closing = "[" if interval.lower_closed else "(", "]" if interval.upper_closed else ")"
    return f"{opening}{format_expr(interval.lower)}, {format_expr(interval.upper)}{closing}"


def format_expr(expr: nodes.Expr) -> str:
    """Text that parses back to the same expression."""
    return _format(expr, 0)


def _format(expr: nodes.Expr, level: int) -> str:
    text, own = _text(expr)
    return text if own >= level else f"({text})"


def _text(expr: nodes.Expr) -> tuple[str, int]:
    """Text and how tightly it binds."""
    match expr:
        case nodes.Number():
            value = float(expr.value)
            digits = str(int(value)) if expr.integral else repr(value)
            # A plain number has no unit; one whose unit cancelled has none either.
            unit = "" if expr.dimension in (None, REAL) else f" {format_unit(expr.dimension)}"
            return digits + unit, _ATOM
        case nodes.Name():
            return expr.id, _ATOM
        case nodes.Call():
            arguments = [_format(a, 0) for a in expr.arguments] + [f"{n.id} = {_format(v, 0)}" for n, v in expr.named]
            return f"{expr.function.id}({', '.join(arguments)})", _ATOM
        case nodes.Unary(operator="not"):
            return f"not {_format(expr.operand, _COMPARISON)}", _NOT
        case nodes.Unary():
            return f"-{_format(expr.operand, _ATOM)}", _MINUS
        case nodes.Chain():
            level = _LEVEL[expr.operators[0]]
            return _joined(expr, level), level
        case nodes.Comparison():
            return _joined(expr, _COMPARISON), _COMPARISON
    raise AssertionError(f"no {type(expr).__name__} stands in a device")


def _joined(expr: nodes.Chain | nodes.Comparison, level: int) -> str:
    operands = [_format(operand, level + 1) for operand in expr.operands]
    return operands[0] + "".join(f" {o} {text}" for o, text in zip(expr.operators, operands[1:], strict=True))
