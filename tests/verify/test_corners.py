"""`verify --corners`: every condition is the confirmation that it is alone, and one that fails fails all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kcompile as kc
from kcompile.cli import cli
from kcompile.verify import corners
from kcompile.verify.corners import Corners, all_conditions, confirm_corners

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x, y;
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 500 ns { TanhPair w(x, y) { k = 2 }; TanhPair v(y, gnd) { k = 1 }; }
    input x;
    output y;
}
"""
TWO = (("tt", 27.0), ("ss", 85.0))


def net() -> kc.Circuit:
    return kc.compile(kc.Source("net.kc", NET), inputs=[0.15])


def test_conditions_are_those_of_the_process() -> None:
    found = all_conditions(net())
    assert found[0] == ("tt", 27.0) and len(found) == 15 == len(set(found))
    with pytest.raises(kc.UsageError, match="KC0722"):
        all_conditions(kc.compile(kc.Source("p.kc", "use std.passive: Capacitor; circuit P { node x; Capacitor(x, gnd); }")))


def test_each_is_what_it_is_alone() -> None:
    seen = []
    found = confirm_corners(net(), TWO, tolerance=0.02, watch=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    for one, (corner, temperature) in zip(found.confirmations, TWO, strict=True):
        alone = kc.verify(net(), corner=corner, temperature=temperature)
        np.testing.assert_array_equal(one.transistors, alone.transistors)
        np.testing.assert_array_equal(one.laws, alone.laws)
        assert (one.corner, one.temperature) == (corner, temperature)
    apart = np.abs(found.confirmations[0].laws - found.confirmations[1].laws).max()
    assert apart > 1e-3, "laws are those of each condition"
    errors = [float(one.error.max()) for one in found.confirmations]
    assert found.passed and found.record()["worst"] == max(errors)
    strict = Corners(tuple(replace(one, tolerance=sum(errors) / 2) for one in found.confirmations))
    assert [one.passed for one in strict.confirmations] == [error <= sum(errors) / 2 for error in errors] and not strict.passed


def test_the_command_line_says_all_and_fails_with_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corners, "all_conditions", lambda circuit: TWO)
    path = tmp_path / "net.kc"
    path.write_text(NET)
    words = ["verify", str(path), "--input", "0.15", "--corners"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "\ntt 27 C " in done.output and "\nss 85 C " in done.output and "2 corners and temperatures" in done.output
    done = CliRunner().invoke(cli, [*words, "--format", "json", "--tolerance", "1e-6"])
    found = json.loads(done.stdout)
    assert done.exit_code == 1 and not found["passed"]
    assert [(one["corner"], one["temperature"]) for one in found["corners"]] == list(TWO)
    assert found["worst"] == max(one["worst"] for one in found["corners"])


@pytest.mark.parametrize("words", ["--against ngspice", "--against klayout", "--corner ss", "--temperature 85"])
def test_corners_are_those_of_transistors_and_all(words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.kc"
    path.write_text(NET)
    hint = "one corner and one temperature" if "against" not in words else "of transistors"
    with pytest.raises(kc.UsageError, match=rf"KC0721(.|\n)*{hint}"):
        CliRunner().invoke(cli, ["verify", str(path), "--corners", *words.split()], catch_exceptions=False)
