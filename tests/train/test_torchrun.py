"""Trainings of two processes that a real torchrun starts: the gradients and files of one process, errors said once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc
from benchmarks.small_nets import NET, blobs
from benchmarks.torchrun import apart, measure
from kcompile.train.checkpoint import read_checkpoint
from kcompile.train.team import Team

ROOT = Path(__file__).parents[2]
QUICK = ("--epochs", "3", "--batch", "17", "--with", "steps=3", "--with", "scale=2", "--rate", "0.05")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Two processes of `python -m WORDS`; torchrun's own port is a free one."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *words]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(launch, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})


def torchrun(folder: Path, *words: str) -> tuple[int, str]:
    with start(folder, *words) as launched:
        said, _ = launched.communicate(timeout=300)
    return launched.returncode, said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model, data, and data with a mistake."""
    x, y = blobs()
    (tmp_path / "net.kc").write_text(NET.text)
    np.savez(tmp_path / "blobs.npz", x=x, y=y)
    np.savez(tmp_path / "wrong.npz", x=np.where(x == x[3, 1], np.nan, x), y=y)
    return tmp_path


@pytest.mark.parametrize(("changes", "bound"), [({}, 1e-6), ({"dtype": "float64", "backend": "torch"}, 1e-13)])
def test_gradients_and_weights_are_those_of_one_process(tmp_path: Path, changes: dict[str, object], bound: float) -> None:
    """A batch whose shares differ, a batch of one sample, and an epoch with moved images; both processes hold the same bits."""
    code, said = torchrun(tmp_path, "benchmarks.torchrun", "found", json.dumps(changes))
    assert code == 0, said
    first, second = (json.loads((tmp_path / f"found.{rank}").read_text()) for rank in (0, 1))
    assert first == second
    differences = apart(first, measure(changes, Team()))
    assert set(differences) == {"batch", "sample", "weights"} and max(differences.values()) < bound, differences


def test_a_training_of_two_processes_writes_one_folder(folder: Path) -> None:
    code, said = torchrun(folder, "kcompile", "train", "net.kc", "--data", "blobs.npz", "-o", "run", *QUICK)
    assert code == 0, said
    assert said.count("epoch 3/3") == 1 and said.count("run/report.json") == 1 and said.count("finished after 3 epochs") == 1
    fit = kc.train(folder / "net.kc", blobs(), epochs=3, batch=17, steps=3, scale=2, rate=0.05)
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    for name in ("train_loss", "train_score", "validation_loss", "validation_score"):
        np.testing.assert_allclose([one[name] for one in log], [getattr(one, name) for one in fit.history], rtol=1e-5)


def test_an_interruption_leaves_a_checkpoint_for_any_number_of_processes(folder: Path) -> None:
    words = ("kcompile", "train", "net.kc", "--data", "blobs.npz", "-o", "run", *QUICK, "--epochs", "300")
    with start(folder, *words) as launched:
        while not (folder / "run" / "last.safetensors").exists():
            assert launched.poll() is None
            time.sleep(0.05)
        launched.send_signal(signal.SIGINT)
        said, _ = launched.communicate(timeout=300)
    assert "go on with: torchrun --standalone --nproc-per-node 2 -m kcompile train net.kc" in said and "KC0" not in said, said
    reached = read_checkpoint(folder / "run")[0].step
    assert 0 < reached < 1800
    done = kc.train(folder / "net.kc", folder / "blobs.npz", out=folder / "run", resume=True)
    assert done.status == "finished" and len(done.history) == 300


def test_an_error_of_all_is_said_once(folder: Path) -> None:
    code, said = torchrun(folder, "kcompile", "train", "net.kc", "--data", "wrong.npz", "-o", "run", *QUICK)
    assert code != 0 and said.count("error[KC0562]: input 1 of sample 3 is nan") == 1 and said.count("error[") == 1, said
    assert not (folder / "run").exists()


def test_an_error_of_one_ends_all(folder: Path) -> None:
    """The second process finds a mistake in its file; the first one waits for it in vain."""
    (folder / "alone.py").write_text("import os, sys\nfrom kcompile.cli import main\n"
                                     "sys.argv[4] = ('blobs.npz', 'wrong.npz')[int(os.environ['RANK'])]\nmain()\n")
    started = time.monotonic()
    code, said = torchrun(folder, "alone", "train", "net.kc", "--data", "", "-o", "run", *QUICK)
    assert code != 0 and said.count("error[KC0562]") == 1 and said.count("error[") == 1, said
    assert time.monotonic() - started < 200 and not (folder / "run").exists()
