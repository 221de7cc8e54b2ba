"""Pictures as SVG: waveforms, the circuit as a graph, and curves of a training. Needs the extra `plot`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.units import format_engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kcompile.ir.circuit import Circuit
    from kcompile.report.lot import LotStudy
    from kcompile.sim.result import Waveforms
    from kcompile.train.history import Record
    from kcompile.verify.transistors import Confirmation

MAX_TRACES = 12
_HEIGHT, _GRAPH_WIDTH, _TRACES_WIDTH = 5.5, 6.0, 7.0
"""Inches of a view and of its two parts."""


def plot_waveforms(waveforms: Waveforms) -> str:
    """SVG of the outputs (or of the first nodes where there are none) over time."""
    figure = _figure(9.0, 4.5)
    _draw_waveforms(figure.add_subplot(), waveforms)
    return _svg(figure)


def plot_view(circuit: Circuit, waveforms: Waveforms) -> str:
    """SVG with the graph of a circuit on the left and its waveforms on the right."""
    figure = _figure(_GRAPH_WIDTH + _TRACES_WIDTH, _HEIGHT)
    left, right = figure.subplots(1, 2, width_ratios=(_GRAPH_WIDTH, _TRACES_WIDTH))
    _draw_graph(left, circuit)
    _draw_waveforms(right, waveforms)
    return _svg(figure)


def plot_curves(history: Sequence[Record], figure: str) -> str:
    """SVG with the loss on the left and the figure of the objective (`accuracy` or `rms_error`) on the right, over epochs."""
    drawing = _figure(9.0, 4.0)
    for axes, what, label in zip(drawing.subplots(1, 2), ("loss", "score"), ("loss", figure.replace("_", " ")), strict=True):
        for part in ("train", "validation"):
            rows = [(one.epoch, getattr(one, f"{part}_{what}")) for one in history if getattr(one, f"{part}_{what}") is not None]
            if rows:
                axes.plot(*zip(*rows, strict=True), label=part, linewidth=1.4, marker="." if len(rows) == 1 else "")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small")
    if all(one.train_loss > 0 for one in history):
        drawing.axes[0].set_yscale("log")
    return _svg(drawing)


def plot_confirmation(found: Confirmation, outputs: Sequence[str]) -> dict[str, str]:
    """SVG texts of laws beside transistors: `waveforms` of the outputs from three starting points, `errors` of all as a
    histogram."""
    scale, unit = _time_unit(found.until)
    columns = [found.names.index(name) for name in outputs if name in found.names][:4] or [0]
    count = min(3, len(found.laws))
    waves = _figure(10.0, 3.2)
    time = np.linspace(0.0, found.until, found.laws.shape[1]) / scale
    for k, axes in enumerate(np.atleast_1d(waves.subplots(1, count, sharey=True))):
        for column in columns:
            (line,) = axes.plot(time, 1e3 * found.laws[k, :, column], linewidth=1.2, label=_label(found.names[column]))
            axes.plot(time[::8], 1e3 * found.transistors[k, ::8, column], ".", color=line.get_color(), markersize=5)
        axes.set_title(f"starting point {k + 1}", fontsize="medium")
        axes.set_xlabel(f"time [{unit}]")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    waves.axes[0].set_ylabel("voltage [mV]")
    waves.axes[0].legend(frameon=False, fontsize="small", title="line: law, dots: transistors", title_fontsize="small")
    errors = _figure(10.0, 2.8)
    axes = errors.subplots()
    values, limit = 100 * found.error.ravel(), 100 * found.tolerance
    edges = np.logspace(-4, np.log10(1.3 * max(values.max(), limit)), 51)
    axes.hist(np.maximum(values, edges[0]), bins=edges.tolist(), color="#0b6e4f")
    axes.axvline(limit, color="#b3261e", linewidth=1.4, linestyle="--", label="tolerance")
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("distance [% of the swing], with all smaller ones in the first bar")
    axes.set_ylabel("points of waveforms")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return {"waveforms": _svg(waves), "errors": _svg(errors)}


def plot_clocks(found: Confirmation) -> str:
    """SVG with when each clock of a chip is on, from its start to the read-out."""
    scale, unit = _time_unit(found.latency)
    names = list(found.clocks)
    drawing = _figure(10.0, 0.8 + 0.4 * len(names))
    axes = drawing.subplots()
    for row, (start, stop) in enumerate(found.clocks.values()):
        level = [row, row, row - 0.6, row - 0.6, row, row]
        axes.plot(np.array([0.0, start, start, stop, stop, found.latency]) / scale, level, color="#0b6e4f", linewidth=1.4)
    axes.set_yticks([row - 0.3 for row in range(len(names))], [_label(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(f"time [{unit}]")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return _svg(drawing)


def plot_specimens(lot: LotStudy) -> str:
    """SVG with the figures of specimens as a histogram, beside that of equal cells and the limit of good ones."""
    drawing = _figure(10.0, 2.8)
    axes = drawing.subplots()
    factor, unit = (100.0, " [%]") if lot.figure == "accuracy" else (1.0, "")
    axes.hist(factor * lot.figures, bins=_bins(lot), color="#0b6e4f")
    axes.axvline(factor * lot.nominal, color="#1c2330", linewidth=1.4, label="equal cells")
    axes.axvline(factor * lot.limit, color="#b3261e", linewidth=1.4, linestyle="--", label="limit")
    axes.set_xlabel(lot.figure.replace("_", " ") + unit)
    axes.set_ylabel("specimens")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return _svg(drawing)


def _bins(lot: LotStudy) -> int | list[float]:
    """40 bars at most; of an accuracy each holds equally many of the values that so many samples can have."""
    if lot.figure != "accuracy":
        return 40
    right = np.round(lot.figures * lot.samples)
    step = int(np.ceil((np.ptp(right) + 1) / 40))
    return (100 * (np.arange(right.min(), right.max() + step + 1, step) - 0.5) / lot.samples).tolist()


def need_matplotlib() -> None:
    """Raise `ToolMissing` KC0711 where it is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise ToolMissing(Diagnostic("KC0711", "pictures need matplotlib, which is not installed",
                                     hint="pip install 'kcompile[plot]'")) from None


def _figure(width: float, height: float) -> Figure:
    need_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Figure) -> str:
    import matplotlib

    out = io.StringIO()
    # A fixed salt and no date: the same waveforms give the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "kcompile", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _draw_waveforms(axes: Axes, waveforms: Waveforms) -> None:
    names = list(dict.fromkeys(waveforms.outputs)) or list(waveforms.names[: waveforms.nodes])
    shown = [name for name in names if name in waveforms.names][:MAX_TRACES]
    scale, unit = _time_unit(float(waveforms.time[-1]))
    for name in shown:
        axes.plot(waveforms.time / scale, waveforms[name], label=_label(name), linewidth=1.4)
    more = f" (first {len(shown)} of {len(names)})" if len(names) > len(shown) else ""
    axes.set_xlabel(f"time [{unit}]")
    axes.set_ylabel(f"voltage [V]{more}")
    axes.grid(alpha=0.25)
    axes.margins(x=0)
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _time_unit(end: float) -> tuple[float, str]:
    text = format_engineering(end, "s")
    unit = text.split()[-1]
    factors = {"fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "ks": 1e3, "Ms": 1e6}
    return factors.get(unit, 1.0), unit.replace("u", "\N{MICRO SIGN}")


def _label(name: str) -> str:
    # matplotlib reads $ as mathematics and leaves out labels that start with an underscore.
    return "\N{ZERO WIDTH SPACE}" + name if name.startswith("_") else name


def _draw_graph(axes: Axes, circuit: Circuit) -> None:
    """The picture of `--target svg`, as large as the axes allow."""
    from matplotlib.patches import Rectangle

    from kcompile.lower.graph import graph_of
    from kcompile.lower.picture import COLOURS, INK, LINE, lay_out, phase_colour

    graph = graph_of(circuit)
    picture = lay_out(graph)
    width, height = (0.9 * 72 * size for size in (_GRAPH_WIDTH, _HEIGHT))
    scale = min(width / picture.width, height / picture.height, 1.0)
    axes.set_axis_off()
    axes.set_title("\n".join([graph.title, *graph.notes]), fontsize="medium")
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_aspect("equal")
    for line, ends, place in zip(graph.lines, picture.ends, picture.labels, strict=True):
        xs, ys = zip(*ends, strict=True)
        axes.plot(xs, ys, color=phase_colour(line.phase, LINE), linewidth=1.2 * scale, linestyle="--" if line.directed else "-")
        if place is not None:
            axes.text(place.x, place.y, _label(line.label), ha="center", va="center", fontsize=10 * scale, color=INK,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1 * scale})
    for vertex, box in zip(graph.vertices, picture.boxes, strict=True):
        corner = box.x - box.width / 2, box.y - box.height / 2
        axes.add_patch(Rectangle(corner, box.width, box.height, zorder=3, linewidth=scale, facecolor=COLOURS[vertex.kind],
                                 edgecolor=phase_colour(vertex.phase, INK)))
        for k, text in enumerate(vertex.lines):
            axes.text(box.x, box.y - box.height / 2 + 12 + 15 * k, _label(text), ha="center", va="center", zorder=4,
                      fontsize=(12 if k == 0 else 10) * scale, color="black" if k == 0 else INK)
