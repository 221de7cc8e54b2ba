"""Trained networks of the public KirchhoffNet code (arXiv 2310.15872): a configuration and a checkpoint to a program.

A layer is a phase, in the order of the checkpoint: an image network classifies in that order, and a generating network
turns noise into samples. (Training of the latter runs all layers backwards.) The model is dimensionless, so each node
carries 1 F, and volts, amperes and seconds are its units.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kcompile.diagnostics import accepted, nearest, printable
from kcompile.imports.base import Imported, circuit_name
from kcompile.imports.checkpoint import read_checkpoint
from kcompile.imports.config import Field, read_config
from kcompile.imports.topology import Bank, FullyConnect, Layout, MixConnect, NeighborIndex, SimpleConnect, Topology

LAWS: Mapping[str, tuple[int, Sequence[int]]] = {
    "ShiftRelu1": (2, (2,)), "ShiftLeakyRelu1": (2, (2,)), "ShiftRelu2": (3, (3,)), "ShiftLeakyRelu2": (3, (3,)),
    "ShiftTanh1": (2, (2, 3)), "ShiftTanh2": (3, (3,)), "Conductance": (1, (1, 2, 3)),
}
"""Parameters that each law of `std.kirchhoff` reads, and the rows a checkpoint may hold; rows past the first are never read."""

GENERATING = frozenset(["twomoon", "circle", "swissroll", "8gaussians", "pinwheel", "2spirals", "gauss", "genmnist",
                        "potential1", "potential2", "potential3", "potential4"])
"""Test benches whose input is noise in all nodes and whose output is all nodes; their `projector` is never read."""

KEY = "circuit.layer_list.{}.model.param"


@dataclass(frozen=True)
class Network:
    """What a configuration says: one topology and duration in seconds per layer; published node numbers from 1."""

    bench: str
    law: str
    layers: tuple[Topology, ...]
    durations: tuple[float, ...]
    layout: Layout
    inputs: int
    outputs: tuple[int, int]

    @property
    def generating(self) -> bool:
        return self.bench in GENERATING


def import_kirchhoffnet(config: str | Path, checkpoint: str | Path) -> Imported:
    """Program and trained values of a network of the public KirchhoffNet code, from its YAML file and its `.pth` file.

    Raises `CompileError` KC0520 to KC0524 with the place in the configuration, `UsageError` KC0501, KC0523, and
    `ToolMissing` KC0711.
    """
    network = read_network(read_config(Path(config)), Path(config).stem)
    law_rows, stored_rows = LAWS[network.law]
    shapes = {KEY.format(k): (stored_rows, layer.devices) for k, layer in enumerate(network.layers)}
    stored = read_checkpoint(Path(checkpoint), shapes)
    banks = [tuple(layer.banks(network.layout)) for layer in network.layers]
    weights = {f"layer{k}.{bank.label}.p{row}": np.ascontiguousarray(stored[KEY.format(k)][row, bank.columns])
               for k, layer in enumerate(banks) for bank in layer for row in range(law_rows)}
    name = circuit_name(network.bench, (network.law, "Capacitor"))
    return Imported(name, "".join(f"{line}\n" for line in _program(name, network, banks)), weights)


# ---- the configuration ------------------------------------------------------------------------------------------------


def read_network(config: Field, stem: str) -> Network:
    """Network of a configuration; `stem` names it where `test_bench` does not."""
    top = config.members()
    bench = top["test_bench"].text() if "test_bench" in top else stem
    network = config.need(top, "network").only(
        ["adjoint", "encoder", "fill", "initialization", "model", "net_struct", "projector", "residual"])
    law = _law(config.need(top, "network").need(network, "model"))
    structure = config.need(top, "network").need(network, "net_struct")
    layers = tuple(_topology(item) for item in structure.items())
    if not layers:
        raise structure.wrong("a list of layers")
    simulation = config.need(top, "simulation").only(["t_end", "method", "tol", "first_step", "min_step", "step_size"])
    durations = _durations(config.need(top, "simulation").need(simulation, "t_end"), len(layers))
    layout = _layout(layers, structure)
    for name, ours in (("encoder", ("none",)), ("residual", ()), ("fill", ("zeros", "zero"))):
        if name in network and not network[name].empty and not (ours and network[name].text() in ours):
            raise network[name].fail("KC0522", f"`network.{name}` has no counterpart in a circuit",
                                     accepted(["null", *ours]))
    inputs, outputs = layers[0].nodes, (1, layers[-1].nodes + 1)
    if bench not in GENERATING:
        inputs = int(np.prod(layers[0].pixels)) if layers[0].pixels else inputs
        if "projector" in network:
            outputs = _outputs(network["projector"], layers[-1].nodes)
    return Network(bench, law, layers, durations, layout, inputs, outputs)


def _law(model: Field) -> str:
    members = model.only(["name", "args"])
    name = model.need(members, "name")
    if name.text() not in LAWS:
        raise name.fail("KC0522", f"the law `{printable(name.text(), 40)}` is not known",
                        nearest(name.text(), LAWS) or accepted(LAWS))
    if "args" in members and not members["args"].empty:
        members["args"].only([])
    return name.text()


def _topology(layer: Field) -> Topology:
    members = layer.only(["name", "args"])
    name, arguments = layer.need(members, "name"), layer.need(members, "args")
    if name.text() not in _TOPOLOGIES:
        raise name.fail("KC0522", f"the topology `{printable(name.text(), 40)}` is not known",
                        nearest(name.text(), _TOPOLOGIES) or accepted(_TOPOLOGIES))
    topology = _TOPOLOGIES[name.text()](arguments)
    if topology.devices == 0:
        raise arguments.fail("KC0521", f"this `{name.text()}` connects nothing")
    return topology


def _fully_connect(arguments: Field) -> FullyConnect:
    given = arguments.only(["num_node", "include_gnd", "repeat"])
    count = arguments.need(given, "num_node").whole(2)
    return FullyConnect(count, _flag(given, "include_gnd", True), *_repeat(given, (1, 1)))


def _simple_connect(arguments: Field) -> SimpleConnect:
    given = arguments.only(["num_node", "include_gnd", "repeat"])
    count = arguments.need(given, "num_node").whole(1)
    return SimpleConnect(count, _flag(given, "include_gnd", True), _repeat(given, (1, 1))[0])


_WINDOW = ["num_channel", "width", "height", "neighbor_size", "padding", "sharing", "parallel"]


def _neighbor_index(arguments: Field) -> NeighborIndex:
    return _windows(arguments, arguments.only([*_WINDOW, "repeat"]), "repeat")


def _mix_connect(arguments: Field) -> MixConnect:
    given = arguments.only([*_WINDOW, "kernel_repeat", "fully_connect_node", "repeat"])
    extra = arguments.need(given, "fully_connect_node").whole(0)
    return MixConnect(_windows(arguments, given, "kernel_repeat"), extra, *_repeat(given, (1, 0)))


def _windows(arguments: Field, given: dict[str, Field], repeat: str) -> NeighborIndex:
    channels, width, height = (arguments.need(given, name).whole(1) for name in ("num_channel", "width", "height"))
    size = arguments.need(given, "neighbor_size").whole(1, min(width, height))
    if _flag(given, "sharing", False):
        raise given["sharing"].fail("KC0522", "parameters that windows share are not supported",
                                    "the published code never shared them; `sharing: false` is how its networks were trained")
    if "parallel" in given and given["parallel"].whole(1) != 1:
        raise given["parallel"].fail("KC0522", "parallel copies of an image network are not supported", accepted(["1"]))
    times = given[repeat].whole(1) if repeat in given else 1
    if channels * size * size == 1:
        raise given["neighbor_size"].fail("KC0521", "a window of one pixel connects nothing")
    return NeighborIndex(channels, width, height, size, _flag(given, "padding", False), times)


_TOPOLOGIES = {"_fully_connect": _fully_connect, "_simple_connect": _simple_connect, "_neighbor_index": _neighbor_index,
               "_mix_connect": _mix_connect}


def _flag(given: dict[str, Field], name: str, default: bool) -> bool:
    return given[name].flag() if name in given else default


def _repeat(given: dict[str, Field], default: tuple[int, int]) -> tuple[int, int]:
    if "repeat" not in given:
        return default
    values = given["repeat"].items()
    if len(values) != 2:
        raise given["repeat"].wrong("a list of two whole numbers")
    return values[0].whole(0), values[1].whole(0)


def _durations(ends: Field, layers: int) -> tuple[float, ...]:
    times = ends.items()
    if len(times) != layers + 1:
        raise ends.fail("KC0521", f"`{ends.path}` has {len(times)} times, {layers} layers need {layers + 1}")
    values = [time.number() for time in times]
    found = [float(stop - start) for start, stop in itertools.pairwise(values)]
    for k, duration in enumerate(found):
        if not 0.0 < duration < float("inf"):
            raise times[k + 1].wrong("a time after the one before it")
    return tuple(found)


def _layout(layers: Sequence[Topology], structure: Field) -> Layout:
    images = list(dict.fromkeys(layer.pixels for layer in layers if layer.pixels))
    if len(images) > 1:
        raise structure.fail("KC0522", f"all layers see one image, here they see {images[0]} and {images[1]} pixels")
    counts = [layer.nodes for layer in layers]
    for k, largest in enumerate(itertools.accumulate(counts[:-1], max), start=1):
        if counts[k - 1] < min(counts[k], largest):
            raise structure.items()[k].fail("KC0522", "this layer takes up nodes that a layer before it left; the published "
                                            "code starts them anew at 0, a circuit does not")
    return Layout(max(counts), images[0] if images else ())


def _outputs(projector: Field, nodes: int) -> tuple[int, int]:
    """Published node numbers of the read-out, half open."""
    if projector.empty:
        return 1, nodes + 1
    match = re.fullmatch(r"(last|first)([0-9]{1,9})|none", projector.text())
    if match is None:
        raise projector.fail("KC0522", "the projector has no counterpart in a circuit", accepted(["none", "lastN", "firstN"]))
    if match[1] is None:
        return 1, nodes + 1
    if not 1 <= int(match[2]) <= nodes:
        raise projector.wrong(f"`{match[1]}N` with N from 1 to {nodes:,}")
    return (nodes + 1 - int(match[2]), nodes + 1) if match[1] == "last" else (1, int(match[2]) + 1)


# ---- the program ------------------------------------------------------------------------------------------------------


def _program(name: str, network: Network, banks: Sequence[Sequence[Bank]]) -> Iterator[str]:
    """Lines of the program."""
    layout, law = network.layout, network.law
    inputs, outputs = layout.nodes(1, network.inputs + 1), layout.nodes(*network.outputs)
    said = [inputs, outputs, *(f"{bank.terminals} {bank.loops}" for layer in banks for bank in layer)]
    purpose = ("The input is a sample of normal noise in every node, the output a sample of the data." if network.generating
               else "The input is the initial voltages, the output the last voltages of the nodes that are read.")
    yield f"// A KirchhoffNet imported from the public code (arXiv 2310.15872), {len(banks)} layers of {law} devices."
    yield f"// {purpose} Values come from a file: --weights."
    yield "use std.passive: Capacitor;"
    yield f"use std.kirchhoff: {law};"
    yield ""
    yield f"circuit {name} {{"
    extents = ", ".join(map(str, layout.pixels or (layout.count,)))
    rest = f", h[{layout.count - layout.seen}]" if layout.count > layout.seen else ""
    yield f"    node x[{extents}]{rest};"
    if any(re.search(r"\ball\b", text) for text in said):
        yield f"    node all = gnd + {layout.every};"
    yield f"    Capacitor(n, gnd) {{ c = 1 F }} for n in {layout.every};"
    yield ""
    for k, (duration, layer) in enumerate(zip(network.durations, banks, strict=True)):
        yield f"    phase layer{k} for {repr(duration).removesuffix('.0')} s {{"
        for bank in layer:
            statement = f"        {law} {bank.label}({bank.terminals})"
            if len(statement) + len(bank.loops) > 118:
                yield statement
                statement = " " * 11
            yield f"{statement} {bank.loops};"
        yield "    }"
    yield ""
    yield f"    input {inputs};"
    yield f"    output {outputs};"
    yield "}"
