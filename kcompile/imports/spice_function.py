"""What operators and functions of SPICE mean, written in the language, as ngspice 46 computes them.

`x^y` stays a call of `^` until the value of y is known: in ngspice it is |x|^y, and (-2)^3 is 8. In a behavioural source so is
`pow`, and `pwr` keeps the sign; elsewhere `pow` is the power of mathematics, and `pwr` is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from kcompile.diagnostics import Span, accepted, nearest
from kcompile.imports.spice_text import Word
from kcompile.syntax import nodes

GROUND = {"gnd": "0"}
"""The one name of ground by its others."""

MAX_OPERANDS = 10_000
"""Operands of an expression after computed voltages are written out."""

MAX_DEPTH = 100
"""Operators inside one another; the program that is written may open 64 brackets."""

SAME = {"exp": 1, "sqrt": 1, "abs": 1, "tanh": 1, "sin": 1, "cos": 1, "atan": 1, "ln": 1, "log": 1, "sgn": 1, "uramp": 1,
         "min": 2, "max": 2}
_CALLED = {"ln": "log", "sgn": "sign", "uramp": "relu"}
"""Functions that are functions of the language, with their number of arguments and their names there."""


def number(value: float, span: Span) -> nodes.Expr:
    """A plain number, with a sign where it is negative."""
    one = nodes.Number(span, abs(value), None, abs(value) < 1e15 and value == int(value))
    return nodes.Unary(span, "-", one) if value < 0 else one


def call(span: Span, name: str, *arguments: nodes.Expr) -> nodes.Call:
    """Call of a function of the language, or of `^`."""
    return nodes.Call(span, nodes.Name(span, name), arguments)


def voltage(span: Span, plus: str, minus: str) -> nodes.Expr:
    """`V(plus, minus)` of two nodes of the netlist, as a plain number; 0 of a node and itself."""
    ends = [GROUND.get(node, node) for node in (plus, minus)]
    return number(0, span) if ends[0] == ends[1] else call(span, "V", *(nodes.Name(span, end) for end in ends))


def is_voltage(expr: nodes.Expr) -> bool:
    return isinstance(expr, nodes.Call) and expr.function.id == "V"


def total(terms: Sequence[nodes.Expr]) -> nodes.Expr:
    """Sum of one term or more."""
    return chain("+", *terms) if len(terms) > 1 else terms[0]


def chain(operator: str, *operands: nodes.Expr) -> nodes.Chain:
    """`a op b op c`."""
    return nodes.Chain(operands[0].span, operands, (operator,) * (len(operands) - 1))


def signed(expr: nodes.Expr, minus: bool) -> nodes.Expr:
    """The expression, or its negative."""
    if not minus or (isinstance(expr, nodes.Number) and expr.value == 0):
        return expr
    if isinstance(expr, nodes.Unary) and expr.operator == "-":
        return expr.operand
    return nodes.Unary(expr.span, "-", as_number(expr))


def is_condition(expr: nodes.Expr) -> bool:
    """Whether an expression is a condition of the language."""
    return (isinstance(expr, nodes.Comparison) or (isinstance(expr, nodes.Unary) and expr.operator == "not")
            or (isinstance(expr, nodes.Chain) and expr.operators[0] in ("and", "or")))


def as_number(expr: nodes.Expr) -> nodes.Expr:
    """1 or 0 for a condition."""
    return call(expr.span, "if", expr, number(1, expr.span), number(0, expr.span)) if is_condition(expr) else expr


def as_condition(expr: nodes.Expr) -> nodes.Expr:
    """A number holds where it is not 0."""
    return expr if is_condition(expr) else nodes.Comparison(expr.span, (expr, number(0, expr.span)), ("!=",))


def never_negative(expr: nodes.Expr) -> bool:
    """Whether an expression surely has no value below 0."""
    match expr:
        case nodes.Number():
            return True
        case nodes.Call():
            return expr.function.id in ("abs", "exp", "sqrt", "relu", "softplus", "^")
        case nodes.Chain():
            return set(expr.operators) <= set("+*/") and all(map(never_negative, expr.operands))
    return False


def function(word: Word, arguments: Sequence[nodes.Expr], in_law: bool) -> nodes.Expr:
    """Call of a SPICE function; raises `CompileError` KC0532."""
    name, span = word.text, word.span
    made = IN_LAW if in_law else _ELSEWHERE
    count = SAME.get(name) or (made[name][0] if name in made else None)
    if count is None:
        known = sorted({*SAME, *made})
        raise word.refuse("KC0532", f"the function `{name[:40]}` is not read", nearest(name, known) or accepted(known, 40))
    most = 16 if name in ("min", "max") else count
    if not count <= len(arguments) <= most:
        raise word.refuse("KC0532", f"`{name}` takes {count} argument{'s' * (count > 1)}, {len(arguments)} given")
    if name in SAME:
        return call(span, _CALLED.get(name, name), *arguments)
    return made[name][1](span, *arguments)


def _power(span: Span, x: nodes.Expr, y: nodes.Expr) -> nodes.Expr:
    return call(span, "^", x, y)


def _true_power(span: Span, x: nodes.Expr, y: nodes.Expr) -> nodes.Expr:
    return call(span, "pow", x, y)


def _signed_power(span: Span, x: nodes.Expr, y: nodes.Expr) -> nodes.Expr:
    return chain("*", call(span, "sign", x), call(span, "^", x, y))


def _log10(span: Span, x: nodes.Expr) -> nodes.Expr:
    return chain("/", call(span, "log", x), number(math.log(10), span))


def _tan(span: Span, x: nodes.Expr) -> nodes.Expr:
    return chain("/", call(span, "sin", x), call(span, "cos", x))


def _cosh(span: Span, x: nodes.Expr) -> nodes.Expr:
    return chain("/", chain("+", call(span, "exp", x), call(span, "exp", signed(x, True))), number(2, span))


def _sinh(span: Span, x: nodes.Expr) -> nodes.Expr:
    return chain("*", call(span, "tanh", x), _cosh(span, x))


def _atanh(span: Span, x: nodes.Expr) -> nodes.Expr:
    """sign(x) log(1 + 2|x| / (1 - |x|)) / 2, in which softplus(log y) is log(1 + y) with all digits of a small y."""
    size = x if never_negative(x) else call(span, "abs", x)
    ratio = chain("/", chain("*", number(2, span), size), chain("-", number(1, span), size))
    half = chain("/", call(span, "softplus", call(span, "log", ratio)), number(2, span))
    return half if size is x else chain("*", call(span, "sign", x), half)


def _step(span: Span, x: nodes.Expr) -> nodes.Expr:
    return chain("/", chain("+", number(1, span), call(span, "sign", x)), number(2, span))


def _unit_ramp(span: Span, x: nodes.Expr) -> nodes.Expr:
    return call(span, "min", call(span, "relu", x), number(1, span))


_MADE: dict[str, tuple[int, Callable[..., nodes.Expr]]] = {
    "log10": (1, _log10), "tan": (1, _tan), "sinh": (1, _sinh), "cosh": (1, _cosh), "atanh": (1, _atanh), "u": (1, _step),
    "u2": (1, _unit_ramp)}
"""Functions that the language writes with others."""

IN_LAW = _MADE | {"pow": (2, _power), "pwr": (2, _signed_power)}
_ELSEWHERE = _MADE | {"pow": (2, _true_power)}


# ---- trees --------------------------------------------------------------------------------------------------------------

def replaced(expr: nodes.Expr, leaf: Callable[[nodes.Expr], nodes.Expr | None]) -> nodes.Expr:
    """The expression with every part for which `leaf` gives another replaced, outer parts first."""
    found = leaf(expr)
    if found is not None:
        return found
    match expr:
        case nodes.Unary():
            return nodes.Unary(expr.span, expr.operator, replaced(expr.operand, leaf))
        case nodes.Chain():
            return nodes.Chain(expr.span, tuple(replaced(o, leaf) for o in expr.operands), expr.operators)
        case nodes.Comparison():
            return nodes.Comparison(expr.span, tuple(replaced(o, leaf) for o in expr.operands), expr.operators)
        case nodes.Call() if not is_voltage(expr):
            return nodes.Call(expr.span, expr.function, tuple(replaced(a, leaf) for a in expr.arguments))
    return expr


def parts_of(expr: nodes.Expr) -> tuple[nodes.Expr, ...]:
    """Expressions right inside an expression."""
    match expr:
        case nodes.Unary():
            return (expr.operand,)
        case nodes.Chain() | nodes.Comparison():
            return expr.operands
        case nodes.Call() if not is_voltage(expr):
            return expr.arguments
    return ()


def is_too_large(expr: nodes.Expr) -> bool:
    """Whether an expression has more operands, or is deeper, than a program may say; looks no further than that."""
    waiting = [(expr, 1)]
    operands = 0
    while waiting:
        part, depth = waiting.pop()
        inside = parts_of(part)
        operands += not inside
        if operands > MAX_OPERANDS or depth > MAX_DEPTH:
            return True
        waiting += [(one, depth + 1) for one in inside]
    return False


# ---- values that are known ----------------------------------------------------------------------------------------------

_COMPUTED: dict[str, Callable[..., float]] = {
    "exp": lambda x: math.exp(min(x, 709.0)), "log": lambda x: math.log(max(x, 1e-300)), "sqrt": lambda x: math.sqrt(max(x, 0.0)),
    "abs": math.fabs, "tanh": math.tanh, "sin": math.sin, "cos": math.cos, "atan": math.atan, "relu": lambda x: max(x, 0.0),
    "sign": lambda x: float((x > 0) - (x < 0)), "min": lambda *x: min(x), "max": lambda *x: max(x), "pow": math.pow,
    "^": lambda x, y: math.pow(abs(x), y), "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x)))}
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


def evaluate(expr: nodes.Expr, values: Mapping[str, float]) -> float | None:
    """Value of an expression of numbers and known parameters; None where there is none."""
    try:
        return _value(expr, values)
    except (ArithmeticError, ValueError, KeyError):
        return None


def _value(expr: nodes.Expr, values: Mapping[str, float]) -> float:
    match expr:
        case nodes.Number():
            return float(expr.value)
        case nodes.Name():
            return values[expr.id]
        case nodes.Unary():
            operand = _value(expr.operand, values)
            return -operand if expr.operator == "-" else float(operand == 0)
        case nodes.Comparison():
            left, right = (_value(operand, values) for operand in expr.operands)
            return float(_COMPARED[expr.operators[0]](left, right))
        case nodes.Chain():
            operands = [_value(operand, values) for operand in expr.operands]
            joined = operands[0]
            for operator, operand in zip(expr.operators, operands[1:], strict=True):
                joined = _apply(operator, joined, operand)
            return joined
        case nodes.Call(function=nodes.Name(id="if")):
            condition, then, other = expr.arguments
            return _value(then if _value(condition, values) else other, values)
        case nodes.Call():
            return _COMPUTED[expr.function.id](*(_value(argument, values) for argument in expr.arguments))
    raise KeyError(type(expr).__name__)


def _apply(operator: str, a: float, b: float) -> float:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "and":
            return float(bool(a) and bool(b))
    return float(bool(a) or bool(b))
