"""Types of expressions: dimension, whole or real, boolean, nodes; one diagnostic per mistake and no cascade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kcompile.diagnostics import Reporter, Span, accepted, nearest
from kcompile.syntax import nodes
from kcompile.syntax.functions import CONSTANTS, FUNCTIONS, Function, Rule
from kcompile.units import DIMENSIONS, MAX_EXPONENT, REAL, Dimension, format_unit, parse_unit


@dataclass(frozen=True, slots=True)
class Type:
    """What an expression is.

    kind: number, boolean, node (one), nodes (a list), tuple, or error (already reported; agrees with everything).
    dimension None: a literal 0 or inf, which fits every dimension. `constant`: the same at all times.
    """

    kind: str
    dimension: Dimension | None = REAL
    integral: bool = False
    constant: bool = True
    items: tuple[Type, ...] = ()
    extents: int = 0
    """Number of subscripts a name still needs."""

    def __str__(self) -> str:
        if self.kind == "number":
            return "0" if self.dimension is None else str(self.dimension)
        return {"node": "a node", "nodes": "a list of nodes", "boolean": "a condition", "tuple": "a tuple"}[self.kind]


ERROR = Type("error")
BOOLEAN = Type("boolean")
INTEGER = Type("number", REAL, integral=True)

Lookup = Callable[[nodes.Name], Type]
Access = Callable[[nodes.Call], Type]


def word_type(word: nodes.DimensionWord, report: Reporter) -> Type:
    """Type named by a dimension word or unit expression."""
    if word.text in DIMENSIONS:
        return Type("number", DIMENSIONS[word.text], integral=word.text == "integer")
    try:
        factor, dimension = parse_unit(word.text)
    except ValueError:
        report.error("KC0301", f"`{word.text}` is not a dimension", word.span,
                     hint=nearest(word.text, DIMENSIONS) or accepted(DIMENSIONS))
        return ERROR
    if factor != 1.0:
        report.error("KC0301", f"a dimension is written without prefixes, `{word.text}` has one", word.span)
    return Type("number", dimension)


class Inference:
    """Infers types; names are looked up by the caller, access functions too where a law allows them."""

    def __init__(self, report: Reporter, lookup: Lookup, access: Access | None = None) -> None:
        self._report = report
        self._lookup = lookup
        self._access = access

    def expect(self, expr: nodes.Expr, wanted: Type, what: str) -> Type:
        """Infer an expression and report when it is not a number of the wanted dimension."""
        found = self.infer(expr)
        if found.kind == "error" or wanted.kind == "error":
            return found
        if found.kind != "number":
            self._report.error("KC0305", f"{what} is a number, not {found}", expr.span)
        elif found.dimension not in (None, wanted.dimension):
            self._report.error("KC0301", f"{what} is a {wanted}, this is a {found}", expr.span,
                               f"{found}", _unit_hint(expr, wanted.dimension))
        elif wanted.integral and not found.integral and found.dimension is not None:
            self._report.error("KC0304", f"{what} is a whole number", expr.span, "this is not")
        return found

    def condition(self, expr: nodes.Expr) -> None:
        """Report when an expression is not a condition."""
        found = self.infer(expr)
        if found.kind not in ("boolean", "error"):
            self._report.error("KC0305", f"a condition is expected here, not {_a(found)}", expr.span,
                               hint="compare it with something")

    def infer(self, expr: nodes.Expr) -> Type:
        """Type of an expression, `ERROR` after a report."""
        match expr:
            case nodes.Number():
                free = expr.dimension is None and not hasattr(expr.value, "shape") and expr.value == 0
                return Type("number", None if free else expr.dimension or REAL, expr.integral)
            case nodes.Name():
                return self._whole(self._name(expr), expr.span)
            case nodes.Index():
                return self._index(expr)
            case nodes.Call():
                return self._call(expr)
            case nodes.Unary(operator="not"):
                self.condition(expr.operand)
                return BOOLEAN
            case nodes.Unary():
                return self._number(expr.operand)
            case nodes.Chain():
                return self._chain(expr)
            case nodes.Comparison():
                return self._comparison(expr)
            case nodes.Tuple():
                return Type("tuple", items=tuple(self.infer(item) for item in expr.items))
            case nodes.Array():
                return self._fail("KC0305", "a list of values stands only as the default of a parameter", expr.span)

    def _fail(self, code: str, message: str, span: Span, hint: str = "") -> Type:
        self._report.error(code, message, span, hint=hint)
        return ERROR

    def _number(self, expr: nodes.Expr) -> Type:
        found = self.infer(expr)
        if found.kind in ("number", "error"):
            return found
        return self._fail("KC0305", f"a number is expected here, not {found}", expr.span)

    def _name(self, name: nodes.Name) -> Type:
        if name.id == "inf":
            return Type("number", None)
        if name.id in CONSTANTS:
            return Type("number", REAL)
        return self._lookup(name)

    def _whole(self, found: Type, span: Span) -> Type:
        if found.extents and found.kind == "number":
            return self._fail("KC0404", f"this parameter has {found.extents} subscripts, none is given", span)
        return replace(found, kind="nodes", extents=0) if found.extents and found.kind == "node" else found

    def _index(self, expr: nodes.Index) -> Type:
        base = self._name(expr.base)
        ranges = False
        for subscript in expr.subscripts:
            if isinstance(subscript, nodes.Range):
                ranges = True
                self.expect(subscript.start, INTEGER, "a range's start")
                self.expect(subscript.stop, INTEGER, "a range's end")
            else:
                self.expect(subscript, INTEGER, "a subscript")
        if base.kind == "error":
            return base
        count = base.extents or (1 if base.kind == "nodes" else 0)
        if len(expr.subscripts) != count:
            return self._fail("KC0404", f"`{expr.base.id}` takes {count} subscript{'s' * (count != 1)}, "
                              f"{len(expr.subscripts)} given", expr.span)
        if ranges and base.kind == "number":
            return self._fail("KC0404", "a parameter is indexed by single numbers", expr.span)
        if base.kind in ("node", "nodes"):
            return Type("nodes" if ranges else "node")
        return replace(base, extents=0)

    # ---- operators ----------------------------------------------------------------------------------------------------

    def _chain(self, expr: nodes.Chain) -> Type:
        if expr.operators[0] in ("and", "or"):
            for operand in expr.operands:
                self.condition(operand)
            return BOOLEAN
        types = [self.infer(operand) for operand in expr.operands]
        if any(t.kind == "error" for t in types):
            return ERROR
        if types[0].kind in ("node", "nodes"):
            return self._node_sum(expr, types)
        for operand, found in zip(expr.operands, types, strict=True):
            if found.kind != "number":
                return self._fail("KC0305", f"a number is expected here, not {found}", operand.span)
        joined = types[0]
        for k, operator in enumerate(expr.operators):
            joined = self._binary(expr, k, operator, joined, types[k + 1])
            if joined.kind == "error":
                return ERROR
        return joined

    def _node_sum(self, expr: nodes.Chain, types: list[Type]) -> Type:
        for operator, operand, found in zip(expr.operators, expr.operands[1:], types[1:], strict=True):
            if operator != "+" or found.kind not in ("node", "nodes"):
                return self._fail("KC0305", f"lists of nodes are joined with `+` and other nodes, not `{operator}` "
                                  f"and {found}", operand.span)
        return Type("nodes")

    def _binary(self, expr: nodes.Chain, k: int, operator: str, left: Type, right: Type) -> Type:
        constant = left.constant and right.constant
        span = expr.operands[k + 1].span
        if operator in ("+", "-"):
            if left.dimension is not None and right.dimension is not None and left.dimension != right.dimension:
                word = "added to" if operator == "+" else "subtracted from"
                return self._fail("KC0301", f"a {right} cannot be {word} a {left}", span,
                                  _unit_hint(expr.operands[k + 1], left.dimension))
            dimension = right.dimension if left.dimension is None else left.dimension
            return Type("number", dimension, left.integral and right.integral, constant)
        if operator == "%" and self._access is not None:
            return self._fail("KC0307", "`%` stands in subscripts and conditions, not in a law", span)
        if operator == "%":
            if not (left.integral and right.integral):
                return self._fail("KC0304", "`%` is the remainder of whole numbers", span)
            return Type("number", REAL, True, constant)
        if left.dimension is None or right.dimension is None:
            known = left.dimension if right.dimension is None else right.dimension
            zero_over = operator == "*" or left.dimension is None
            return Type("number", None if zero_over else known, left.integral and right.integral and operator == "*",
                        constant)
        dimension = left.dimension * right.dimension if operator == "*" else left.dimension / right.dimension
        if dimension.largest_exponent > MAX_EXPONENT:
            return self._fail("KC0301", f"the unit of this product has an exponent above {MAX_EXPONENT}", span)
        return Type("number", dimension, operator == "*" and left.integral and right.integral, constant)

    def _comparison(self, expr: nodes.Comparison) -> Type:
        types = [self.infer(operand) for operand in expr.operands]
        constant = all(t.constant for t in types)
        for k, operator in enumerate(expr.operators):
            self._comparable(expr.operands[k + 1], operator, types[k], types[k + 1])
        return replace(BOOLEAN, constant=constant)

    def _comparable(self, expr: nodes.Expr, operator: str, left: Type, right: Type) -> None:
        if "error" in (left.kind, right.kind):
            return
        if left.kind != right.kind or left.kind in ("boolean", "nodes"):
            self._fail("KC0305", f"{_a(left)} cannot be compared with {_a(right)}", expr.span)
        elif left.kind == "tuple":
            if operator not in ("==", "!="):
                self._fail("KC0314", "tuples are compared with == and != only", expr.span)
            elif len(left.items) != len(right.items):
                self._fail("KC0314", f"a tuple of {len(right.items)} is compared with one of {len(left.items)}", expr.span)
            else:
                for a, b in zip(left.items, right.items, strict=True):
                    self._comparable(expr, operator, a, b)
        elif left.kind == "node" and operator not in ("==", "!="):
            self._fail("KC0305", "nodes are compared with == and != only", expr.span)
        elif left.kind == "number" and None not in (left.dimension, right.dimension) and left.dimension != right.dimension:
            self._fail("KC0301", f"a {right} cannot be compared with a {left}", expr.span,
                       _unit_hint(expr, left.dimension))

    # ---- calls --------------------------------------------------------------------------------------------------------

    def _call(self, expr: nodes.Call) -> Type:
        name = expr.function.id
        if self._access is not None and name in ("V", "I", "ddt"):
            return self._access(expr)
        if name in ("V", "I", "ddt"):
            return self._fail("KC0312", f"`{name}` stands only in the law of a device", expr.span)
        function = FUNCTIONS.get(name)
        if function is None:
            return self._fail("KC0307", f"there is no function `{name}`", expr.function.span,
                              nearest(name, FUNCTIONS) or accepted(FUNCTIONS, 20))
        for word, value in expr.named:
            self.infer(value)
            if word.id not in function.names:
                return self._fail("KC0306", f"`{name}` has no argument `{word.id}`", word.span, nearest(word.id, function.names)
                                  or "its arguments have no names" * (not function.names))
        arguments = call_arguments(expr, function)
        if arguments is None:
            wanted = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
            count = len(expr.arguments) + len(expr.named)
            return self._fail("KC0306", f"`{name}` takes {wanted} argument{'s' * (wanted != '1')}, {count} given",
                              expr.span)
        return self._apply(expr, function, arguments)

    def _apply(self, expr: nodes.Call, function: Function, arguments: list[nodes.Expr]) -> Type:
        if function.rule is Rule.CHOICE:
            self.condition(arguments[0])
            arguments = arguments[1:]
        types = [self._number(argument) for argument in arguments]
        if any(t.kind == "error" for t in types):
            return ERROR
        constant = all(t.constant for t in types)
        first = types[0]
        if function.rule is Rule.CHOICE:
            constant = False  # the condition may depend on time; a constant choice is never needed
        if function.rule is Rule.REAL or (function.rule is Rule.SLOPE and len(types) > 1):
            checked = (0,) if function.rule is Rule.REAL else (1,)
            for k in checked:
                if types[k].dimension not in (None, REAL):
                    return self._fail("KC0302", f"`{expr.function.id}` takes a plain number here, this is a {types[k]}",
                                      arguments[k].span, f"divide it by {_one(types[k].dimension)}")
        if function.rule is Rule.POWER:
            return self._power(expr, arguments, types)
        if function.rule in (Rule.KEEP, Rule.CHOICE):
            known = [t.dimension for t in types if t.dimension is not None]
            for argument, found in zip(arguments, types, strict=True):
                if found.dimension is not None and found.dimension != known[0]:
                    return self._fail("KC0301", f"the arguments of `{expr.function.id}` have one dimension; this is a "
                                      f"{found}, the first a {known[0]}", argument.span)
            return Type("number", known[0] if known else None, all(t.integral for t in types), constant)
        if function.rule is Rule.SLOPE:
            return Type("number", first.dimension, False, constant)
        return Type("number", REAL, function.rule is Rule.SIGN, constant)

    def _power(self, expr: nodes.Call, arguments: list[nodes.Expr], types: list[Type]) -> Type:
        exponent = literal_number(arguments[1])
        if exponent is None:
            return self._fail("KC0303", "the exponent of `pow` is a number written out", arguments[1].span,
                              "write the power as exp(y * log(x))")
        base = types[0].dimension
        if exponent != int(exponent) or base is None:
            if base not in (None, REAL):
                return self._fail("KC0302", f"a fractional power needs a plain number, this is a {types[0]}",
                                  arguments[0].span, f"divide it by {_one(base)}")
            return Type("number", base, False, types[0].constant)
        if abs(exponent) > MAX_EXPONENT:
            return self._fail("KC0303", f"exponents go up to {MAX_EXPONENT}", arguments[1].span)
        power = base ** int(exponent)
        if power.largest_exponent > MAX_EXPONENT:
            return self._fail("KC0301", f"the unit of this power has an exponent above {MAX_EXPONENT}", expr.span)
        return Type("number", power, types[0].integral and exponent >= 0, types[0].constant)


def call_arguments(expr: nodes.Call, function: Function) -> list[nodes.Expr] | None:
    """Arguments of a call in order, named ones put in place, defaults filled in; None when they do not fit."""
    arguments: list[nodes.Expr | None] = list(expr.arguments)
    for word, value in expr.named:
        if word.id not in function.names:
            return None
        place = function.names.index(word.id)
        arguments += [None] * (place + 1 - len(arguments))
        if arguments[place] is not None:
            return None
        arguments[place] = value
    first_default = function.most - len(function.defaults)
    for k, default in enumerate(function.defaults, start=first_default):
        if k == len(arguments):
            arguments.append(None)
        if k < len(arguments) and arguments[k] is None:
            arguments[k] = nodes.Number(expr.span, default, None, False)
    if not function.least <= len(arguments) <= function.most or None in arguments:
        return None
    return [argument for argument in arguments if argument is not None]


def literal_number(expr: nodes.Expr) -> float | None:
    """Value of a plain number written out, with an optional minus; None for anything else."""
    if isinstance(expr, nodes.Unary) and expr.operator == "-":
        inner = literal_number(expr.operand)
        return None if inner is None else -inner
    if isinstance(expr, nodes.Number) and expr.dimension is None and isinstance(expr.value, float):
        return expr.value
    return None


def _a(found: Type) -> str:
    return f"a {found}" if found.kind == "number" else str(found)


def _one(dimension: Dimension | None) -> str:
    return f"1 {format_unit(dimension or REAL)}"


def _unit_hint(expr: nodes.Expr, dimension: Dimension | None) -> str:
    if isinstance(expr, nodes.Number) and expr.dimension is None and dimension not in (None, REAL):
        return f"give the number its unit: `{expr.span.text} {format_unit(dimension)}`"
    return ""
