"""A training in a process of its own, ended by signals at random instants, goes on to the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_nets import NET, blobs

pytest.importorskip("torch", reason="torch is not installed")

KILLS = 4

FORKER = """
import json, os, sys
import kcompile.cli, kcompile.progress, kcompile.train.fit, sympy, torch._dynamo
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.argv = json.loads(line)
        with open(sys.argv.pop(), "w") as said:
            os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
        kcompile.cli.main()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs `kcompile WORDS`, one process after the other; imports torch, and what its optimizers import, once: that takes
longer than these trainings."""


class Trainings:
    """Trainings of some seconds that write a checkpoint many times a second."""

    def __init__(self, forker: subprocess.Popen[str], folder: Path) -> None:
        self.forker, self.folder = forker, folder
        (folder / "net.kc").write_text(NET.text)
        rows = [f"{a!r},{b!r},{kind}" for (a, b), kind in zip(*(part.tolist() for part in blobs(200)), strict=True)]
        (folder / "blobs.csv").write_text("\n".join(["a,b,kind", *rows, ""]))

    def command(self, run: Path, *words: str) -> list[str]:
        recipe = {"epochs": 20, "batch": 8, "steps": 4, "scale": 2, "checkpoint_every": 0.03}
        changes = [word for key, value in recipe.items() for word in ("--with", f"{key}={value}")]
        model, data = str(self.folder / "net.kc"), str(self.folder / "blobs.csv")
        return ["kcompile", "train", model, "--data", data, "-o", str(run), *changes, *words]

    def train(self, run: Path, *words: str, number: int = 0, seconds: float = 0.0) -> tuple[int, str]:
        """Exit code and messages; with a signal that comes so many seconds after the first checkpoint of the process."""
        assert self.forker.stdin is not None and self.forker.stdout is not None
        before, messages = stamps(run), self.folder / "messages"
        self.forker.stdin.write(json.dumps([*self.command(run, *words), str(messages)]) + "\n")
        self.forker.stdin.flush()
        child = int(self.forker.stdout.readline())
        if number:
            while stamps(run) == before:
                time.sleep(0.01)
            time.sleep(seconds)
            os.kill(child, number)
        return int(self.forker.stdout.readline()), messages.read_text()


def stamps(run: Path) -> set[int]:
    return {path.stat().st_mtime_ns for path in run.glob("checkpoint.*")}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainings]:
    with subprocess.Popen([sys.executable, "-c", FORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forker:
        yield Trainings(forker, tmp_path_factory.mktemp("kill"))


def test_kills_and_interruptions_leave_no_trace(trainings: Trainings, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert trainings.train(whole)[0] == 0
    rng = random.Random()  # another instant every time, so that CI goes on looking
    code, said = trainings.train(run, number=signal.SIGINT, seconds=rng.uniform(0.0, 0.3))
    assert code == 130 and "--resume" in said.splitlines()[-1]
    for _ in range(KILLS):
        code, said = trainings.train(run, "--resume", number=signal.SIGKILL, seconds=rng.uniform(0.0, 0.3))
        assert code == -signal.SIGKILL, said
    assert not (run / "report.json").exists()
    code, said = trainings.train(run, "--resume")
    assert code == 0, said
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert not list(run.glob(".*"))


def test_a_file_that_may_not_grow_loses_nothing(trainings: Trainings, tmp_path: Path) -> None:
    """A real write that fails: the system allows a file no more than 2 kB."""
    run = tmp_path / "run"
    assert trainings.train(run, number=signal.SIGINT, seconds=0.05)[0] == 130
    before = {path.name: path.read_bytes() for path in run.glob("checkpoint.*")}
    words = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", sys.executable, "-m", *trainings.command(run, "--resume")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "KC0513" in done.stderr and "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in run.glob("checkpoint.*")} == before
    assert not list(run.glob(".*"))
