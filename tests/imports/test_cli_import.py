"""`kcompile import`: files, names and exit codes; nothing is written where something is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from published import Published

import kcompile as kc
import kcompile.cli

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

Run = Callable[..., tuple[int, str]]

MODULES = """\
from torch import nn

class Rhs(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, t, x):
        return self.net(x)

model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
deep = nn.Sequential(*model, nn.Tanh(), nn.Linear(2, 2))
odd = nn.Sequential(nn.Linear(2, 3), nn.GELU())
number = 7

def make():
    return model

def give():
    return 3

def fail():
    return 1 / 0
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """(exit code, standard error) of `kcompile import WORDS` in a folder with a network; standard output stays empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    layers = [("_fully_connect", {"num_node": 3, "repeat": (2, 1)})] * 2
    Published("ShiftTanh2", layers, [0.0, 0.5, 1.0], bench="twomoon").write(tmp_path)
    (tmp_path / "net.py").write_text(MODULES)

    def run_words(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["kcompile", "import", *words])
        with pytest.raises(SystemExit) as stopped:
            kcompile.cli.main()
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        return int(stopped.value.code or 0), said.err

    return run_words


GIVEN = {"config.yaml", "model.pth", "net.py"}


def made() -> set[str]:
    return set(os.listdir()) - GIVEN


def test_a_network_is_written_with_its_values_and_compiles(run: Run) -> None:
    code, said = run("kirchhoffnet", "config.yaml", "model.pth", "-o", "net.kc", "values.safetensors")
    assert (code, made()) == (0, {"net.kc", "values.safetensors"})
    assert said.splitlines() == [
        "net.kc", "values.safetensors", "Twomoon: 2 nodes, 38 devices, 2 inputs, 2 outputs",
        "go on with: kcompile simulate net.kc --weights values.safetensors --input V,.. --out net.csv"]
    imported = kc.import_kirchhoffnet("config.yaml", "model.pth")
    assert Path("net.kc").read_text("utf-8") == imported.text
    stored = safetensors.numpy.load_file("values.safetensors")
    assert set(stored) == set(imported.weights)
    for name, values in imported.weights.items():
        assert stored[name].dtype == np.float64
        np.testing.assert_array_equal(stored[name], values)
    one = kc.simulate(kc.compile("net.kc", weights="values.safetensors", inputs=[0.1, 0.2]), points=2)
    other = kc.simulate(kc.compile(kc.Source("n", imported.text), weights=imported.weights, inputs=[0.1, 0.2]), points=2)
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(("words", "names"), [
    ((), {"Twomoon.kc", "Twomoon.safetensors"}), (("-o", "a.kc"), {"a.kc", "a.safetensors"}),
    (("b.safetensors",), {"b.kc", "b.safetensors"}), (("-o", "new/c.kc"), {"new"}),
])
def test_names_that_are_not_given_follow_from_the_others(words: tuple[str, ...], names: set[str], run: Run) -> None:
    assert run("kirchhoffnet", "config.yaml", "model.pth", *words)[0] == 0
    assert made() == names
    if "new" in names:
        assert set(os.listdir("new")) == {"c.kc", "c.safetensors"}


@pytest.mark.parametrize(("words", "code", "part"), [
    (("kirchhoffnet", "missing.yaml", "model.pth"), 2, "KC0501"), (("kirchhoffnet", "config.yaml", "missing.pth"), 2, "KC0501"),
    (("kirchhoffnet", "config.yaml", "net.py"), 2, "KC0523"), (("kirchhoffnet", "net.py", "model.pth"), 1, "KC0520"),
    (("kirchhoffnet", "config.yaml", "model.pth", "-o", "net.txt"), 2, "KC0509"),
    (("kirchhoffnet", "config.yaml", "model.pth", "w.pth"), 2, "KC0509"),
    (("kirchhoffnet", "config.yaml", "model.pth", "-o", "a/n.kc", "b/n.safetensors"), 2, "one folder"),
    (("kirchhoffnet", "config.yaml"), 2, "Missing argument"), (("kirchhofnet", "a", "b"), 2, "kirchhofnet"),
    (("torch", "net.py"), 2, "KC0526"), (("torch", "missing.py:model"), 2, "KC0501"), (("torch", "net.py:modle"), 2, "`model`"),
    (("torch", "net.py:number"), 2, "KC0526"), (("torch", "net.py:give"), 2, "gives a int"),
    (("torch", "net.py:fail"), 1, "net.py:23:5"),
    (("torch", "net.py:odd"), 1, "the layer `1` is a GELU"), (("torch", "net.py:deep", "--ode", "1s"), 2, "KC0527"),
    (("torch", "net.py:model", "--ode", "1 V"), 2, "--ode is a time"), (("torch", "net.py:model", "--tau", "soon"), 2, "--tau"),
    (("torch", "net.py:model", "--ode", "-1s"), 2, "positive"), (("torch", "model.pth:model"), 2, "KC0526"),
])
def test_what_is_wrong_writes_nothing(words: tuple[str, ...], code: int, part: str, run: Run) -> None:
    found, said = run(*words)
    assert (found, part in said) == (code, True), said
    assert made() == set()


@pytest.mark.parametrize(("text", "part"), [
    ("x = = 1\n", "net.py:1:"), ("import torch\n\nimport missing_package\n", "net.py:3:1"),
    ("raise SystemExit(3)\n", "SystemExit: 3"), ("\0", "KC0526"), ("assert False\n", "AssertionError\n"),
    ("\n\ndef f():\n    raise ValueError('a\\nb')\n\nmodel = f()\n", "net.py:4:5"),
])
def test_a_file_that_fails_is_told_at_its_line(text: str, part: str, run: Run) -> None:
    Path("net.py").write_text(text)
    code, said = run("torch", "net.py:model")
    assert (code, "KC0526" in said, part in said) == (1, True, True), said
    assert made() == set()


def test_the_three_constructions_of_torch_are_written(run: Run) -> None:
    for words, name in ((("net.py:model",), "Model"), (("net.py:Rhs", "--ode", "2s"), "Rhs"), (("net.py:make",), "Make"),
                        (("net.py:deep", "--ode", "1", "--tau", "1ms"), "Deep")):
        code, said = run("torch", *words)
        assert code == 0, said
        assert Path(f"{name}.kc").is_file() and Path(f"{name}.safetensors").is_file()
        assert ("of full scale at most" in said) == (name == "Deep")
        assert kc.compile(f"{name}.kc", weights=f"{name}.safetensors").name == name


def test_a_file_may_import_what_lies_beside_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    Path("deeper/parts_of_it.py").write_text("from torch import nn\nlayer = nn.Linear(2, 2)\n")
    Path("deeper/net.py").write_text("from parts_of_it import layer\n")
    before = list(sys.path)
    assert run("torch", "deeper/net.py:layer")[0] == 0
    assert sys.path == before


def test_missing_packages_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    code, said = run("kirchhoffnet", "config.yaml", "model.pth")
    assert (code, "PyYAML" in said, "pip install 'kcompile[yaml,torch]'" in said) == (3, True, True)
    assert made() == set()


def test_torch_that_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for words in (("kirchhoffnet", "config.yaml", "model.pth"), ("torch", "net.py:model")):
        code, said = run(*words)
        assert (code, "KC0711" in said, "kcompile[torch" in said) == (3, True, True)
    assert made() == set()


def test_a_program_that_does_not_compile_is_not_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kc, "import_kirchhoffnet", lambda *_: kc.Imported("Net", "circuit Net { node x; }\n"))
    code, said = run("kirchhoffnet", "config.yaml", "model.pth")
    assert (code, "KC0407" in said, made()) == (1, True, set())


def test_help_says_that_a_file_is_run(run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["kcompile", "import", "torch", "--help"])
    with pytest.raises(SystemExit):
        kcompile.cli.main()
    assert "This runs FILE.py" in capsys.readouterr().out
