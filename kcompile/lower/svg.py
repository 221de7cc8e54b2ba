"""The circuit as a picture, without any program that draws: `--target svg`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.ir.circuit import Circuit
from kcompile.lower.base import Artifact, BenchOptions
from kcompile.lower.graph import Graph, graph_of
from kcompile.lower.picture import COLOURS, INK, LINE, Box, Picture, lay_out, phase_colour, text_width
from kcompile.render import render


class SvgTarget:
    """`--target svg`."""

    name = "svg"
    dialects = ()
    needs_end = False
    checked_by = "ngspice"

    def lower(self, circuit: Circuit, options: BenchOptions) -> tuple[Artifact, ...]:
        return (Artifact(f"{circuit.name}.svg", render("svg/graph.svg.j2", _view(graph_of(circuit)))),)


TARGET = SvgTarget()


@dataclass(frozen=True)
class Stroke:
    """A line between the edges of two boxes: its ends, colour and tooltip, its label and where that stands."""

    start: tuple[float, float]
    stop: tuple[float, float]
    colour: str
    title: str
    label: str
    place: Box | None
    directed: bool


@dataclass(frozen=True)
class Entry:
    """One colour of the legend."""

    x: float
    y: float
    text: str
    fill: str
    stroke: str


def _view(graph: Graph) -> dict[str, object]:
    picture = lay_out(graph)
    boxes = [(vertex, box, phase_colour(vertex.phase, INK)) for vertex, box in zip(graph.vertices, picture.boxes, strict=True)]
    legend = list(_legend(graph, picture.width))
    return {"title": graph.title, "notes": graph.notes, "width": picture.width, "height": picture.height, "fills": COLOURS,
            "boxes": boxes, "strokes": list(_strokes(graph, picture)), "legend": legend,
            "legend_height": legend[-1].y + 20 if legend else 0.0}


def _strokes(graph: Graph, picture: Picture) -> Iterator[Stroke]:
    for line, ends, place in zip(graph.lines, picture.ends, picture.labels, strict=True):
        names = " - ".join(graph.vertices[end].lines[0] for end in (line.start, line.stop))
        title = f"{line.label or 'joined'}: {names}"
        yield Stroke(*ends, phase_colour(line.phase, LINE), title, line.label, place, line.directed)


def _legend(graph: Graph, width: float) -> Iterator[Entry]:
    entries = [(kind, fill, INK) for kind, fill in COLOURS.items()
               if kind not in ("node", "device") and any(vertex.kind == kind for vertex in graph.vertices)]
    entries += [(f"during {name}", COLOURS["device"], phase_colour(k, INK)) for k, name in enumerate(graph.phases)]
    x, y = 24.0, 0.0
    for text, fill, stroke in entries:
        step = text_width(text, 11) + 46
        if x + step > width and x > 24:
            x, y = 24.0, y + 20
        yield Entry(x, y, text, fill, stroke)
        x += step
