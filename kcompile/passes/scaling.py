"""A circuit in other units of volt, ampere and second: the same equations, because every law agrees in its dimensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kcompile.ir.circuit import Circuit, InstanceTable, Phase, SharedParam, Stimulus, Wave, frozen
from kcompile.ir.device import DeviceModel, Interval, Param
from kcompile.ir.model import build_model
from kcompile.ir.unparse import literal
from kcompile.syntax import nodes
from kcompile.syntax.functions import WAVEFORMS
from kcompile.units import REAL, TIME, VOLTAGE, Dimension


@dataclass(frozen=True)
class Factors:
    """How many volts, amperes and seconds of the new circuit stand for one of the old."""

    volt: float = 1.0
    ampere: float = 1.0
    second: float = 1.0

    def of(self, dimension: Dimension) -> float:
        """Factor of a quantity; lengths stay."""
        return self.volt**dimension.volt * self.ampere**dimension.ampere * self.second**dimension.second

    def inverse(self) -> Factors:
        """Factors that undo these."""
        return Factors(1 / self.volt, 1 / self.ampere, 1 / self.second)


def scaled(circuit: Circuit, factors: Factors) -> Circuit:
    """The circuit with every value, limit and number of a law times the factor of its dimension."""
    models = {id(model): _model(model, factors) for model in circuit.models}
    return replace(
        circuit, nodes=replace(circuit.nodes, initial=_times(circuit.nodes.initial, factors.of(VOLTAGE))),
        tables=tuple(_table(table, models[id(table.model)], factors) for table in circuit.tables),
        shared=tuple(_shared(one, factors) for one in circuit.shared),
        phases=tuple(Phase(phase.name, phase.duration * factors.of(TIME), phase.span) for phase in circuit.phases),
        stimuli=tuple(_stimulus(stimulus, factors) for stimulus in circuit.stimuli))


def _times(values: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    return frozen(values * factor)


def _table(table: InstanceTable, model: DeviceModel, factors: Factors) -> InstanceTable:
    dimensions = {param.name: param.dimension for param in table.model.params}
    return replace(table, model=model,
                   params={name: _times(column, factors.of(dimensions[name])) for name, column in table.params.items()},
                   waves={name: _wave(wave, dimensions[name], factors) for name, wave in table.waves.items()})


def _shared(shared: SharedParam, factors: Factors) -> SharedParam:
    factor = factors.of(shared.dimension)
    return replace(shared, values=_times(shared.values, factor), interval=_interval(shared.interval, factor))


def _interval(interval: Interval, factor: float) -> Interval:
    return replace(interval, lower=interval.lower * factor, upper=interval.upper * factor)


def _stimulus(stimulus: Stimulus, factors: Factors) -> Stimulus:
    return replace(stimulus, wave=_wave(stimulus.wave, VOLTAGE, factors))


def _wave(wave: Wave, dimension: Dimension, factors: Factors) -> Wave:
    """Waveform of a quantity: times by the factor of time, values by that of the quantity."""
    waveform = WAVEFORMS[wave.kind]
    if waveform.repeats:
        columns = [TIME, dimension] * (wave.arguments.shape[1] // 2)
    else:
        columns = [dimension if argument.dimension is None else argument.dimension for argument in waveform.arguments]
    return Wave(wave.kind, _times(wave.arguments, np.array([factors.of(one) for one in columns])))


# ---- laws -------------------------------------------------------------------------------------------------------------


def _model(model: DeviceModel, factors: Factors) -> DeviceModel:
    """Model whose literals and constants with a unit are in the new units."""
    dimensions = dict(model.dimensions)
    constants = {name: value * factors.of(dimensions[name] or REAL) for name, value in model.constants}
    params = {param.name: param for param in model.params}
    items = tuple(_param(item, params[item.name.id], factors) if isinstance(item, nodes.Param) else _item(item, factors)
                  for item in model.definition.items)
    return build_model(replace(model.definition, items=items), constants, dimensions)


def _item(item: nodes.State | nodes.Contribution | nodes.Equation, factors: Factors) -> nodes.DeviceItem:
    if isinstance(item, nodes.State):
        return replace(item, initial=item.initial and _expr(item.initial, factors))
    return replace(item, value=_expr(item.value, factors))


def _param(item: nodes.Param, param: Param, factors: Factors) -> nodes.Param:
    """Declaration whose limits and default are the old values times the factor, so that what lay inside still does.

    Scaled expressions would round otherwise than values do: 3 * (0.1 f) is not always (3 * 0.1) f.
    """
    if param.waveform is not None:
        return replace(item, default=item.default and _expr(item.default, factors))

    def scaled_value(expr: nodes.Expr, value: float) -> nodes.Expr:
        return literal(expr.span, value * factors.of(param.dimension), param.dimension)

    interval = item.interval and replace(item.interval, lower=scaled_value(item.interval.lower, param.interval.lower),
                                         upper=scaled_value(item.interval.upper, param.interval.upper))
    default = None if item.default is None or param.default is None else scaled_value(item.default, param.default)
    return replace(item, default=default, interval=interval)


def _expr(expr: nodes.Expr, factors: Factors) -> nodes.Expr:
    match expr:
        case nodes.Number(dimension=Dimension() as dimension) if dimension != REAL:
            value = float(expr.value) * factors.of(dimension)
            return replace(expr, value=value, integral=value.is_integer() and abs(value) < 2**53)
        case nodes.Unary():
            return replace(expr, operand=_expr(expr.operand, factors))
        case nodes.Chain() | nodes.Comparison():
            return replace(expr, operands=tuple(_expr(operand, factors) for operand in expr.operands))
        case nodes.Call():
            return replace(expr, arguments=tuple(_expr(argument, factors) for argument in expr.arguments),
                           named=tuple((name, _expr(value, factors)) for name, value in expr.named))
    return expr
