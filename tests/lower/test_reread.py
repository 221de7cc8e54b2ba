"""The emitted deck, read again by a small reader of its own, holds the graph and parameters of the circuit's columns.

Nothing here comes from kcompile.lower but the texts under test: names are led back by the map file.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.ir.circuit import InstanceTable
from kcompile.ir.structure import table_capacitances
from kcompile.sim.pack import law_kernels
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.kc"))


# ---- a reader of the cards that a SPICE program would see ---------------------------------------------------------------

class Subcircuit:
    def __init__(self, ports: list[str], defaults: dict[str, str]) -> None:
        self.ports, self.defaults, self.cards = ports, defaults, []


def cards_of(text: str) -> Iterator[list[str]]:
    """Words of each card: continuations joined, comments dropped, lower case."""
    joined = re.sub(r"\n\+", " ", text)
    for line in joined.split("\n"):
        if line and not line.startswith("*"):
            yield line.lower().split()


def read_subcircuits(text: str) -> dict[str, Subcircuit]:
    found: dict[str, Subcircuit] = {}
    current = None
    for words in cards_of(text):
        if words[0] == ".subckt":
            ports, settings = split_settings(words[2:])
            current = found[words[1]] = Subcircuit(ports, settings)
        elif words[0] == ".ends":
            current = None
        else:
            assert current is not None
            current.cards.append(words)
    return found


def split_settings(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain = list(itertools.takewhile(lambda word: word != "params:", words))
    return plain, dict(word.split("=") for word in words[len(plain) + 1 :])


def resolved(value: str, values: dict[str, str]) -> float:
    """A number, or `{name}` looked up in the subcircuit's parameters."""
    return float(values[value[1:-1]]) if value.startswith("{") else float(value)


def settings_of(words: list[str], values: dict[str, str]) -> tuple[str, list[str], dict[str, float]]:
    """(subcircuit, nodes, parameters) of an X card."""
    plain, settings = split_settings(words[1:])
    return plain[-1], plain[:-1], {name: resolved(text, values) for name, text in settings.items()}


# ---- names back to the source, by the rules of the map ------------------------------------------------------------------

def subscripts_of(entry: dict) -> list[tuple[int, ...]]:
    """Subscripts of each row of a bank."""
    columns = entry.get("subscripts", [])
    if columns and all(isinstance(column, dict) and "extent" in column for column in columns):
        size = int(np.prod([column["extent"] for column in columns]))
        rows = list(itertools.product(*(range(column["extent"]) for column in columns)))
        return [rows[i % size] for i in range(entry["count"])]
    return list(zip(*map(expanded, columns), strict=True)) if columns else [()] * entry["count"]


def expanded(column: list[int] | dict) -> list[int]:
    if isinstance(column, dict):
        return [column["start"] + k * column["step"] for k in range(column["count"])]
    return column


def names_by_map(entries: list[dict]) -> Iterator[tuple[str, str, dict]]:
    """(netlist name, source name, entry) of every row."""
    for entry in entries:
        for i, row in enumerate(subscripts_of(entry)):
            name = entry["names"][i] if "names" in entry else ""
            found = [entry[key].replace("{i}", str(i)).replace("{name}", name) for key in ("netlist", "source")]
            yield tuple(re.sub(r"\{(\d+)\}", lambda hit: str(row[int(hit[1])]), text) for text in found), entry


# ---- what the circuit says ----------------------------------------------------------------------------------------------

def instance(circuit: kc.Circuit, table: InstanceTable, i: int) -> tuple:
    """Name, model, names of its nodes, parameters by name, waveforms, phase where there are several."""
    phase = circuit.phases[table.phase].name if table.phase is not None and len(circuit.phases) > 1 else None
    ends = tuple(circuit.nodes.names[n] for n in table.nodes[i])
    values = tuple(sorted((name, float(column[i])) for name, column in table.params.items()))
    waves = tuple(sorted((name, wave.kind, *map(float, wave.arguments[i])) for name, wave in table.waves.items()))
    return table.name(i), table.model.name, ends, values, waves, phase


def expected(circuit: kc.Circuit) -> Counter:
    return Counter(instance(circuit, table, i) for table in circuit.tables for i in range(table.count))


# ---- what the deck says -------------------------------------------------------------------------------------------------

def element_of(card: list[str], values: dict[str, str]) -> tuple:
    """An R, C or G card: letter, nodes, value."""
    return card[0][0], tuple(card[1:-1]), resolved(card[-1], values)


def reread(circuit: kc.Circuit, files: dict[str, str]) -> Counter:
    """Every instance as the deck and the map have it, in the form of `expected`."""
    laws = read_subcircuits(files[f"{circuit.name}.spice"])
    top = list(laws)[-1]
    values = laws[top].defaults
    described = json.loads(files[f"{circuit.name}.map.json"])
    source_of = {netlist: source for (netlist, source), _ in names_by_map(described["nodes"])} | {"0": "gnd"}
    instances = {netlist: (source, entry) for (netlist, source), entry in names_by_map(described["instances"])}
    sources = {card[1]: card for card in laws[top].cards if card[0].startswith("v")}
    models = {model.name: model for model in circuit.models}
    rows = {(table.name(i), circuit.phases[table.phase].name if table.phase is not None else None): (table, i)
            for table in circuit.tables for i in range(table.count)}
    rng = np.random.default_rng(1)
    volts = {name: float(v) for name, v in zip(circuit.nodes.names, rng.normal(size=circuit.nodes.count), strict=True)}
    volts["gnd"] = 0.0
    found: Counter = Counter()
    for card in laws[top].cards:
        if card[0].startswith("v") or card[0] == ".ic":
            continue
        if card[0].startswith("gbare__"):
            assert float(card[-1]) == 0
            continue
        source, entry = instances.pop(card[0])
        model = models[entry["model"]]
        if card[0][0] == "x":
            sub, ends, settings = settings_of(card, values)
            ports = laws[sub].ports
            assert len(ends) == len(ports)
            width = len(model.terminals)
            gate = next((end for port, end in zip(ports, ends, strict=True) if port == "gate" and end.startswith("gate_")), None)
            waves = tuple(sorted((param.name, *wave_of(sources[end])) for param, end in
                                 zip(model.waveforms, ends[width + (gate is not None) :], strict=True)))
            names = [param.name for param in model.params if param.waveform is None]
            parameters = tuple(sorted(zip(names, settings.values(), strict=True)))
            found[source, model.name, tuple(source_of[n] for n in ends[:width]), parameters, waves, entry.get("phase")
                  if gate else None] += 1
        else:
            table, row = rows[source, entry.get("phase")]
            assert same_effect(native_effect(card, values, source_of, volts), law_effect(circuit, table, row, volts)), card
            found.update([instance(circuit, table, row)])
    assert not instances, "rows of the map without a card"
    return found


def native_effect(card: list[str], values: dict[str, str], source_of: dict[str, str], volts: dict[str, float]) -> Counter:
    """Current out of each node at given voltages through an R or G card, or the capacitance between two nodes."""
    letter, ends, value = element_of(card, values)
    names = [source_of[n] for n in ends]
    if letter == "c":
        return Counter({frozenset(names): value})
    across = names if letter == "r" else names[2:]
    current = (volts[across[0]] - volts[across[1]]) * (1.0 / value if letter == "r" else value)
    return through(names[0], names[1], current)


def law_effect(circuit: kc.Circuit, table: InstanceTable, row: int, volts: dict[str, float]) -> Counter:
    """The same of an instance, from its law and columns."""
    model = table.model
    ends = [circuit.nodes.names[n] for n in table.nodes[row]] + ["gnd"]
    found: Counter = Counter()
    for start, stop, farads in table_capacitances(table):
        found[frozenset((ends[start], ends[stop]))] += float(farads[row])
    columns = {name: column[row] for name, column in table.params.items()}
    known = {f"V({terminal})": np.float64(volts[end]) for terminal, end in zip(model.terminals, ends, strict=False)}
    place = dict(zip(model.terminals, ends, strict=False)) | {"gnd": "gnd"}
    for branch, value in zip(model.law.currents, law_kernels(model).values.prepare(columns)(known), strict=False):
        found.update(through(place[branch.start], place[branch.stop], float(np.ravel(value)[0])))
    return found


def through(start: str, stop: str, current: float) -> Counter:
    found: Counter = Counter()
    found[start] += current
    found[stop] -= current
    return found


def same_effect(one: Counter, two: Counter) -> bool:
    scale = max(map(abs, [*one.values(), *two.values(), 1e-300]))
    return all(abs(one[key] - two[key]) <= 1e-12 * scale for key in {*one, *two} - {frozenset(["gnd"]), "gnd"})


def wave_of(card: list[str]) -> tuple:
    """(kind, numbers) of a source, with 1e30 for what never ends."""
    kind, _, body = " ".join(card[3:]).partition("(") if "(" in " ".join(card) else (card[3], "", card[4])
    return kind, *map(float, body.rstrip(")").split())


def comparable(found: Counter) -> Counter:
    """Waveforms in the form of a deck: never is 1e30, a zero that ngspice misreads 1e-30, the lead of a pwl written out."""
    def of(wave: tuple) -> tuple:
        name, kind, *numbers = wave
        numbers = [1e30 if np.isinf(v) else v for v in numbers]
        if kind in ("exp", "sin"):
            numbers[2] = numbers[2] or 1e-30
        return name, kind, *([0.0, numbers[1], *numbers] if kind == "pwl" and numbers[0] > 0 else numbers)

    return Counter({(*key[:4], tuple(of(wave) for wave in key[4]), key[5]): n for key, n in found.items()})


def check(circuit: kc.Circuit) -> None:
    files = {artifact.name: artifact.text for artifact in kc.lower(circuit, until=circuit.duration or 1e-9)}
    wanted, found = comparable(expected(circuit)), reread(circuit, files)
    assert not wanted - found, list(wanted - found)[:3]
    assert not found - wanted, list(found - wanted)[:3]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    check(kc.compile(path))


@pytest.mark.parametrize("seed", range(50))
def test_generated_programs(seed: int) -> None:
    source = kc.Source("generated.kc", random_program(seed))
    for top in tops(Module(parse(source, Reporter()))):
        check(kc.compile(source, top=top.name.id))


def test_a_changed_value_or_node_is_seen() -> None:
    circuit = kc.compile(next(path for path in EXAMPLES if path.stem == "max_cut"))
    files = {artifact.name: artifact.text for artifact in kc.lower(circuit, until=1e-9)}
    name = f"{circuit.name}.spice"
    lines = files[name].split("\n")
    cards = [k for k, line in enumerate(lines) if line.startswith(("X", "R", "C", "G"))]
    for k in cards[:20]:
        words = lines[k].split(" ")
        for changed in ([*words[:-1], words[-1] + "1"], [words[0], words[2], words[1], *words[3:]]):
            if changed == words or words[-1].endswith("}") or (words[0][0] in "RC" and changed[-1] == words[-1]):
                continue
            other = {**files, name: "\n".join([*lines[:k], " ".join(changed), *lines[k + 1 :]])}
            assert differs(circuit, other), changed


def differs(circuit: kc.Circuit, files: dict[str, str]) -> bool:
    try:
        return comparable(expected(circuit)) != reread(circuit, files)
    except AssertionError:
        return True
