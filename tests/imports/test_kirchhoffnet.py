"""Imported KirchhoffNets against edge lists of plain loops: the columns, the right-hand side, the waveforms, the text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from published import LAWS, Published, mix_connect

import kcompile as kc
from kcompile.imports.base import Imported
from kcompile.imports.kirchhoffnet import import_kirchhoffnet
from kcompile.sim.pack import System
from kcompile.syntax.format_source import format_source

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

GOLDEN = Path(__file__).parent.parent / "golden" / "imports"
DATA = Path(os.environ["KCOMPILE_DATA"]) / "kirchhoffnet" if "KCOMPILE_DATA" in os.environ else None
needs_data = pytest.mark.skipif(DATA is None, reason="KCOMPILE_DATA names no folder of published checkpoints")

WINDOW = {"num_channel": 1, "width": 4, "height": 3, "neighbor_size": 2}
COLOUR = {**WINDOW, "num_channel": 2, "width": 3}
CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "full": [("_fully_connect", {"num_node": 3, "repeat": (25, 25)})] * 2,
    "full_there": [("_fully_connect", {"num_node": 5, "repeat": (2, 0)})],
    "full_back": [("_fully_connect", {"num_node": 4, "repeat": (0, 3)})],
    "full_default": [("_fully_connect", {"num_node": 4})],
    "full_without_ground": [("_fully_connect", {"num_node": 3, "include_gnd": False, "repeat": (1, 2)})],
    "chain": [("_simple_connect", {"num_node": 5})],
    "chain_without_ground": [("_simple_connect", {"num_node": 4, "include_gnd": False, "repeat": (3, 7)})],
    "window": [("_neighbor_index", WINDOW)],
    "window_repeated": [("_neighbor_index", {**WINDOW, "repeat": 3})],
    "window_padded": [("_neighbor_index", {**WINDOW, "neighbor_size": 3, "padding": True})],
    "window_of_channels": [("_neighbor_index", {**COLOUR, "sharing": False, "parallel": 1})],
    "window_of_channels_padded": [("_neighbor_index", {**COLOUR, "padding": True, "repeat": 2})],
    "window_of_one_place": [("_neighbor_index", {**COLOUR, "neighbor_size": 1})],
    "mix": [("_mix_connect", {**WINDOW, "fully_connect_node": 3, "repeat": (1, 1), "kernel_repeat": 1})] * 2,
    "mix_default": [("_mix_connect", {**WINDOW, "fully_connect_node": 1})],
    "mix_parallel": [("_mix_connect", {**WINDOW, "fully_connect_node": 2, "repeat": (2, 3), "kernel_repeat": 2})],
    "mix_back": [("_mix_connect", {**WINDOW, "fully_connect_node": 2, "repeat": (0, 1)})],
    "mix_without_extra": [("_mix_connect", {**COLOUR, "fully_connect_node": 0, "repeat": (1, 1)})],
    "mix_padded": [("_mix_connect", {**COLOUR, "fully_connect_node": 2, "repeat": (1, 0), "padding": True})],
    "growing": [("_fully_connect", {"num_node": 3}), ("_simple_connect", {"num_node": 4}), ("_fully_connect", {"num_node": 7})],
    "shrinking": [("_fully_connect", {"num_node": 5}), ("_fully_connect", {"num_node": 3, "include_gnd": False})],
    "mixed": [("_mix_connect", {**WINDOW, "fully_connect_node": 2}), ("_neighbor_index", WINDOW),
              ("_fully_connect", {"num_node": 9})],
}


def network(case: str, law: str, **more: Any) -> Published:
    layers = CASES[case]
    return Published(law, layers, [0.5 * k for k in range(len(layers) + 1)], **more)


def compiled(imported: Imported) -> kc.Circuit:
    assert format_source(kc.Source("net.kc", imported.text)) == imported.text, "it is in the standard layout"
    circuit = kc.compile(kc.Source("net.kc", imported.text), weights=imported.weights)
    assert circuit.name == imported.name
    own = circuit.parameters()
    assert set(own) - set(imported.weights) == {"Capacitor[0].c"}, "every parameter of every device is given"
    return circuit


def devices(circuit: kc.Circuit, phase: int, params: int) -> np.ndarray:
    """float64[devices, 2 + params]: source, target and parameters, sorted."""
    rows = [np.column_stack([t.nodes, *(t.params[f"p{k}"] for k in range(params))]) for t in circuit.tables if t.phase == phase]
    every = np.concatenate(rows)
    return every[np.lexsort(every.T)]


def expected(published: Published, layer: int, params: int) -> np.ndarray:
    every = np.column_stack([published.edges[layer], published.params[layer][:params].T]).astype(float)
    return every[np.lexsort(every.T)]


@pytest.mark.parametrize("case", CASES)
def test_every_topology_connects_what_the_loops_connect(case: str, tmp_path: Path) -> None:
    published = network(case, "ShiftTanh2")
    circuit = compiled(import_kirchhoffnet(*published.write(tmp_path)))
    assert circuit.nodes.count - 1 == max(published.counts)
    assert [phase.duration for phase in circuit.phases] == [0.5] * len(published.layers)
    for layer in range(len(published.layers)):
        assert len(np.unique(published.params[layer][0])) == len(published.edges[layer]), "parameters tell devices apart"
        np.testing.assert_array_equal(devices(circuit, layer, 3), expected(published, layer, 3))
    assert circuit.parameters()["Capacitor[0].c"].tolist() == [1.0] * max(published.counts)


def test_the_mnist_example_connects_what_the_published_network_connects() -> None:
    circuit = kc.compile(Path(__file__).parents[2] / "examples" / "mnist.kc")
    edges = np.array(mix_connect(1, 28, 28, 4, 50, (1, 1), kernel_repeat=1))
    edges = edges[np.lexsort(edges.T)]
    assert len(edges) == 230_068 and circuit.nodes.count - 1 == 834
    for phase in range(2):
        np.testing.assert_array_equal(devices(circuit, phase, 0), edges)
    assert (circuit.inputs.tolist(), circuit.outputs.tolist()) == (list(range(1, 785)), list(range(825, 835)))


PARAMS = {"ShiftRelu1": 2, "ShiftLeakyRelu1": 2, "ShiftRelu2": 3, "ShiftLeakyRelu2": 3, "ShiftTanh1": 2, "ShiftTanh2": 3,
          "Conductance": 1}


@pytest.mark.parametrize("case", ["full", "chain", "window", "mix"])
@pytest.mark.parametrize("law", LAWS)
def test_every_law_on_every_topology_has_the_published_rates(law: str, case: str, tmp_path: Path) -> None:
    published = network(case, law, seed=3)
    circuit = compiled(import_kirchhoffnet(*published.write(tmp_path)))
    system = System(circuit)
    rng = np.random.default_rng(5)
    for layer in range(len(published.layers)):
        np.testing.assert_array_equal(devices(circuit, layer, PARAMS[law]), expected(published, layer, PARAMS[law]))
        for _ in range(3):
            v = rng.normal(size=max(published.counts))
            np.testing.assert_allclose(system.rhs(layer, 0.0, v, 0.0), published.rates(layer, v), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("law", "rows"), [("ShiftTanh1", 2), ("ShiftTanh1", 3), ("Conductance", 1), ("Conductance", 3)])
def test_rows_that_no_law_reads_may_be_stored(law: str, rows: int, tmp_path: Path) -> None:
    published = network("chain", law, rows=rows)
    imported = import_kirchhoffnet(*published.write(tmp_path))
    assert {name.rpartition(".")[2] for name in imported.weights} == {f"p{k}" for k in range(PARAMS[law])}
    np.testing.assert_array_equal(devices(compiled(imported), 0, PARAMS[law]), expected(published, 0, PARAMS[law]))


@pytest.mark.parametrize(("case", "law"), [("full", "ShiftTanh2"), ("mix", "ShiftRelu1"), ("growing", "ShiftTanh1"),
                                           ("window_of_channels", "ShiftLeakyRelu2")])
def test_waveforms_are_those_of_the_published_equations(case: str, law: str, tmp_path: Path) -> None:
    """Layer after layer in stored order; what a layer adds starts at 0."""
    published = network(case, law, seed=7)
    circuit = compiled(import_kirchhoffnet(*published.write(tmp_path)))
    given = np.random.default_rng(1).uniform(-1, 1, len(circuit.inputs))
    v = np.zeros(max(published.counts))
    v[: len(given)] = given
    for layer in range(len(published.layers)):
        n = published.counts[layer]
        v[:n] = scipy.integrate.solve_ivp(lambda _, v, k=layer: published.rates(k, v), (0, 0.5), v[:n], "DOP853",
                                          rtol=1e-11, atol=1e-13).y[:, -1]
    waves = kc.simulate(circuit.with_initial(given), points=2, rtol=1e-10)
    np.testing.assert_allclose(waves.values[-1], v, atol=1e-8)
    assert np.abs(v[: len(given)] - given).max() > 0.05, "something moves"


# ---- inputs, outputs, names ---------------------------------------------------------------------------------------------


def names(circuit: kc.Circuit, nodes: np.ndarray) -> list[str]:
    return [circuit.nodes.name(int(node)) for node in nodes]


def test_pixels_are_the_input_and_the_projector_names_the_output(tmp_path: Path) -> None:
    for projector, outputs in (("last2", ["h[1]", "h[2]"]), ("last4", ["x[3,2]", "h[0]", "h[1]", "h[2]"]), ("none", None),
                               ("first3", ["x[0,0]", "x[0,1]", "x[0,2]"]), (None, None)):
        published = network("mix", "ShiftRelu1", network={"projector": projector, "encoder": None, "residual": None,
                                                          "fill": "zeros"})
        circuit = compiled(import_kirchhoffnet(*published.write(tmp_path)))
        assert names(circuit, circuit.inputs) == [f"x[{i},{j}]" for i in range(4) for j in range(3)]
        assert names(circuit, circuit.outputs) == (outputs or list(circuit.nodes.names[1:]))


def test_noise_is_the_input_and_every_node_the_output_of_a_generating_network(tmp_path: Path) -> None:
    """The public scripts of generation never read the projector, and genmnist's configuration names one."""
    published = network("mix", "ShiftTanh1", bench="genmnist", network={"projector": "last10", "fill": "zeros"})
    circuit = compiled(import_kirchhoffnet(*published.write(tmp_path)))
    assert circuit.name == "Genmnist"
    assert names(circuit, circuit.inputs) == names(circuit, circuit.outputs) == list(circuit.nodes.names[1:])


@pytest.mark.parametrize(("bench", "name"), [("2spirals", "Net2spirals"), ("two moons!", "TwoMoons"), ("v", "VNet"),
                                             ("shiftTanh2", "ShiftTanh2Net"), ("capacitor", "CapacitorNet"), ("é", "Net"),
                                             ("*/ }\n", "Net")])
def test_the_circuit_is_called_after_the_test_bench(bench: str, name: str, tmp_path: Path) -> None:
    imported = import_kirchhoffnet(*network("chain", "ShiftTanh2", bench=bench).write(tmp_path))
    assert compiled(imported).name == name


def test_the_file_names_a_network_without_a_test_bench(tmp_path: Path) -> None:
    published = network("chain", "ShiftTanh2")
    del published.config["test_bench"]
    assert import_kirchhoffnet(*published.write(tmp_path)).name == "Config"


def test_durations_are_decimal_differences(tmp_path: Path) -> None:
    """1.8 - 1.2 is 0.6, and `2e0` is a text to YAML."""
    published = Published("ShiftTanh2", [("_fully_connect", {"num_node": 2})] * 4, [0.0, 0.6, 1.2, 1.8, "2e0"])  # type: ignore[list-item]
    imported = import_kirchhoffnet(*published.write(tmp_path))
    assert [phase.duration for phase in compiled(imported).phases] == [0.6, 0.6, 0.6, 0.2]
    assert imported.text.count("for 0.6 s {") == 3


@pytest.mark.parametrize("case", ["full", "mix"])
def test_golden(case: str, tmp_path: Path) -> None:
    published = network(case, "ShiftTanh2" if case == "full" else "ShiftRelu1", bench="twomoon" if case == "full" else "digits",
                        network={"projector": "last2"})
    text = import_kirchhoffnet(*published.write(tmp_path)).text
    path = GOLDEN / f"{case}.kc"
    if os.environ.get("KCOMPILE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; make golden rewrites it"
    assert text.count("\n") < 40


def test_the_same_files_give_the_same_program(tmp_path: Path) -> None:
    files = network("mix", "ShiftRelu1").write(tmp_path)
    one, other = import_kirchhoffnet(*files), import_kirchhoffnet(*files)
    assert one.text == other.text
    assert list(one.weights) == list(other.weights)
    assert all(value.dtype == np.float64 for value in one.weights.values())


# ---- the published checkpoints ------------------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(("name", "lines", "count"), [("twomoon", 40, 600), ("pinwheel", 40, 1200), ("potential2", 40, 960),
                                                      ("mnist", 40, 460_136)])
def test_published_checkpoints_are_imported(name: str, lines: int, count: int) -> None:
    assert DATA is not None
    imported = import_kirchhoffnet(DATA / name / "config.yaml", DATA / name / "model.pth")
    assert imported.text.count("\n") < lines
    circuit = compiled(imported)
    assert sum(table.count for table in circuit.tables if table.phase is not None) == count
    assert len(circuit.inputs) == (784 if name == "mnist" else 2)
    assert len(circuit.outputs) == (10 if name == "mnist" else 2)
