"""Two moons told apart by a trained circuit: its decision in the plane, and the way to it in time, natively and in ngspice.

The points are the test part of the training (extra `data`), and the values those of two_moons.safetensors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

try:
    import sklearn  # noqa: F401 - draws the moons
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    sys.exit(f"{error.name} is not installed: pip install 'kcompile[data,plot]'")

from scipy.interpolate import RectBivariateSpline

import kcompile as kc
from kcompile.files import write_files
from kcompile.train.data import Part, make_data, read_samples
from kcompile.train.recipe import read_recipe
from kcompile.verify.compare import Report

FOLDER = Path(__file__).parent
COLORS = ("#3b1b6d", "#8c3b04")
FINE = 5
"""Points of the picture between two grid points, by a cubic spline; the voltage is a smooth function of the plane."""


def unseen_points() -> Part:
    """The points that the training has not seen."""
    recipe = read_recipe(FOLDER / "two_moons.toml")
    return make_data("moons", read_samples("moons"), labels=recipe.labels, validation=recipe.validation, test=recipe.test,
                     seed=recipe.split_seed).test


def spread(points: Part, count: int) -> np.ndarray:
    """Rows of `count` points of each moon, from its left end to its right."""
    moons = [np.flatnonzero(points.targets == moon) for moon in (0, 1)]
    ordered = [rows[np.argsort(points.inputs[rows, 0])] for rows in moons]
    return np.concatenate([rows[np.linspace(0, len(rows) - 1, count).astype(int)] for rows in ordered])


def answer(circuit: kc.Circuit, point: np.ndarray) -> float:
    """V(y[1]) - V(y[0]) at the end, in volts: above zero for the second moon."""
    first, second = kc.simulate(circuit.with_initial(point), points=2, rtol=1e-4).read_out
    return second - first


def plane(circuit: kc.Circuit, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64[len(y), len(x)]: the answer at every point of a grid."""
    return np.array([[answer(circuit, np.array([a, b])) for a in x] for b in y])


def draw_plane(axes: Axes, circuit: kc.Circuit, points: Part, marked: np.ndarray, grid: int) -> None:
    x, y = np.linspace(-1.6, 2.6, grid), np.linspace(-1.1, 1.6, max(4, 2 * grid // 3))
    spline = RectBivariateSpline(y, x, plane(circuit, x, y))
    x, y = (np.linspace(one[0], one[-1], FINE * len(one)) for one in (x, y))
    found = spline(y, x)
    most = float(np.abs(found).max())
    shades = axes.contourf(x, y, found, np.linspace(-most, most, 25), cmap="PuOr_r", alpha=0.7)
    axes.contour(x, y, found, [0.0], colors="black", linewidths=1.2)
    for moon, color in enumerate(COLORS):
        of_it = points.inputs[points.targets == moon]
        axes.scatter(*of_it.T, s=8, color=color, label=f"moon {moon}")
    axes.scatter(*points.inputs[marked].T, s=46, facecolor="none", edgecolor="black", linewidth=1.0, label="shown on the right")
    axes.figure.colorbar(shades, ax=axes, label="V(y[1]) - V(y[0]) after 1 s, in volts", ticks=np.arange(-10, 11, 2), pad=0.02)
    axes.set(xlabel="V(x[0]) at the start, in volts", ylabel="V(x[1]) at the start, in volts", aspect="equal",
             title="the decision of ten nodes, and points it has not seen")
    axes.legend(loc="lower left", fontsize="small", framealpha=0.9)


def draw_times(axes: Axes, circuit: kc.Circuit, points: Part, marked: np.ndarray) -> list[Report]:
    """The answer over time, a line by kcompile and circles by ngspice; the reports of the comparison."""
    reports = []
    for row in marked:
        start = circuit.with_initial(points.inputs[row])
        report = kc.verify(start)
        # ngspice is kept as its distance from kcompile at equal instants.
        drift = report.attempts[-1].drift
        waves = kc.simulate(start, points=len(drift))
        first, second = (waves.names.index(name) for name in waves.outputs)
        theirs = waves.values + report.full_scale * drift
        color = COLORS[points.targets[row]]
        axes.plot(waves.time, waves.values[:, second] - waves.values[:, first], color=color, linewidth=1.3)
        every = slice(None, None, len(drift) // 10)
        axes.plot(waves.time[every], (theirs[:, second] - theirs[:, first])[every], "o", color=color, markersize=4.5,
                  markerfacecolor="none")
        reports.append(report)
    axes.plot([], [], color="gray", label="kcompile")
    axes.plot([], [], "o", color="gray", markerfacecolor="none", markersize=4.5, label=reports[0].tool)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="time in seconds", ylabel="V(y[1]) - V(y[0]) in volts", title="the way there, in both simulators")
    axes.legend(loc="upper left", fontsize="small")
    return reports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=int, default=32, help="points of the grid across the plane (default 32)")
    parser.add_argument("--shown", type=int, default=4, help="points of each moon that ngspice runs (default 4)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    arguments = parser.parse_args()

    circuit = kc.compile(FOLDER / "two_moons.kc", weights=FOLDER / "two_moons.safetensors")
    points = unseen_points()
    marked = spread(points, arguments.shown)
    figure = Figure(figsize=(12.0, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    draw_plane(left, circuit, points, marked, arguments.grid)
    reports = draw_times(right, circuit, points, marked)
    write_files(arguments.out, {})
    figure.savefig(arguments.out / "two_moons.png", dpi=110)

    found = np.array([answer(circuit, point) > 0 for point in points.inputs])
    worst = max(report.attempts[-1].worst for report in reports)
    passed = all(report.passed for report in reports)
    print(f"{100 * np.mean(found == points.targets):.2f} % of {points.count} points that the training has not seen are right; "
          f"{len(reports)} of them differ by at most {worst:.1e} of full scale from {reports[0].tool} "
          f"({'passed' if passed else 'FAILED'})")
    print(f"look at {arguments.out / 'two_moons.png'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
