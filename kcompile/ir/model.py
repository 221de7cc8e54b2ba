"""Device models, constants, limits and waveforms read from checked syntax."""

from __future__ import annotations

import math

import numpy as np

from kcompile.diagnostics import Reporter
from kcompile.ir.circuit import Wave, frozen
from kcompile.ir.device import DeviceModel, Interval, Param, State
from kcompile.ir.evaluate import Evaluator, Frame, Numbers, Rows, fail
from kcompile.syntax import nodes
from kcompile.syntax.check_device import check_waveform
from kcompile.syntax.functions import WAVEFORMS
from kcompile.syntax.infer import Inference, Type, word_type
from kcompile.syntax.load import Module
from kcompile.units import REAL


def module_constants(module: Module) -> dict[str, float]:
    """Values of every constant a module can say, its own and imported ones."""
    values: dict[str, float] = {}
    imported = {id(owner): owner for declaration, owner in module.names.values()
                if owner is not module and isinstance(declaration, nodes.Const)}
    theirs = {key: module_constants(owner) for key, owner in imported.items()}
    for name, (declaration, owner) in module.names.items():
        if owner is not module and isinstance(declaration, nodes.Const):
            values[name] = theirs[id(owner)][name]
    for declaration in module.own:
        if isinstance(declaration, nodes.Const):
            values[declaration.name.id] = float(scalar_evaluator(values).number(declaration.value))
    return values


def scalar_evaluator(values: dict[str, float]) -> Evaluator:
    """Evaluator of expressions that read nothing but constants."""
    names = {name: Numbers(np.array([value])) for name, value in values.items()}
    return Evaluator(Frame(1, (), dict(names)), Rows(1, np.zeros(1, dtype=np.int64)))


class ModelBuilder:
    """Makes one `DeviceModel` per device declaration."""

    def __init__(self) -> None:
        self._models: dict[int, DeviceModel] = {}

    def model(self, device: nodes.Device, module: Module) -> DeviceModel:
        if id(device) not in self._models:
            self._models[id(device)] = build_model(device, module_constants(module))
        return self._models[id(device)]

    def evaluator(self, model: DeviceModel) -> Evaluator:
        """Evaluator of what stands inside the declaration of a device."""
        return scalar_evaluator(dict(model.constants))


def build_model(device: nodes.Device, constants: dict[str, float]) -> DeviceModel:
    """Model of a checked device."""
    evaluator = scalar_evaluator(constants)
    quiet = Reporter()
    params, states = [], []
    for item in device.items:
        if isinstance(item, nodes.Param):
            params.append(_param(item, evaluator, quiet))
        elif isinstance(item, nodes.State):
            wanted = word_type(item.dimension, quiet)
            states.append(State(item.name.id, wanted.dimension or REAL, item.name.span))
    used = tuple(sorted(constants.items()))
    return DeviceModel(device.name.id, tuple(t.id for t in device.terminals), tuple(params), tuple(states), device, used)


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
        times = np.stack(columns[::2], axis=1)
        if np.any(np.diff(times, axis=1) <= 0) or np.any(times[:, 0] < 0):
            raise fail("KC0418", "the times of `pwl` start at 0 or later and increase", call.span)
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
        _check_times(kind, {a.name: c for a, c in zip(waveform.arguments, columns, strict=True)}, call)
    arguments = np.stack(columns, axis=1) if columns else np.zeros((count, 0))
    return Wave(kind, frozen(arguments))


def _check_times(kind: str, columns: dict[str, np.ndarray], call: nodes.Call) -> None:
    def refuse(name: str, wrong: np.ndarray, rule: str) -> None:
        if np.any(wrong):
            span = next((value.span for word, value in call.named if word.id == name), call.span)
            raise fail("KC0418", f"`{name}` of `{kind}` {rule}", span)

    for name, column in columns.items():
        may_be_infinite = name in ("width", "period", "fall_delay")
        refuse(name, ~np.isfinite(column) & ~(may_be_infinite & (column > 0)), "is finite")
        if name in ("rise", "fall", "rise_tau", "fall_tau", "period"):
            refuse(name, column <= 0, "is above 0: simulators replace a rise of 0 by a step of their own")
        elif name in ("delay", "rise_delay", "fall_delay", "width", "damping", "frequency"):
            refuse(name, column < 0, "is not negative")
    if kind == "pulse":
        busy = columns["rise"] + columns["width"] + columns["fall"]
        refuse("period", columns["period"] < busy * (1 - 1e-12), "is at least rise + width + fall")
    if kind == "exp":
        refuse("fall_delay", columns["fall_delay"] <= columns["rise_delay"], "is later than rise_delay")
