"""Decks that find no solution are run again, a few times; every try is told, and none that fails is a success."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import SimulatorFailed
from kcompile.verify.deck import Deck
from kcompile.verify.judge import Run
from kcompile.verify.retry import TRIES, run_retried
from kcompile.verify.run_ngspice import run_ngspice
from kcompile.verify.show import show_report

NET = kc.Source("net.kc", """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x, y;
    Capacitor(x, gnd) { c = 1 pF };
    Capacitor(y, gnd) { c = 1 pF };
    phase run for 500 ns { TanhPair w(x, y) { k = 2 }; TanhPair v(y, gnd) { k = 1 }; }
    input x;
    output y;
}
""")
FORBIDDEN = ("reltol", "abstol", "vntol", "chgtol", "trtol", "gmin=", "cshunt", "rshunt", "pivtol")
GIVES_UP = "echo 'doAnalyses: TRAN:  Timestep too small; time = 1e-9'; exit 1"


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Makes an ngspice whose first runs do something else, and which keeps the test benches that it was given."""
    real = shutil.which("ngspice")
    if real is None:
        pytest.skip("ngspice is not found on PATH")

    def make(count: int, instead: str = GIVES_UP) -> None:
        program = tmp_path / "ngspice"
        program.write_text(f"""#!/bin/sh
case "$*" in *out.raw*) ;; *) exec {real} "$@" ;; esac
n=$(ls {tmp_path} | grep -c bench)
cp *_tb.cir {tmp_path}/bench$n
[ $n -lt {count} ] && {{ {instead}; }}
exec {real} "$@"
""")
        os.chmod(program, 0o755)
        monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))

    return make


def benches(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("bench*"))]


def test_no_try_is_less_exact() -> None:
    assert TRIES[0].options == "" and TRIES[0].cut == 1
    for one in TRIES:
        assert one.cut >= 1 and not any(word in one.options for word in FORBIDDEN)


def test_a_run_that_succeeds_is_run_once(failing: Callable[..., None], tmp_path: Path) -> None:
    failing(0)
    report = kc.verify(kc.compile(NET, inputs=[0.1]))
    assert report.passed and len(benches(tmp_path)) == 2  # the second one has half of the steps
    assert report.retries == {} and report.record()["retries"] == {} and "starting point 1," not in show_report(report)


def test_a_run_that_succeeds_later_says_what_failed(failing: Callable[..., None], tmp_path: Path) -> None:
    failing(3)
    report = kc.verify(kc.compile(NET, inputs=[0.1]))
    assert report.passed
    ran = benches(tmp_path)
    assert len(ran) == 5
    for one, text in zip(TRIES, ran, strict=False):
        assert one.options in text and ("itl1" in text) == bool(one.options)
    steps = [float(text.split(".tran ")[1].split()[0]) for text in ran]
    assert steps[:3] == [2.5e-9] * 3 and steps[3] == pytest.approx(2.5e-9 / 8) and steps[4] == 1.25e-9
    (tries,) = report.record()["retries"].values()
    assert len(tries) == 4 and "Timestep too small" in tries[0] and tries[3] == f"{TRIES[3]}: a solution"
    assert "starting point 1, as it is: ngspice found no solution" in show_report(report)


def test_a_run_that_always_fails_says_every_try(failing: Callable[..., None], tmp_path: Path) -> None:
    failing(100)
    with pytest.raises(SimulatorFailed) as caught:
        kc.verify(kc.compile(NET, inputs=[0.1]))
    (said,) = caught.value.diagnostics
    assert (caught.value.kind, said.code, len(benches(tmp_path))) == ("diverged", "KC0705", len(TRIES))
    for k, one in enumerate(TRIES, start=1):
        assert said.notes[k - 1].startswith(f"try {k}, {one}: ngspice found no solution")


def test_other_failures_are_not_run_again(failing: Callable[..., None], tmp_path: Path) -> None:
    failing(100, "kill -SEGV $$")
    with pytest.raises(SimulatorFailed) as caught:
        kc.verify(kc.compile(NET, inputs=[0.1]))
    assert caught.value.kind == "crash" and len(benches(tmp_path)) == 1
    assert not any(note.startswith("try ") for note in caught.value.diagnostics[0].notes)


def test_a_later_failure_of_another_kind_ends_it(failing: Callable[..., None], tmp_path: Path) -> None:
    failing(100, f"[ $n -gt 0 ] && kill -SEGV $$; {GIVES_UP}")
    with pytest.raises(SimulatorFailed) as caught:
        kc.verify(kc.compile(NET, inputs=[0.1]))
    assert caught.value.kind == "crash" and len(benches(tmp_path)) == 2
    assert [note.split(",")[0] for note in caught.value.diagnostics[0].notes[:2]] == ["try 1", "try 2"]


def test_ngspice_itself_gives_up_whatever_is_tried() -> None:
    """A node without capacitance on a resistor and a current that falls and rises with its voltage has to leap."""
    text = """* no way
v1 a 0 pulse(0 5 1e-6 1e-9 1e-9 1e-6 4e-6)
r1 a b 1000
b1 b 0 i=1e-3*sin(40*v(b))
.tran {step} 3e-6 0 {step}
.save v(b)
.end
"""
    decks: list[str] = []

    def run(made: Deck) -> Run:
        decks.append(made.files["main.cir"])
        return run_ngspice(made, expected=["v(b)"], until=3e-6)

    with pytest.raises(SimulatorFailed) as caught:
        run_retried(lambda cut: Deck("main.cir", {"main.cir": text.format(step=1e-8 / cut), "x.lib": "* models\n"}), run)
    assert caught.value.kind == "diverged" and len(set(decks)) == len(TRIES)
    assert [note[:6] for note in caught.value.diagnostics[0].notes[: len(TRIES)]] == ["try 1,", "try 2,", "try 3,", "try 4,"]
