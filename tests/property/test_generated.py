"""Programs from a generator go through every stage; mutated ones give located diagnostics, soon, and nothing else."""

from __future__ import annotations

import random

import pytest

from benchmarks.fuzz import HEAD, SECONDS, main, mutant, run_mutants, run_programs
from benchmarks.programs import mutate, random_program

PROGRAMS, MUTANTS, SHARES = 2000, 5000, 20


@pytest.mark.parametrize("share", range(SHARES))
def test_generated_programs_go_through_every_stage(share: int) -> None:
    tally = run_programs(range(share, PROGRAMS, SHARES))
    assert tally.errors is None
    assert tally.valid >= 0.95 * tally.programs


@pytest.mark.parametrize("share", range(SHARES))
def test_mutated_programs_give_located_diagnostics(share: int) -> None:
    tally = run_mutants(range(share, MUTANTS, SHARES))
    assert tally.errors is None
    assert tally.located == tally.mutants
    assert tally.slowest < SECONDS


def test_one_seed_gives_one_program() -> None:
    assert random_program(7) == random_program(7)
    assert mutant(7) == mutant(7)
    assert len({random_program(seed) for seed in range(100)}) == 100


def test_the_generator_says_everything_the_language_can_say() -> None:
    everything = "\n".join(map(random_program, range(300)))
    words = ["tanh(", "sigmoid(", "softplus(", "exp(", "log(", "sqrt(", "sin(", "cos(", "atan(", "relu(", "leaky_relu(", "abs(",
             "min(", "max(", "sign(", "pow(", "if(", "state ", "ddt(s)", "+ ddt(", "- ddt(", "const ", "in [", "in (",
             "trainable", "fixed ", "rail [", "] g = ", "node all = ", "param k0", "phase p0", "phase p1", "dc(", "pulse(",
             "sin(", "exp(", "pwl(",
             "initial ", "input ", "output ", "use std.", "circuit Part", "circuit Outer", "drive src0[k]", " and ", " or ",
             "not ", "!=", "%", "pi", "inf"]
    assert [word for word in words if word not in everything] == []


def test_mutations_change_programs() -> None:
    text = random_program(1)
    assert sum(mutate(text, random.Random(seed)) != text for seed in range(100)) > 90


def test_the_script_prints_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--programs", "3", "--mutants", "3", "--seed", "11"]) == 0
    row = capsys.readouterr().out
    assert row.startswith(HEAD)
    assert row.split("\n")[2].startswith("| 3 | 3 | 0 | 3 | 3 | 0 | 0.")
