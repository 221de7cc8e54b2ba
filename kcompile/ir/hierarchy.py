"""What a circuit holds together with the circuits inside it, counted before anything is unrolled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kcompile.ir.evaluate import MAX_ROWS, Evaluator, Frame, Rows, fail
from kcompile.syntax import nodes
from kcompile.syntax.check import instantiated
from kcompile.syntax.load import Module

MAX_STATEMENTS = 1 << 18
"""Statements of a circuit and of all circuits inside it, once per instance statement; a loop counts once."""


class Hierarchy:
    """Sizes of circuits, each found once, and the rows of statements about them."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._params: dict[int, bool] = {}

    def _has_params(self, circuit: nodes.Circuit, module: Module) -> bool:
        """Whether a circuit or one inside it declares parameters."""
        if id(circuit) not in self._params:
            self._params[id(circuit)] = any(isinstance(item, nodes.Param) for item in circuit.items) or any(
                self._apart(item, module) for item in instantiated(circuit))
        return self._params[id(circuit)]

    def check_size(self, circuit: nodes.Circuit, module: Module) -> None:
        """Raise KC0406 at the instance with which a circuit comes to more than `MAX_STATEMENTS`."""
        total = len(circuit.items)
        for item in instantiated(circuit):
            inside = self._inside(item, module)
            total += inside
            if inside and total > MAX_STATEMENTS:
                raise fail("KC0406", f"the circuits inside circuits have {total:,} statements up to here, at most "
                           f"{MAX_STATEMENTS:,} are taken", item.span, "write instances that are alike as a loop: `for k in ...`")

    def rows(self, item: nodes.Instance, frame: Frame, everywhere: Evaluator, module: Module) -> Iterator[Rows]:
        """Rows of each bank that a statement makes: one bank, or one per folded statement about circuits with parameters.

        Such circuits may differ in their extents, and the parameters of each have names of their own.
        """
        if item.rows is None:
            yield everywhere.expand(item.loops)
            return
        every = np.arange(item.rows.count)
        if frame.copies * len(every) > MAX_ROWS:
            raise fail("KC0406", f"{frame.copies:,} copies of {len(every):,} statements are too many", item.span)
        for folded in every.reshape(-1, 1) if self._apart(item, module) else [every]:
            yield Rows(frame.copies * len(folded), np.repeat(np.arange(frame.copies), len(folded)),
                       folded=np.tile(folded, frame.copies))

    def _apart(self, item: nodes.Instance, module: Module) -> bool:
        declaration, owner = module.names[item.model.id]
        return isinstance(declaration, nodes.Circuit) and self._has_params(declaration, owner)

    def _size(self, circuit: nodes.Circuit, module: Module) -> int:
        if id(circuit) not in self._sizes:
            self._sizes[id(circuit)] = len(circuit.items) + sum(self._inside(item, module) for item in instantiated(circuit))
        return self._sizes[id(circuit)]

    def _inside(self, item: nodes.Instance, module: Module) -> int:
        declaration, owner = module.names[item.model.id]
        if not isinstance(declaration, nodes.Circuit):
            return 0
        return self._size(declaration, owner) * (item.rows.count if item.rows is not None and self._apart(item, module) else 1)
