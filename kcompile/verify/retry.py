"""A deck of transistors that finds no solution is run again: with more patience, never with less accuracy.

Options that change what a solution is, tolerances, gmin, shunts, are none of the means. ngspice steps gmin and sources by itself
when an operating point does not converge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kcompile.diagnostics import SimulatorFailed
from kcompile.verify.deck import Deck
from kcompile.verify.judge import Run


@dataclass(frozen=True)
class Try:
    """One way to run a deck: options of ngspice beside its own, and by what its largest step is divided."""

    options: str
    cut: int

    def __str__(self) -> str:
        means = [self.options] * bool(self.options) + [f"steps cut by {self.cut}"] * (self.cut > 1)
        return ", ".join(means) or "as it is"


PATIENCE = "itl1=1000 itl4=100"
"""Iterations for an operating point and for a step, ten times as many as by default."""
TRIES = (Try("", 1), Try(PATIENCE, 1), Try(f"{PATIENCE} method=gear", 1), Try(f"{PATIENCE} method=gear", 8))
STATIC = TRIES[:2]
"""Of decks without a transient: sweeps of operating points have no steps to cut and no method of integration."""


def run_retried(deck: Callable[[int], Deck], run: Callable[[Deck], Run],
                tries: Sequence[Try] = TRIES) -> tuple[Run, tuple[str, ...]]:
    """The first good run, and what was tried when that was not the first one.

    deck: makes the deck whose largest step is divided by a number. Only a run that finds no solution is followed by another.
    Raises the `SimulatorFailed` of the last one, with all tries in its notes.
    """
    said: list[str] = []
    for one in tries:
        try:
            done = run(_with_options(deck(one.cut), one.options))
        except SimulatorFailed as failure:
            first = failure.diagnostics[0]
            said.append("; ".join([f"{one}: {first.message}", *first.notes[:1]]))
            if failure.kind == "diverged" and one is not tries[-1]:
                continue
            if len(said) == 1:
                raise
            tried = tuple(f"try {k}, {text}" for k, text in enumerate(said, start=1))
            raise SimulatorFailed(failure.kind, replace(first, notes=(*tried, *first.notes))) from None
        return done, (*said, f"{one}: a solution") if said else ()
    raise AssertionError("the last try returns or raises")


def _with_options(deck: Deck, options: str) -> Deck:
    if not options:
        return deck
    text = deck.files[deck.main].removesuffix(".end\n")
    return replace(deck, files={**deck.files, deck.main: f"{text}.options {options}\n.end\n"})
