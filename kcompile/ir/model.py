"""Device models, constants, limits and waveforms read from checked syntax."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kcompile.diagnostics import Reporter
from kcompile.ir.circuit import Wave, frozen
from kcompile.ir.device import DeviceModel, Interval, Param, State
from kcompile.ir.evaluate import Binding, Evaluator, Frame, Numbers, Rows, fail
from kcompile.ir.waves import broken_rules
from kcompile.syntax import nodes
from kcompile.syntax.check_device import check_waveform
from kcompile.syntax.functions import WAVEFORMS
from kcompile.syntax.infer import Inference, Type, word_type
from kcompile.syntax.load import Module
from kcompile.units import REAL, Dimension


def scalar_evaluator(values: Mapping[str, float]) -> Evaluator:
    """Evaluator of expressions that read nothing but constants."""
    return Evaluator(Frame(1, (), {name: _scalar(value) for name, value in values.items()}), _ONE_ROW)


_ONE_ROW = Rows(1, np.zeros(1, dtype=np.int64))


def _scalar(value: float) -> Numbers:
    return Numbers(np.array([value]))


class ModelBuilder:
    """Makes one `DeviceModel` per device declaration, and the constants of each module once."""

    def __init__(self) -> None:
        self._models: dict[int, DeviceModel] = {}
        self._constants: dict[int, dict[str, float]] = {}
        self._types: dict[int, dict[str, Type]] = {}

    def constants(self, module: Module) -> dict[str, float]:
        """Values of every constant a module can say, its own and imported ones."""
        if id(module) in self._constants:
            return self._constants[id(module)]
        values = {name: self.constants(owner)[name] for name, (declaration, owner) in module.names.items()
                  if owner is not module and isinstance(declaration, nodes.Const)}
        known: dict[str, Binding] = {name: _scalar(value) for name, value in values.items()}
        evaluator = Evaluator(Frame(1, (), known), _ONE_ROW)
        for declaration in module.own:
            if isinstance(declaration, nodes.Const):
                value = float(evaluator.number(declaration.value))
                values[declaration.name.id], known[declaration.name.id] = value, _scalar(value)
        self._constants[id(module)] = values
        return values

    def model(self, device: nodes.Device, module: Module) -> DeviceModel:
        if id(device) not in self._models:
            self._models[id(device)] = build_model(device, self.constants(module), self._dimensions(module))
        return self._models[id(device)]

    def _dimensions(self, module: Module) -> dict[str, Dimension | None]:
        return {name: found.dimension for name, found in self._constant_types(module).items()}

    def _constant_types(self, module: Module) -> dict[str, Type]:
        if id(module) not in self._types:
            types = {name: self._constant_types(owner)[name] for name, (declaration, owner) in module.names.items()
                     if owner is not module and isinstance(declaration, nodes.Const)}
            inference = Inference(Reporter(), lambda name: types[name.id])
            for declaration in module.own:
                if isinstance(declaration, nodes.Const):
                    types[declaration.name.id] = inference.infer(declaration.value)
            self._types[id(module)] = types
        return self._types[id(module)]

    def evaluator(self, model: DeviceModel) -> Evaluator:
        """Evaluator of what stands inside the declaration of a device."""
        return scalar_evaluator(dict(model.constants))


def build_model(device: nodes.Device, constants: Mapping[str, float],
                dimensions: Mapping[str, Dimension | None]) -> DeviceModel:
    """Model of a checked device; `constants` and their dimensions are what its file can say."""
    evaluator = scalar_evaluator(constants)
    quiet = Reporter()
    params, states = [], []
    for item in device.items:
        if isinstance(item, nodes.Param):
            params.append(_param(item, evaluator, quiet))
        elif isinstance(item, nodes.State):
            wanted = word_type(item.dimension, quiet)
            states.append(State(item.name.id, wanted.dimension or REAL, item.name.span))
    return DeviceModel(device.name.id, tuple(t.id for t in device.terminals), tuple(params), tuple(states), device,
                       tuple(sorted(constants.items())), tuple((name, dimensions[name]) for name in sorted(constants)))


def _param(item: nodes.Param, evaluator: Evaluator, quiet: Reporter) -> Param:
    if item.dimension.text == "waveform":
        constants = Inference(quiet, lambda name: Type("number", None))
        assert isinstance(item.default, nodes.Call)
        dimension = check_waveform(item.default, None, constants, quiet)
        return Param(item.name.id, dimension or REAL, None, Interval(), False, False, item.default, item.name.span)
    wanted = word_type(item.dimension, quiet)
    interval = read_interval(item, evaluator)
    default = None
    if item.default is not None:
        default = float(evaluator.number(item.default))
        if not interval.holds(np.asarray(default)):
            raise fail("KC0405", f"the default of `{item.name.id}` lies outside its limits {interval}", item.default.span)
    return Param(item.name.id, wanted.dimension or REAL, default, interval, item.trainable, wanted.integral, None,
                 item.name.span)


def read_interval(item: nodes.Param, evaluator: Evaluator) -> Interval:
    """Limits of a declared parameter; the same in all copies."""
    if item.interval is None:
        return Interval()
    lower = np.unique(evaluator.number(item.interval.lower))
    upper = np.unique(evaluator.number(item.interval.upper))
    if len(lower) != 1 or len(upper) != 1:
        raise fail("KC0427", "limits are the same in all copies of the circuit", item.interval.span)
    interval = Interval(float(lower[0]), float(upper[0]), item.interval.lower_closed, item.interval.upper_closed)
    closed = interval.lower_closed and interval.upper_closed
    if interval.lower > interval.upper or (interval.lower == interval.upper and not closed):
        raise fail("KC0421", f"the interval {interval} is empty", item.interval.span)
    return interval


def read_wave(call: nodes.Call, evaluator: Evaluator, count: int) -> Wave:
    """Waveform of a checked call, one row of arguments for each of `count` uses."""
    kind = call.function.id
    waveform = WAVEFORMS[kind]

    def column(expr: nodes.Expr) -> np.ndarray:
        return np.broadcast_to(evaluator.number(expr), (count,))

    if waveform.repeats:
        columns = [column(argument) for argument in call.arguments]
    else:
        given = dict(zip((a.name for a in waveform.arguments), call.arguments, strict=False))
        given.update({name.id: value for name, value in call.named})
        columns = []
        for argument in waveform.arguments:
            if argument.name in given:
                columns.append(column(given[argument.name]))
            elif argument.default is not None and math.isnan(argument.default):
                rise = next(k for k, a in enumerate(waveform.arguments) if a.name.startswith("rise") and a.default is None)
                columns.append(columns[rise])
            else:
                columns.append(np.broadcast_to(np.float64(argument.default or 0.0), (count,)))
    arguments = np.stack(columns, axis=1) if columns else np.zeros((count, 0))
    for name, rule in broken_rules(kind, arguments):
        span = next((value.span for word, value in call.named if word.id == name), call.span)
        raise fail("KC0418", f"`{name}` of `{kind}` {rule}" if name else rule, span)
    return Wave(kind, frozen(arguments))
