"""`kcompile train` as others script against it: files, lines, exit codes; and the one line that a terminal shows."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.small_nets import NET, blobs

pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc
import kcompile.cli
from kcompile.files import sha256
from kcompile.progress import watched
from kcompile.train.history import Record

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--data", "blobs.npz", "--batch", "16", "--with", "steps=3", "--with", "scale=2", "--rate", "0.05")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `kcompile train WORDS` in a folder with a model and data: exit code, output, messages."""
    monkeypatch.chdir(tmp_path)
    Path("net.kc").write_text(NET.text)
    x, y = blobs()
    np.savez("blobs.npz", x=x, y=y)

    def train(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kcompile", "train", *words])
        with pytest.raises(SystemExit) as stopped:
            kcompile.cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(stopped.value.code or 0), said.out, said.err

    return train


def test_a_training(run: Run) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code, out, said = run("net.kc", *QUICK, "-o", "run", "--epochs", "3")
    assert code == 0
    assert [line.split(":")[0] for line in said.splitlines()[:3]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert out.startswith("Net: finished after 3 epochs; best is epoch 3\n3 steps, ideal rails: train loss ")
    assert "  without: " in out
    written = ["recipe.toml", "best.safetensors", "last.safetensors", "log.jsonl", "curves.csv", "report.json",
               "Net.manifest.json"]
    assert said.splitlines()[3:-1] == [f"run/{name}" for name in written]
    made = json.loads(Path("run/Net.manifest.json").read_text())
    assert made["files"] == {name: sha256(Path("run", name).read_bytes()) for name in written[:-1]} and made["seed"] == 0
    assert set(made["sources"]) == {"net.kc", "std/passive.kc", "std/kirchhoff.kc"} and made["options"]["data"] == "blobs.npz"
    ElementTree.parse("run/curves.svg")
    # the last line is a command that works
    words = said.splitlines()[-1].removeprefix("go on with: ").replace("V,..", "0.5,-0.5").split()
    assert words[:3] == ["kcompile", "simulate", "net.kc"]
    weights = kc.compile("net.kc", weights=words[words.index("--weights") + 1])
    fit = kc.train("net.kc", "blobs.npz", epochs=3, batch=16, steps=3, scale=2, rate=0.05)
    np.testing.assert_array_equal(weights.parameters()["mix.w.i0"], fit.weights["mix.w.i0"])


def test_a_recipe_file_and_what_stands_above_it(run: Run) -> None:
    Path("r.toml").write_text('epochs = 9\nbatch = 16\nsteps = 3\nscale = 2\noptimizer = "SGD"\nrate = 0.5\n')
    code, _, said = run("net.kc", "--data", "blobs.npz", "-o", "run", "--recipe", "r.toml", "--epochs", "1", "--with", "seed=3")
    assert code == 0 and said.startswith("epoch 1/1: ")
    made = Path("run/recipe.toml").read_text().splitlines()
    assert {"epochs = 1", "seed = 3", 'optimizer = "SGD"', "rate = 0.5"} <= set(made)


def test_a_dependency_file_names_all_that_a_run_was_made_from(run: Run) -> None:
    Path("r.toml").write_text("epochs = 1\n")
    code, _, said = run("net.kc", *QUICK, "-o", "run", "--recipe", "r.toml", "--depfile", "run/net.d")
    assert code == 0
    outputs, inputs = Path("run/net.d").read_text().split("\n\n")[0].split(": \\\n")
    assert outputs.split(" \\\n") == said.splitlines()[1:-1] and outputs.endswith("run/Net.manifest.json")
    assert inputs.split(" \\\n") == ["  net.kc", "  r.toml", "  blobs.npz"]
    Path("a;b.kc").write_text(NET.text)
    code, _, said = run("a;b.kc", *QUICK, "-o", "other", "--depfile", "other.d")
    assert code == 2 and "KC0513" in said and not Path("other").exists(), "before the training, not after it"
    assert run("a;b.kc", *QUICK, "-o", "other", "--epochs", "1")[0] == 0


@pytest.mark.parametrize(("words", "exit_code", "said"), [
    (("--with", "rat=1"), 2, "KC0566"), (("--with", "rate"), 2, "KC0567"), (("--epochs", "0"), 2, "KC0567"),
    (("--recipe", "none.toml"), 2, "KC0501"), (("--resume",), 2, "KC0501"), (("--weights", "none.safetensors"), 2, "KC0501"),
    (("--data", "moon"), 2, "KC0560"), (("--set", "q=1"), 2, "KC0502"), (("--passes", "x"), 2, "KC0801"),
    (("--resume", "--recipe", "r.toml"), 2, "KC0569")])
def test_what_is_refused(run: Run, words: tuple[str, ...], exit_code: int, said: str) -> None:
    Path("r.toml").write_text("epochs = 1\n")
    code, out, found = run("net.kc", *QUICK, "-o", "run", *words)
    assert (code, out) == (exit_code, "") and said in found
    assert not Path("run").exists()


def test_passes_and_settings_come_before_training(run: Run) -> None:
    code, _, said = run("net.kc", *QUICK, "-o", "run", "--epochs", "1", "--passes", "fold-constants", "--set", "mix.w.v0=2V")
    assert code == 0 and said.startswith("fold-constants")
    assert json.loads(Path("run/Net.manifest.json").read_text())["options"]["passes"][0]["pass"] == "fold-constants"


def test_divergence_is_exit_code_4(run: Run) -> None:
    Path("grow.kc").write_text(NET.text.replace(" rail [-4 V, 4 V]", "").replace("for 1 s", "for 1e30 s"))
    code, out, said = run("grow.kc", *QUICK, "-o", "run", "--epochs", "1", "--with", "dtype=float32")
    assert (code, out) == (4, "") and "KC0610" in said


def test_a_missing_package_is_exit_code_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, said = run("net.kc", *QUICK, "-o", "run", "--tensorboard")
    assert code == 3 and "KC0711" in said and not Path("run").exists()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert run("net.kc", "--data", "moons", "-o", "run")[0] == 3
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("net.kc", *QUICK, "-o", "run")[0] == 3


RECORD = Record(1, 0.01, 0.5, 0.9, 0.4, 0.95, 2.0)


def test_a_terminal_shows_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with watched("accuracy", 2, None) as watch:
        for k in range(20):
            assert not watch.step(k + 1, 20, 0.5, 0.01)
            if k == 9:
                watch.epoch(RECORD)
    shown = sys.stderr.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "20/20" in shown and "epoch 1" not in shown
    assert "loss 0.5, rate 0.01, validation loss 0.4, accuracy 95.00 %" in shown


def test_signals_ask_while_a_training_runs_and_act_after_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with watched("accuracy", 2, None) as watch:
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.step(1, 2, 0.5, 0.01) and signal.getsignal(signal.SIGTERM) is before
        with pytest.raises(KeyboardInterrupt):
            watch.over()
    with watched("accuracy", 2, None) as watch:
        watch.over()
        assert signal.getsignal(signal.SIGTERM) is before and not watch.stop
    assert signal.getsignal(signal.SIGTERM) is before


def test_tensorboard_gets_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path)

        def add_scalar(self, name: str, value: float, epoch: int) -> None:
            kept.append((name, value, epoch))

        def close(self) -> None:
            kept.append(("closed", 0.0, 0))

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    with watched("accuracy", 2, tmp_path) as watch:
        watch.epoch(RECORD)
    assert kept == [("train_loss", 0.5, 1), ("train_score", 0.9, 1), ("validation_loss", 0.4, 1), ("validation_score", 0.95, 1),
                    ("rate", 0.01, 1), ("closed", 0.0, 0)]
