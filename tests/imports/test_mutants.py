"""Mutated netlists are refused at a place, or become programs without mistakes, soon."""

from __future__ import annotations

from benchmarks.fuzz import SECONDS
from benchmarks.netlists import mutant, run

MUTANTS = 1000


def test_mutants() -> None:
    tally = run(range(MUTANTS))
    assert tally.errors is None
    assert tally.slowest < SECONDS
    assert 0.02 * MUTANTS < tally.valid < 0.5 * MUTANTS


def test_one_seed_gives_one_netlist() -> None:
    assert mutant(7) == mutant(7)
    assert len({mutant(seed) for seed in range(100)}) == 100
