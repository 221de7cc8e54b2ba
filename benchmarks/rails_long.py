"""The long training of examples/mnist.kc inside rails, an hour on two cores; its curves are docs/figures/mnist_long.svg.

    KCOMPILE_DATA=FOLDER python -m benchmarks.rails_long

What was interrupted goes on, and what is finished is judged again: remove out/rails/long to train anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rails import IMAGES, long
from benchmarks.row import Row, table

NOTE = """Its curves: [mnist_long.svg](figures/mnist_long.svg). It is level with the published mark, and one image more would be
above; at its own four steps it has 99.44 %."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md."""
    if IMAGES.is_file():
        yield from long()
    else:
        yield Row("mnist.kc, rail +-4 V, a long training", "", "not measured: no data")


if __name__ == "__main__":
    print(table(rows()))
