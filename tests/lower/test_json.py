"""`--target json`: what is written fits the schema, and a reader that knows only docs/json.md computes what we compute."""

from __future__ import annotations

import itertools
import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse.csgraph

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.ir.meaning import OPERATIONS
from kcompile.sim.pack import System
from kcompile.syntax.functions import WAVEFORMS
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse

ROOT = Path(__file__).parents[2]
MODELS = [*sorted((ROOT / "examples").glob("*.kc")), *sorted((ROOT / "tests" / "golden" / "spice").glob("*.kc"))]
SCHEMA = json.loads((ROOT / "docs" / "schema" / "circuit.schema.json").read_text())
PROGRAMS = 100


# ---- a reader -----------------------------------------------------------------------------------------------------------

def column(value: Any) -> np.ndarray:
    if isinstance(value, list):
        return np.array([float(one) for one in value])
    if "value" in value:
        return np.full(value["count"], float(value["value"]))
    return np.arange(value["first"], value["first"] + value["count"])


def names(path: list[dict[str, Any]], count: int) -> list[str]:
    parts = []
    for part in path:
        heads = part["names"] if "names" in part else [part["name"]] * count
        tails = [""] * count
        if "index" in part:
            subscripts = zip(*(column(one).astype(int) for one in part["index"]), strict=True)
            tails = [f"[{','.join(map(str, row))}]" for row in subscripts]
        elif "extents" in part:
            elements = itertools.cycle(itertools.product(*map(range, part["extents"])))
            tails = [f"[{','.join(map(str, one))}]" for one in itertools.islice(elements, count)]
        parts.append([head + tail for head, tail in zip(heads, tails, strict=True)])
    return [".".join(row) for row in zip(*parts, strict=True)]


def exp(x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, 709.0))


def log(x: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(x, 1e-300))


def recip(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=float)
    small = np.abs(x) < 1e-300
    return np.where(small, np.where(x < 0, -1e300, 1e300), 1.0 / np.where(small, 1.0, x))


OPERATORS = {
    "recip": recip, "exp": exp, "log": log, "sqrt": lambda x: np.sqrt(np.maximum(x, 0.0)), "tanh": np.tanh, "sin": np.sin,
    "cos": np.cos, "atan": np.arctan, "abs": np.abs, "sign": np.sign, "min": np.minimum, "max": np.maximum,
    "power": lambda x, y: np.where(np.greater(x, 0), exp(y * log(x)), 0.0), "sigmoid": lambda x: 1 / (1 + exp(np.negative(x))),
    "softplus": lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope: np.where(np.greater(x, 0), x, slope * np.asarray(x)),
    "lt": lambda x, y: 1.0 * np.less(x, y), "le": lambda x, y: 1.0 * np.less_equal(x, y),
    "eq": lambda x, y: 1.0 * np.equal(x, y), "ne": lambda x, y: 1.0 * np.not_equal(x, y),
    "both": np.minimum, "either": np.maximum, "negate": lambda x: 1.0 - x,
    "select": lambda c, x, y: np.where(np.not_equal(c, 0), x, y),
    "add": lambda *x: sum(x[1:], start=x[0]), "mul": lambda *x: math.prod(x[1:], start=x[0])}


def value(tree: Any, known: dict[str, dict[str, np.ndarray]]) -> Any:
    if isinstance(tree, int | float | str):
        return float(tree)
    if isinstance(tree, dict):
        [(kind, name)] = tree.items()
        return known[kind][name]
    operator, *operands = tree
    if operator == "whole_power":
        return value(operands[0], known) ** operands[1]
    return OPERATORS[operator](*(value(one, known) for one in operands))


def wave(kind: str, arguments: list[Any], t: float) -> np.ndarray:
    """(value, slope) of a waveform by the formulas of language.md, float64[rows, 2]; a slope is that right after `t`."""
    rows = np.array([column(one) for one in arguments]).T
    return np.array([_WAVES[kind](row, t) for row in rows]).reshape(-1, 2)


def _pulse(a: np.ndarray, t: float) -> tuple[float, float]:
    v1, v2, delay, rise, fall, width, period = a
    s = t - delay
    if s >= 0 and np.isfinite(period):
        s %= period
    if s < 0 or s >= rise + width + fall:
        return v1, 0.0
    if s < rise:
        return v1 + (v2 - v1) * s / rise, (v2 - v1) / rise
    return (v2, 0.0) if s < rise + width else (v2 + (v1 - v2) * (s - rise - width) / fall, (v1 - v2) / fall)


def _sin(a: np.ndarray, t: float) -> tuple[float, float]:
    offset, amplitude, frequency, delay, damping, phase = a
    s, omega = max(t - delay, 0.0), 2 * math.pi * frequency
    angle, size = omega * s + phase * math.pi / 180, amplitude * math.exp(-s * damping)
    slope = size * (omega * math.cos(angle) - damping * math.sin(angle))
    return offset + size * math.sin(angle), slope if t >= delay else 0.0


def _exp(a: np.ndarray, t: float) -> tuple[float, float]:
    v1, v2, *times = a
    value, slope = v1, 0.0
    for step, delay, tau in ((v2 - v1, *times[:2]), (v1 - v2, *times[2:])):
        if t >= delay:
            value += step * -math.expm1(-(t - delay) / tau)
            slope += step * math.exp(-(t - delay) / tau) / tau
    return value, slope


def _pwl(a: np.ndarray, t: float) -> tuple[float, float]:
    times, values = a[::2], a[1::2]
    k = int(np.searchsorted(times, t, side="right"))
    slope = (values[k] - values[k - 1]) / (times[k] - times[k - 1]) if 0 < k < len(times) else 0.0
    return float(np.interp(t, times, values)), slope


_WAVES = {"dc": lambda a, t: (a[0], 0.0), "pulse": _pulse, "sin": _sin, "exp": _exp, "pwl": _pwl}


class Reader:
    """The equations of a circuit, made from its JSON."""

    def __init__(self, text: str) -> None:
        self.circuit = circuit = json.loads(text)
        self.count = circuit["nodes"]["count"]
        self.names = ["gnd", *(name for bank in circuit["nodes"]["banks"] for name in names(bank["path"], bank["count"]))]
        self.shared = {one["name"]: column(one["values"]) for one in circuit["shared"]}
        self.driven = np.array([n for drive in circuit["drives"] for n in column(drive["nodes"])], dtype=int)
        self.free = np.setdiff1d(np.arange(1, self.count), self.driven)
        rows, columns, farads = [], [], []
        self.starts: list[float] = []
        self.places = []
        self.states: list[str] = []
        for bank in circuit["banks"]:
            model = circuit["models"][bank["model"]]
            known = {"param": self.params(bank)}
            for branch in model["capacitances"]:
                a, b = (self.ends(bank, model, branch[end]) for end in ("from", "to"))
                c = np.broadcast_to(value(branch["value"], known), a.shape)
                for i, j, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
                    rows, columns, farads = [*rows, i], [*columns, j], [*farads, sign * c]
            self.places.append(len(self.starts))
            starts = [np.broadcast_to(value(tree, known), (bank["count"],)) for tree in model["starts"]]
            self.starts += [float(one[k]) for k in range(bank["count"]) for one in starts]
            if model["states"]:
                self.states += [f"{name}.{one['name']}" for name in names(bank["path"], bank["count"]) for one in model["states"]]
        entries = (np.concatenate(rows), np.concatenate(columns)) if rows else ([], [])
        whole = scipy.sparse.csr_array((np.concatenate(farads) if farads else [], entries), shape=(self.count, self.count))
        self.inner, self.outer = whole[self.free][:, self.free], whole[self.free][:, self.driven]

    def params(self, bank: dict[str, Any]) -> dict[str, np.ndarray]:
        tied = {name: self.shared[tie["shared"]][column(tie["index"]).astype(int)] for name, tie in bank["ties"].items()}
        return {name: column(one) for name, one in bank["params"].items()} | tied

    def ends(self, bank: dict[str, Any], model: dict[str, Any], terminal: str) -> np.ndarray:
        if terminal == "gnd":
            return np.zeros(bank["count"], dtype=int)
        return column(bank["terminals"][model["terminals"].index(terminal)]).astype(int)

    def drives(self, t: float) -> np.ndarray:
        """(voltage, slope) of every node, 0 for those that are not driven."""
        v = np.zeros((self.count, 2))
        for drive in self.circuit["drives"]:
            v[column(drive["nodes"]).astype(int)] = wave(drive["kind"], drive["arguments"], t)
        return v

    def rhs(self, k: int, t: float, y: np.ndarray) -> np.ndarray:
        """Derivatives of the free nodes and the states in slice k."""
        v, slope = self.drives(t).T
        v[self.free] = y[: len(self.free)]
        states = y[len(self.free) :]
        into, rates = np.zeros(self.count), np.zeros(len(states))
        for bank, at in zip(self.circuit["banks"], self.places, strict=True):
            if bank["phase"] not in (None, k):
                continue
            model = self.circuit["models"][bank["model"]]
            width = len(model["states"])
            own = states[at : at + bank["count"] * width].reshape(bank["count"], width)
            known = {"param": self.params(bank), "state": {s["name"]: own[:, i] for i, s in enumerate(model["states"])},
                     "voltage": {name: v[self.ends(bank, model, name)] for name in model["terminals"]},
                     "waveform": {name: wave(one["kind"], one["arguments"], t)[:, 0] for name, one in bank["waveforms"].items()}}
            for branch in model["currents"]:
                i = np.broadcast_to(value(branch["value"], known), (bank["count"],))
                a, b = self.ends(bank, model, branch["from"]), self.ends(bank, model, branch["to"])
                apart = a != b  # what leaves and enters one node does nothing, and its digits must not spoil the others
                np.add.at(into, a[apart], -i[apart])
                np.add.at(into, b[apart], i[apart])
            for j, tree in enumerate(model["rates"]):
                rates[at + j : at + bank["count"] * width : width] = value(tree, known)
        flow = into[self.free] - self.outer @ slope[self.driven]
        slopes = flow / self.inner.diagonal()
        _, island = scipy.sparse.csgraph.connected_components(self.inner)
        for one in np.flatnonzero(np.bincount(island) > 1):  # what is not finite stays in its island
            places = np.flatnonzero(island == one)
            slopes[places] = np.linalg.solve(self.inner[places][:, places].toarray(), flow[places])
        return np.concatenate([slopes, rates])


# ---- the tests ----------------------------------------------------------------------------------------------------------

def text_of(circuit: kc.Circuit) -> str:
    [artifact] = kc.lower(circuit, "json")
    assert artifact.name == f"{circuit.name}.json"
    return artifact.text


def generated() -> Iterator[kc.Circuit]:
    for seed in range(PROGRAMS):
        source = kc.Source("generated.kc", random_program(seed))
        for top in tops(Module(parse(source, Reporter()))):
            yield kc.compile(source, top=top.name.id)


def check(circuit: kc.Circuit) -> None:
    reader, system = Reader(text_of(circuit)), System(circuit)
    assert tuple(reader.names) == circuit.nodes.names
    assert reader.states == system.state_names
    assert np.array_equal(reader.free, system.free)
    assert np.array_equal(column(reader.circuit["nodes"]["initial"]), circuit.nodes.initial)
    with np.errstate(all="ignore"):
        assert agree(np.array(reader.starts), system.initial[len(system.free) :])
    rng = np.random.default_rng(3)
    at = 0.0
    for k, phase in enumerate(circuit.phases or (None,)):
        seconds = phase.duration if phase else 1.0
        y, t = rng.normal(size=system.size), at + 0.37 * seconds
        with np.errstate(all="ignore"):
            ours, theirs = system.rhs(k, t, y, t + 1e-9), reader.rhs(k, t, y)
        both = np.isfinite(theirs) | ~np.isfinite(ours)
        assert np.count_nonzero(~both) <= np.count_nonzero(~np.isfinite(ours))  # of an island the solver may spoil more
        assert agree(theirs[both], ours[both]), circuit.name
        at += seconds


def agree(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether two columns differ by no more than a part of the largest value that is finite."""
    finite = np.isfinite(ours)
    scale = np.abs(ours[finite]).max(initial=0.0)
    return bool(np.all(np.abs(theirs[finite] - ours[finite]) <= 1e-12 * scale))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_examples_and_goldens(path: Path) -> None:
    check(kc.compile(path, settings={"n": 12} if path.stem == "edges" else None))


def test_generated_programs() -> None:
    for circuit in generated():
        check(circuit)


def test_a_changed_number_is_seen() -> None:
    circuit = kc.compile(next(path for path in MODELS if path.stem == "laws"))
    text = text_of(circuit)
    system = System(circuit)
    y = np.random.default_rng(1).normal(size=system.size)
    for old, new in (('["recip", {"param": "vt"}]', '["recip", {"param": "is"}]'), ("-0.001", "-0.0010001"),
                     ('"from": "vin"', '"from": "out"'), ("[1, 2],\n    {\"value\": 0", "[2, 2],\n    {\"value\": 0")):
        assert old in text
        with np.errstate(all="ignore"):
            changed = Reader(text.replace(old, new, 1)).rhs(0, 0.5, y)
            assert not agree(changed, system.rhs(0, 0.5, y, 0.5))


def test_the_schema_holds() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    circuits = [kc.compile(path) for path in MODELS if path.stem != "edges"] + list(itertools.islice(generated(), 40))
    for circuit in circuits:
        validator.validate(json.loads(text_of(circuit)))


def test_the_schema_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    text = text_of(kc.compile(next(path for path in MODELS if path.stem == "slices")))
    for old, new in (('"version": 1', '"version": 2'), ('"seconds": 1.0', '"seconds": 0'), ('"mul"', '"div"'),
                     ('{"param"', '{"parameter"'), ('"model": 0', '"model": -1'), ('"name": "w"', '"name": "w[0"'),
                     ('"upper": 8.0', '"upper": "nan"'), ('"ties": {}', '"ties": {}, "more": 1'), ('"terminals"', '"terminal"')):
        assert old in text
        assert not validator.is_valid(json.loads(text.replace(old, new, 1))), new


def test_the_schema_and_the_page_know_every_operator_and_waveform() -> None:
    page = (ROOT / "docs" / "json.md").read_text()
    known = {word for one in SCHEMA["$defs"]["expression"]["anyOf"] if "prefixItems" in one
             for word in one["prefixItems"][0].get("enum", [one["prefixItems"][0].get("const")])}
    assert known == {*OPERATIONS, "whole_power"}
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`(\w+)`", row)} == known
    assert set(SCHEMA["$defs"]["kind"]["enum"]) == set(WAVEFORMS)


def test_the_same_circuit_gives_the_same_text() -> None:
    path = next(path for path in MODELS if path.stem == "sections")
    assert text_of(kc.compile(path)) == text_of(kc.compile(path))


def test_a_hundred_thousand_instances_take_a_moment() -> None:
    source = kc.Source("many.kc", """use std.passive: Capacitor;
use std.kirchhoff: ShiftRelu;
circuit Many {
    node x[300], y[300];
    param w[300, 300]: conductance = 0.5 S trainable;
    Capacitor(n, gnd) { c = 1 F } for n in x + y;
    ShiftRelu k(x[i], y[j]) { k = w[i, j], th = 0.001 V * (i - j) / 300 } for i in 0..300, j in 0..300;
}
""")
    circuit = kc.compile(source)
    started = time.process_time()
    text = text_of(circuit)
    assert time.process_time() - started < 1.0
    assert text.count("\n") < 200
    assert len(json.loads(text)["banks"][1]["params"]["th"]) == 90_000
