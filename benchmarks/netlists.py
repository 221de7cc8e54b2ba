"""Mutated netlists through the importer: each is refused at a place, or becomes a program without mistakes.

    python -m benchmarks.netlists --mutants 5000
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import kcompile as kc
from benchmarks.fuzz import Tally
from benchmarks.programs import mutate
from kcompile.imports.netlist import import_netlist

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "spice" / "ngspice"
BASES = [path.read_text() for path in sorted((ROOT / "tests" / "imports" / "netlists").glob("*.cir"))] + [
    (GOLDEN / f"{name}.spice").read_text() + (GOLDEN / f"{name}_tb.cir").read_text().replace(f".include {name}.spice\n", "")
    for name in ("Laws", "Rails", "Slices", "Ties", "Waves")]
PIECES = ("{", "}", "'", "(", ")", "=", "^", "**", "?", ":", "&&", "!", "0", "gnd", "$", ";", "*", "\n+", "\n", "1e999", "1meg",
          "1mil", "i=", "v(a)", "i(V1)", "time", "ic=", "params:", "poly(1)", "uic", "\0", "\u00b5", "\n.subckt s a b\n",
          "\n.ends\n", "\n.param a={b} b=1\n", "\n.param a={a}\n", "\nx1 a b s\n", "\nE1 a b c d 2\n", "\nV1 a b 1\n",
          "\nV1 a 0 PULSE(0 1", "\n.ic v(a)=1\n", "\n.tran 1n 1u\n", "\nC9 a b 1p\n", "\nQ1 a b c npn\n", "\n.control\n",
          "\n.include x\n")


def mutant(seed: int) -> str:
    """Text of one mutated netlist, the same for one seed."""
    rng = random.Random(seed)
    text = rng.choice(BASES)
    if rng.random() < 0.5:
        text = mutate(text, rng)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(PIECES) + text[at + rng.choice([0, 0, 1, 3]) :]
    return text


def run(seeds: Iterable[int]) -> Tally:
    """Tally of mutants; `valid` counts those that became programs."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.cir"
        for seed in seeds:
            tally.mutants += 1
            path.write_text(mutant(seed), encoding="utf-8", errors="replace")
            started = time.process_time()
            try:
                text = import_netlist(path).text
            except kc.CompileError as error:
                lost = [diagnostic for diagnostic in error.diagnostics if diagnostic.span is None]
                if lost:
                    tally.wrong(seed, f"no place: {lost[0].message}")
            except Exception as error:  # noqa: BLE001 - the very thing that is counted here
                tally.tracebacks += 1
                tally.wrong(seed, f"{type(error).__name__}: {str(error)[:400]}")
            else:
                tally.valid += 1
                wrong = [diagnostic for diagnostic in kc.check(kc.Source("mutant.kc", text)) if diagnostic.severity == "error"]
                if wrong:
                    tally.wrong(seed, f"a wrong program: {wrong[0].code} {wrong[0].message}")
            tally.slowest = max(tally.slowest, time.process_time() - started)
    return tally


def main() -> int:
    """Print what was found; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    options = parser.parse_args()
    tally = run(range(options.seed, options.seed + options.mutants))
    print(f"{tally.mutants} mutants, {tally.valid} became programs, {len(tally.errors or [])} wrong, "
          f"slowest {tally.slowest:.2f} s")
    for problem in tally.errors or []:
        print(problem, file=sys.stderr)
    return 1 if tally.errors else 0


if __name__ == "__main__":
    sys.exit(main())
