"""Corruptions of a circuit, planted inside a pipeline: each is caught after the pass that made it, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

import kcompile as kc
from kcompile.ir.circuit import Circuit, frozen
from kcompile.passes.base import Contract, Pass, PassLog
from kcompile.passes.canonicalize import Canonicalize
from kcompile.passes.pipeline import Pipeline
from kcompile.passes.simplify import Simplify
from tests.ir.test_verify import CORRUPTIONS, PROGRAM, changed, with_table

MORE = {
    "a node without its capacitor": lambda c: replace(c, tables=tuple(t for t in c.tables if t.bank != "C")),
    "a capacitance of nothing": lambda c: with_table(c, "C", nodes=lambda n: changed(n, (0, slice(None)), 0)),
    "a source left out": lambda c: replace(c, stimuli=c.stimuli[:1]),
    "an output less": lambda c: replace(c, outputs=frozen(c.outputs[:-1].copy())),
    "an input more": lambda c: replace(c, inputs=frozen(np.append(c.inputs, c.outputs[:1]).astype(np.int32))),
    "no ports": lambda c: replace(c, ports=frozen(c.ports[:0].copy())),
    "another phase": lambda c: replace(c, phases=(*c.phases, replace(c.phases[0], name="three"))),
}
"""Circuits that are whole by themselves, and still not what a pass may make."""

EVERY = {**{name: change for name, (change, _) in CORRUPTIONS.items()}, **MORE}


class Planted(Pass):
    """Makes one corruption."""

    name: ClassVar[str] = "planted"
    contract: ClassVar[Contract] = Contract.EXACT

    def __init__(self, change) -> None:
        object.__setattr__(self, "change", change)

    def apply(self, circuit: Circuit, log: PassLog) -> Circuit:
        return self.change(circuit)


def test_there_are_at_least_forty() -> None:
    assert len(EVERY) >= 40


@pytest.mark.parametrize("name", EVERY)
def test_a_corruption_is_caught_at_the_pass_that_made_it(name: str) -> None:
    good = kc.compile(kc.Source("t.kc", PROGRAM))
    order = [Simplify(), Planted(EVERY[name]), Canonicalize()]
    with pytest.raises(kc.CompileError) as caught:
        Pipeline(order).apply(good)
    assert caught.value.diagnostics[0].code == "KC0806"
    assert "the pass `planted`" in str(caught.value)


def test_the_pipeline_without_a_corruption_passes() -> None:
    good = kc.compile(kc.Source("t.kc", PROGRAM))
    assert Pipeline([Simplify(), Planted(lambda c: c), Canonicalize()]).apply(good).name == "T"
