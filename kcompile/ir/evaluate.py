"""Values of checked expressions over rows: every loop variable is a column, every result an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kcompile.diagnostics import CompileError, Diagnostic, Span
from kcompile.ir import meaning
from kcompile.ir.names import Path
from kcompile.syntax import nodes
from kcompile.syntax.functions import CONSTANTS, FUNCTIONS, Rule
from kcompile.syntax.infer import call_arguments, literal_number

MAX_ROWS = 1 << 25
"""Instances of one statement; past it a diagnostic, not an exhausted machine."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A constant or parameter: float64[copies, *extents], and where it is stored when it is shared."""

    values: np.ndarray
    shared: str | None = None
    storage: np.ndarray | None = None
    """int64 of the same shape: positions in the shared column."""
    trainable: bool = False


@dataclass(frozen=True, eq=False)
class NodeIds:
    """A bank, port or alias: int32[copies, *extents] node numbers."""

    ids: np.ndarray


Binding = Numbers | NodeIds


@dataclass(eq=False)
class Frame:
    """One circuit being elaborated, all its copies at once."""

    copies: int
    path: Path
    names: dict[str, Binding]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one statement: which copy each belongs to, and its loop variables (numbers or node numbers)."""

    count: int
    copy: np.ndarray
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    nodes: Mapping[str, np.ndarray] = field(default_factory=dict)
    folded: np.ndarray | None = None
    """Which of the folded statements each row belongs to."""

    def take(self, index: np.ndarray) -> Rows:
        return Rows(len(index), self.copy[index], {k: v[index] for k, v in self.numbers.items()},
                    {k: v[index] for k, v in self.nodes.items()}, self.folded[index] if self.folded is not None else None)

    def say(self, row: int) -> str:
        """`at k = 9` for a diagnostic about one row; nothing without loops."""
        parts = [f"{name} = {column[row]:g}" for name, column in self.numbers.items()]
        return " at " + ", ".join(parts) if parts else ""


def fail(code: str, message: str, span: Span, hint: str = "", label: str = "") -> CompileError:
    """A located error, to be raised."""
    return CompileError(Diagnostic(code, message, span, label, hint))


class Evaluator:
    """Evaluates expressions of one frame over rows. Results have shape (rows,) or ()."""

    def __init__(self, frame: Frame, rows: Rows) -> None:
        self._frame = frame
        self._rows = rows

    # ---- numbers ------------------------------------------------------------------------------------------------------

    def number(self, expr: nodes.Expr) -> np.ndarray:
        """float64 values of a number or condition (1.0 and 0.0)."""
        value = self._value(expr)
        if np.isnan(value).any():
            raise fail("KC0422", "the value of this expression is not a number", expr.span)
        return value

    def finite(self, expr: nodes.Expr) -> np.ndarray:
        """Like `number`, refusing infinities."""
        value = self.number(expr)
        if not np.isfinite(value).all():
            raise fail("KC0422", "the value of this expression is infinite", expr.span)
        return value

    def whole(self, expr: nodes.Expr) -> np.ndarray:
        """int64 values of a whole number."""
        value = self.finite(expr)
        if np.any(np.abs(value) > 2**53) or np.any(value != np.floor(value)):
            raise fail("KC0304", "a whole number below 2^53 is expected", expr.span)
        return value.astype(np.int64)

    def single(self, expr: nodes.Expr, what: str) -> int:
        """One whole number, the same in all copies and rows."""
        value = np.unique(self.whole(expr))
        if len(value) != 1:
            raise fail("KC0427", f"{what} is the same in all copies of the circuit, here it differs", expr.span)
        return int(value[0])

    def stored(self, expr: nodes.Expr) -> Numbers | None:
        """The parameter an expression names outright, with rows already picked; None for anything computed."""
        binding = self._frame.names.get(expr.id if isinstance(expr, nodes.Name) else
                                        expr.base.id if isinstance(expr, nodes.Index) else "")
        if not isinstance(binding, Numbers) or binding.shared is None or binding.storage is None:
            return None
        if isinstance(expr, nodes.Name):
            if expr.id in self._rows.numbers or binding.values.ndim != 1:
                return None
            pick = (self._rows.copy,)
        else:
            assert isinstance(expr, nodes.Index)
            pick = self._subscripts(expr, binding.values.shape[1:])
        return Numbers(binding.values[pick], binding.shared, binding.storage[pick], binding.trainable)

    def array(self, name: nodes.Name) -> Numbers:
        """A whole parameter array, for all copies."""
        binding = self._frame.names[name.id]
        assert isinstance(binding, Numbers)
        return binding

    def reads_trainable(self, expr: nodes.Expr) -> str | None:
        """Name of a trainable shared parameter that an expression reads."""
        from kcompile.syntax.contribution import names

        for name in names(expr):
            binding = self._frame.names.get(name.id)
            if isinstance(binding, Numbers) and binding.trainable and name.id not in self._rows.numbers:
                return name.id
        return None

    def _value(self, expr: nodes.Expr) -> np.ndarray:
        match expr:
            case nodes.Number():
                value = np.asarray(expr.value, dtype=np.float64)
                return value[self._rows.folded] if value.ndim else value
            case nodes.Name():
                return self._name(expr)
            case nodes.Index():
                binding = self._frame.names[expr.base.id]
                assert isinstance(binding, Numbers)
                return binding.values[self._subscripts(expr, binding.values.shape[1:])]
            case nodes.Unary(operator="not"):
                return 1.0 - self._value(expr.operand)
            case nodes.Unary():
                return -self._value(expr.operand)
            case nodes.Chain():
                return self._chain(expr)
            case nodes.Comparison():
                return self._comparison(expr)
            case nodes.Call():
                return self._call(expr)
        raise AssertionError(f"the checker lets no {type(expr).__name__} through")

    def _name(self, name: nodes.Name) -> np.ndarray:
        if name.id in self._rows.numbers:
            return self._rows.numbers[name.id]
        binding = self._frame.names.get(name.id)
        if isinstance(binding, Numbers):
            return binding.values[0] if len(binding.values) == 1 else binding.values[self._rows.copy]
        return np.asarray(CONSTANTS[name.id])

    def _chain(self, expr: nodes.Chain) -> np.ndarray:
        values = [self._value(operand) for operand in expr.operands]
        result = values[0]
        with np.errstate(all="ignore"):
            for operator, value in zip(expr.operators, values[1:], strict=True):
                match operator:
                    case "+":
                        result = result + value
                    case "-":
                        result = result - value
                    case "*":
                        result = result * value
                    case "/":
                        if np.any(value == 0.0):
                            raise fail("KC0422", "division by zero", expr.span)
                        result = result / value
                    case "%":
                        if np.any(value == 0.0):
                            raise fail("KC0422", "remainder of a division by zero", expr.span)
                        result = np.mod(result, value)
                    case "and":
                        result = np.minimum(result, value)
                    case "or":
                        result = np.maximum(result, value)
        return result

    def _comparison(self, expr: nodes.Comparison) -> np.ndarray:
        result: np.ndarray = np.asarray(1.0)
        for k, operator in enumerate(expr.operators):
            result = np.minimum(result, self._compare(expr.operands[k], operator, expr.operands[k + 1]))
        return result

    def _compare(self, left: nodes.Expr, operator: str, right: nodes.Expr) -> np.ndarray:
        if isinstance(left, nodes.Tuple) and isinstance(right, nodes.Tuple):
            equal: np.ndarray = np.asarray(1.0)
            for a, b in zip(left.items, right.items, strict=True):
                equal = np.minimum(equal, self._compare(a, "==", b))
            return equal if operator == "==" else 1.0 - equal
        if self._is_node(left):
            same = self.node(left) == self.node(right)
            return np.asarray(same if operator == "==" else ~same, dtype=np.float64)
        test: Callable[..., np.ndarray] = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
                                           "==": np.equal, "!=": np.not_equal}[operator]
        return np.asarray(test(self._value(left), self._value(right)), dtype=np.float64)

    def _call(self, expr: nodes.Call) -> np.ndarray:
        function = FUNCTIONS[expr.function.id]
        arguments = call_arguments(expr, function) or []
        values = [self._value(argument) for argument in arguments]
        with np.errstate(all="ignore"):
            if function.rule is Rule.CHOICE:
                return meaning.select(*values)
            if function.rule is Rule.POWER:
                exponent = literal_number(arguments[1]) or 0.0
                raised = values[0] ** abs(exponent) if exponent == int(exponent) else meaning.power(values[0], abs(exponent))
                return np.asarray(raised if exponent >= 0 else meaning.recip(raised))
            if expr.function.id in ("min", "max"):
                join = np.minimum if expr.function.id == "min" else np.maximum
                result = values[0]
                for value in values[1:]:
                    result = join(result, value)
                return result
            return np.asarray(meaning.OPERATIONS[expr.function.id](*values))

    # ---- nodes --------------------------------------------------------------------------------------------------------

    def _is_node(self, expr: nodes.Expr) -> bool:
        name = expr.id if isinstance(expr, nodes.Name) else expr.base.id if isinstance(expr, nodes.Index) else ""
        return name == "gnd" or name in self._rows.nodes or (
            name not in self._rows.numbers and isinstance(self._frame.names.get(name), NodeIds))

    def node(self, expr: nodes.Expr) -> np.ndarray:
        """int32[rows] or int32[]: the node an expression names in each row."""
        if isinstance(expr, nodes.Name):
            if expr.column is not None:
                return self._node_column(expr)
            if expr.id == "gnd":
                return np.int32(0) * np.ones((), dtype=np.int32)
            if expr.id in self._rows.nodes:
                return self._rows.nodes[expr.id]
            return self._ids(expr.id)[self._rows.copy]
        assert isinstance(expr, nodes.Index)
        ids = self._ids(expr.base.id)
        return ids[self._subscripts(expr, ids.shape[1:])]

    def _node_column(self, name: nodes.Name) -> np.ndarray:
        assert name.column is not None and self._rows.folded is not None
        known = {one: np.zeros(self._frame.copies, dtype=np.int32) if one == "gnd" else self._ids(one)
                 for one in dict.fromkeys(name.column)}
        if any(ids.ndim != 1 for ids in known.values()):
            raise fail("KC0404", "one node is expected here, in some lines of this run it is a bank or a list", name.span)
        return np.stack([known[one] for one in name.column])[self._rows.folded, self._rows.copy]

    def node_list(self, expr: nodes.Expr) -> np.ndarray:
        """int32[copies, n]: the nodes of a list, in order; loop variables have no place in it."""
        copies = self._frame.copies
        if isinstance(expr, nodes.Chain):
            parts = [self.node_list(operand) for operand in expr.operands]
            if copies * sum(part.shape[1] for part in parts) > MAX_ROWS:
                raise fail("KC0406", f"the list has more than {MAX_ROWS:,} nodes", expr.span)
            return np.concatenate(parts, axis=1)
        if isinstance(expr, nodes.Name):
            if expr.id in self._rows.nodes:
                raise fail("KC0303", "a list of nodes does not depend on loop variables", expr.span)
            if expr.id == "gnd":
                return np.zeros((copies, 1), dtype=np.int32)
            return self._ids(expr.id).reshape(copies, -1)
        assert isinstance(expr, nodes.Index)
        ids = self._ids(expr.base.id)
        pick: list[slice] = []
        for axis, subscript in enumerate(expr.subscripts):
            extent = ids.shape[axis + 1]
            if isinstance(subscript, nodes.Range):
                start = self.single(subscript.start, "a range in a list of nodes")
                stop = self.single(subscript.stop, "a range in a list of nodes")
                if not 0 <= start <= stop <= extent:
                    raise fail("KC0403", f"{start}..{stop} is not inside 0..{extent}", subscript.span)
            else:
                start = self.single(subscript, "a subscript in a list of nodes")
                stop = start + 1
                if not 0 <= start < extent:
                    raise fail("KC0403", f"subscript {start} is outside 0..{extent}", subscript.span)
            pick.append(slice(start, stop))
        return ids[(slice(None), *pick)].reshape(copies, -1)

    def _ids(self, name: str) -> np.ndarray:
        binding = self._frame.names[name]
        assert isinstance(binding, NodeIds)
        return binding.ids

    def _subscripts(self, expr: nodes.Index, extents: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        found = [self._rows.copy]
        for axis, subscript in enumerate(expr.subscripts):
            assert not isinstance(subscript, nodes.Range)
            value = self.whole(subscript)
            wrong = (value < 0) | (value >= extents[axis])
            if np.any(wrong):
                row = int(np.flatnonzero(np.broadcast_to(wrong, (max(self._rows.count, 1),)))[0])
                bad = int(np.broadcast_to(value, (max(self._rows.count, 1),))[row])
                raise fail("KC0403", f"subscript {bad} of `{expr.base.id}` is outside 0..{extents[axis]}"
                           f"{self._rows.say(row)}", subscript.span, "exclude it with `if`" * bool(self._rows.numbers))
            found.append(value)
        return tuple(found)

    # ---- loops --------------------------------------------------------------------------------------------------------

    def expand(self, loops: nodes.Loops | None) -> Rows:
        """Rows of a statement: the loops unrolled, first variable slowest, then filtered by the condition."""
        rows = self._rows
        for loop in loops.loops if loops else ():
            rows = Evaluator(self._frame, rows)._loop(loop)
        if loops and loops.condition is not None:
            keep = Evaluator(self._frame, rows).number(loops.condition)
            rows = rows.take(np.flatnonzero(np.broadcast_to(keep, (rows.count,))))
        return rows

    def _loop(self, loop: nodes.Loop) -> Rows:
        rows = self._rows
        if isinstance(loop.source, nodes.Range):
            start = np.broadcast_to(self.whole(loop.source.start), (rows.count,))
            stop = np.broadcast_to(self.whole(loop.source.stop), (rows.count,))
            lengths = np.maximum(stop - start, 0)
            listed = None
        else:
            listed = self.node_list(loop.source)
            start = np.zeros(rows.count, dtype=np.int64)
            lengths = np.full(rows.count, listed.shape[1])
        # In floating point: a sum of int64 lengths can wrap around.
        total = float(lengths.sum(dtype=np.float64))
        if total > MAX_ROWS:
            raise fail("KC0406", f"the loops make {total:,.0f} instances, at most {MAX_ROWS:,} are taken", loop.source.span)
        parent = np.repeat(np.arange(rows.count), lengths)
        within = np.arange(len(parent)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        taken = rows.take(parent)
        if listed is None:
            return Rows(taken.count, taken.copy, {**taken.numbers, loop.variable.id: (start[parent] + within).astype(float)},
                        taken.nodes)
        return Rows(taken.count, taken.copy, taken.numbers,
                    {**taken.nodes, loop.variable.id: listed[taken.copy, within]})
