"""The circuit as Graphviz text: `--target dot`."""

from __future__ import annotations

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.graph import graph_of
from kcompile.lower.picture import COLOURS, INK, LINE, phase_colour
from kcompile.render import render


class DotTarget:
    """`--target dot`."""

    name = "dot"
    dialects = ()
    needs_end = False
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        view = {"name": circuit.name, "graph": graph_of(circuit), "colours": COLOURS, "colour": phase_colour, "ink": INK,
                "line": LINE}
        return (Artifact(f"{circuit.name}.dot", render("dot/graph.dot.j2", view)),)


TARGET = DotTarget()
