"""Checks of one device: names, dimensions, and the form of its contributions and equations."""

from __future__ import annotations

from dataclasses import replace

from kcompile.diagnostics import Reporter, accepted, nearest
from kcompile.syntax import nodes
from kcompile.syntax.contribution import Charge, take_apart
from kcompile.syntax.functions import RESERVED, WAVEFORMS
from kcompile.syntax.infer import ERROR, Inference, Type, word_type
from kcompile.units import CAPACITANCE, CURRENT, TIME, VOLTAGE

MAX_TERMINALS = 64
MAX_CONTRIBUTIONS = 1024


class DeviceChecker:
    """Checks one device; `constants` are the types of the constants its file can say."""

    def __init__(self, device: nodes.Device, constants: dict[str, Type], report: Reporter) -> None:
        self._device = device
        self._constants = constants
        self._report = report
        self._terminals = {terminal.id for terminal in device.terminals}
        self._types: dict[str, Type] = {}
        self._states: dict[str, nodes.State] = {}
        self._law = Inference(report, self._lookup, self._access)
        self._value = Inference(report, self._lookup_constant)

    def check(self) -> None:
        device = self._device
        if len(device.terminals) > MAX_TERMINALS or len(device.items) > MAX_CONTRIBUTIONS:
            self._report.error("KC0406", f"a device has at most {MAX_TERMINALS} terminals and {MAX_CONTRIBUTIONS} "
                               "statements", device.name.span)
            return
        taken: dict[str, nodes.Name] = {}
        declared = [i.name for i in device.items if isinstance(i, nodes.Param | nodes.State)]
        for name in (*device.terminals, *declared):
            declare(name, taken, self._report)
        for item in device.items:
            if isinstance(item, nodes.Param):
                self._param(item)
            elif isinstance(item, nodes.State):
                self._state(item)
        solved: set[str] = set()
        for item in device.items:
            if isinstance(item, nodes.Contribution):
                self._contribution(item)
            elif isinstance(item, nodes.Equation):
                self._equation(item, solved)
        for name, state in self._states.items():
            if name not in solved:
                self._report.error("KC0313", f"the state `{name}` has no equation", state.span,
                                   hint=f"add `ddt({name}) = ...;`")

    def _param(self, param: nodes.Param) -> None:
        if param.extents:
            self._report.error("KC0404", "a parameter of a device is one number; arrays belong to circuits",
                               param.name.span)
        self._types[param.name.id] = check_param(param, self._value, self._report)

    def _state(self, state: nodes.State) -> None:
        wanted = word_type(state.dimension, self._report)
        if state.initial is not None:
            # The start of a state may depend on the parameters of its own instance.
            Inference(self._report, self._lookup_parameter).expect(state.initial, wanted, "the initial value")
        self._states[state.name.id] = state
        self._types[state.name.id] = replace(wanted, constant=False)

    def _contribution(self, item: nodes.Contribution) -> None:
        if item.access.id != "I":
            self._report.error("KC0312", f"a contribution is written `I(a, b) <+ ...`, not `{item.access.id}`",
                               item.access.span, hint="voltages are imposed by `drive`" * (item.access.id == "V"))
        if len(item.terminals) > 2:
            self._report.error("KC0306", "`I` takes one or two terminals", item.span)
        for terminal in item.terminals:
            self._terminal(terminal)
        if len(item.terminals) == 2 and item.terminals[0].id == item.terminals[1].id:
            self._report.error("KC0312", "a current from a terminal to itself does nothing", item.span)
        parts = take_apart(item.value)
        for call in parts.misplaced:
            linear = call.function.id == "ddt" and len(call.arguments) == 1
            self._report.error("KC0309" if linear else "KC0308", "a charge is linear: `ddt(c * V(a, b))` as a term of "
                               "its own, with one voltage in it", call.span,
                               hint="capacitance that depends on voltage is not in the language")
        if parts.misplaced:
            return
        branch = [t.id for t in item.terminals] + ["gnd"] * (2 - len(item.terminals))
        # Of a wrong capacitance the product with its voltage would be wrong too: one mistake, one report.
        right = [self._charge(charge, branch) for charge in parts.charges]
        if all(right):
            self._law.expect(item.value, Type("number", CURRENT), "a contribution")

    def _charge(self, charge: Charge, branch: list[str]) -> bool:
        """Whether the capacitance of a charge is one; reports what is wrong with it."""
        ends = [a.id if isinstance(a, nodes.Name) else "?" for a in charge.voltage.arguments]
        ends += ["gnd"] * (2 - len(ends))
        if ends not in (branch, branch[::-1]):
            self._report.error("KC0310", "a charge is stored between the terminals its current flows through",
                               charge.voltage.span, hint=f"write V({', '.join(branch)})")
        found = self._quiet(charge.coefficient)
        if found.kind == "number" and not found.constant:
            self._report.error("KC0309", "the capacitance is constant in time", charge.coefficient.span)
        elif found.kind == "number" and found.dimension not in (None, CAPACITANCE):
            self._report.error("KC0301", f"a capacitance is expected, this is a {found}", charge.coefficient.span)
            return False
        return True

    def _quiet(self, expr: nodes.Expr) -> Type:
        """Type of an expression whose mistakes were reported already."""
        return Inference(Reporter(), self._lookup, self._access).infer(expr)

    def _equation(self, item: nodes.Equation, solved: set[str]) -> None:
        name = item.arguments[0].id
        if item.access.id != "ddt" or len(item.arguments) != 1:
            self._report.error("KC0313", "an equation is written `ddt(state) = ...`", item.access.span,
                               hint="a current is written `I(a, b) <+ ...`")
            return
        if name not in self._states:
            self._report.error("KC0201", f"`{name}` is not a state of this device", item.arguments[0].span,
                               hint=nearest(name, self._states) or f"declare it: `state {name}: ... = 0;`")
            return
        if name in solved:
            self._report.error("KC0313", f"the state `{name}` has two equations", item.span)
        solved.add(name)
        if any(call.function.id == "ddt" for call in take_apart(item.value).misplaced) or take_apart(item.value).charges:
            self._report.error("KC0308", "`ddt` stands on the left of an equation, not on its right", item.value.span)
            return
        wanted = self._types[name]
        if wanted.dimension is not None and wanted.kind == "number":
            self._law.expect(item.value, Type("number", wanted.dimension / TIME), f"the rate of `{name}`")

    def _terminal(self, name: nodes.Name) -> None:
        if name.id != "gnd" and name.id not in self._terminals:
            self._report.error("KC0201", f"`{name.id}` is not a terminal of this device", name.span,
                               hint=nearest(name.id, self._terminals) or accepted(self._terminals | {"gnd"}))

    def _lookup(self, name: nodes.Name) -> Type:
        if name.id in self._types:
            return self._types[name.id]
        if name.id in self._terminals or name.id == "gnd":
            self._report.error("KC0210", f"`{name.id}` is a terminal; its voltage is V({name.id})", name.span)
            return ERROR
        return self._lookup_constant(name)

    def _lookup_parameter(self, name: nodes.Name) -> Type:
        return self._lookup_constant(name) if name.id in self._states else self._lookup(name)

    def _lookup_constant(self, name: nodes.Name) -> Type:
        if name.id in self._constants:
            return self._constants[name.id]
        known = [*self._types, *self._constants]
        self._report.error("KC0201", f"`{name.id}` is not known here", name.span, hint=nearest(name.id, known))
        return ERROR

    def _access(self, call: nodes.Call) -> Type:
        if call.function.id == "ddt":
            inner = self._law.infer(call.arguments[0]) if len(call.arguments) == 1 else ERROR
            if inner.kind != "number" or inner.dimension is None:
                return ERROR if inner.kind == "error" else replace(inner, constant=False)
            return Type("number", inner.dimension / TIME, constant=False)
        if call.function.id == "I":
            self._report.error("KC0312", "a current is not read in a law", call.span,
                               hint="give the device a state, or write the current's expression")
            return ERROR
        if not 1 <= len(call.arguments) <= 2 or call.named:
            self._report.error("KC0306", "`V` takes one or two terminals", call.span)
            return ERROR
        for argument in call.arguments:
            if isinstance(argument, nodes.Name):
                self._terminal(argument)
            else:
                self._report.error("KC0312", "`V` takes terminals", argument.span, hint="write V(a) - V(b), not V(a - b)")
        return Type("number", VOLTAGE, constant=False)


def declare(name: nodes.Name, taken: dict[str, nodes.Name], report: Reporter) -> bool:
    """Enter a name into a scope; report reserved and doubled ones."""
    if name.id in RESERVED:
        report.error("KC0203", f"`{name.id}` is a word of the language", name.span, hint="choose another name")
        return False
    if name.id in taken:
        report.error("KC0202", f"`{name.id}` is declared twice", name.span, f"first at {taken[name.id].span}")
        return False
    taken[name.id] = name
    return True


def check_param(param: nodes.Param, values: Inference, report: Reporter) -> Type:
    """Type of a declared parameter after checking its default and interval."""
    if param.dimension.text == "waveform":
        return _waveform_param(param, values, report)
    wanted = word_type(param.dimension, report)
    if param.default is not None:
        for value in flatten(param.default):
            values.expect(value, wanted, "the default")
    if param.interval is not None:
        values.expect(param.interval.lower, replace(wanted, integral=False), "the lower limit")
        values.expect(param.interval.upper, replace(wanted, integral=False), "the upper limit")
    if param.trainable and wanted.integral:
        report.error("KC0304", "a whole number cannot be trained", param.span, hint="declare it `real`")
    return replace(wanted, extents=len(param.extents))


def flatten(expr: nodes.Expr) -> list[nodes.Expr]:
    """Elements of nested lists, in order."""
    if not isinstance(expr, nodes.Array):
        return [expr]
    return [leaf for item in expr.items for leaf in flatten(item)]


def _waveform_param(param: nodes.Param, values: Inference, report: Reporter) -> Type:
    default = param.default
    if not isinstance(default, nodes.Call) or default.function.id not in WAVEFORMS or param.trainable or param.interval:
        report.error("KC0311", "a waveform parameter has a waveform as its default, which gives it its dimension, and "
                     "neither limits nor `trainable`", param.span, hint=f"`param {param.name.id}: waveform = dc(0 A);`")
        return ERROR
    dimension = check_waveform(default, None, values, report)
    return Type("number", dimension, constant=False) if dimension is not None else ERROR


def check_waveform(call: nodes.Expr, wanted: Type | None, values: Inference, report: Reporter):
    """Check a waveform call; return the dimension of its values, None after a report."""
    if not isinstance(call, nodes.Call) or call.function.id not in WAVEFORMS:
        report.error("KC0311", "a waveform is expected here", call.span, hint=accepted(WAVEFORMS))
        return None
    waveform = WAVEFORMS[call.function.id]
    failed = False
    dimension = wanted.dimension if wanted is not None else None

    def check(value: nodes.Expr, expected: Type | None, what: str) -> None:
        nonlocal dimension, failed
        if expected is None and dimension is None:
            found = values.infer(value)
            dimension = found.dimension if found.kind == "number" else None
        else:
            found = values.expect(value, expected or Type("number", dimension), what)
        failed |= found.kind == "error"

    if waveform.repeats:
        if call.named or len(call.arguments) < 2 or len(call.arguments) % 2:
            report.error("KC0418", "`pwl` takes pairs: time, value, time, value, ...", call.span)
            return None
        for k, value in enumerate(call.arguments):
            check(value, Type("number", TIME) if k % 2 == 0 else None, "a time" if k % 2 == 0 else "a value")
        return None if failed else dimension
    known = [argument.name for argument in waveform.arguments]
    given = dict(zip(known, call.arguments, strict=False))
    if len(call.arguments) > len(known):
        report.error("KC0418", f"`{call.function.id}` takes {len(known)} arguments", call.span,
                     hint="in order: " + ", ".join(known))
        return None
    for word, value in call.named:
        if word.id not in known or word.id in given:
            problem = "is given twice" if word.id in given else "is not an argument"
            report.error("KC0418", f"`{word.id}` {problem} of `{call.function.id}`", word.span,
                         hint=nearest(word.id, known) or "in order: " + ", ".join(known))
            failed = True
        given[word.id] = value
    for argument in waveform.arguments:
        if argument.name in given:
            expected = None if argument.dimension is None else Type("number", argument.dimension)
            check(given[argument.name], expected, f"`{argument.name}`")
        elif argument.default is None:
            report.error("KC0418", f"`{call.function.id}` needs `{argument.name}`", call.function.span,
                         hint="in order: " + ", ".join(known))
            failed = True
    return None if failed else dimension
