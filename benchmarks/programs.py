"""Random programs that are valid by construction, and mutations of programs that are mostly not."""

from __future__ import annotations

import random

DIMENSIONS = {"voltage": "V", "current": "A", "conductance": "S", "resistance": "Ohm", "capacitance": "F", "real": "",
              "A/V^2": "A/V^2", "time": "s", "frequency": "Hz"}


def random_program(seed: int) -> str:
    """Source of a small valid program with one top circuit that has at least one phase."""
    return _Program(random.Random(seed)).text()


class _Program:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._devices: list[tuple[str, int, list[tuple[str, str, bool]], list[str]]] = []
        self._consts: list[tuple[str, str]] = []

    def text(self) -> str:
        rng = self._rng
        parts = ["use std.passive: Capacitor, Resistor;"]
        for k in range(rng.randrange(3)):
            unit = rng.choice(["V", "A", "S", ""])
            self._consts.append((f"c{k}", unit))
            parts.append(f"const c{k} = {self._number(unit)};")
        parts += [self._device(k) for k in range(rng.randrange(1, 4))]
        sub = rng.random() < 0.5
        if sub:
            parts.append(self._subcircuit())
        parts.append(self._circuit(sub))
        return "\n\n".join(parts) + "\n"

    # ---- numbers and expressions --------------------------------------------------------------------------------------

    def _number(self, unit: str) -> str:
        value = self._rng.choice(["0.5", "1", "2", "1.25", "3e-1", "0.01", "7"])
        prefix = self._rng.choice(["", "", "m", "u", "k"]) if unit and "/" not in unit else ""
        return f"{value} {prefix}{unit}".strip()

    def _volts(self, names: dict[str, str], depth: int) -> str:
        """Expression of a voltage."""
        rng = self._rng
        pick = rng.randrange(9) if depth > 0 else rng.randrange(3)
        volts = [n for n, d in names.items() if d == "voltage"] + [n for n, u in self._consts if u == "V"]
        terminals = [n for n, d in names.items() if d == "terminal"]
        match pick:
            case 0:
                return f"V({', '.join(rng.sample(terminals, min(len(terminals), rng.randrange(1, 3))))})"
            case 1:
                return rng.choice(volts) if volts else f"V({terminals[0]})"
            case 2:
                return self._number("V")
            case 3:
                return f"({self._volts(names, depth - 1)} {rng.choice('+-')} {self._volts(names, depth - 1)})"
            case 4:
                return f"{self._real(names, depth - 1)} * {self._factor(self._volts(names, depth - 1))}"
            case 5:
                return f"{rng.choice(['relu', 'abs'])}({self._volts(names, depth - 1)})"
            case 6:
                joined = ", ".join(self._volts(names, depth - 1) for _ in range(rng.randrange(2, 4)))
                return f"{rng.choice(['min', 'max'])}({joined})"
            case 7:
                return f"leaky_relu({self._volts(names, depth - 1)}{rng.choice(['', ', slope = 0.1', ', 0.2'])})"
        return (f"if({self._condition(names, depth - 1)}, {self._volts(names, depth - 1)}, {self._volts(names, depth - 1)})")

    def _condition(self, names: dict[str, str], depth: int) -> str:
        rng = self._rng
        one = f"{self._volts(names, depth)} {rng.choice(['<', '<=', '>', '>=', '!='])} {self._volts(names, depth)}"
        match rng.randrange(4):
            case 0 if depth > 0:
                return f"{one} {rng.choice(['and', 'or'])} {self._condition(names, depth - 1)}"
            case 1:
                return f"not {one}"
        return one

    def _real(self, names: dict[str, str], depth: int) -> str:
        rng = self._rng
        pick = rng.randrange(7) if depth > 0 else rng.randrange(2)
        reals = [n for n, d in names.items() if d == "real"] + [n for n, u in self._consts if u == ""]
        match pick:
            case 0:
                return rng.choice(reals) if reals else self._number("")
            case 1:
                return self._number("")
            case 2:
                return f"{self._factor(self._volts(names, depth - 1))} / {self._number('V')}"
            case 3:
                name = rng.choice(["tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "sin", "cos", "atan"])
                return f"{name}({self._real(names, depth - 1)})"
            case 4:
                return f"sign({self._volts(names, depth - 1)})"
            case 5:
                return f"pow({self._real(names, depth - 1)}, {rng.choice(['2', '3', '0.5', '-1', '1.5', '0'])})"
        return f"(-{self._factor(self._real(names, depth - 1))} + {self._real(names, depth - 1)})"

    def _factor(self, text: str) -> str:
        return text if text.isidentifier() else f"({text})"

    def _current(self, names: dict[str, str]) -> str:
        rng = self._rng
        amps = [n for n, d in names.items() if d == "current"]
        siemens = [n for n, d in names.items() if d == "conductance"]
        match rng.randrange(4):
            case 0 if amps:
                return f"{rng.choice(amps)} * tanh({self._real(names, 2)})"
            case 1 if siemens:
                return f"{rng.choice(siemens)} * {self._factor(self._volts(names, 2))}"
            case 2:
                return f"1 mA/V^2 * {self._factor(self._volts(names, 1))} * tanh({self._real(names, 1)}) * 1 V"
        return f"{self._number('A')} * tanh({self._real(names, 2)})"

    # ---- declarations -------------------------------------------------------------------------------------------------

    def _device(self, k: int) -> str:
        rng = self._rng
        terminals = [f"t{i}" for i in range(rng.randrange(1, 4))]
        names = dict.fromkeys(terminals, "terminal")
        params: list[tuple[str, str, bool]] = []
        lines = []
        for i in range(rng.randrange(4)):
            dimension = rng.choice(["voltage", "current", "conductance", "real"])
            trainable = rng.random() < 0.5
            unit = DIMENSIONS[dimension]
            interval = rng.choice(["", f" in [-80 k{unit}, 80 k{unit}]" if unit else "", " in (-inf, inf)"])
            lines.append(f"param q{i}: {dimension} = {self._number(unit)}{interval}{' trainable' * trainable};")
            params.append((f"q{i}", dimension, trainable))
            names[f"q{i}"] = dimension
        states = []
        if rng.random() < 0.3:
            initial = rng.choice(["", " = 0 A", " = 1 mA"])
            lines.append(f"state s: current{initial};")
            names["s"] = "current"
            states.append("s")
            lines.append(f"ddt(s) = ({self._current(names)} - s) / 1 s;")
        for _ in range(rng.randrange(1, 3)):
            ends = rng.sample([*terminals, "gnd"], 2) if len(terminals) > 1 or rng.random() < 0.5 else [terminals[0]]
            charge = " + ddt(1 uF * V({}))".format(", ".join(ends)) if rng.random() < 0.15 else ""
            lines.append(f"I({', '.join(ends)}) <+ {self._current(names)}{charge};")
            if charge:
                states.append("charge")
        self._devices.append((f"D{k}", len(terminals), params, states))
        return f"device D{k}({', '.join(terminals)}) {{\n    " + "\n    ".join(lines) + "\n}"

    def _assignments(self, params: list[tuple[str, str, bool]], ties: dict[str, str], loop: str) -> str:
        rng = self._rng
        given = []
        for name, dimension, trainable in params:
            unit = DIMENSIONS[dimension]
            match rng.randrange(4):
                case 0:
                    given.append(f"{'fixed ' if trainable and rng.random() < 0.3 else ''}{name} = {self._number(unit)}")
                case 1 if loop and not trainable:
                    given.append(f"{name} = {self._number(unit)} * ({loop} % 3 + 1)")
                case 2 if dimension in ties and loop:
                    given.append(f"{name} = {ties[dimension]}[{loop} % 3]")
        return f" {{ {', '.join(given)} }}" if given else ""

    def _subcircuit(self) -> str:
        rng = self._rng
        name, count, params, states = rng.choice([d for d in self._devices])
        ends = [rng.choice(["a", "b", "m", "gnd"]) for _ in range(count)]
        return (f"circuit Sub(a, b) {{\n    param g: conductance = 1 mS;\n    node m;\n    Capacitor(m, gnd) {{ c = 1 F }};\n"
                f"    {name}({', '.join(ends)}){self._assignments(params, {}, '')};\n"
                "    Resistor(a, m) { r = 1 / g };\n    Resistor(m, b);\n}")

    def _circuit(self, sub: bool) -> str:
        rng = self._rng
        extents = [rng.randrange(2, 5) for _ in range(rng.randrange(1, 3))]
        rail = rng.choice(["", "", " rail [-2 V, 2 V]", " rail [-1 V, 3 V] g = 10 S"])
        lines = [f"node x[{', '.join(map(str, extents))}]{rail};", "node y[3], z;", "node all = x + y + z;",
                 "Capacitor(n, gnd) { c = 1 F } for n in all;"]
        ties: dict[str, str] = {}
        for dimension in ("conductance", "voltage"):
            if rng.random() < 0.5:
                unit = DIMENSIONS[dimension]
                array = rng.choice([self._number(unit), f"[{', '.join(self._number(unit) for _ in range(3))}]"])
                lines.append(f"param w_{unit}[3]: {dimension} = {array}{rng.choice(['', ' trainable'])};")
                ties[dimension] = f"w_{unit}"
        if rng.random() < 0.5:
            wave = rng.choice(["dc(0.3 V)", "sin(0 V, 1 V, 2 Hz)", "sin(0.1 V, 1 V, frequency = 3 Hz, damping = 1 Hz, phase = 30)",
                               "pulse(0 V, 1 V, rise = 10 ms, width = 200 ms, period = 500 ms)",
                               "exp(0 V, 1 V, rise_tau = 50 ms)", "pwl(0 s, 0 V, 300 ms, 1 V, 1 s, -1 V)"])
            lines += ["node src;", f"drive src = {wave};", "Resistor(src, z) { r = 2 Ohm };"]
        if sub:
            lines.append("Sub cell[k](y[k], y[(k + 1) % 3]) { g = 2 mS } for k in 0..3;")
        if rng.random() < 0.5:
            lines.append("initial y[k] = 0.1 V * k - 0.05 V for k in 0..3;")
        outside = [d for d in self._devices if rng.random() < 0.5]
        lines += [self._bank(d, ties) for d in outside]
        inside = [d for d in self._devices if "charge" not in d[3]]
        for k in range(rng.randrange(1, 3)):
            banks = [self._bank(rng.choice(inside), ties) for _ in range(rng.randrange(1, 3))] if inside else []
            lines.append(f"phase p{k} for {rng.choice(['1 s', '500 ms', '0.25 s'])} {{\n        " + "\n        ".join(banks)
                         + "\n    }")
        lines += ["input x;", rng.choice(["output y;", "output y + z;", "output x, z;"])]
        return "circuit Top {\n    " + "\n    ".join(lines) + "\n}"

    def _bank(self, device: tuple[str, int, list[tuple[str, str, bool]], list[str]], ties: dict[str, str]) -> str:
        rng = self._rng
        name, count, params, _ = device
        label = ""
        match rng.randrange(3):
            case 0:
                ends = ["a", "b", "z"][:count]
                loops = "for a in all" + (", b in all if a != b" if count > 1 else "")
                return f"{name}({', '.join(ends)}){self._assignments(params, {}, '')} {loops};"
            case 1:
                ends = [f"y[(i + {k}) % 3]" for k in range(count)]
                return f"{name}{label}({', '.join(ends)}){self._assignments(params, ties, 'i')} for i in 0..{rng.randrange(1, 5)};"
        ends = [rng.choice(["y[0]", "y[1]", "z", "gnd"]) for _ in range(count)]
        return f"{name}({', '.join(ends)}){self._assignments(params, {}, '')};"


_PIECES = ["(", ")", "{", "}", "[", "]", ";", ",", "=", "<+", "..", "for", "if", "in", "1e999", "-", "V", "gnd", "ddt(", "\"",
           "//", "\0", "\u00e9", "\u202e", "1 kOhmm", "9" * 400, "use std.nothing;", "node", "phase", "circuit A {", "%", "0..1000000000",
           "x[2,5]", "inf", "/ 0", ".", "^", "\r", "\t", "\n", "'", "`", "$", "\\", "trainable", "rail [1 V, 0 V]"]


def mutate(text: str, seed: int) -> str:
    """The text after one to four random edits of characters, words and lines."""
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text) + 1)
        stop = min(len(text), at + rng.choice([1, 1, 2, 5, 20, 80]))
        match rng.randrange(7):
            case 0:
                text = text[:at] + text[stop:]
            case 1:
                text = text[:at] + rng.choice(_PIECES) + text[at:]
            case 2:
                text = text[:at] + text[at:stop] * 2 + text[stop:]
            case 3:
                text = text[:at] + chr(rng.randrange(1, 0x300)) + text[at:]
            case 4:
                words = text.split(" ")
                i, j = rng.randrange(len(words)), rng.randrange(len(words))
                words[i], words[j] = words[j], words[i]
                text = " ".join(words)
            case 5:
                lines = text.split("\n")
                i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
                lines[i], lines[j] = lines[j], lines[i]
                text = "\n".join(lines)
            case 6:
                text = text[:at]
    return text
