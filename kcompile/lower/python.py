"""The circuit as a Python file that needs nothing but numpy: `--target python`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcompile.diagnostics import Diagnostic, UsageError
from kcompile.ir.circuit import Circuit, InstanceTable, Wave
from kcompile.ir.device import DeviceModel
from kcompile.ir.structure import capacitances
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.law_names import name_law
from kcompile.lower.python_expr import PythonPrinter
from kcompile.lower.spice_names import Namespace
from kcompile.render import Card, render
from kcompile.sim.kernel import make_kernel
from kcompile.sim.waveform import edges

MAX_COUPLED = 2_000
"""Nodes of a file with capacitors between nodes: it holds their matrix whole."""

_PER_LINE = 16
_SHORT = 4
"""Values up to which a column is a list; more are a text, which Python reads sooner and editors wrap."""

_OWN = frozenset(
    "np sys numbers whole exp log sqrt recip power sigmoid softplus relu leaky_relu total product dc pulse sin rise_and_fall pwl "
    "through voltages rhs step advance corners again stops simulate main free nodes initial phases duration into rates states t "
    "y v slope phase "
    "one other inside sum zip range len next min print list float int".split())
"""Names that a file has of its own, besides the words of the language."""
_RESERVED = _OWN | frozenset(word.lower() for word in (*keyword.kwlist, *keyword.softkwlist))
_WAVEFORMS = {"exp": "rise_and_fall"}
"""Functions of waveforms whose names are taken by an operator."""


class PythonTarget:
    """`--target python`."""

    name = "python"
    dialects = ()
    needs_end = False
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return (Artifact(f"{circuit.name}.py", render("python/circuit.py.j2", _View(circuit).values())),)


TARGET = PythonTarget()


@dataclass(frozen=True)
class LawFunction:
    """A law as a function: it returns its currents, then the rates of its states."""

    name: str
    arguments: list[str]
    title: str
    body: Card
    params: list[str]
    """Parameters that it reads, the last of its arguments."""


@dataclass(frozen=True)
class BankView:
    """A bank: its columns by name, names of what its law returns, the call, and the lines that use it."""

    title: str
    phase: int | None
    columns: list[tuple[str, Card]]
    outputs: list[str]
    call: str
    lines: list[str]


@dataclass(frozen=True)
class DriveView:
    nodes: str
    column: Card
    arguments: str
    rows: Card
    kind: str


class _View:
    """What the template is given."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._space = Namespace(("i", "d"), _RESERVED)  # i_0 and d_0 are what laws return
        self._operators: set[str] = set()
        self._kinds: set[str] = set()
        self._laws = {id(model): self._law(model) for model in circuit.models if model.law.currents or model.law.rates}
        self._shared = {one.name: self._space.claim(f"shared_{one.name}") for one in circuit.shared}
        self._state_count = 0
        self._starts: list[np.ndarray] = [circuit.nodes.initial[circuit.free]]

    def values(self) -> dict[str, Any]:
        circuit = self._circuit
        banks = [self._bank(table) for table in circuit.tables]
        drives = [self._drive(k) for k in range(len(circuit.stimuli))]
        if self._operators & {"power", "sigmoid"}:
            self._operators.add("exp")
        if "power" in self._operators:
            self._operators.add("log")
        return {
            "name": circuit.name, "duration": circuit.duration, "phases": repr([one.duration for one in circuit.phases]),
            "count": {"free": len(circuit.free), "nodes": circuit.nodes.count, "states": self._state_count},
            "operators": self._operators, "kinds": self._kinds, "laws": list(self._laws.values()),
            "shared": [(self._shared[one.name], _column(one.values), one.name) for one in circuit.shared],
            "banks": [bank for bank in banks if bank.outputs], "nodes": _names(circuit.nodes.names),
            "free": _column(circuit.free), "inputs": _column(circuit.inputs), "outputs": _column(circuit.outputs),
            "drives": drives, "corners": self._corners(), "initial": _column(np.concatenate(self._starts)),
            **_capacitors(circuit)}

    # ---- laws ---------------------------------------------------------------------------------------------------------

    def _law(self, model: DeviceModel) -> LawFunction:
        space = Namespace(reserved=_RESERVED)
        names = name_law(model, space, space)
        printer = PythonPrinter(model, names.symbols("%s", "%s"))
        law = model.law
        texts = [printer.text(branch.value) for branch in law.currents] + [printer.text(rate) for rate in law.rates]
        self._operators |= printer.operators
        what = [f"the current from {branch.start} to {branch.stop}" for branch in law.currents]
        what += [f"the rate of {state.name}" for state in model.states]
        read = {symbol.name for value in (*(b.value for b in law.currents), *law.rates) for symbol in value.free_symbols}
        params = {name: text for name, text in names.params.items() if name in read}
        arguments = [*names.terminals.values(), *names.states.values(), *names.waves.values(), *params.values()]
        body = texts[0] if len(texts) == 1 else "(\n        " + ",\n        ".join(texts) + ")"
        title = f"{model.name}: {', '.join(what)}"
        return LawFunction(self._space.claim(_snake(model.name)), arguments, title, Card(body), list(params))

    # ---- banks --------------------------------------------------------------------------------------------------------

    def _bank(self, table: InstanceTable) -> BankView:
        model, law = table.model, self._laws.get(id(table.model))
        at, width = self._state_count, len(model.states)
        self._state_count += table.count * width
        count = f" x {table.count:,}" if table.count > 1 else ""
        if law is None:
            return BankView(f"{table.bank}: {model.name}{count}", table.phase, [], [], "", [])
        if width:
            first = make_kernel(model.law.initials, list(table.params)).prepare(table.params)({})
            self._starts.append(np.stack([np.broadcast_to(one, (table.count,)) for one in first], axis=1).ravel())
        columns: list[tuple[str, Card]] = []

        def column(name: str, text: Card) -> str:
            columns.append((self._space.claim(f"{table.bank}_{name}"), text))
            return columns[-1][0]

        place = {"gnd": "0"} | {name: column(name, _column(table.nodes[:, k])) for k, name in enumerate(model.terminals)}
        arguments = [f"v[{place[name]}]" for name in model.terminals]
        stop = at + table.count * width
        slices = [f"{at + k}:{stop}:{width}" for k in range(width)]
        arguments += [f"states[{one}]" for one in slices]
        for param in model.waveforms:
            wave = table.waves[param.name]
            arguments.append(f"{self._waveform(wave)}({column(param.name, _rows(wave.arguments.T))}, t)[0]")
        for name in law.params:
            tie = table.ties.get(name)
            text = _column(table.params[name]) if tie is None else Card(f"{self._shared[tie.shared]}[{_column(tie.index)}]")
            arguments.append(column(name, text))
        outputs = [f"i_{k}" for k in range(len(model.law.currents))] + [f"d_{k}" for k in range(width)]
        lines = [f"through(into, {place[b.start]}, {place[b.stop]}, i_{k})" for k, b in enumerate(model.law.currents)]
        lines += [f"rates[{one}] = d_{k}" for k, one in enumerate(slices)]
        return BankView(f"{table.bank}: {model.name}{count}", table.phase, columns, outputs,
                        f"{law.name}({', '.join(arguments)})", lines)

    def _waveform(self, wave: Wave) -> str:
        self._kinds.add(wave.kind)
        return _WAVEFORMS.get(wave.kind, wave.kind)

    def _corners(self) -> tuple[Card, Card] | None:
        """Columns of the instants at which waveforms turn, and of the times after which they do so again."""
        waves = [one.wave for one in self._circuit.stimuli]
        waves += [wave for table in self._circuit.tables for wave in table.waves.values()]
        found = np.unique(np.concatenate([np.zeros((2, 0)), *map(edges, waves)], axis=1), axis=1)
        return (_column(found[0]), _column(found[1])) if found.size else None

    def _drive(self, k: int) -> DriveView:
        stimulus = self._circuit.stimuli[k]
        return DriveView(f"DRIVE_{k}", _column(stimulus.nodes), f"WAVE_{k}", _rows(stimulus.wave.arguments.T),
                         self._waveform(stimulus.wave))


# ---- text ---------------------------------------------------------------------------------------------------------------

def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)


def _column(column: np.ndarray) -> Card:
    """Expression of a column: equal values and counting numbers as such, others in a text that Python reads soon."""
    count, whole = len(column), column.dtype.kind in "iu"
    if count > 2 and whole and np.all(np.diff(column) == 1):
        return Card(f"np.arange({column[0]}, {int(column[-1]) + 1})")
    if count > 1 and np.all(column == column[0]):
        value = repr(column[0].item())
        return Card(f"np.full({count}, {value.replace('inf', 'np.inf')})")
    if 0 < count <= _SHORT:
        return Card(f"np.array({column.tolist()!r})".replace("inf", "np.inf"))
    return Card(f"{'whole' if whole else 'numbers'}({_text([repr(value) for value in column.tolist()])})")


def _rows(rows: np.ndarray) -> Card:
    """Expression of a matrix, row by row."""
    if rows.shape[1] <= _SHORT:
        return Card(f"np.array({rows.tolist()!r})".replace("inf", "np.inf"))
    return Card(f"np.array([{', '.join(map(_column, rows))}])")


def _text(words: Sequence[str]) -> str:
    """A text of words, several lines where there are many."""
    if len(words) <= _PER_LINE:
        return f'"{" ".join(words)}"'
    return '"""\n' + "\n".join(f"    {' '.join(words[k : k + _PER_LINE])}" for k in range(0, len(words), _PER_LINE)) + '"""'


def _names(names: Sequence[str]) -> Card:
    """Names of nodes in one text; they hold letters, digits and `_[],.` only."""
    joined = _text(names)
    if not re.fullmatch(r'[A-Za-z0-9_\[\],."\n ]*', joined):
        raise ValueError("a name of a node may not reach a program")
    return Card(joined)


# ---- capacitors ---------------------------------------------------------------------------------------------------------

def _capacitors(circuit: Circuit) -> dict[str, Any]:
    """Capacitance of each free node, or the capacitors between them, and those to driven nodes.

    Raises `UsageError` KC0540 where the matrix would be too large.
    """
    caps = capacitances(circuit)
    live = (caps.start != caps.stop) & (caps.value != 0)
    start, stop, farads = caps.start[live], caps.stop[live], caps.value[live]
    place = np.full(circuit.nodes.count, -1)
    place[circuit.free] = np.arange(len(circuit.free))
    driven = np.zeros(circuit.nodes.count, dtype=bool)
    driven[circuit.driven] = True
    ends = np.concatenate([np.stack([start, stop]), np.stack([stop, start])], axis=1)
    both = np.concatenate([farads, farads])
    coupled = (place[ends[0]] >= 0) & driven[ends[1]]
    found: dict[str, Any] = {"matrix": None, "capacitance": None, "coupling": None}
    if coupled.any():
        columns = (ends[0][coupled], ends[1][coupled], both[coupled])
        found["coupling"] = dict(zip(("node", "driven", "farads"), map(_column, columns), strict=True))
    first, second = place[start], place[stop]
    if not np.any((first >= 0) & (second >= 0)):
        total = np.bincount(place[ends[0]] + 1, both, minlength=len(circuit.free) + 1)[1:]
        return {**found, "capacitance": _column(total)}
    if len(circuit.free) > MAX_COUPLED:
        raise UsageError(Diagnostic("KC0540", f"capacitors join nodes of this circuit, {len(circuit.free):,} of them; a Python "
                                    f"file holds the matrix of {MAX_COUPLED:,} at most",
                                    hint="use --target json, and a solver for sparse matrices"))
    used = (first >= 0) | (second >= 0)
    columns = (first[used], second[used], farads[used])
    return {**found, "matrix": dict(zip(("start", "stop", "farads"), map(_column, columns), strict=True))}
