"""Laws written back as syntax: the same law, accepted by the checker, and readable."""

from __future__ import annotations

from dataclasses import replace

import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.device import DeviceModel
from kcompile.ir.expr import Law, whole_numbers
from kcompile.ir.model import build_model
from kcompile.ir.unparse import with_law
from kcompile.syntax.check_device import DeviceChecker
from kcompile.syntax.format_device import format_device
from kcompile.syntax.infer import Type
from kcompile.syntax.parse import parse_rule


def reread(model: DeviceModel) -> DeviceModel:
    """The model that the text of a model declares."""
    device = parse_rule(kc.Source("device", format_device(model.definition)), "device")
    report = Reporter()
    types = {name: Type("number", dimension, integral=False) for name, dimension in model.dimensions}
    DeviceChecker(device, types, report).check()
    assert not report.diagnostics, (format_device(model.definition), report.diagnostics[0].message)
    return build_model(device, dict(model.constants), dict(model.dimensions))


def assert_comes_back(model: DeviceModel) -> None:
    again = reread(with_law(model, model.law))
    assert whole(again.law) == whole(model.law), format_device(again.definition)


def whole(law: Law) -> Law:
    """The law with whole numbers as integers, which the way through text makes of 2.0."""
    branches = [tuple(replace(branch, value=whole_numbers(branch.value)) for branch in part)
                for part in (law.currents, law.capacitances)]
    return Law(branches[0], branches[1], *(tuple(whole_numbers(e) for e in part) for part in (law.rates, law.initials)))


LIBRARY = """use std.passive; use std.sources; use std.compute; use std.oscillator;
circuit T { node x, y, z; Capacitor(n, gnd) for n in x + y + z; Resistor(x, y); Conductance(x, y); Inductor(x, y);
  CurrentSource(x, y); LimitedSource(x, y); Transconductor(x, y); Bias(x);
  Multiplier(x, y, z); TanhSaturation(x, y); SigmoidSaturation(x, y);
  HardSaturation(x, y); VanDerPol(x, y); PhaseCoupling(x, y); PhaseLock(x); PhaseDrift(x); }"""


def test_every_device_of_the_library() -> None:
    models = kc.compile(kc.Source("t.kc", LIBRARY)).models
    assert len(models) == 16
    for model in models:
        assert_comes_back(model)


def test_devices_of_the_paper() -> None:
    names = "ShiftRelu ShiftTanh ShiftRelu1 ShiftLeakyRelu1 ShiftRelu2 ShiftLeakyRelu2 ShiftTanh1 ShiftTanh2"
    for name in names.split():
        program = f"""use std.kirchhoff: {name}; use std.passive: Capacitor;
circuit T {{ node x, y; Capacitor(n, gnd) for n in x + y; {name}(x, y); }}"""
        assert_comes_back(kc.compile(kc.Source("t.kc", program)).models[1])


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_devices_of_random_programs(first: int) -> None:
    for seed in range(first, first + 20):
        for model in kc.compile(kc.Source("t.kc", random_program(seed)), top="Top").models:
            assert_comes_back(model)


def test_numbers_get_their_units_back() -> None:
    model = kc.compile(kc.Source("t.kc", """use std.passive: Capacitor;
device D(a, b) {
    param p: real = 1;
    I(a, b) <+ 2 A * tanh(0.5 / 1 V * V(a, b) + p) - relu(V(a) - 0.3 V) / 4 Ohm + if(V(a) > 1 V, 1 mA, 0 A);
    I(b) <+ ddt(3 pF * V(b)) - 1 S * V(b);
}
circuit T { node a, b; Capacitor(n, gnd) for n in a + b; D(a, b); }""")).models[1]
    assert format_device(with_law(model, model.law).definition) == """device D(a, b) {
    param p: real = 1;
    I(a, b) <+ 2 A * tanh(0.5 V^-1 * V(a, b) + p) + if(1 V < V(a), 0.001 A, 0) - 0.25 S * relu(V(a) - 0.3 V);
    I(b) <+ -1 S * V(b);
    I(b) <+ ddt(3e-12 F * V(b));
}"""
