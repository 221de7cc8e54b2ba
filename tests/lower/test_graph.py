"""`--target dot` and `--target svg`: what is drawn, and that boxes and labels stand apart."""

from __future__ import annotations

import itertools
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.ir.build import tops
from kcompile.lower.graph import MAX_GROUPS, MAX_INSTANCES, Graph, graph_of
from kcompile.lower.picture import Box, Picture, lay_out
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse

ROOT = Path(__file__).parents[2]
MODELS = [*sorted((ROOT / "examples").glob("*.kc")), *sorted((ROOT / "tests" / "golden" / "spice").glob("*.kc")),
          *sorted((ROOT / "tests" / "golden" / "ir").glob("*.kc"))]
SVG = "{http://www.w3.org/2000/svg}"
HEAD = "use std.passive: Resistor, Capacitor;\nuse std.compute: Multiplier, Transconductor;\n"


def circuit(body: str) -> kc.Circuit:
    return kc.compile(kc.Source("case.kc", f"{HEAD}circuit Case {{ {body} }}"))


def text_of(model: kc.Circuit, target: str) -> str:
    [artifact] = kc.lower(model, target)
    assert artifact.name == f"{model.name}.{target}"
    return artifact.text


# ---- what is drawn ------------------------------------------------------------------------------------------------------

SMALL = circuit("""node x, y, z; Capacitor(n, gnd) for n in x + y + z; Resistor(x, gnd); Resistor R1(x, y); Resistor(y, x);
    Multiplier m(x, y, z); Transconductor(z, x); phase mix for 1 s { Resistor Rm(y, z); } input x; output z;""")


def test_small_circuits_are_drawn_instance_by_instance() -> None:
    graph = graph_of(SMALL)
    assert graph.title == "Case: 3 nodes, 9 devices"
    assert [(v.kind, v.lines) for v in graph.vertices] == [
        ("input", ("x", "Capacitor, Resistor")), ("node", ("y", "Capacitor")), ("output", ("z", "Capacitor")), ("device", ("m",))]
    assert {(line.start, line.stop, line.label, line.phase, line.directed) for line in graph.lines} == {
        (0, 1, "R1, Resistor", None, False), (2, 0, "Transconductor", None, True), (1, 2, "Rm", 0, False),
        (0, 3, "a", None, True), (1, 3, "b", None, True), (2, 3, "out", None, False)}
    assert graph.phases == ("mix",)


def test_large_circuits_are_drawn_bank_by_bank() -> None:
    graph = graph_of(circuit("node x[30], h[20]; Capacitor(n, gnd) for n in x + h; Resistor w(a, b) for a in x, b in h; "
                             "drive x = dc(1 V); output h;"))
    assert [(v.kind, v.lines) for v in graph.vertices] == [
        ("driven", ("x[30]", "30 nodes", "Capacitor")), ("output", ("h[20]", "20 nodes", "Capacitor")),
        ("device", ("w: Resistor", "x 600"))]
    assert {(line.start, line.stop, line.label) for line in graph.lines} == {(0, 2, "p"), (1, 2, "n")}


def test_names_that_differ_in_numerals_are_one_group() -> None:
    lines = "".join(f"node n_{k}; Capacitor c{k}(n_{k}, gnd); Resistor r{k}(n_{k}, n_{max(k - 1, 0)});\n" for k in range(150))
    graph = graph_of(circuit(lines))
    assert [v.lines for v in graph.vertices] == [("n_*", "150 nodes", "Capacitor"), ("r*: Resistor", "x 150")]


def test_of_many_groups_the_largest_are_drawn() -> None:
    letters = ["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)]
    body = "".join(f"node x{name}[{k + 1}]; Capacitor(n, gnd) for n in x{name}; "
                   f"Resistor R{name}(a, b) for a in x{name}, b in xaa;\n" for k, name in enumerate(letters))
    graph = graph_of(circuit(body))
    assert sum(v.kind == "device" for v in graph.vertices) <= MAX_GROUPS
    assert ("others", "300 nodes", "Capacitor") in [v.lines for v in graph.vertices]
    assert graph.notes == (f"{len(letters) - MAX_GROUPS} smaller groups of devices are not drawn",)
    assert_apart(graph, lay_out(graph))


def test_nothing_to_draw() -> None:
    source = kc.Source("empty.kc", "circuit Empty { }")
    for target in ("dot", "svg"):
        assert "Empty: 0 nodes, 0 devices" in text_of(kc.compile(source), target)


# ---- boxes and labels ---------------------------------------------------------------------------------------------------

def assert_apart(graph: Graph, picture: Picture) -> None:
    labels = [label for label in picture.labels if label is not None]
    for one, other in itertools.combinations((*picture.boxes, *labels), 2):
        assert not one.covers(other), (one, other)
    for box in (*picture.boxes, *labels):
        assert box.width / 2 <= box.x <= picture.width - box.width / 2 + 1
        assert box.height / 2 <= box.y <= picture.height - box.height / 2 + 1
    for line, ends in zip(graph.lines, picture.ends, strict=True):
        for point, vertex in zip(ends, (line.start, line.stop), strict=True):
            assert on_edge(point, picture.boxes[vertex]) or line.start == line.stop


def on_edge(point: tuple[float, float], box: Box) -> bool:
    x, y = abs(point[0] - box.x) - box.width / 2, abs(point[1] - box.y) - box.height / 2
    return x < 0.1 and y < 0.1 and (abs(x) < 0.1 or abs(y) < 0.1)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_boxes_and_labels_stand_apart(path: Path) -> None:
    graph = graph_of(kc.compile(path))
    assert_apart(graph, lay_out(graph))


def test_boxes_and_labels_of_generated_programs_stand_apart() -> None:
    for seed in range(60):
        source = kc.Source("generated.kc", random_program(seed))
        for top in tops(Module(parse(source, Reporter()))):
            graph = graph_of(kc.compile(source, top=top.name.id))
            assert_apart(graph, lay_out(graph))


@pytest.mark.parametrize("body", [
    "node x[90]; Capacitor(n, gnd) for n in x; Resistor(x[k], x[k + 1]) for k in 0..89;",
    "node x[10, 10]; Capacitor(n, gnd) for n in x; Resistor(x[i, j], x[i, j + 1]) for i in 0..10, j in 0..9;",
    "node x, y[99]; Capacitor(n, gnd) for n in x + y; Resistor(x, n) for n in y;",
    "node x[14]; Capacitor(n, gnd) for n in x; Resistor(a, b) for a in x, b in x if a != b;",
    "node x[100]; Capacitor(n, gnd) for n in x; Resistor(n, gnd) for n in x;"], ids=["chain", "rows", "star", "all", "alone"])
def test_hard_shapes_are_laid_out_soon(body: str) -> None:
    graph = graph_of(circuit(body))
    assert len(graph.lines) <= MAX_INSTANCES
    started = time.process_time()
    picture = lay_out(graph)
    assert time.process_time() - started < 3.0
    assert_apart(graph, picture)


# ---- files --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_svg_is_svg(path: Path) -> None:
    model = kc.compile(path)
    text = text_of(model, "svg")
    assert text.isascii()
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    graph = graph_of(model)
    shown = [element.text for element in root.iter(f"{SVG}text")]
    for vertex in graph.vertices:
        assert set(vertex.lines) <= set(shown)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "defs", "marker", "path", "rect", "text", "g", "line"}
    assert text == text_of(kc.compile(path), "svg")


_STATEMENT = re.compile(
    r'\s*(?://[^\n]*|graph \w+ \{|graph \[.*\];|node \[.*\];|edge \[.*\];|v\d+ \[label="[^"\n]*", [^\n"]*(?:"[^"]*"[^\n"]*)*\];'
    r'|v\d+ -- v\d+ \[(?:label="[^"\n]*")?[^\n]*\];|subgraph cluster_phases \{|label="time slices"; fontsize=9; color="#cbd2d9";'
    r'|phase\d+ \[label="\w+", [^\n]*\];|\})')


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_dot_is_dot(path: Path) -> None:
    model = kc.compile(path)
    text = text_of(model, "dot")
    assert text.isascii()
    assert all(_STATEMENT.fullmatch(line) for line in text.splitlines()), [
        line for line in text.splitlines() if not _STATEMENT.fullmatch(line)]
    assert text.count("{") == text.count("}")
    graph = graph_of(model)
    assert len(re.findall(r"^    v\d+ \[", text, re.MULTILINE)) == len(graph.vertices)
    assert len(re.findall(r"^    v\d+ -- v\d+ ", text, re.MULTILINE)) == len(graph.lines)


def test_golden_dot() -> None:
    assert text_of(SMALL, "dot") == """// Case: 3 nodes, 9 devices
graph Case {
    graph [label="Case: 3 nodes, 9 devices", labelloc=t, overlap=false, splines=true, fontname="Helvetica", fontsize=12];
    node [fontname="Helvetica", fontsize=10, shape=box, style="filled,rounded", color="#52606d", height=0.3, margin="0.12,0.05"];
    edge [fontname="Helvetica", fontsize=8, color="#8795a1"];
    // a dashed line starts where a voltage is read and no current flows
    v0 [label="x\\nCapacitor, Resistor", fillcolor="#bfe3d0"];
    v1 [label="y\\nCapacitor", fillcolor="#e4ecf4"];
    v2 [label="z\\nCapacitor", fillcolor="#fbd9a5"];
    v3 [label="m", fillcolor="#ffffff", style=filled];
    v0 -- v1 [label="R1, Resistor"];
    v2 -- v0 [label="Transconductor", dir=forward, style=dashed];
    v1 -- v2 [label="Rm", color="#d1495b"];
    v0 -- v3 [label="a", dir=forward, style=dashed];
    v1 -- v3 [label="b", dir=forward, style=dashed];
    v2 -- v3 [label="out"];
    subgraph cluster_phases {
        label="time slices"; fontsize=9; color="#cbd2d9";
        phase0 [label="mix", style=filled, fillcolor="#ffffff", color="#d1495b", penwidth=2];
    }
}
"""


def test_a_million_devices_are_a_few_boxes() -> None:
    model = circuit("node x[1000], y[1000]; Capacitor(n, gnd) for n in x + y; Resistor w(a, b) for a in x, b in y;")
    started = time.process_time()
    text = text_of(model, "svg")
    assert time.process_time() - started < 3.0
    assert len(text) < 5_000
    assert "x 1,000,000" in text


def test_a_picture_is_the_same_for_every_hash_seed() -> None:
    graph = graph_of(kc.compile(next(path for path in MODELS if path.stem == "max_cut")))
    one, two = lay_out(graph), lay_out(graph)
    assert np.array_equal([(b.x, b.y) for b in one.boxes], [(b.x, b.y) for b in two.boxes])
