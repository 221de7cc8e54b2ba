"""The emitted deck, imported again, is the circuit it was made of: the same graph, parameters, starts and right-hand sides.

The importer shares no code with the emitter. Names are led from one circuit to the other by the map file; that this is an
isomorphism, and that both compute the same, is checked here.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import kcompile as kc
from benchmarks.programs import random_program
from kcompile.diagnostics import Reporter
from kcompile.imports.netlist import import_netlist
from kcompile.ir.build import tops
from kcompile.ir.circuit import InstanceTable
from kcompile.sim.pack import System
from kcompile.sim.waveform import Sources
from kcompile.syntax.load import Module
from kcompile.syntax.parse import parse
from tests.ir.test_blocks import GRID, LC, RING

TESTS = Path(__file__).parents[1]
EXAMPLES = [path for path in sorted((TESTS.parent / "examples").glob("*.kc"))
            if path.stem != "mnist" and not path.stem.endswith("sky130")]
"""All but one of 460,136 devices, which takes a minute and has no construct of its own, and those of transistors, which klayout
reads again (tests/verify/test_layout.py)."""
GOLDENS = sorted((TESTS / "golden" / "spice").glob("*.kc"))
PROGRAMS = 200
TIGHT = 1e-12


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
            # a bank with members in subcircuits of repeated structure has a list of names
            rules = entry if isinstance(entry["netlist"], str) else {**entry, "netlist": entry["netlist"][i]}
            found = [rules[key].replace("{i}", str(i)).replace("{name}", name) for key in ("netlist", "source")]
            yield *(re.sub(r"\{(\d+)\}", lambda hit: str(row[int(hit[1])]), text) for text in found), entry


# ---- the two circuits ---------------------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Pair:
    """A circuit, what came back, and the node of the second for each node of the first."""

    one: kc.Circuit
    two: kc.Circuit
    described: dict
    image: np.ndarray


def pair(circuit: kc.Circuit, folder: Path) -> Pair:
    files = {artifact.name: artifact.text for artifact in kc.lower(circuit, until=circuit.duration or 1e-9)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    described = json.loads(files[f"{circuit.name}.map.json"])
    found = import_netlist(folder / f"{circuit.name}_tb.cir")
    again = kc.compile(kc.Source("again.kc", found.text))
    place = {name: k for k, name in enumerate(again.nodes.names)}
    image = np.zeros(circuit.nodes.count, dtype=int)
    of = {name: k for k, name in enumerate(circuit.nodes.names)}
    for netlist, source, _ in names_by_map(described["nodes"]):
        image[of[source]] = place.get(f"xtop.{netlist}", place.get(netlist, -1))
    return Pair(circuit, again, described, image)


def rows_of(circuit: kc.Circuit) -> dict[str, tuple[InstanceTable, int]]:
    return {table.name(i): (table, i) for table in circuit.tables for i in range(table.count)}


def check_nodes(both: Pair) -> None:
    """One node for each node, with its start; what is new is driven: gates and waveforms of currents."""
    one, two = both.one, both.two
    assert both.image.min() >= 0
    assert len(set(both.image.tolist())) == len(both.image)
    assert set(range(two.nodes.count)) - set(both.image.tolist()) <= set(two.driven.tolist())
    assert set(both.image[one.free].tolist()) == set(two.free.tolist())
    assert np.array_equal(one.nodes.initial[one.free], two.nodes.initial[both.image[one.free]])
    driven = {int(n): Sources(s.wave).value for s in two.stimuli for n in s.nodes}
    place = {int(n): k for s in two.stimuli for k, n in enumerate(s.nodes)}
    times = np.linspace(0.0, 3.0, 47)
    for stimulus in one.stimuli:
        for node, k in zip(stimulus.nodes, range(len(stimulus.nodes)), strict=True):
            image = int(both.image[node])
            for time in times:
                assert same(Sources(stimulus.wave).value(time)[k], driven[image](time)[place[image]])


def check_instances(both: Pair) -> None:
    """One instance for each instance, at the images of its nodes, with its parameters."""
    phase_of = {name: k for k, name in enumerate(phase.name for phase in both.one.phases)}
    before = {(table.name(i), table.phase): (table, i) for table in both.one.tables for i in range(table.count)}
    after = rows_of(both.two)
    for netlist, source, entry in names_by_map(both.described["instances"]):
        table, i = before[source, phase_of.get(entry.get("phase", ""))]
        ends = Counter(int(n) for n in both.image[table.nodes[i]] if n)
        found = after.pop(f"xtop.{netlist}", None)
        if found is None:  # a card between one node and itself, or of no conductance or capacitance, does nothing
            assert len(ends) <= 1 or not any(column[i] for column in table.params.values()), netlist
            continue
        again, row = found
        others = {int(n) for n in again.nodes[row]} - {0}
        if netlist.rpartition(".")[2][0] == "x":
            width = table.nodes.shape[1]
            assert np.array_equal(again.nodes[row][:width], both.image[table.nodes[i]]), netlist
            assert {int(n) for n in again.nodes[row][width:]} <= set(both.two.driven.tolist())
            values = [table.params[p.name][i] for p in table.model.params if p.waveform is None]
            assert [column[row] for column in again.params.values()] == values, netlist
            assert len(again.model.states) == len(table.model.states)
        else:
            assert others <= set(ends), netlist
    assert not after, f"instances without an origin: {list(after)[:5]}"


def check_right_hand_sides(both: Pair) -> None:
    one, two = System(both.one), System(both.two)
    assert one.size == two.size
    assert same(one.initial, two.initial[order(both, one, two)])
    rng = np.random.default_rng(1)
    at = 0.0
    duration = both.one.duration
    for k, phase in enumerate(both.one.phases or (None,)):
        for part in (0.3, 0.7):
            time = at + part * (phase.duration if phase else duration or 1.0)
            y = rng.normal(size=one.size)
            z = np.zeros(two.size)
            z[order(both, one, two)] = y
            with np.errstate(all="ignore"):
                wanted, found = one.rhs(k, time, y, time + 1e-9), two.rhs(0, time, z, time + 1e-9)
            # Where it is infinite or undefined, a netlist says its largest number.
            finite = np.isfinite(wanted)
            assert same(wanted[finite], found[order(both, one, two)][finite], np.abs(wanted[finite]).max(initial=0.0)), time
        at += phase.duration if phase else 0.0


def order(both: Pair, one: System, two: System) -> np.ndarray:
    """Place in the unknowns of the second for each unknown of the first."""
    place = {int(n): k for k, n in enumerate(two.free)}
    nodes = [place[int(both.image[n])] for n in one.free]
    netlist = {(source, entry.get("phase")): name for name, source, entry in names_by_map(both.described["instances"])}
    states = {name: len(two.free) + k for k, name in enumerate(two.state_names)}
    found = []
    for table in both.one.tables:
        phase = both.one.phases[table.phase].name if table.phase is not None else None
        for i in range(table.count if table.model.states else 0):
            again = netlist[table.name(i), phase]
            found += [k for name, k in states.items() if name.startswith(f"xtop.{again}.")]
    return np.array([*nodes, *found], dtype=int)


def same(one: np.ndarray, two: np.ndarray, scale: float = 0.0) -> bool:
    """Whether two columns differ by 1e-12 of themselves, or of `scale`, at most."""
    return bool(np.all(np.abs(one - two) <= TIGHT * np.maximum(np.abs(one), scale)))


def check(circuit: kc.Circuit, folder: Path) -> None:
    both = pair(circuit, folder)
    check_nodes(both)
    check_instances(both)
    check_right_hand_sides(both)


@pytest.mark.parametrize("path", [*EXAMPLES, *GOLDENS], ids=lambda path: path.stem)
def test_examples_and_goldens(path: Path, tmp_path: Path) -> None:
    check(kc.compile(path, settings={"n": 16} if path.stem == "edges" else None), tmp_path)


@pytest.mark.parametrize("share", range(20))
def test_generated_programs(share: int, tmp_path: Path) -> None:
    for seed in range(share, PROGRAMS, 20):
        source = kc.Source("generated.kc", random_program(seed))
        for top in tops(Module(parse(source, Reporter()))):
            check(kc.compile(source, top=top.name.id), tmp_path)


@pytest.mark.parametrize("text", [LC, RING, GRID], ids=["lc", "ring", "grid"])
def test_repeated_structure_as_subcircuits(text: str, tmp_path: Path) -> None:
    for n in (6, 13):
        circuit = kc.compile(kc.Source("t.kc", text), settings={"n": n}, passes="outline")
        assert circuit.outlined
        check(circuit, tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_with_subcircuits(path: Path, tmp_path: Path) -> None:
    both = pair(kc.compile(path, settings={"n": 12} if path.stem == "edges" else None, passes="outline"), tmp_path)
    check_nodes(both)
    check_right_hand_sides(both)  # a block without nodes of its own comes back as one device


def test_generated_programs_with_subcircuits(tmp_path: Path) -> None:
    found = [kc.compile(kc.Source("generated.kc", random_program(seed)), top="Top", passes="outline") for seed in range(50)]
    for circuit in found:
        both = pair(circuit, tmp_path)
        check_nodes(both)
        check_right_hand_sides(both)
    assert sum(circuit.outlined for circuit in found) > 10


def test_time_slices_move_alike(tmp_path: Path) -> None:
    """Gates are sources of the netlist; what a device misses in one half of an edge it conducts in the other."""
    both = pair(kc.compile(next(path for path in GOLDENS if path.stem == "slices"), inputs=[0.4, -0.2]), tmp_path)
    one, two = (kc.simulate(circuit, until=1.5, rtol=1e-10) for circuit in (both.one, both.two))
    for node in both.one.free:
        name, again = both.one.nodes.names[node], both.two.nodes.names[both.image[node]]
        assert np.abs(one[name] - two[again]).max() < 1e-6


CHANGES = {
    "a value": (r"^(Rs_r1_1 .*)}$", r"\1*1.001}"), "a node": (r"^Rs_r1_1 n_1 ", "Rs_r1_1 n_0 "),
    "a parameter": ("p_s_r_1=1100.0", "p_s_r_1=1100.1"), "a capacitance": ("^Cs_c_0 (.*) 1e-12", r"Cs_c_0 \1 1.1e-12"),
    "an initial voltage": (r"^\.ic v\(s_m_1\)=0.1", ".ic v(s_m_1)=0.2"),
    "an element more": (r"^(R)(first_r1 .*)$", r"\1\2\nR2\2"),
    "an element less": (r"^Rfirst_r1 .*$", "*"), "a node more": (r"^(Cs_c_0) s_m_0", r"Cmore s_m_9 0 1p\n\1 s_m_0"),
    "a drive": ("DC 1.0", "DC 1.1")}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_netlist_is_seen(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = kc.compile(next(path for path in GOLDENS if path.stem == "sections"))
    old, new = CHANGES[change]
    write = Path.write_text

    def changed(path: Path, text: str, encoding: str) -> int:
        other, count = re.subn(old, new, text, flags=re.MULTILINE)
        seen.append(count)
        return write(path, other, encoding=encoding)

    seen: list[int] = []
    monkeypatch.setattr(Path, "write_text", changed)
    with pytest.raises(AssertionError):
        check(circuit, tmp_path)
    assert sum(seen) == 1
