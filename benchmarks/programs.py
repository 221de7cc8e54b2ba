"""Random programs that are valid by construction, mutations of programs that are mostly not, and shapes of trees."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

import numpy as np

from kcompile.syntax.fold import Rows

WORDS = {"V": "voltage", "A": "current", "S": "conductance", "Ohm": "resistance", "F": "capacitance", "": "real", "s": "time",
         "Hz": "frequency", "A/V^2": "A/V^2", "V/s": "V/s", "A/s": "A/s"}
"""Dimension word of a parameter by its unit."""

NODE_NAMES = ("x", "X", "y", "x_1", "time", "temp", "e", "u", "n0", "Net", "_w", "b1", "a" * 70, "params", "true_")
REAL_FUNCTIONS = ("tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "sin", "cos", "atan")


_USED = "use std.passive;\nuse std.sources;"
_USED_BY_NAME = "use std.passive: Capacitor, Conductance, Resistor;\nuse std.sources: CurrentSource;"
# Most programs declare the elements themselves: reading the library again and again would test nothing new.
_DECLARED = """device Resistor(p, n) { param r: resistance = 1 kOhm in (0, inf); I(p, n) <+ V(p, n) / r; }
device Conductance(p, n) { param g: conductance = 1 mS; I(p, n) <+ g * V(p, n); }
device Capacitor(p, n) { param c: capacitance = 1 pF in (0, inf); I(p, n) <+ ddt(c * V(p, n)); }
device CurrentSource(p, n) { param i: waveform = dc(0 A); I(p, n) <+ i; }"""


@dataclass(frozen=True)
class Param:
    """A parameter of a device or circuit: its unit, whether it trains, whether its limits take any sign, its shape."""

    name: str
    unit: str
    trainable: bool = False
    signed: bool = True
    extents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Model:
    """What instances must know of a device or circuit."""

    name: str
    ports: int
    params: tuple[Param, ...]
    in_phases: bool


@dataclass(frozen=True)
class Bank:
    name: str
    extents: tuple[int, ...]


def random_program(seed: int) -> str:
    """Source of a small valid program, the same for one seed; its tops need nothing from outside."""
    return _Program(random.Random(seed)).text()


class _Laws:
    """Random well-typed expressions over terminals, parameters, states and constants."""

    def __init__(self, rng: random.Random, constants: list[tuple[str, str]]) -> None:
        self._rng = rng
        self.names: list[tuple[str, str]] = list(constants)
        self.terminals: list[str] = []

    def number(self, unit: str, signed: bool = True) -> str:
        """A literal, small enough that products of a few stay finite."""
        rng = self._rng
        value = rng.choice(["0.5", "1", "2", "1.25", "3e-1", "0.01", "7", "12.5e0"])
        prefix = rng.choice(["", "", "m", "u", "k"]) if unit and unit[0] not in "H/" and "/" not in unit else ""
        return f"{'-' if signed and rng.random() < 0.2 else ''}{value} {prefix}{unit}".strip()

    def of(self, unit: str, depth: int) -> str:
        """Expression of a unit, tight enough to stand as a factor."""
        rng = self._rng
        known = [name for name, one in self.names if one == unit]
        if depth <= 0 or rng.random() < 0.15:
            leaves = [rng.choice(known)] * 2 if known else []
            leaves += [self._voltage()] * 2 if unit == "V" else []
            return rng.choice([*leaves, f"({self.number(unit)})"])
        special = {"V": self._volts, "A": self._amps, "": self._real, "S": self._siemens}.get(unit)
        if special is not None and rng.random() < 0.6:
            return special(depth)
        return self._any(unit, depth)

    def _any(self, unit: str, depth: int) -> str:
        rng = self._rng
        one, two = self.of(unit, depth - 1), self.of(unit, rng.randrange(depth))
        match rng.randrange(9):
            case 0:
                return f"({one} {rng.choice('+-')} {two} + {self.of(unit, 0)})"
            case 1:
                return f"(-{one} * {self.of('', depth - 1)})"
            case 2:
                return f"({one} / {rng.choice(['2', '(1 + ' + self.of('', 0) + ')'])})"
            case 3:
                return f"{rng.choice(['relu', 'abs'])}({one})"
            case 4:
                return f"{rng.choice(['min', 'max'])}({one}, {two}{rng.choice(['', ', 0', ', inf'])})"
            case 5:
                return f"leaky_relu({one}{rng.choice(['', ', slope = 0.1', ', 0.2'])})"
            case 6:
                return f"if({self.condition(depth - 1)}, {one}, {two})"
            case 7:
                return f"({one} * pow({self.of('', 0)}, {rng.choice(['2', '3', '-1', '0'])}))"
        return f"(0 - {one})"

    def _voltage(self) -> str:
        ends = self._rng.sample([*self.terminals, "gnd"], self._rng.randrange(1, min(3, len(self.terminals) + 2)))
        return f"V({', '.join(ends)})"

    def _volts(self, depth: int) -> str:
        match self._rng.randrange(3):
            case 0:
                return f"({self.of('A', depth - 1)} * {self.of('Ohm', 0)})"
            case 1:
                return f"({self.of('A', depth - 1)} / {self.number('S', signed=False)})"
        return self._voltage()

    def _amps(self, depth: int) -> str:
        match self._rng.randrange(4):
            case 0:
                return f"({self.of('S', depth - 1)} * {self.of('V', depth - 1)})"
            case 1:
                return f"({self.of('V', depth - 1)} / {self.of('Ohm', 0)})"
            case 2:
                return f"({self.of('A/V^2', 0)} * pow({self.of('V', depth - 1)}, 2))"
        return f"({self.of('A', 0)} * {self.of('', depth - 1)})"

    def _siemens(self, depth: int) -> str:
        return f"({self.of('A', depth - 1)} / {self.number('V', signed=False)})"

    def _real(self, depth: int) -> str:
        rng = self._rng
        match rng.randrange(6):
            case 0:
                return f"({self.of('V', depth - 1)} / {self.number('V', signed=False)})"
            case 1 | 2:
                return f"{rng.choice(REAL_FUNCTIONS)}({self.of('', depth - 1)})"
            case 3:
                return f"sign({self.of(rng.choice(['V', 'A', '']), depth - 1)})"
            case 4:
                return f"pow({self.of('', depth - 1)}, {rng.choice(['2', '3', '0.5', '-1', '1.5', '0', '-2.5', '7'])})"
        return f"({self.of('', depth - 1)} * {rng.choice(['pi', '2', '0.1'])})"

    def condition(self, depth: int) -> str:
        """A condition; bound together by `and`, `or` and `not`."""
        rng = self._rng
        unit = rng.choice(["V", "A", ""])
        sign = rng.choice(["<", "<=", ">", ">="])
        one = f"{self.of(unit, depth)} {sign} {self.of(unit, 0)}"
        match rng.randrange(5):
            case 0:
                return f"{one} {sign} {self.of(unit, 0)}"
            case 1:
                return f"not {one}"
            case 2:
                return f"({one} or {self.of(unit, 0)} > 0) and {self.of('', 0)} < 1"
        return one


class _Program:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._constants: list[tuple[str, str]] = []
        self._devices: list[Model] = []
        self._circuits: list[Model] = []

    def text(self) -> str:
        rng = self._rng
        parts = [rng.choice([_USED, _USED_BY_NAME, *[_DECLARED] * 6])]
        parts += [self._constant(k) for k in range(rng.randrange(4))]
        parts += [self._device(k) for k in range(rng.randrange(1, 3))]
        if rng.random() < 0.5:
            parts.append(self._part("Part", self._devices))
            if rng.random() < 0.5:
                parts.append(self._part("Outer", self._circuits))
        parts += [self._top(name) for name in ["Top", *(["Other"] if rng.random() < 0.1 else [])]]
        return "\n\n".join(parts) + "\n"

    # ---- constants and devices ----------------------------------------------------------------------------------------

    def _constant(self, k: int) -> str:
        rng = self._rng
        unit = rng.choice(["V", "A", "S", "", "Ohm"])
        laws = _Laws(rng, self._constants)
        known = [name for name, one in self._constants if one == unit]
        value = laws.number(unit)
        if known and rng.random() < 0.7:
            value = rng.choice([f"{known[0]} * 2 + {value}", f"max({known[0]}, {value})", f"-({known[0]} - {value}) / 3"])
        self._constants.append((f"c{k}", unit))
        return f"const c{k} = {value};"

    def _device(self, k: int) -> str:
        rng = self._rng
        laws = _Laws(rng, self._constants)
        laws.terminals = [f"t{i}" for i in range(rng.choice([1, 2, 2, 2, 3, 4]))]
        params = [self._param(f"q{i}", rng.choice(["V", "A", "S", "", "Ohm", "A/V^2", "F"])) for i in range(rng.randrange(4))]
        laws.names += [(param.name, param.unit) for param, _ in params]
        lines = [text for _, text in params]
        lines += self._states(laws, params)
        charge = rng.random() < 0.2
        for i in range(rng.randrange(1, 3)):
            lines.append(self._contribution(laws, params, charge and i == 0))
        # A statement may use what is declared further down in its device: order is free there.
        self._devices.append(Model(f"D{k}", len(laws.terminals), tuple(param for param, _ in params), not charge))
        return _block(f"device D{k}({', '.join(laws.terminals)})", lines)

    def _param(self, name: str, unit: str) -> tuple[Param, str]:
        rng = self._rng
        scaled = f"80 k{unit}" if unit and "/" not in unit else f"80e3 {unit}".strip()
        interval, signed = rng.choice([("", True), ("", True), (f" in [-{scaled}, {scaled}]", True), (" in (-inf, inf)", True),
                                       (" in (0, inf)", False), (f" in [0, {scaled})", False)])
        if unit in ("F", "Ohm"):
            interval, signed = " in (0, inf)", False
        trainable = rng.random() < 0.4
        value = _Laws(rng, []).number(unit, signed)
        return (Param(name, unit, trainable, signed),
                f"param {name}: {WORDS[unit]} = {value}{interval}{' trainable' * trainable};")

    def _states(self, laws: _Laws, params: list[tuple[Param, str]]) -> list[str]:
        rng = self._rng
        if rng.random() > 0.3:
            return []
        unit = rng.choice(["A", "V", ""])
        own = [param.name for param, _ in params if param.unit == unit]
        initial = rng.choice(["", f" = {laws.number(unit)}", *(f" = {name} / 2" for name in own)])
        laws.names.append(("s", unit))
        return [f"state s: {WORDS[unit]}{initial};", f"ddt(s) = ({laws.of(unit, 1)} - s) / 1 ms;"]

    def _contribution(self, laws: _Laws, params: list[tuple[Param, str]], charge: bool) -> str:
        rng = self._rng
        if len(laws.terminals) == 1 and rng.random() < 0.5:
            ends = laws.terminals
        else:
            ends = rng.sample([*laws.terminals, "gnd"], 2)
        text = laws.of("A", 2)
        if charge:
            farads = [param.name for param, _ in params if param.unit == "F"]
            coefficient = rng.choice([*farads, "1 uF", "2 * 3 pF"])
            across = ends if rng.random() < 0.7 or len(ends) == 1 else ends[::-1]
            # Against the current's direction the charge is negative, which a minus makes good.
            text += f" {'+' if across == ends else '-'} ddt({coefficient} * V({', '.join(across)}))"
        return f"I({', '.join(ends)}) <+ {text};"

    # ---- circuits -----------------------------------------------------------------------------------------------------

    def _part(self, name: str, inner: list[Model]) -> str:
        """A circuit with two ports for use in others; it holds instances of one of the inner models."""
        rng = self._rng
        model = rng.choice(inner)
        ends = ", ".join(rng.choice(["a", "b", "m[0]", "m[1]", "gnd"]) for _ in range(model.ports))
        loop = rng.choice(["", f" for k in 0..{rng.randrange(1, 3)}"])
        lines = ["param g: conductance = 1 mS;", "param n: integer = 2 in [2, 4];", "node m[n];",
                 "Capacitor(k, gnd) { c = 1 F } for k in m;", "Conductance(a, m[0]) { g = g };",
                 rng.choice(["Resistor r[k](m[k], m[k + 1]) for k in 0..n - 1;", "Resistor(m[n - 1], b);"]),
                 f"{model.name}{rng.choice(['', ' inner'])}({ends}){self._given(model, [], '')}{loop};",
                 rng.choice(["", "initial m[k] = 0.1 V * k for k in 0..n;"]),
                 rng.choice(["", "const half = 0.5;\nResistor(m[0], m[1]) { r = 1 Ohm * half * n };"])]
        self._circuits.append(Model(name, 2, (Param("g", "S"), ), True))
        return _block(f"circuit {name}(a, b)", [line for line in lines if line])

    def _top(self, name: str) -> str:
        rng = self._rng
        banks = [Bank(one, tuple(rng.randrange(1, 4) for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))))
                 for one in rng.sample(NODE_NAMES, rng.randrange(1, 4))]
        sources = [Bank(f"src{k}", tuple([2] * rng.randrange(2))) for k in range(rng.randrange(3))]
        lines = self._nodes(banks)
        lines.append(f"node all = {' + '.join(self._alias(bank, k) for k, bank in enumerate(banks))};")
        lines += [f"Capacitor(n, gnd) {{ c = {rng.choice(['1 F', '20 mF', '1 uF * 3'])} }} for n in {bank.name};"
                  for bank in banks]
        ties = self._ties()
        lines += [text for _, text in ties]
        arrays = [param for param, _ in ties]
        lines += [line for source in sources for line in self._source(source, banks[0])]
        if rng.random() < 0.5:
            lines.append(self._initial(banks))
        used = self._circuits[-1:]  # a circuit that nobody uses would be a top with open ports
        used += [rng.choice([*self._devices, *self._circuits]) for _ in range(rng.randrange(1, 4))]
        lines += [self._instances(model, banks, arrays) for model in used]
        inside = [model for model in self._devices if model.in_phases]
        for k in range(rng.randrange(3) if inside else 0):
            held = [self._instances(rng.choice(inside), banks, arrays, f"w{i}") for i in range(rng.randrange(1, 3))]
            lines.append(_block(f"phase p{k} for {rng.choice(['1 s', '500 ms', '0.25 s * 2'])}", held))
        lines += self._ends(banks)
        ports = rng.choice(["", "", "()", "(pin)", "(pin, pout)"])
        lines += ["Capacitor(pin, gnd) { c = 1 mF };"] if ports == "(pin)" else []
        if ports == "(pin, pout)":
            lines += [f"drive pin = {self._wave('V', '')};", "Resistor(pin, pout);", "Capacitor(pout, pin);"]
        return _block(f"circuit {name}{ports}", lines)

    def _nodes(self, banks: list[Bank]) -> list[str]:
        rails = ["", "", "", " rail [-2 V, 2 V]", " rail [-1 V, 3 V] g = 10 S"]
        if len(banks) > 1 and self._rng.random() < 0.3:
            return [f"node {', '.join(map(_declared, banks))}{self._rng.choice(rails)};"]
        return [f"node {_declared(bank)}{self._rng.choice(rails)};" for bank in banks]

    def _alias(self, bank: Bank, k: int) -> str:
        if not bank.extents or k == 0 or self._rng.random() < 0.6:
            return bank.name
        picks = [self._rng.choice([f"0..{extent}", str(extent - 1), f"0..{extent} - 1 + 1"]) for extent in bank.extents]
        return f"{bank.name}[{', '.join(picks)}]"

    def _ties(self) -> list[tuple[Param, str]]:
        rng = self._rng
        found = []
        for k, unit in enumerate(rng.sample(["S", "V", "A", ""], rng.randrange(3))):
            extents = tuple(rng.randrange(1, 4) for _ in range(rng.randrange(3)))
            shape = f"[{', '.join(map(str, extents))}]" if extents else ""
            default = self._values(unit, extents) if rng.random() < 0.5 else _Laws(rng, []).number(unit)
            trainable = rng.random() < 0.5
            found.append((Param(f"k{k}", unit, trainable, True, extents),
                          f"param k{k}{shape}: {WORDS[unit]} = {default}{' trainable' * trainable};"))
        return found

    def _values(self, unit: str, extents: tuple[int, ...]) -> str:
        if not extents:
            return _Laws(self._rng, []).number(unit)
        return f"[{', '.join(self._values(unit, extents[1:]) for _ in range(extents[0]))}]"

    def _wave(self, unit: str, index: str) -> str:
        scale = self._rng.choice(["", f" * ({index} + 1)"]) if index else ""
        return self._rng.choice([
            f"dc(0.3 {unit}{scale})", f"sin(0 {unit}, 1 {unit}{scale}, 2 Hz)",
            f"sin(0.1 {unit}, 1 {unit}, frequency = 3 Hz, damping = 1 Hz, phase = -30)",
            f"pulse(0 {unit}, 1 {unit}{scale}, rise = 10 ms, width = 200 ms, period = 500 ms)",
            f"pulse(1 {unit}, -1 {unit}, 100 ms, 10 ms, 20 ms)", f"exp(0 {unit}, 1 {unit}, rise_tau = 50 ms)",
            f"exp(0 {unit}, 1 {unit}, 10 ms, 50 ms{scale}, fall_delay = 500 ms, fall_tau = 20 ms)",
            f"pwl(0 s, 0 {unit}, 300 ms, 1 {unit}{scale}, 1 s, -1 {unit})"])

    def _source(self, source: Bank, into: Bank) -> list[str]:
        """A driven node or bank and a resistor from it, or a current source."""
        rng = self._rng
        target = into.name + (f"[{', '.join('0' for _ in into.extents)}]" if into.extents else "")
        if rng.random() < 0.3:
            return [f"CurrentSource({target}, gnd) {{ i = {self._wave('A', '')} }};"]
        if not source.extents:
            return [f"node {source.name};", f"drive {source.name} = {self._wave('V', '')};",
                    f"Resistor({source.name}, {target}) {{ r = 2 Ohm }};"]
        looped = rng.random() < 0.5
        drive = (f"drive {source.name}[k] = {self._wave('V', 'k')} for k in 0..2;" if looped
                 else f"drive {source.name} = {self._wave('V', '')};")
        return [f"node {source.name}[2];", drive,
                f"Resistor({source.name}[k], {target}) {{ r = 2 Ohm * (k + 1) }} for k in 0..2;"]

    def _initial(self, banks: list[Bank]) -> str:
        bank = self._rng.choice(banks)
        loops, subscripts = _over(bank)
        if not loops or self._rng.random() < 0.3:
            return f"initial {bank.name} = {self._rng.choice(['0.3 V', '-20 mV', '0'])};"
        return f"initial {bank.name}{subscripts} = 0.1 V * i - 0.05 V {loops};"

    def _instances(self, model: Model, banks: list[Bank], arrays: list[Param], label: str = "") -> str:
        rng = self._rng
        name = f"{model.name} {label}" if label and rng.random() < 0.5 else model.name
        match rng.randrange(4):
            case 0:
                loops = "for a in all" + (f", b in {rng.choice(banks).name} if a != b" if model.ports > 1 else "")
                ends = [*(["a", "b"] if model.ports > 1 else ["a"]), *(["gnd", "a"] * 2)][: model.ports]
                return f"{name}({', '.join(ends)}){self._given(model, arrays, '')} {loops};"
            case 1:
                ends = [rng.choice([self._picked(rng.choice(banks), False), "gnd"]) for _ in range(model.ports)]
                return f"{name}({', '.join(ends)}){self._given(model, arrays, '')};"
        condition = rng.choice(["", "", " if i != j", " if (i, j) != (0, 1) and i + j < 4", " if 0 <= i - 1 < 3 or not j == 1",
                                " if i % 2 == j % 2", " if (i < j or j == 0) and i >= 0"])
        ends = [self._picked(rng.choice(banks), True) for _ in range(model.ports)]
        indexed = f" v{label}[i, j]" if label and name == model.name and rng.random() < 0.3 else ""
        bound = rng.choice(["2", "1 + 1", "i + 1"])
        return (f"{name}{indexed}({', '.join(ends)}){self._given(model, arrays, 'i')} "
                f"for i in 0..{rng.randrange(1, 4)}, j in 0..{bound}{condition};")

    def _picked(self, bank: Bank, looped: bool) -> str:
        if not bank.extents:
            return bank.name
        words = ["i", "j", "(i + j)", "(i + 1)", "(2 * i + j)"] if looped else ["0", "1", "5"]
        return f"{bank.name}[{', '.join(f'{self._rng.choice(words)} % {extent}' for extent in bank.extents)}]"

    def _given(self, model: Model, arrays: list[Param], loop: str) -> str:
        """Assignments in braces, or nothing."""
        rng = self._rng
        given = []
        for param in model.params:
            fixed = "fixed " if param.trainable and rng.random() < 0.2 else ""
            value = _Laws(rng, []).number(param.unit, param.signed)
            shared = [one for one in arrays if one.unit == param.unit and param.signed]
            match rng.randrange(5):
                case 0:
                    given.append(f"{fixed}{param.name} = {value}")
                case 1 if loop and param.signed:
                    given.append(f"{fixed}{param.name} = {value} * ({loop} % 3 + 1)")
                case 2 | 3 if shared and (loop or not shared[0].extents):
                    subscripts = ", ".join(f"{loop} % {extent}" for extent in shared[0].extents)
                    given.append(f"{param.name} = {shared[0].name}{f'[{subscripts}]' if subscripts else ''}")
        return f" {{ {', '.join(given)} }}" if given else ""

    def _ends(self, banks: list[Bank]) -> list[str]:
        rng = self._rng
        lines = [f"input {banks[0].name};"] if rng.random() < 0.7 else []
        shown = rng.choice([banks[-1].name, "all", ", ".join(bank.name for bank in banks),
                            " + ".join(self._alias(bank, 1) for bank in banks)])
        return [*lines, f"output {shown};"]


def _block(head: str, lines: list[str]) -> str:
    return f"{head} {{\n" + "".join(f"    {line}\n" for text in lines for line in text.split("\n")) + "}"


def _declared(bank: Bank) -> str:
    return bank.name + (f"[{', '.join(map(str, bank.extents))}]" if bank.extents else "")


def _over(bank: Bank) -> tuple[str, str]:
    """Loops over all of a bank, and the subscripts they make."""
    words = "ijk"[: len(bank.extents)]
    loops = ", ".join(f"{word} in 0..{extent}" for word, extent in zip(words, bank.extents, strict=True))
    return (f"for {loops}" if loops else ""), f"[{', '.join(words)}]"


PIECES = ("(", ")", "{", "}", "[", "]", ";", ",", "=", "<+", "..", "for", "if", "in", "1e999", "1e308 V", "-", "V", "gnd", "ddt(",
          '"', "//", "\0", "\u00e9", "\u202e", "\U0001f600", "\ufeff", "\u2028", "1 kOhmm", "9" * 400, "use std.nothing;",
          'use "/etc/passwd";', "node", "phase", "circuit A {", "%", "0..1000000000", "x[2,5]", "inf", "/ 0", ".", "^", "\r",
          "\t", "\n", "'", "`", "$", "\\", "trainable", "rail [1 V, 0 V]", "(" * 70, "-" * 50, "not ", "0..-5", "[1, [2, 3]]",
          "pow(pow(x, 64), 64)", "1e-400 s", "a" * 300, "input gnd;", "drive gnd = dc(1 V);", "device D() {}", "1 V^64*V^64")


def mutate(text: str, rng: random.Random) -> str:
    """The text after one to four random edits of characters, words and lines."""
    for _ in range(rng.randrange(1, 5)):
        text = _edit(text, rng)
    return text


def _edit(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    stop = min(len(text), at + rng.choice([1, 1, 2, 5, 20, 80]))
    match rng.randrange(9):
        case 0:
            return text[:at] + text[stop:]
        case 1 | 2:
            return text[:at] + rng.choice(PIECES) + text[at:]
        case 3:
            return text[:at] + text[at:stop] * 2 + text[stop:]
        case 4:
            return text[:at] + chr(rng.randrange(1, 0x300)) + text[at:]
        case 5:
            return _swapped(text, " ", rng)
        case 6:
            return _swapped(text, "\n", rng)
        case 7:
            return _replaced_word(text, rng)
    return text[:at] if rng.random() < 0.3 else text[:at] + text[stop:]


def _swapped(text: str, between: str, rng: random.Random) -> str:
    parts = text.split(between)
    i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[i], parts[j] = parts[j], parts[i]
    return between.join(parts)


def _replaced_word(text: str, rng: random.Random) -> str:
    """One word replaced by another of the text or by a piece: the kind of mistake that still parses."""
    words = text.split(" ")
    words[rng.randrange(len(words))] = rng.choice([rng.choice(words), rng.choice(PIECES)])
    return " ".join(words)


def shape_of(tree: object) -> object:
    """A syntax tree as nested tuples without its spans, for comparison."""
    if isinstance(tree, tuple | list):
        return tuple(map(shape_of, tree))
    if isinstance(tree, np.ndarray):
        return tuple(tree.tolist())
    if isinstance(tree, Rows):
        return tree.count, tuple(map(tuple, tree.columns))
    if dataclasses.is_dataclass(tree):
        kept = [field.name for field in dataclasses.fields(tree) if field.name != "span"]
        return type(tree).__name__, *(shape_of(getattr(tree, name)) for name in kept)
    return tree
