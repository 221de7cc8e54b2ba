"""What other tools read of a circuit of cells: a symbol for xschem, the input of ALIGN, a script of klayout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.lower.base import BenchOptions
from kcompile.lower.transistors import build_transistors

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net_1(p) {
    pdk sky130;
    node x[2], h[2], y, r[2];
    node all = x + h + y;
    drive r[k] = dc(0.1 V * k) for k in 0..2;
    Capacitor(n, gnd) { c = 3 pF } for n in all + p;
    TanhPair w(all[i], all[j]) { k = i - 2 } for i in 0..5, j in 0..5 if i < j;
    TanhPair b(a, c) { k = 2 } for a in h + p, c in r;
    input x;
    output y;
}
"""
PINS = ["p", "x_0", "x_1", "y", "r_0", "r_1", "vbn", "cm", "vdd", "vss"]


def circuit() -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", NET), inputs=[0.1, -0.05])


@pytest.fixture(scope="module")
def layout() -> dict[str, str]:
    return {one.name: one.text for one in kc.lower(circuit(), "layout")}


def joined(text: str) -> list[list[str]]:
    """Words of the cards of a netlist, continued lines joined."""
    return [line.split() for line in re.sub(r"\n\+ ?", " ", text).splitlines() if line and not line.startswith("*")]


def subcircuits(text: str) -> dict[str, tuple[list[str], dict[str, list[str]]]]:
    """Pins, and words of the cards by their first, of every subcircuit."""
    found: dict[str, tuple[list[str], dict[str, list[str]]]] = {}
    cards: dict[str, list[str]] = {}
    for head, *words in joined(text):
        if head == ".subckt":
            cards = {}
            found[words[0]] = words[1:], cards
        elif not head.startswith("."):
            assert head not in cards, "a name stands twice"
            cards[head] = words
    return found


# ---- xschem -----------------------------------------------------------------------------------------------------------


def test_the_symbol_has_the_pins_of_the_subcircuit_in_their_order() -> None:
    files = {one.name: one.text for one in build_transistors(circuit(), BenchOptions(until=1e-6)).artifacts}
    text = files["Net_1.sym"]
    (head,) = [words for words in joined(files["Net_1.spice"]) if words[:2] == [".subckt", "net_1"]]
    at = head.index("params:")
    pins = re.findall(r"^B 5 (\S+) (\S+) (\S+) (\S+) \{name=(\w+) dir=(in|out|inout)\}$", text, re.MULTILINE)
    assert [pin[4] for pin in pins] == head[2:at] == PINS
    directions = {pin[4]: pin[5] for pin in pins}
    assert {name for name, one in directions.items() if one == "in"} == {"x_0", "x_1", "r_0", "r_1"}
    assert {name for name, one in directions.items() if one == "out"} == {"y"}
    middles = [((float(pin[0]) + float(pin[2])) / 2, (float(pin[1]) + float(pin[3])) / 2) for pin in pins]
    assert len(set(middles)) == len(pins) and all(x % 20 == y % 20 == 0 for x, y in middles), "pins lie on the grid"
    properties = re.search(r'^K \{type=primitive\nformat="(.*)"\ntemplate="(.*)"\}$', text, re.MULTILINE)
    assert properties is not None
    values = [word.partition("=") for word in head[at + 1:]]
    assert properties[1].split() == ["@name", "@pinlist", head[1], *(f"{name}=@{name}" for name, _, _ in values)]
    assert properties[2].split() == ["name=x1", *(f"{name}={value}" for name, _, value in values)]
    assert len(values) == 2 and values[0][2] == "1.1"
    lines = text.splitlines()[8:]
    assert all(re.fullmatch(r"[LBT] .* ?\{[^{}]*\}", line) for line in lines), "each object ends with its properties"


# ---- ALIGN ------------------------------------------------------------------------------------------------------------

NAMES = {"type": "array", "items": {"type": "string"}}
SCHEMA = {"type": "array", "minItems": 1, "items": {"oneOf": [
    {"properties": {"constraint": {"const": "SymmetricBlocks"}, "direction": {"enum": ["H", "V"]},
                    "pairs": {"type": "array", "minItems": 1, "items": {**NAMES, "minItems": 1, "maxItems": 2}}},
     "required": ["constraint", "direction", "pairs"], "additionalProperties": False},
    *({"properties": {"constraint": {"const": name}, "ports": {**NAMES, "minItems": 1}}, "required": ["constraint", "ports"],
       "additionalProperties": False} for name in ("PowerPorts", "GroundPorts"))]}}
"""The constraints that are written, as ALIGN documents them."""


def test_align_finds_one_netlist_and_constraints_by_the_names_of_its_subcircuits(layout: dict[str, str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    (netlist,) = [name for name in layout if name.endswith((".sp", ".cdl"))]
    found = subcircuits(layout[netlist])
    top = Path(netlist).stem
    assert top == list(found)[-1] and found[top][0] == PINS
    constraints = {name.removesuffix(".const.json"): json.loads(text) for name, text in layout.items()
                   if name.endswith(".const.json")}
    assert set(constraints) == {top, *(name for name in found if name.startswith("tanh_pair"))}
    for name, content in constraints.items():
        jsonschema.validate(content, SCHEMA)
        pins, cards = found[name]
        for one in content:
            assert set(one.get("ports", [])) <= set(pins)
            pairs = one.get("pairs", [])
            assert sorted(element for pair in pairs for element in pair) == (sorted(cards) if pairs else [])
            assert all(len({tuple(cards[element][4:]) for element in pair}) == 1 for pair in pairs), "a pair is two of a kind"


def test_the_netlist_for_align_is_that_of_the_layout_in_metres(layout: dict[str, str]) -> None:
    """Element by element, with blocks of one element written where they stand."""
    drawn, named = subcircuits(layout["net_1.sp"]), subcircuits(layout["Net_1_lvs.spice"])
    assert all(len(cards) > 1 for _, cards in drawn.values())
    capacitors = 0
    for name, (pins, cards) in named.items():
        if len(cards) == 1:
            continue
        assert drawn[name][0] == pins and len(drawn[name][1]) == len(cards)
        for head, words in cards.items():
            if words[-1] in named and len(named[words[-1]][1]) == 1:
                ((_, *body, width, length, units),) = [[None, *one] for one in named[words[-1]][1].values()]
                sizes = [float(one.partition("=")[2]) for one in (width, length, units)]
                *nets, farads = drawn[name][1]["c" + head[1:]]
                assert nets == words[:2] and len(body) == 3
                assert float(farads) == pytest.approx(2e-15 * (sizes[0] + 0.15) * (sizes[1] + 0.15) * sizes[2], rel=1e-5)
                capacitors += 1
            elif words[-1] in named:
                assert drawn[name][1][head] == words
            else:
                other = drawn[name][1]["m" + head[1:]]
                assert other[:5] == words[:5]
                ours, theirs = (dict(word.split("=") for word in one[5:]) for one in (words, other))
                assert [float(theirs[key]) for key in "wl"] == pytest.approx([float(ours[key]) * 1e-6 for key in "wl"])
                assert (theirs["m"], theirs["nf"]) == (ours["m"], ours["nf"])
    assert capacitors == 6


# ---- klayout ----------------------------------------------------------------------------------------------------------


def test_the_script_draws_the_placement(layout: dict[str, str], tmp_path: Path) -> None:
    pya = pytest.importorskip("klayout.db", reason="klayout is not installed")
    for name in ("Net_1_placement.py", "Net_1_placement.json"):
        (tmp_path / name).write_text(layout[name])

    def drawn() -> bytes:
        subprocess.run([sys.executable, tmp_path / "Net_1_placement.py"], cwd="/", check=True, timeout=60)
        return (tmp_path / "Net_1_placement.gds").read_bytes()

    assert drawn() == drawn(), "the same bytes"
    found = pya.Layout()
    found.read(str(tmp_path / "Net_1_placement.gds"))
    (top,) = found.top_cells()
    assert top.name == "Net_1"
    boxes, labels, blocks = ([(one.shape(), one.dtrans()) for one in top.begin_shapes_rec(found.layer(k, 0)).each()]
                             for k in (1, 2, 3))
    outlines = {(shape.dbbox().transformed(at)) for shape, at in boxes}
    texts = {shape.dtext.transformed(at).string: shape.dtext.transformed(at) for shape, at in labels}
    places = json.loads(layout["Net_1_placement.json"])["places"]
    assert len(boxes) == len(outlines) == len(texts) == len(blocks) == len(places) > 10
    for place in places:
        box = next(one for one in outlines if abs(one.left - place["x"]) < 1e-4 and abs(one.bottom - place["y"]) < 1e-4)
        assert (box.width(), box.height()) == pytest.approx((place["side"], place["side"]), abs=1e-6)
        assert box.contains(pya.DPoint(texts[place["instance"]].x, texts[place["instance"]].y))
        inside = [shape.dtext.string for shape, at in blocks if box.contains(shape.dtext.transformed(at).bbox().center())]
        assert inside == [place["block"]]
