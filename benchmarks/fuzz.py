"""Generated programs through every stage and mutated ones through the checker, at any size.

    python -m benchmarks.fuzz --programs 2000 --mutants 5000 --seed 0

prints one row of a Markdown table. The tests run the same functions (tests/property/test_generated.py).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import kcompile as kc
from benchmarks.programs import mutate, random_program, shape_of
from kcompile.diagnostics import MAX_REPORTED, Reporter, render_json, render_sarif, render_text
from kcompile.ir.build import tops
from kcompile.ir.printer import print_circuit
from kcompile.ir.reader import read_circuit
from kcompile.syntax.format_source import format_source
from kcompile.syntax.load import Module
from kcompile.syntax.nodes import Program
from kcompile.syntax.parse import parse
from kcompile.verify.deck import audit, deck_of

EXAMPLES = [path.read_text() for path in sorted((Path(__file__).parents[1] / "examples").glob("*.kc"))]
BASES = 500
"""Generated programs that are mutated; more would only cost time."""
SECONDS = 1.0
MODULES = ("ngspice", "vacask", "spectre")
"""Dialects of `veriloga`; they share all but the spelling, so each program goes through one of them."""


@dataclass
class Tally:
    """What one run found. `errors`: what was wrong, with the seed that shows it."""

    programs: int = 0
    valid: int = 0
    mutants: int = 0
    located: int = 0
    tracebacks: int = 0
    slowest: float = 0.0
    errors: list[str] | None = None

    def wrong(self, seed: int, problem: str) -> None:
        self.errors = [*(self.errors or []), f"seed {seed}: {problem}"]


def through_everything(text: str) -> bool:
    """Whether a program is valid; a valid one went through every stage. Raises what no stage may raise."""
    source = kc.Source("generated.kc", text)
    if kc.check(source):
        return False
    program = parse(source, Reporter())
    _formats(program)
    for top in tops(Module(program)):
        circuit = kc.compile(source, top=top.name.id)
        [canonical] = kc.lower(circuit, "ir")
        _reads_back(canonical.text)
        for target, dialect in (("spice", "ngspice"), ("spice", "xyce"), ("veriloga", MODULES[len(text) % len(MODULES)])):
            artifacts = kc.lower(circuit, target, dialect=dialect, until=circuit.duration or 1.0)
            if not all(artifact.text.isascii() for artifact in artifacts):
                raise AssertionError(f"{target}, {dialect}: a file that is not ASCII")
            if dialect in ("ngspice", "vacask"):
                audit(deck_of(circuit.name, artifacts))
    return True


def _reads_back(canonical: str) -> None:
    if print_circuit(read_circuit(kc.Source("generated.kcir", canonical))) != canonical:
        raise AssertionError("the canonical text does not read back to itself")


def _formats(program: Program) -> None:
    formatted = format_source(program.source)
    if format_source(kc.Source("formatted.kc", formatted)) != formatted:
        raise AssertionError("the formatter changes its own text")
    after = parse(kc.Source("formatted.kc", formatted), Reporter())
    if shape_of(program.declarations) != shape_of(after.declarations):
        raise AssertionError("the formatter changes the tree")


def mutant(seed: int) -> str:
    """Source of one mutated program, the same for one seed."""
    rng = random.Random(seed)
    base = rng.choice(EXAMPLES) if rng.random() < 0.3 else random_program(rng.randrange(BASES))
    return mutate(base, rng)


def check_mutant(text: str) -> float:
    """Seconds of processor time the check took. Raises `AssertionError` for a diagnostic without a place or too many."""
    started = time.process_time()
    found = kc.check(kc.Source("mutant.kc", text))
    seconds = time.process_time() - started
    lost = [diagnostic for diagnostic in found if diagnostic.span is None]
    if lost:
        raise AssertionError(f"no place: {lost[0].code} {lost[0].message}")
    if len(found) > MAX_REPORTED:
        raise AssertionError(f"{len(found)} diagnostics")
    if not render_text(found).replace("\n", "").isprintable():
        raise AssertionError("control characters in a diagnostic")
    render_json(found)
    render_sarif(found, "0")
    return seconds


def run_programs(seeds: Iterable[int]) -> Tally:
    """Tally of generated programs."""
    tally = Tally()
    for seed in seeds:
        tally.programs += 1
        try:
            tally.valid += through_everything(random_program(seed))
        except Exception as error:  # noqa: BLE001 - the very thing that is counted here
            tally.wrong(seed, f"{type(error).__name__}: {str(error)[:400]}")
    return tally


def run_mutants(seeds: Iterable[int]) -> Tally:
    """Tally of mutated programs."""
    tally = Tally()
    for seed in seeds:
        tally.mutants += 1
        try:
            tally.slowest = max(tally.slowest, check_mutant(mutant(seed)))
            tally.located += 1
        except AssertionError as error:
            tally.wrong(seed, str(error)[:400])
        except Exception as error:  # noqa: BLE001 - the very thing that is counted here
            tally.tracebacks += 1
            tally.wrong(seed, f"{type(error).__name__}: {str(error)[:400]}")
    return tally


HEAD = ("| programs | valid | internal errors | mutants | located or accepted | tracebacks | slowest mutant (s) |\n"
        "|---|---|---|---|---|---|---|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both parts and print the row; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="first seed of both parts")
    options = parser.parse_args(arguments)
    made = run_programs(range(options.seed, options.seed + options.programs))
    changed = run_mutants(range(options.seed, options.seed + options.mutants))
    print(HEAD)
    print(f"| {made.programs} | {made.valid} | {len(made.errors or [])} | {changed.mutants} | {changed.located} | "
          f"{changed.tracebacks} | {changed.slowest:.2f} |")
    for problem in [*(made.errors or []), *(changed.errors or [])]:
        print(problem, file=sys.stderr)
    return 1 if made.errors or changed.errors or changed.slowest > SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
