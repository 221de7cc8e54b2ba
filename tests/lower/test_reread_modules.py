"""The emitted netlists of modules, read again, hold the graph and parameters of the circuit's columns (see test_reread.py).

The modules themselves are judged by numbers (tests/lower/test_operators.py, tests/verify/test_three_way.py) and by ADMS.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse
from kcompile.verify.compare import Simulator
from kcompile.verify.compile_osdi import compile_osdi
from kcompile.verify.deck import deck_of, written
from tests.lower.test_reread import EXAMPLES, names_by_map

LINES = {
    "ngspice": re.compile(r"(N\w+) ((?:\w+ )+)(\w+)((?: \w+=\S+)*)"),
    "vacask": re.compile(r"(n\w+) \(((?:\w+ ?)+)\) (\w+)((?: \w+=\S+)*)"),
    "spectre": re.compile(r"(n\w+) \(((?:\w+ ?)+)\) (\w+)((?: \w+=\S+)*)"),
}
"""An instance: name, nodes, module, parameters."""
PARAMETER = {
    "ngspice": re.compile(r"^\+ (?:params: )?(\w+)=(\S+)$", re.MULTILINE),
    "vacask": re.compile(r"^parameters (\w+)=(\S+)$", re.MULTILINE),
    "spectre": re.compile(r"^parameters (\w+)=(\S+)$", re.MULTILINE),
}
HEAD = re.compile(r"^module (\w+)\((.*)\);$", re.MULTILINE)
FILE = {"ngspice": ".spice", "vacask": ".sim", "spectre": ".scs"}


def expected(circuit: kc.Circuit) -> Counter:
    """Every instance: name, model, names of its nodes, parameters by name, phase where there are several.

    Waveforms are left out: every language spells them in its own way.
    """
    found: Counter = Counter()
    for table in circuit.tables:
        phase = circuit.phases[table.phase].name if table.phase is not None and len(circuit.phases) > 1 else None
        for i in range(table.count):
            ends = tuple(circuit.nodes.names[n] for n in table.nodes[i])
            values = tuple(sorted((name, float(column[i])) for name, column in table.params.items()))
            found[table.name(i), table.model.name, ends, values, phase] += 1
    return found


def reread(circuit: kc.Circuit, files: dict[str, str], dialect: str) -> Counter:
    """Every instance as the netlist, the modules and the map have it."""
    ports = {name: text.split(", ") for name, text in HEAD.findall(files[f"{circuit.name}.va"])}
    netlist = files[circuit.name + FILE[dialect]]
    shared = dict(PARAMETER[dialect].findall(netlist))
    described = json.loads(files[f"{circuit.name}.map.json"])
    source_of = {netlist: source for netlist, source, _ in names_by_map(described["nodes"])} | {"0": "gnd"}
    instances = {netlist: (source, entry) for netlist, source, entry in names_by_map(described["instances"])}
    models = {model.name: model for model in circuit.models}
    found: Counter = Counter()
    for line in netlist.split("\n"):
        card = LINES[dialect].fullmatch(line)
        if card is None:
            assert not line.startswith(("N", "n")), line
            continue
        source, entry = instances.pop(card[1].lower())
        model, ends = models[entry["model"]], card[2].split()
        assert len(ends) == len(ports[card[3]])
        width = len(model.terminals)
        gated = ends[width : width + 1] if "gate" in ports[card[3]] else []
        assert all(end.startswith("gate_") for end in gated)
        texts = [setting.split("=")[1].strip("{}") for setting in card[4].split()]
        names = [param.name for param in model.params if param.waveform is None]
        values = tuple(sorted((name, float(shared.get(text, text))) for name, text in zip(names, texts, strict=True)))
        nodes = tuple(source_of[end] for end in ends[:width])
        found[source, model.name, nodes, values, entry.get("phase") if gated else None] += 1
    assert not instances, "rows of the map without a card"
    return found


def lowered(circuit: kc.Circuit, dialect: str) -> dict[str, str]:
    artifacts = kc.lower(circuit, "veriloga", dialect=dialect, until=circuit.duration or 1e-9)
    return {artifact.name: artifact.text for artifact in artifacts}


def generated(seed: int) -> list[kc.Circuit]:
    source = kc.Source("generated.kc", random_program(seed))
    return [kc.compile(source, top=top.name.id) for top in tops(Module(parse(source, Reporter())))]


@pytest.mark.parametrize("dialect", LINES)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path, dialect: str) -> None:
    circuit = kc.compile(path)
    assert reread(circuit, lowered(circuit, dialect), dialect) == expected(circuit)


@pytest.mark.parametrize("seed", range(30))
def test_generated_programs(seed: int) -> None:
    for circuit in generated(seed):
        for dialect in LINES:
            assert reread(circuit, lowered(circuit, dialect), dialect) == expected(circuit)


@pytest.mark.parametrize("seed", range(100, 108))
def test_modules_of_generated_programs_compile(seed: int, osdi: Simulator) -> None:
    for circuit in generated(seed):
        deck = deck_of(circuit.name, kc.lower(circuit, "veriloga", until=circuit.duration or 1e-9))
        with written(deck) as folder:
            compile_osdi(deck, folder)


def test_a_changed_value_or_node_is_seen() -> None:
    circuit = kc.compile(next(path for path in EXAMPLES if path.stem == "max_cut"))
    files = lowered(circuit, "vacask")
    name = f"{circuit.name}.sim"
    lines = files[name].split("\n")
    wanted = expected(circuit)
    for k in [k for k, line in enumerate(lines) if line.startswith("n")][:20]:
        for old, new in ((r"=(-?[0-9])", r"=1\1"), (r"\((\w+) (\w+)", r"(\2 \1")):
            changed = re.sub(old, new, lines[k], count=1)
            if changed == lines[k]:
                continue
            other = {**files, name: "\n".join([*lines[:k], changed, *lines[k + 1 :]])}
            assert differs(circuit, other, wanted), changed


def differs(circuit: kc.Circuit, files: dict[str, str], wanted: Counter) -> bool:
    try:
        return reread(circuit, files, "vacask") != wanted
    except (AssertionError, ValueError, KeyError):
        return True
