"""Trainings in processes of their own that signals end at random instants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.small_nets import NET, blobs

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


def computing(run: Path) -> float:
    """Seconds that a finished training computed."""
    return json.loads((run / "log.jsonl").read_text().splitlines()[-1])["seconds"]


def stamps(run: Path) -> set[int]:
    return {path.stat().st_mtime_ns for path in run.glob("checkpoint.*")}


@contextmanager
def trainings(folder: Path) -> Iterator[Trainings]:
    """Trainings whose model and data lie in a folder."""
    with subprocess.Popen([sys.executable, "-c", FORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forker:
        yield Trainings(forker, folder)
