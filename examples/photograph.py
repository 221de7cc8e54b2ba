"""Edges of a photograph, found by a compiled circuit: the cellular network of edges.kc in both simulators, and the picture.

The photograph is `camera.png` of scikit-image (extra `image`), averaged down to SIZE x SIZE pixels, one node each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

try:
    import skimage.data
    import skimage.io
    from matplotlib.figure import Figure
except ImportError as error:
    sys.exit(f"{error.name} is not installed: pip install 'kcompile[image,plot]'")

import kcompile as kc
from kcompile.files import write_files

MODEL = Path(__file__).parent / "edges.kc"


def photograph(size: int) -> np.ndarray:
    """float64[size, size], 0 (black) to 1 (white)."""
    pixels = skimage.io.imread(Path(skimage.data.__file__).parent / "camera.png") / 255.0
    block = pixels.shape[0] // size
    return pixels[: block * size, : block * size].reshape(size, block, size, block).mean(axis=(1, 3))


def draw(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Write a PNG with the pictures side by side, each from its darkest to its lightest hundredth.

    The few strongest edges, of the collar, would leave all others pale.
    """
    figure = Figure(figsize=(4.2 * len(pictures), 4.6), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12)
    for axes, (title, picture) in zip(figure.subplots(1, len(pictures)), pictures.items(), strict=True):
        dark, light = np.percentile(picture, [1, 99])
        axes.imshow(picture, cmap="gray", interpolation="nearest", vmin=dark, vmax=light)
        axes.set_title(title)
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="pixels on a side, at least 8 (default 64)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest error relative to full scale (default 1e-4)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture and the netlist")
    arguments = parser.parse_args()

    picture = photograph(arguments.size)
    circuit = kc.compile(MODEL, settings={"n": arguments.size}, inputs=picture.ravel())
    artifacts = kc.lower(circuit)
    write_files(arguments.out, {artifact.name: artifact.text for artifact in artifacts})
    native = kc.simulate(circuit, points=2)
    report = kc.verify(circuit, tolerance=arguments.tolerance)

    outputs = [report.names.index(name) for name in native.outputs]
    shape = picture.shape
    inner = np.s_[1:-1, 1:-1]  # at the rim a window is not whole
    draw(arguments.out / "edges.png", {
        f"photograph, {shape[0]} x {shape[1]} nodes": picture,
        "edges, kcompile": -np.abs(native.read_out.reshape(shape))[inner],
        f"edges, {report.tool}": -np.abs(report.attempts[-1].final[outputs].reshape(shape))[inner],
    })
    devices = sum(table.count for table in circuit.tables)
    print(f"{circuit.nodes.count - 1:,} nodes, {devices:,} devices; largest difference to {report.tool} over all nodes and "
          f"times: {report.attempts[-1].worst:.1e} of full scale ({'passed' if report.passed else 'FAILED'})")
    print(f"look at {arguments.out / 'edges.png'}; run {arguments.out / 'Edges_tb.cir'} with `ngspice`")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
