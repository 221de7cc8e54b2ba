"""A graph laid out on a page: boxes as large as their texts, apart from each other, and labels that cover none of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import scipy.sparse.csgraph

from kcompile.lower.graph import Graph, Vertex

COLOURS = {"node": "#e4ecf4", "input": "#bfe3d0", "output": "#fbd9a5", "driven": "#d9c8ec", "device": "#ffffff"}
"""Fill of each kind of vertex."""

PHASES = ("#d1495b", "#2e86ab", "#6a994e", "#c17c00", "#7b2d8b", "#0b7a75", "#8d5524", "#5b5f97")
"""Colours of time slices, one after the other, then again from the first."""

INK, LINE = "#52606d", "#8795a1"
"""Colours of the edges of boxes, and of lines that belong to no time slice."""

_SIZE, _LEADING = 12.0, 15.0
_NARROW = 0.56
"""Width of a character over its height, on average, in the fonts that pictures name."""

_GAP = 26.0
_MARGIN = 28.0
_PAGE = 1100.0
_SHORT_CHAIN = 12
"""Vertices up to which a chain goes straight down the page."""

_DOWN = 64.0
_BESIDE = 9.0
"""Between lines of two vertices, in points."""


Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle by its middle, in points."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Box:
        """The box elsewhere."""
        return Box(self.x + x, self.y + y, self.width, self.height)

    def covers(self, other: Box, gap: float = 0.0) -> bool:
        """Whether two boxes overlap, or are nearer than a gap."""
        return (abs(self.x - other.x) * 2 < self.width + other.width + 2 * gap
                and abs(self.y - other.y) * 2 < self.height + other.height + 2 * gap)


@dataclass(frozen=True)
class Picture:
    """Boxes of the vertices; ends of the lines, and where their labels stand, None where there is no room."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    ends: tuple[tuple[Point, Point], ...]
    labels: tuple[Box | None, ...]


def phase_colour(phase: int | None, otherwise: str) -> str:
    """Colour of a time slice, or another where there is none."""
    return otherwise if phase is None else PHASES[phase % len(PHASES)]


def text_width(text: str, size: float = _SIZE) -> float:
    """Width of a text in points, estimated."""
    return len(text) * size * _NARROW


def lay_out(graph: Graph) -> Picture:
    """Picture of a graph; the same graph gives the same picture."""
    sizes = [_size(vertex) for vertex in graph.vertices]
    boxes = _apart(_positions(graph, sizes), sizes, _gaps(graph))
    left, top = (min((getattr(b, axis) - getattr(b, side) / 2 for b in boxes), default=0.0)
                 for axis, side in (("x", "width"), ("y", "height")))
    right, bottom = (max((getattr(b, axis) + getattr(b, side) / 2 for b in boxes), default=0.0)
                     for axis, side in (("x", "width"), ("y", "height")))
    widest = max(text_width(text, size) for text, size in ((graph.title, 15), *((note, 11) for note in graph.notes), ("", 1)))
    width = max(right - left, widest) + 2 * _MARGIN
    boxes = [box.moved((width - left - right) / 2, _MARGIN - top) for box in boxes]
    ends = _ends(graph, boxes)
    return Picture(width, bottom - top + 2 * _MARGIN, tuple(boxes), tuple(ends), tuple(_labels(graph, boxes, ends)))


def _size(vertex: Vertex) -> tuple[float, float]:
    first, *others = vertex.lines
    width = max(text_width(first), *(text_width(line, _SIZE - 2) for line in others), 18.0) + 16
    return width, _LEADING * len(vertex.lines) + 9


def _positions(graph: Graph, sizes: list[tuple[float, float]]) -> np.ndarray:
    """float64[vertices, 2]: middles of the boxes, the parts of the graph beside and below each other."""
    count = len(graph.vertices)
    places = np.zeros((count, 2))
    if not count:
        return places
    ends = np.array([(line.start, line.stop) for line in graph.lines], dtype=int).reshape(-1, 2)
    joined = scipy.sparse.csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    parts, part_of = scipy.sparse.csgraph.connected_components(joined, directed=False)
    distance = scipy.sparse.csgraph.shortest_path(joined, directed=False, unweighted=True)
    step = 1.1 * float(np.mean([width for width, _ in sizes])) + _GAP
    label = max((text_width(line.label) for line in graph.lines), default=0.0)
    members = sorted((np.flatnonzero(part_of == k) for k in range(parts)), key=len, reverse=True)
    x = y = row = 0.0
    for part in members:
        far = distance[np.ix_(part, part)]
        if far.max() == len(part) - 1:  # one after the other
            shape = _in_rows(far, step + label)
        else:
            shape = _upright(_by_distance(far)) * step
        shape = shape - shape.min(axis=0)
        width, height = shape.max(axis=0) + step
        if x > 0 and x + width > _PAGE:
            x, y, row = 0.0, y + row, 0.0
        places[part] = shape + (x, y)
        x, row = x + width, max(row, height)
    return places


def _in_rows(distance: np.ndarray, step: float) -> np.ndarray:
    """Places of a chain: down the page where it is short, else in rows that turn at their ends."""
    first = int(np.argwhere(distance == distance.max())[0][0])
    order = distance[first]
    if 2 < len(order) <= _SHORT_CHAIN:
        return np.stack([0.0 * order, order * _DOWN], axis=1)
    length = max(2, int(_PAGE // step))
    across, down = order % length, order // length
    return np.stack([np.where(down % 2, length - 1 - across, across) * step, down * 1.4 * _DOWN], axis=1)


def _by_distance(distance: np.ndarray) -> np.ndarray:
    """Places as far from each other as vertices are in the graph, by majorization of the stress."""
    count = len(distance)
    weight = 1.0 / np.where(distance > 0, distance, np.inf) ** 2
    inverse = np.linalg.pinv(np.diag(weight.sum(axis=1)) - weight)
    centre = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(-0.5 * centre @ distance**2 @ centre)
    # Classical scaling as a start, and a grain of disorder, so that equal places part.
    grain = 0.05 * np.sin(np.outer(np.arange(count), (1.0, 1.7)) * 12.9)
    places = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0)) + grain
    for _ in range(200):
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        ratio = np.divide(weight * distance, apart, out=np.zeros_like(apart), where=apart > 1e-9)
        places = inverse @ ((np.diag(ratio.sum(axis=1)) - ratio) @ places)
    return places


def _upright(places: np.ndarray) -> np.ndarray:
    """Places turned so that a long row of vertices runs down the page, where texts have room beside each other."""
    centred = places - places.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    if len(places) < 4 or sizes[0] < 2.5 * sizes[1]:
        return places
    turned = centred @ np.array([axes[1], axes[0]]).T
    return turned * np.where(turned[0] > 0, -1.0, 1.0)


def _gaps(graph: Graph) -> np.ndarray:
    """float64[vertices, vertices, 2]: room between boxes, more where a label stands between them."""
    gaps = np.full((len(graph.vertices), len(graph.vertices), 2), _GAP)
    for line in graph.lines:
        if line.label:
            room = np.maximum(gaps[line.start, line.stop], (text_width(line.label, _SIZE - 2) + 18, _LEADING + 14))
            gaps[line.start, line.stop] = gaps[line.stop, line.start] = room
    return gaps


def _apart(places: np.ndarray, sizes: list[tuple[float, float]], gaps: np.ndarray) -> list[Box]:
    """Boxes pushed from each other until none is nearer than the gap between them."""
    at = places + 0.01 * np.arange(len(places))[:, None]  # equal places part in the order of their numbers
    size = np.array(sizes).reshape(-1, 2)
    need = (size[:, None] + size[None]) / 2 + gaps
    for _ in range(1000):
        delta = at[:, None] - at[None]
        over = need - np.abs(delta)
        over[np.arange(len(at)), np.arange(len(at))] = -1.0
        both = np.all(over > 0, axis=2)
        if not both.any():
            break
        least = over <= over[..., ::-1]  # along the axis where less is missing
        push = np.where(both[..., None] & least, np.sign(delta) * (over + 0.5) / 2, 0.0)
        at += push.sum(axis=1) / np.maximum(both.sum(axis=1), 1)[:, None] ** 0.5
    return [Box(float(x), float(y), width, height) for (x, y), (width, height) in zip(at, sizes, strict=True)]


def _ends(graph: Graph, boxes: list[Box]) -> list[tuple[Point, Point]]:
    """Where each line leaves its boxes; several between two boxes run beside each other."""
    pairs = [(min(line.start, line.stop), max(line.start, line.stop)) for line in graph.lines]
    count, seen = Counter(pairs), Counter[tuple[int, int]]()
    found = []
    for line, pair in zip(graph.lines, pairs, strict=True):
        a, b = boxes[line.start], boxes[line.stop]
        x, y = boxes[pair[1]].x - boxes[pair[0]].x, boxes[pair[1]].y - boxes[pair[0]].y
        aside = min(_BESIDE, 0.8 * _LEADING / count[pair] * 2) * (seen[pair] - (count[pair] - 1) / 2) / (math.hypot(x, y) or 1.0)
        seen[pair] += 1
        shift = (-aside * y, aside * x)
        found.append((_edge(a, b, shift), _edge(b, a, shift)))
    return found


def _edge(a: Box, b: Box, shift: Point) -> Point:
    """Where a line beside the middles of two boxes leaves the first."""
    dx, dy = b.x - a.x, b.y - a.y
    parts = [(half - math.copysign(s, s * d)) / abs(d) for half, d, s in
             ((a.width / 2, dx, shift[0]), (a.height / 2, dy, shift[1])) if d]
    part = max(min([*parts, 1.0]), 0.0)
    return a.x + shift[0] + dx * part, a.y + shift[1] + dy * part


def _labels(graph: Graph, boxes: list[Box], ends: list[tuple[Point, Point]]) -> list[Box | None]:
    """A place for the label of each line, on it, where it covers no box and no other label."""
    taken = list(boxes)
    found: list[Box | None] = []
    for line, ((x1, y1), (x2, y2)) in zip(graph.lines, ends, strict=True):
        width = text_width(line.label, _SIZE - 2) + 6
        tries = (Box(x1 + (x2 - x1) * part, y1 + (y2 - y1) * part, width, _LEADING)
                 for part in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8) if line.label)
        place = next((box for box in tries if not any(box.covers(other, 0.5) for other in taken)), None)
        found.append(place)
        taken += [place] if place else []
    return found
