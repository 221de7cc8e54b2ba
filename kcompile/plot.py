"""Pictures as SVG: waveforms, and the circuit as a graph. Needs the extra `plot`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.units import format_engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kcompile.ir.circuit import Circuit
    from kcompile.sim.result import Waveforms

MAX_TRACES = 12
MAX_VERTICES = 60


def plot_waveforms(waveforms: Waveforms) -> str:
    """SVG of the outputs (or of the first nodes where there are none) over time."""
    figure = _figure(9.0, 4.5)
    _draw_waveforms(figure.add_subplot(), waveforms)
    return _svg(figure)


def plot_view(circuit: Circuit, waveforms: Waveforms) -> str:
    """SVG with the graph of a circuit on the left and its waveforms on the right."""
    figure = _figure(13.0, 5.5)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _draw_graph(left, circuit)
    _draw_waveforms(right, waveforms)
    return _svg(figure)


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
    prefix = text.split()[-1]
    return {"fs": 1e-15, "ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "ks": 1e3, "Ms": 1e6}.get(prefix, 1.0), prefix


def _label(name: str) -> str:
    # matplotlib reads $ as mathematics and leaves out labels that start with an underscore.
    return "\N{ZERO WIDTH SPACE}" + name if name.startswith("_") else name


def _draw_graph(axes: Axes, circuit: Circuit) -> None:
    axes.set_axis_off()
    instances = sum(table.count for table in circuit.tables)
    axes.set_title(f"{circuit.name}: {circuit.nodes.count - 1:,} nodes, {instances:,} devices", fontsize="medium")
    if circuit.nodes.count > MAX_VERTICES:
        _draw_banks(axes, circuit)
        return
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(circuit.nodes.names)
    for table in circuit.tables:
        for ends in np.unique(table.nodes[:, :2], axis=0):
            pair = [circuit.nodes.names[n] for n in ends]
            graph.add_edge(pair[0], pair[1] if len(pair) > 1 else "gnd")
    place = networkx.kamada_kawai_layout(graph)
    roles = {**dict.fromkeys(circuit.outputs.tolist(), "#f4a259"), **dict.fromkeys(circuit.inputs.tolist(), "#5b8e7d"),
             **dict.fromkeys(circuit.driven.tolist(), "#5b8e7d"), 0: "#999999"}
    colours = [roles.get(k, "#d9e2ec") for k in range(circuit.nodes.count)]
    networkx.draw_networkx_edges(graph, place, ax=axes, edge_color="#8795a1", width=0.9)
    networkx.draw_networkx_nodes(graph, place, ax=axes, nodelist=list(circuit.nodes.names), node_color=colours, node_size=420,
                                 edgecolors="#3e4c59", linewidths=0.8)
    networkx.draw_networkx_labels(graph, place, ax=axes, font_size=7)


def _draw_banks(axes: Axes, circuit: Circuit) -> None:
    """Circuits too large to draw node by node are listed bank by bank."""
    shown = circuit.tables[:24]
    more = f"\n... and {len(circuit.tables) - 24} more banks" if len(circuit.tables) > 24 else ""
    # A text for each column: programs that draw SVG join blanks.
    columns = ((0.14, "right", ["devices", *(f"{table.count:,}" for table in shown)], ""),
               (0.18, "left", ["law", *(table.model.name for table in shown)], ""),
               (0.5, "left", ["bank", *(table.bank for table in shown)], more))
    for place, side, rows, last in columns:
        axes.text(place, 0.95, "\n".join(rows) + last, va="top", ha=side, family="monospace", fontsize=8)
