"""One law as the bodies of two C++ loops: its currents, and the adjoint of its currents.

A body is written for each orientation of a device: devices between the same two nodes share a run whichever way they point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy

from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Expression, lt, potential, relu, symbol, whole_numbers
from kcompile.kernels.levels import Level, Value, Writer, signed

_MAX_TERMS = 40
"""Terms of a derivative that are told apart to sum them by what they have in common."""


@dataclass(frozen=True)
class Flow:
    """A flow between two ends by number, -1 for ground or, of a rate, for nowhere."""

    start: int
    stop: int
    value: Expression


@dataclass(frozen=True)
class Body:
    """Statements for one device, and for one device and one vector of samples."""

    device: tuple[str, ...]
    both: tuple[str, ...]


@dataclass(frozen=True)
class Loops:
    """Statements for a run, and the body of a loop over its devices, or two: for devices that point back as well."""

    run: tuple[str, ...]
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Chain:
    """A parameter and its derivative from the sums of a device: texts of numbers, one for each sum, None for zero."""

    param: int
    factors: tuple[str | None, ...]


class LawCode:
    """C++ of one device model.

    single: every run is one device. pairs: devices of either orientation share runs.
    """

    def __init__(self, model: DeviceModel, single: bool = False) -> None:
        self.model = model
        self.single = single
        self.ends = len(model.terminals) + len(model.states)
        place = {t: k for k, t in enumerate(model.terminals)} | {"gnd": -1}
        law = model.law
        self.flows = tuple(Flow(place[b.start], place[b.stop], whole_numbers(b.value)) for b in law.currents) + tuple(
            Flow(-1, len(model.terminals) + k, whole_numbers(rate)) for k, rate in enumerate(law.rates))
        self.pairs = (not single and self.ends == 2 and len(self.flows) == 1
                      and {self.flows[0].start, self.flows[0].stop} == {0, 1})
        self.home = max((end for flow in self.flows for end in (flow.start, flow.stop)), default=0)
        """The end that is held in registers over its runs, one that a flow changes."""

    @cached_property
    def inputs(self) -> tuple[sympy.Symbol, ...]:
        """Symbols of the ends."""
        return tuple(potential(t) for t in self.model.terminals) + tuple(symbol(s.name) for s in self.model.states)

    def _writer(self) -> Writer:
        known = {p.name: Value(f"p{k}", Level.DEVICE) for k, p in enumerate(self.model.params)}
        known |= {one.name: Value(f"v{k}[l]", Level.RUN) for k, one in enumerate(self.inputs)}
        return Writer(known | {f"d{j}": Value(f"d{j}[l]", Level.RUN) for j in range(len(self.flows))})

    def _ways(self, writer: Writer) -> Iterator[Callable[[Expression], Expression]]:
        """For each orientation a function that turns an expression of a flow, and its sign, into it."""
        yield lambda expr: expr
        if self.pairs:
            writer.next_body()
            one, other = self.inputs
            yield lambda expr: -expr.xreplace({one: other, other: one})

    def forward(self) -> Loops:
        """Loops that add each flow j of a device to `net{j}[l]`, and to the number `off{j}` what no voltage changes."""
        writer = self._writer()
        bodies = []
        for turn in self._ways(writer):
            adds: list[str] = []
            numbers: list[str] = []
            for j, flow in enumerate(self.flows):
                value = turn(flow.value)
                # A device alone in its run saves nothing by a ramp in two parts, and keeps an exact zero where it is down.
                whole = self.single or _has_gap(value)
                for term in sympy.Add.make_args(sympy.expand_mul(value if whole else writer.compared(value))):
                    if writer.level(term) is Level.DEVICE:
                        numbers.append(f"off{j} += {writer.number(term)};")
                    else:
                        adds.append(_added(writer, f"net{j}[l]", term))
            bodies.append(Body((*writer.statements[Level.DEVICE], *numbers), (*writer.statements[Level.BOTH], *adds)))
        return Loops(tuple(writer.statements[Level.RUN]), tuple(bodies))

    def strip(self) -> tuple[str, ...]:
        """Statements that add each flow j of a strip of devices to `net{j}`, from vectors `p{k}` and `v{k}`."""
        known = {p.name: Value(f"p{k}", Level.BOTH) for k, p in enumerate(self.model.params)}
        writer = Writer(known | {one.name: Value(f"v{k}", Level.BOTH) for k, one in enumerate(self.inputs)})
        adds = [_added(writer, f"net{j}", flow.value) for j, flow in enumerate(self.flows)]
        return (*writer.statements[Level.BOTH], *adds)

    # ---- adjoint ------------------------------------------------------------------------------------------------------

    @cached_property
    def slopes(self) -> tuple[tuple[int, int, Expression], ...]:
        """(flow, end, derivative) of every derivative that is not zero; of a pair, both."""
        found = [(j, k, sympy.diff(flow.value, one)) for j, flow in enumerate(self.flows) for k, one in enumerate(self.inputs)]
        return tuple(entry for entry in found if self.pairs or entry[2] != 0)

    @cached_property
    def opposite(self) -> bool:
        """Whether a pair's current depends on the difference of its two voltages alone."""
        return self.pairs and len(self.slopes) == 2 and sympy.expand(self.slopes[0][2] + self.slopes[1][2]) == 0

    @cached_property
    def trained(self) -> tuple[int, ...]:
        """Numbers of the parameters that a flow has a derivative to."""
        return tuple(k for k, p in enumerate(self.model.params) if p.waveform is None and any(
            sympy.diff(flow.value, symbol(p.name)) != 0 for flow in self.flows))

    @cached_property
    def _parameter_terms(self) -> list[Expression]:
        """Derivative of sum_j d_j flow_j to each trained parameter."""
        work = sympy.Add(*(symbol(f"d{j}") * flow.value for j, flow in enumerate(self.flows)))
        return [sympy.diff(work, symbol(self.model.params[k].name)) for k in self.trained]

    @cached_property
    def sums(self) -> tuple[tuple[Expression, ...], tuple[tuple[Expression, ...], ...]]:
        """(expressions summed over samples and steps for each device, factors of the derivative of each parameter in them).

        The derivatives of a ramp k relu(x - b) to k and b are sums of the same two conditions, weighted with parameters; so
        their sums are taken, and the weights, which no sample changes, are applied once at the end.
        """
        names = {p.name for p in self.model.params if p.waveform is None}
        expanded = [sympy.expand_mul(_open_ramps(term)) for term in self._parameter_terms]
        count = len(expanded)
        if sum(len(sympy.Add.make_args(e)) for e in expanded) <= _MAX_TERMS:
            rows = [self._by_weight(one, names) for one in expanded]
            shared = list(dict.fromkeys(rest for row in rows for rest in row))
            if len(shared) <= count:
                return tuple(shared), tuple(tuple(row.get(rest, sympy.Integer(0)) for rest in shared) for row in rows)
        unit = sympy.eye(count)
        return tuple(self._parameter_terms), tuple(tuple(unit[i, j] for j in range(count)) for i in range(count))

    def _by_weight(self, expr: Expression, names: set[str]) -> dict[Expression, Expression]:
        """Weight of each expression without parameters in a sum; what one run decides is joined."""
        runs = {one.name for one in self.inputs} | {f"d{j}" for j in range(len(self.flows))}
        joined: dict[tuple[Expression, Expression], Expression] = {}
        for term in sympy.Add.make_args(expr):
            weight: Expression = sympy.Integer(1)
            run, rest = weight, weight
            factors: Sequence[Expression] = sympy.Mul.make_args(term)
            for factor in factors:
                read = set(map(str, factor.free_symbols))
                if read <= names and not factor.is_Number:
                    weight *= factor
                elif read <= runs:
                    run *= factor
                else:
                    rest *= factor
            joined[weight, rest] = joined.get((weight, rest), sympy.Integer(0)) + run
        row: dict[Expression, Expression] = {}
        for (weight, rest), run in joined.items():
            negative, run = signed(sympy.factor_terms(run))
            weight = -weight if negative else weight
            if run != 0:
                row[run * rest] = row.get(run * rest, sympy.Integer(0)) + weight
        return row

    @cached_property
    def chains(self) -> tuple[tuple[str, ...], tuple[Chain, ...]]:
        """Statements and chains that make the derivatives of parameters from the sums of a device."""
        writer = Writer({p.name: Value(f"p{k}", Level.DEVICE) for k, p in enumerate(self.model.params)})
        chains = tuple(Chain(k, tuple(None if f == 0 else writer.number(f) for f in row))
                       for k, row in zip(self.trained, self.sums[1], strict=True))
        return tuple(writer.statements[Level.DEVICE]), chains

    def adjoint(self) -> Loops:
        """Loops that add the slopes of a device to `w{i}[l]`, its sums to `s{i}`, from `d{j}[l]`, the adjoint of flow j."""
        writer = self._writer()
        ends = {(j, k): slope for j, k, slope in self.slopes}
        bodies = []
        for turn in self._ways(writer):
            turned = bool(bodies)
            adds: list[str] = []
            for i, (j, k, _) in enumerate(self.kept_slopes):
                slope = ends[j, 1 - k if turned else k]  # the first end of a turned device is its second node
                adds += [_added(writer, f"w{i}[l]", term) for term in sympy.Add.make_args(writer.compared(turn(slope)))]
            adds += [_added(writer, f"s{i}", writer.compared(turn(one))) for i, one in enumerate(self.sums[0])]
            bodies.append(Body(tuple(writer.statements[Level.DEVICE]), (*writer.statements[Level.BOTH], *adds)))
        return Loops(tuple(writer.statements[Level.RUN]), tuple(bodies))

    @property
    def kept_slopes(self) -> tuple[tuple[int, int, Expression], ...]:
        """Slopes that are summed; of two opposite ones the first."""
        return self.slopes[:1] if self.opposite else self.slopes


def _has_gap(expr: Expression) -> bool:
    """Whether ramps leave a gap between them, as those of a clamp, where the current is to be zero to the last bit."""
    return len(expr.atoms(relu)) > 1


def _open_ramps(expr: Expression) -> Expression:
    return expr.replace(relu, lambda x: x * lt(0, x))


def _added(writer: Writer, target: str, term: Expression) -> str:
    """Statement that adds a term; one under a condition is added where it holds."""
    negative, term = signed(term)
    sign = "-" if negative else "+"
    factors = sympy.Mul.make_args(term)
    conditions = [f for f in factors if (v := writer.write(f)).truth and v.level is not Level.DEVICE]
    if not conditions:
        return f"{target} {sign}= {writer.number(term)};"
    rest = writer.number(sympy.Mul(*(f for f in factors if f not in conditions)))
    held = " & ".join(writer.write(f).text for f in conditions)
    return f"{target} = where({held}, {target} {sign} {rest}, {target});"
