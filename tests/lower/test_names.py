"""Netlist names: none twice in any case of letters, none that a simulator reads as something else, all led back by the map."""

from __future__ import annotations

import json
import re

import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.lower.base import BenchOptions
from kcompile.lower.spice import build_netlist
from kcompile.lower.spice_names import MAX_LENGTH, Namespace, NetlistNames
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse
from tests.lower.test_reread import EXAMPLES, names_by_map

READ_OTHERWISE = ("time temper hertz gnd pi e c i v abs exp ln log sqrt tanh sin cos atan min max if and or not true false "
                  "yes no u uramp pwl all params").split()


def compiled(nodes: str, body: str = "", head: str = "") -> kc.Circuit:
    declared = re.findall(r"[A-Za-z_][A-Za-z_0-9]*", nodes)
    return kc.compile(kc.Source("names.kc", f"""use std.passive: Capacitor, Resistor;
{head}
circuit Top {{
    node {nodes};
    node all_of_them = {" + ".join(declared)};
    Capacitor(n, gnd) for n in all_of_them;
    {body}
}}"""))


def assert_sound(circuit: kc.Circuit) -> None:
    """Nodes, instances and their map are one to one and plain."""
    netlist = build_netlist(circuit, BenchOptions(until=circuit.duration or 1e-9))
    described = json.loads(next(a.text for a in netlist.artifacts if a.name.endswith(".map.json")))
    text = next(a.text for a in netlist.artifacts if a.name.endswith(".spice"))
    nodes = {found: source for found, source, _ in names_by_map(described["nodes"])}
    assert len(nodes) == circuit.nodes.count - 1
    assert list(nodes.values()) == list(circuit.nodes.names[1:])
    assert [vector[2:-1].removeprefix("xtop.") for vector in netlist.nodes] == list(nodes)
    instances = [(found, source) for found, source, _ in names_by_map(described["instances"])]
    assert len(dict(instances)) == len(instances) == sum(table.count for table in circuit.tables)
    assert [source for _, source in instances] == [table.name(i) for table in circuit.tables for i in range(table.count)]
    top = text[text.rindex(".subckt ") :]
    cards = [line.split()[0].lower() for line in top.split("\n")[1:] if line and line[0] not in "*.+V" and "__" not in line]
    assert sorted(cards) == sorted(found for found, _ in instances)
    for name in nodes:
        assert re.fullmatch(r"[a-z_][a-z0-9_]*", name)
        assert len(name) <= MAX_LENGTH
        assert name not in READ_OTHERWISE


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path) -> None:
    assert_sound(kc.compile(path))


@pytest.mark.parametrize("seed", range(100, 150))
def test_generated_programs(seed: int) -> None:
    source = kc.Source("generated.kc", random_program(seed))
    for top in tops(Module(parse(source, Reporter()))):
        assert_sound(kc.compile(source, top=top.name.id))


def test_names_that_differ_in_case_alone() -> None:
    circuit = compiled("Net1, NET1, net1, nEt1[2]", "Resistor Rx(Net1, gnd); Resistor RX(NET1, gnd); Resistor rx[k](net1, gnd) "
                       "for k in 0..2;")
    assert_sound(circuit)
    assert NetlistNames(circuit).nodes[1] == "net1"


def test_names_that_a_simulator_reads_otherwise() -> None:
    names = [name for name in READ_OTHERWISE if name not in ("gnd", "pi", "if", "and", "or", "not", "params", "true", "false")]
    allowed = [name for name in names if not kc.check(kc.Source("n.kc", f"circuit T({name}) {{ drive {name} = dc(1 V); }}"))]
    assert len(allowed) > 8
    assert_sound(compiled(", ".join(allowed)))
    assert_sound(compiled(", ".join(name.upper() for name in allowed if name not in ("i", "v"))))


def test_a_bank_beside_a_name_with_a_number() -> None:
    for nodes in ("x[3], x_1", "x_1, x[3]", "x_1_2, x[3, 3], x_1[2]", "x_1[3], x[3, 3]", "x_1, x_1_h2d711642, x[2]"):
        assert_sound(compiled(nodes))


def test_long_names() -> None:
    long = "n" * 120
    circuit = compiled(f"{long}a, {long}b, {long}[12], {'m' * 104}, {'k' * 105}, {long.upper()}a",
                       f"Resistor {'R' * 200}(gnd, {long}a); Resistor {'r' * 200}(gnd, {long}b);")
    assert_sound(circuit)


def test_names_of_instances_and_their_nodes() -> None:
    head = """circuit Cell(a) { node x; Capacitor(x, gnd); Resistor R(a, x); }
circuit Two(a) { node x; Capacitor(x, gnd); Cell c(x); Cell C(a); Cell(x); Cell(a); }"""
    assert_sound(compiled("s_x, S[2], c_x, cell_0_x, y[3]", "Two s(y[0]); Two two[k](y[k]) for k in 1..3; "
                          "Cell(y[k]) for k in 0..3; Cell c[2 * k](y[k]) for k in 0..2;", head))


def test_names_beside_those_of_gates_parameters_and_waveforms() -> None:
    source = kc.Source("names.kc", """use std.passive: Capacitor, Conductance;
use std.sources: CurrentSource;
circuit Top {
    param w: conductance = 1 mS;
    node gate_mix, p_w, ic_x, w_i1_i_0, x, xtop, t_0, state_i;
    node all_of_them = gate_mix + p_w + ic_x + w_i1_i_0 + x + xtop + t_0 + state_i;
    Capacitor(n, gnd) for n in all_of_them;
    CurrentSource I1(gnd, x) { i = sin(0 A, 1 mA, 1 GHz) };
    CurrentSource I1_i[k](gnd, x) for k in 0..1;
    phase mix for 1 ns { Conductance(n, gnd) { g = w } for n in all_of_them; }
    phase Mix for 1 ns { Conductance(n, gnd) { g = w } for n in all_of_them; }
    input x, p_w, ic_x;
}""")
    circuit = kc.compile(source)
    assert_sound(circuit)
    text = kc.lower(circuit)[0].text
    top = text[text.rindex(".subckt ") :]
    driven = [line.split()[1] for line in top.split("\n") if line.startswith("V")]
    assert len(set(driven)) == len(driven)
    assert not set(driven) & set(NetlistNames(circuit).nodes)
    first = [line.split()[0].lower() for line in top.split("\n") if line[:1].isalpha()]
    assert len(set(first)) == len(first)


def test_a_namespace_gives_no_name_twice() -> None:
    space = Namespace()
    given = [space.claim(name) for name in ("a", "A", "a_1", "a", "A_1", "a_1_2", "é", "e__", "", "_", "1", "a" * 300, "A" * 300)]
    assert len(set(given)) == len(given)
    for name in given:
        assert re.fullmatch(r"[a-z_][a-z0-9_]*", name)
        assert not any(other != name and re.fullmatch(re.escape(other) + r"(_\d+)+", name) for other in given)


def test_a_simulator_says_names_and_the_place_is_found() -> None:
    circuit = compiled("h[4], Net", "Resistor w1(h[k], Net) for k in 0..4;")
    names = NetlistNames(circuit)
    for said in ("v(xtop.h_3)", "xtop.h_3", "r.xtop.rw1_3", "b.xtop.xw1_3.b0"):
        assert (names.place(said.removeprefix("v(").rstrip(")")) or "").startswith("names.kc:"), said
    assert names.place("xtop.nothing") is None
