"""The published topologies of KirchhoffNet: banks of devices as comprehensions, and where each device stands in a checkpoint.

A checkpoint holds one column per device, in the order in which the published loops append: all devices of one pair of
nodes, there and back, before the next pair. A program names one bank per direction, or one for both. `Bank.columns`
leads from the rows of a bank to the columns of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Bank:
    """A statement of the program without its law, and int64[devices]: the checkpoint column of each of its rows."""

    label: str
    terminals: str
    loops: str
    columns: np.ndarray


@dataclass(frozen=True)
class Layout:
    """Names in the program of the published nodes 1, 2, ...: pixels are `x[channel, i, j]`, all others `h`.

    Without pixels all are `x`. `all` is every node with ground in front, so that `all[k]` is the published node k.
    """

    count: int
    pixels: tuple[int, ...] = ()

    @property
    def seen(self) -> int:
        """Number of nodes of the bank `x`."""
        return int(np.prod(self.pixels)) if self.pixels else self.count

    @property
    def every(self) -> str:
        """Every node but ground."""
        return "x + h" if self.seen < self.count else "x"

    def nodes(self, start: int, stop: int) -> str:
        """List of the published nodes start..stop, half open; 0 is ground."""
        if (start, stop) == (0, self.count + 1):
            return "all"
        if (start, stop) == (1, self.count + 1):
            return self.every
        if (start, stop) == (1, self.seen + 1):
            return "x"
        if (start, stop) == (self.seen + 1, self.count + 1):
            return "h"
        if start > self.seen:
            return f"h[{start - self.seen - 1}..{stop - self.seen - 1}]"
        if start > 0 and not self.pixels:
            return f"x[{start - 1}..{stop - 1}]"
        return f"all[{start}..{stop}]"


class Topology(Protocol):
    """Who is connected to whom: `nodes` without ground, `devices`, and the banks that a phase holds."""

    @property
    def nodes(self) -> int: ...

    @property
    def devices(self) -> int: ...

    @property
    def pixels(self) -> tuple[int, ...]: ...

    def banks(self, layout: Layout) -> Iterator[Bank]: ...


@dataclass(frozen=True)
class FullyConnect:
    """`_fully_connect`: for each ordered pair i != j, `there` devices i -> j, then `back` devices j -> i."""

    num_node: int
    include_gnd: bool
    there: int
    back: int
    pixels: tuple[int, ...] = ()

    @property
    def nodes(self) -> int:
        return self.num_node - self.include_gnd

    @property
    def devices(self) -> int:
        return self.num_node * (self.num_node - 1) * (self.there + self.back)

    def banks(self, layout: Layout) -> Iterator[Bank]:
        """One bank: from a to b run the devices `there` of the pair (a, b) and the devices `back` of the pair (b, a)."""
        stored = np.arange(self.devices).reshape(-1, self.there + self.back)
        source, target = np.nonzero(~np.eye(self.num_node, dtype=bool))
        pair = np.zeros((self.num_node, self.num_node), dtype=np.int64)
        pair[source, target] = np.arange(len(source))
        columns = np.concatenate([stored[:, : self.there], stored[pair[target, source], self.there :]], axis=1)
        nodes = layout.nodes(0 if self.include_gnd else 1, self.nodes + 1)
        yield from _bank("w", "a, b", f"a in {nodes}, b in {nodes}", columns, "if a != b")


@dataclass(frozen=True)
class SimpleConnect:
    """`_simple_connect`: a chain, `there` devices i -> i + 1. It starts at ground, or at node 1."""

    num_node: int
    include_gnd: bool
    there: int
    pixels: tuple[int, ...] = ()

    @property
    def nodes(self) -> int:
        return self.num_node + (not self.include_gnd)

    @property
    def devices(self) -> int:
        return self.num_node * self.there

    def banks(self, layout: Layout) -> Iterator[Bank]:
        first = 0 if self.include_gnd else 1
        yield from _bank("w", "all[i], all[i + 1]", f"i in {first}..{first + self.num_node}",
                         np.arange(self.devices).reshape(self.num_node, self.there))


@dataclass(frozen=True)
class NeighborIndex:
    """`_neighbor_index`: in each window of `size` x `size` pixels of all channels, `there` devices per ordered pair.

    With padding, windows stand over the rim as far as they hold one pixel.
    """

    channels: int
    width: int
    height: int
    size: int
    padding: bool
    there: int

    @property
    def pixels(self) -> tuple[int, ...]:
        return (self.channels, self.width, self.height)[self.channels == 1 :]

    @property
    def nodes(self) -> int:
        return self.channels * self.width * self.height

    @property
    def devices(self) -> int:
        """Sum of n (n - 1) over windows with n pixels; n is a product over the axes, so its sums are as well."""
        rows, rows_squared = self._sums(self.width)
        columns, columns_squared = self._sums(self.height)
        return self.there * (self.channels**2 * rows_squared * columns_squared - self.channels * rows * columns)

    def _sums(self, extent: int) -> tuple[int, int]:
        """Sums over the windows along one axis: of their pixels, and of the squares of these."""
        size, inside = self.size, extent - self.size + 1
        total, squared = inside * size, inside * size**2
        if self.padding:  # at both rims windows with 1, 2, ..., size - 1 pixels
            total += size * (size - 1)
            squared += size * (size - 1) * (2 * size - 1) // 3
        return total, squared

    def banks(self, layout: Layout) -> Iterator[Bank]:
        """One bank in the order of the checkpoint: windows, then the position a device leaves, then where it goes."""
        channels, size = self.channels, self.size
        many = channels > 1
        terminals = ", ".join(f"x[{'' if not many else f'{c}, '}i + {a}, j + {b}]" for c, a, b in ("cab", "dpq"))
        first = 1 - size if self.padding else 0
        last = size - 1 if self.padding else 0
        windows = [f"{name} in {first}..{extent - size + 1 + last}" for name, extent in (("i", self.width), ("j", self.height))]
        inner = [f"{name} in 0..{channels if name in 'cd' else size}" for name in ("cabdpq" if many else "abpq")]
        condition = "if (c, a, b) != (d, p, q)" if many else "if (a, b) != (p, q)"
        if self.padding:
            condition += "".join(f" and 0 <= {axis} + {offset} < {extent}" for axis, extent, offsets in
                                 (("i", self.width, "ap"), ("j", self.height, "bq")) for offset in offsets)
        yield from _bank("window", terminals, ", ".join([*windows, *inner]),
                         np.arange(self.devices).reshape(-1, self.there), condition)


@dataclass(frozen=True)
class MixConnect:
    """`_mix_connect`: windows; each pixel to ground (`there`) and back (`back`); extra nodes, each with ground and pixels."""

    windows: NeighborIndex
    extra: int
    there: int
    back: int

    @property
    def pixels(self) -> tuple[int, ...]:
        return self.windows.pixels

    @property
    def nodes(self) -> int:
        return self.windows.nodes + self.extra

    @property
    def devices(self) -> int:
        seen = self.windows.nodes
        return self.windows.devices + (seen + self.extra * (seen + 1)) * (self.there + self.back)

    def banks(self, layout: Layout) -> Iterator[Bank]:
        yield from self.windows.banks(layout)
        seen, both = self.windows.nodes, self.there + self.back
        middle = self.windows.devices + seen * both
        ground = np.arange(self.windows.devices, middle).reshape(seen, both)
        yield from _bank("sink", "n, gnd", "n in x", ground[:, : self.there])
        yield from _bank("source", "gnd, n", "n in x", ground[:, self.there :])
        across = np.arange(middle, self.devices).reshape(-1, both)
        loops = f"m in {layout.nodes(seen + 1, self.nodes + 1)}, n in gnd + x"
        yield from _bank("gather", "n, m", loops, across[:, : self.there])
        yield from _bank("spread", "m, n", loops, across[:, self.there :])


def _bank(label: str, terminals: str, loops: str, columns: np.ndarray, condition: str = "") -> Iterator[Bank]:
    """A bank of int64[places, parallel] devices; none where there are no devices."""
    if columns.size:
        parallel = f", k in 0..{columns.shape[1]}" if columns.shape[1] > 1 else ""
        yield Bank(label, terminals, f"for {loops}{parallel}{' ' if condition else ''}{condition}", columns.reshape(-1))
