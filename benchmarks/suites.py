"""Robustness: generated and mutated programs, bombs, hostile texts, and the guards of the source, as counts.

    python -m benchmarks.suites
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fuzz import SECONDS, run_mutants, run_programs
from benchmarks.netlists import run as run_netlists
from benchmarks.row import Row, table

ROOT = Path(__file__).parents[1]
PROGRAMS, MUTANTS = 2000, 5000

SUITES = {
    "operators: native, ngspice, OSDI, VACASK against references, 1e-12 (C3)": "tests/lower/test_operators.py",
    "netlists of Verilog-A modules re-read (C9)": "tests/lower/test_reread_modules.py",
    "Verilog-A modules understood by ADMS": "tests/lower/test_adms.py",
    "three-way agreement of small circuits, 1e-5 (C6)": "tests/verify/test_three_way.py",
    "emitted netlists imported again: same graph, values, right-hand sides to 1e-12 (C9)": "tests/lower/test_reread.py",
    "imported netlists against ngspice on the originals, 1e-5": "tests/imports/test_against_ngspice.py",
    "expressions of netlists against ngspice": "tests/imports/test_spice_expr.py",
    "netlists read, refused at their place, bombs in 1 s": "tests/imports/test_netlist.py",
    "circuits as JSON, read by a program that knows only the page, 1e-12": "tests/lower/test_json.py",
    "circuits as numpy files, run without this project, 1e-12": "tests/lower/test_python.py",
    "pictures: boxes and labels apart": "tests/lower/test_graph.py",
    "simulator failures told apart (B6)": "tests/verify/test_failures.py",
    "bombs refused or taken in 1 s and 500 MB (B3)": "tests/property/test_bombs.py",
    "hostile texts in every slot: no canary (S2)": "tests/property/test_injection.py",
    "planted cards caught by the audit (S4)": "tests/verify/test_deck.py",
    "planted corruptions caught by the verifier": "tests/ir/test_verify.py",
    "planted corruptions caught at the pass that made them (C2)": "tests/passes/test_corruptions.py",
    "bounds of laws hold every value": "tests/ir/test_bounds.py",
    "guards of source and architecture (S1)": "tests/test_architecture.py",
}
"""What a file of tests shows, and the file."""


def rows() -> Iterator[Row]:
    """Rows of docs/figures.md; takes some minutes."""
    made = run_programs(range(PROGRAMS))
    yield Row(f"{PROGRAMS:,} generated programs through every stage", "0 internal errors",
              f"{len(made.errors or [])} internal errors, {made.valid:,} valid", not made.errors)
    changed = run_mutants(range(MUTANTS))
    yield Row(f"{MUTANTS:,} mutated programs", f"0 tracebacks, none over {SECONDS:g} s, a place each",
              f"{changed.tracebacks} tracebacks, slowest {changed.slowest:.2f} s, {changed.located:,} accepted or located",
              not changed.errors and changed.slowest < SECONDS)
    netlists = run_netlists(range(MUTANTS))
    yield Row(f"{MUTANTS:,} mutated netlists", f"0 tracebacks, none over {SECONDS:g} s, a place each",
              f"{netlists.tracebacks} tracebacks, slowest {netlists.slowest:.2f} s, {netlists.valid:,} became programs",
              not netlists.errors and netlists.slowest < SECONDS)
    for what, path in SUITES.items():
        passed, other = outcome(path)
        yield Row(f"{what}: `{path}`", "all pass", f"{passed} passed" + (f", {other} others" if other else ""), other == 0)


def outcome(path: str) -> tuple[int, int]:
    """(tests that passed, all others) of a file of tests."""
    done = subprocess.run([sys.executable, "-m", "pytest", path], cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in re.findall(r"([0-9]+) (passed|failed|skipped|errors?|xfailed)", done.stdout)}
    passed = counts.pop("passed", 0)
    return passed, sum(counts.values()) or int(passed == 0)


if __name__ == "__main__":
    print(table(rows()))
