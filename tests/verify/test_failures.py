"""Every way a simulator fails is told from the others, and none of them is a success (B6).

A script plays the simulator where ngspice itself cannot be made to fail on demand.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import SimulatorFailed, ToolMissing
from kcompile.verify.deck import Deck
from kcompile.verify.judge import judge
from kcompile.verify.process import run_limited
from kcompile.verify.rawfile import read_raw
from kcompile.verify.run_ngspice import NGSPICE, run_ngspice

DECK = Deck("main.cir", {"main.cir": "* title\n.end\n"})


def raw(rows: list[tuple[float, ...]], names: tuple[str, ...] = ("time", "v(out)"), claimed: int | None = None) -> bytes:
    """A raw file; `claimed` points stand in its head."""
    head = (f"Title: t\nDate: today\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: {len(names)}\n"
            f"No. Points: {len(rows) if claimed is None else claimed}\nCommand: version 46\nVariables:\n")
    head += "".join(f"\t{k}\t{name}\tvoltage\n" for k, name in enumerate(names))
    return (head + "Binary:\n").encode() + b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)


GOOD = raw([(0.0, 1.0), (0.5, 2.0), (1.0, 3.0)])


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that runs a deck with a script as ngspice, which may leave the bytes of a raw file."""
    def play(script: str, content: bytes | None = None, **limits):
        copy = ""
        if content is not None:
            (tmp_path / "content").write_bytes(content)
            copy = f"cp {tmp_path}/content out.raw\n"
        program = tmp_path / "ngspice"
        program.write_text(f"#!/bin/sh\n{copy}{script}\n")
        os.chmod(program, 0o755)
        monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))
        return run_ngspice(DECK, expected=["v(out)"], until=1.0, **limits)

    return play


def failure(fake, *arguments, **limits) -> tuple[str, str]:
    with pytest.raises(SimulatorFailed) as caught:
        fake(*arguments, **limits)
    return caught.value.kind, caught.value.diagnostics[0].code


def test_a_good_run(fake) -> None:
    run = fake("exit 0", GOOD)
    assert run.raw.time.tolist() == [0.0, 0.5, 1.0]
    assert run.raw.columns(("v(out)",))[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_good_run_with_warnings_hands_them_on(fake) -> None:
    run = fake("echo 'Warning: vdd: no DC value'; echo 'Note: fine'", GOOD)
    assert run.warnings == ("Warning: vdd: no DC value",)


@pytest.mark.parametrize(("kind", "code", "script", "content"), [
    ("crash", "KC0702", "kill -SEGV $$", GOOD),
    ("crash", "KC0702", "kill -ABRT $$", None),
    ("crash", "KC0702", "kill -KILL $$", GOOD),
    ("partial", "KC0706", "exit 0", None),
    ("partial", "KC0706", "exit 0", b""),
    ("partial", "KC0706", "exit 0", b"not a raw file"),
    ("partial", "KC0706", "exit 0", GOOD[:-8 * 6]),
    ("partial", "KC0706", "exit 0", GOOD[:-9]),
    ("partial", "KC0706", "exit 0", raw([(0.0, 1.0), (0.5, 2.0)])),
    ("partial", "KC0706", "exit 0", raw([(0.0, 1.0), (0.5, 2.0)], claimed=1000)),
    ("partial", "KC0706", "exit 0", raw([], claimed=0)),
    ("partial", "KC0706", "exit 0", raw([(0.0, 1.0), (1.0, 3.0)], ("time", "v(other)"))),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"\ttime\t", b"\tfrequency\t")),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"Flags: real", b"Flags: complex")),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"Points: 3", b"Points: many")),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"Variables: 2", b"Variables: -2")),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"Points: 3", b"Points: -3")),
    ("partial", "KC0706", "exit 0", GOOD.replace(b"\t1\tv(out)\tvoltage", b"\t1")),
    ("nonfinite", "KC0707", "exit 0", raw([(0.0, 1.0), (0.5, float("nan")), (1.0, 3.0)])),
    ("nonfinite", "KC0707", "exit 0", raw([(0.0, 1.0), (0.5, float("inf")), (1.0, 3.0)])),
    ("nonfinite", "KC0707", "exit 0", raw([(0.0, 1.0), (float("nan"), 1.0)])),
    ("diverged", "KC0705", "echo 'doAnalyses: TRAN:  Timestep too small; time = 0.5'", raw([(0.0, 1.0), (0.5, 2.0)])),
    ("diverged", "KC0705", "echo 'Warning: singular matrix:  check node a'; exit 1", None),
    ("disk", "KC0708", "echo 'fwrite: No space left on device'", GOOD),
    ("disk", "KC0708", "kill -XFSZ $$", None),
    ("memory", "KC0704", "echo 'Fatal error: out of memory'; exit 1", None),
    ("memory", "KC0704", "echo 'malloc: Internal Error: can not allocate 10 bytes'; kill -ABRT $$", None),
    ("deck", "KC0710", "echo 'Warning: The needed element doesn'\"'\"'t exist in the matrix'; "
     "echo 'doAnalyses: out of memory'; exit 1", None),
    ("deck", "KC0710", "exit 1", None),
    ("deck", "KC0710", "echo 'Error: unknown subckt: xtop a b rc'; exit 1", None),
    ("deck", "KC0710", "echo 'Error on line 3: cannot find model'; exit 0", GOOD),
    ("deck", "KC0710", "exit 1", GOOD),
    ("deck", "KC0710", "echo ' undefined parameter [x]'", GOOD),
])
def test_failures_are_told_apart(fake, kind: str, code: str, script: str, content: bytes | None) -> None:
    assert failure(fake, script, content) == (kind, code)


def test_a_hang_is_stopped_with_its_children(fake, tmp_path: Path) -> None:
    script = f"(sleep 2; touch {tmp_path}/alive) &\nsleep 60"
    assert failure(fake, script, GOOD, timeout=0.5) == ("timeout", "KC0703")
    assert not (tmp_path / "alive").exists()


def test_output_that_is_too_large(fake) -> None:
    assert failure(fake, "exec head -c 3000000 /dev/zero > big", output=1 << 20) == ("disk", "KC0708")


def test_a_log_without_end_is_cut(fake) -> None:
    assert failure(fake, "exec yes Error", timeout=5.0, output=1 << 20) == ("disk", "KC0708")


def test_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KCOMPILE_NGSPICE", "/nowhere/ngspice")
    with pytest.raises(ToolMissing) as caught:
        run_ngspice(DECK, expected=["v(out)"], until=1.0)
    assert caught.value.diagnostics[0].code == "KC0701"


@pytest.mark.parametrize("content", ["", "not a program", "#!/nowhere/interpreter\n"])
def test_a_program_that_cannot_be_started(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ngspice"
    program.write_text(content)
    os.chmod(program, 0o755)
    monkeypatch.setenv("KCOMPILE_NGSPICE", str(program))
    with pytest.raises(ToolMissing):
        run_ngspice(DECK, expected=["v(out)"], until=1.0)


# ---- ngspice itself -----------------------------------------------------------------------------------------------------

def failing(body: str) -> kc.Source:
    return kc.Source("failing.kc", f"""use std.passive: Capacitor, Conductance;
device Grow(p) {{ I(gnd, p) <+ 1 S * 1 V * exp(V(p) / 1 V); }}
circuit Failing {{ node x; Capacitor(x, gnd) {{ c = 1 nF }}; {body} }}""")


def run_source(source: kc.Source, until: float, **limits):
    from kcompile.lower.base import BenchOptions
    from kcompile.lower.spice import build_netlist
    from kcompile.verify.deck import deck_of

    circuit = kc.compile(source)
    netlist = build_netlist(circuit, BenchOptions(until=until))
    return run_ngspice(deck_of(circuit.name, netlist.artifacts), expected=netlist.nodes, until=until, **limits)


def test_ngspice_finds_no_solution() -> None:
    """The voltage reaches infinity at a finite time: 1 ns."""
    with pytest.raises(SimulatorFailed) as caught:
        run_source(failing("Grow(x);"), 1e-8)
    assert caught.value.kind in ("diverged", "nonfinite")


def test_ngspice_without_time() -> None:
    with pytest.raises(SimulatorFailed) as caught:
        run_source(failing("Conductance(x, gnd);"), 1.0, timeout=0.002)
    assert caught.value.kind == "timeout"


def test_ngspice_without_memory() -> None:
    with pytest.raises(SimulatorFailed) as caught:
        run_source(failing("Conductance(x, gnd);"), 1e-6, memory=20 << 20)
    assert caught.value.kind in ("memory", "crash", "partial", "deck")


def test_ngspice_without_room_for_its_waveforms() -> None:
    with pytest.raises(SimulatorFailed) as caught:
        run_source(failing("Conductance(x, gnd);"), 1e-6, output=4096)
    assert caught.value.kind == "disk"


def test_an_ic_that_klu_cannot_take_is_no_lack_of_memory() -> None:
    """ngspice itself: the node `vin` has no entry of its own in the matrix."""
    deck = Deck("main.cir", {"main.cir": """* refused
Vin vin 0 DC 1
B0 0 x i=1e-3*v(vin)
C0 x 0 1e-9
.ic v(vin)=1
.options klu
.tran 1e-9 1e-8 0 1e-9 uic
.end
"""})
    with pytest.raises(SimulatorFailed) as caught:
        run_ngspice(deck, expected=["v(x)"], until=1e-8)
    assert (caught.value.kind, caught.value.diagnostics[0].code) == ("deck", "KC0710")
    assert any("needed element" in note for note in caught.value.diagnostics[0].notes)


def test_an_aborted_transient_that_exits_with_0_is_no_success(tmp_path: Path) -> None:
    """`.control` blocks do not pass our audit; this runs one past it, to judge what such a run leaves behind."""
    (tmp_path / "main.cir").write_text("""* aborted
B1 0 x i=exp(v(x))
C1 x 0 1e-9
.ic v(x)=0
.options reltol=1e-6
.control
tran 1e-11 1e-8 uic
write out.raw
quit
.endc
.end
""")
    finished = run_limited([NGSPICE.find(), "-n", "-b", "main.cir"], str(tmp_path))
    assert finished.code == 0
    with pytest.raises(SimulatorFailed) as caught:
        judge(finished, tmp_path / "out.raw", read_raw, ["v(x)"], 1e-8, None)
    assert caught.value.kind in ("diverged", "partial", "nonfinite")
