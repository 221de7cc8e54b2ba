"""A training in a process of its own, ended by signals at random instants, goes on to the same bits."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.interrupted import Trainings, computing, trainings

pytest.importorskip("torch", reason="torch is not installed")

KILLS = 4


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainings]:
    with trainings(tmp_path_factory.mktemp("kill")) as found:
        yield found


def test_kills_and_interruptions_leave_no_trace(runner: Trainings, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert runner.train(whole)[0] == 0
    rng = random.Random()  # another instant every time, so that CI goes on looking
    longest = computing(whole) / (2 * KILLS + 2)
    code, said = runner.train(run, number=signal.SIGINT, seconds=rng.uniform(0.0, longest))
    assert code == 130 and "--resume" in said.splitlines()[-1]
    for _ in range(KILLS):
        code, said = runner.train(run, "--resume", number=signal.SIGKILL, seconds=rng.uniform(0.0, longest))
        assert code == -signal.SIGKILL, said
    assert not (run / "report.json").exists()
    code, said = runner.train(run, "--resume")
    assert code == 0, said
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert not list(run.glob(".*"))


def test_a_file_that_may_not_grow_loses_nothing(runner: Trainings, tmp_path: Path) -> None:
    """A real write that fails: the system allows a file no more than 2 kB."""
    run = tmp_path / "run"
    assert runner.train(run, number=signal.SIGINT)[0] == 130
    before = {path.name: path.read_bytes() for path in run.glob("checkpoint.*")}
    words = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", sys.executable, "-m", *runner.command(run, "--resume")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "KC0513" in done.stderr and "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in run.glob("checkpoint.*")} == before
    assert not list(run.glob(".*"))
