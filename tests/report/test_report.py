"""Reports of circuits of cells: numbers that other parts compute, and a page that a browser opens without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

import kcompile as kc
from benchmarks.small_nets import blobs
from kcompile.cli import cli
from kcompile.cli_report import commands_of
from kcompile.report.gather import gather
from kcompile.report.inventory import take_inventory
from kcompile.report.page import format_page, record
from kcompile.request import Request
from kcompile.train.data import make_data
from kcompile.train.recipe import Recipe
from kcompile.train.sources.base import Samples

NET = """use std.passive: Capacitor;
use sky130.tanh_pair: TanhPair;
circuit Net {
    pdk sky130;
    node x[2], y[2];
    Capacitor(n, gnd) { c = 1 pF } for n in x + y;
    phase run for 300 ns {
        TanhPair plus(x[k], y[1]) { k = 2 } for k in 0..2;
        TanhPair minus(x[k], y[0]) { k = -2 } for k in 0..2;
        TanhPair leak(y[k], gnd) { k = 1 } for k in 0..2;
    }
    input x;
    output y;
}
"""
RECIPE = Recipe(standardize=True, input_scale=0.1, input_limit=0.25, scale=20.0)


@pytest.fixture(scope="module")
def found():
    data = make_data("blobs", Samples(*blobs()), labels=True, validation=0.1, test=0.2, seed=0)
    return gather(kc.compile(kc.Source("net.kc", NET)), data, RECIPE, 4, [("ff", 85.0)])


def test_numbers_are_those_of_the_circuit(found) -> None:
    content = record(found, {"this page": ["kcompile"]})
    chip = content["chip"]
    # Six pairs of eight transistors, and thirteen of the bias lines; each unit has two of the tail's.
    assert chip["transistors"] == 6 * 8 + 13
    assert chip["cells"] == {"bias": {"devices": 1, "units": 1}, "tanh_pair": {"devices": 4, "units": 6},
                             "tanh_pair_crossed": {"devices": 2, "units": 4}}
    assert chip["unit_transistors"] == 10 * 10 + 16 * 6 + 7
    # What cells weigh comes off: 6 units at 5 fF and 4 crossed ones at 8 fF, each at both ends but where one end is ground. The
    # edge of a plate is worth 0.15 um at both sides of some 22 um.
    weight = (4 * 2 + 2) * 4.963e-15 + 4 * 2 * 8.262e-15
    assert chip["capacitor_area"] == pytest.approx((4e-12 - weight) / 2e-15 * (1 - 2 * 0.15 / 22), rel=5e-3)
    # x[0] has two cells of two units, and one of them is crossed.
    assert chip["load"]["x[0]"] == pytest.approx((2 * 4.963e-15 + 2 * 8.262e-15) / 1e-12, rel=1e-3)
    assert chip["noise"]["x[0]"] == pytest.approx(np.sqrt(1.380649e-23 * 300.15 / 1e-12))
    answers = content["answers"]
    assert answers["samples"] == 4 and answers["alike"] == 4 == answers["clear_alike"]
    assert answers["laws"] == answers["transistors"]
    assert content["corners"][0]["corner"] == "ff" and content["corners"][0]["passed"]


def test_margins_are_differences_of_outputs(found) -> None:
    one, answers = found.confirmation, found.answers
    ends = one.laws[:, -1][:, [one.names.index("y[0]"), one.names.index("y[1]")]]
    np.testing.assert_allclose(answers.margin, np.abs(ends[:, 1] - ends[:, 0]), rtol=1e-9)
    moved = one.transistors[:, -1][:, [one.names.index("y[0]"), one.names.index("y[1]")]]
    assert np.all(answers.error <= np.abs(moved - ends).sum(axis=1) + 1e-12)


def test_the_page_says_what_was_tried_again_and_how_many(found) -> None:
    commands = {"training": ["kcompile", "train", "a b.kc"], "this page": ["kcompile", "report"]}
    page = format_page(found, commands, {})
    assert "Retries" not in page and "4 starting points, 300 ns each" in page and "kcompile train &#39;a b.kc&#39;" in page
    tries = {0: ("as it is: ngspice found no solution", "itl1=1000: a solution")}
    one = found.confirmation
    alone = replace(one, laws=one.laws[:1], transistors=one.transistors[:1], power=one.power[:1], retries=tries)
    there = replace(found.corners[0], retries={1: ("half of the steps, as it is: a solution",)})
    page = format_page(replace(found, confirmation=alone, corners=(there,), answers=None), commands, {})
    assert "1 starting point, 300 ns each" in page
    rows = re.findall(r"<tr><td>starting point (.*?)</td><td>(.*?)</td></tr>", page)
    assert rows == [("1, tt 27 \N{DEGREE SIGN}C", text) for text in tries[0]] + [
        ("2, ff 85 \N{DEGREE SIGN}C", "half of the steps, as it is: a solution")]


def test_commands_are_those_that_lead_to_the_page(tmp_path: Path) -> None:
    weights = str(tmp_path / "best.safetensors")
    request = Request("net.kc", None, "0.1,0.2", ("a=1",), weights, "Net", None, (), "map-cells{pdk=sky130}", ())
    shared = ["net.kc", "--input", "0.1,0.2", "--weights", weights, "--top", "Net", "--passes", "map-cells{pdk=sky130}", "--set",
              "a=1", "--clocked"]
    found = commands_of(request, "moons", "r.toml", corners=True, clocked=True)
    assert found["training"] == ["kcompile", "train", "net.kc", "--data", "moons", "--recipe", "r.toml", "-o", "run"]
    assert found["netlist"] == ["kcompile", *shared, "--target", "spice", "-o", "chip"]
    assert found["comparison with transistors"] == ["kcompile", "verify", *shared, "--corners"]
    # Where the folder of the training is still there, its own command is known.
    command = ["kcompile", "train", "net.kc", "--data", "moons", "--epochs", "7", "-o", "there"]
    (tmp_path / "A.manifest.json").write_text("[]")
    (tmp_path / "Net.manifest.json").write_text(json.dumps({"command": command, "files": {"best.safetensors": "0"}}))
    assert commands_of(request, "moons", "r.toml", corners=False, clocked=False)["training"] == command
    assert "training" not in commands_of(replace(request, weights=None), "moons", None, corners=False, clocked=False)


def test_inventory_grows_with_strengths() -> None:
    small = take_inventory(kc.compile(kc.Source("net.kc", NET)))
    large = take_inventory(kc.compile(kc.Source("net.kc", NET.replace("k = 2", "k = 4"))))
    assert large.transistors == small.transistors and large.gate_area > small.gate_area
    assert large.unit_transistors - small.unit_transistors == 4 * 10
    assert small.bits["tanh_pair"] == pytest.approx(np.log2(33))


def test_a_browser_opens_the_page_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "net.kc").write_text(NET)
    x, y = blobs()
    np.savez(tmp_path / "blobs.npz", x=x, y=y)
    (tmp_path / "r.toml").write_text('standardize = true\ninput_scale = 0.1\ninput_limit = 0.25\nscale = 20\n')
    done = CliRunner().invoke(cli, ["report", str(tmp_path / "net.kc"), "--data", str(tmp_path / "blobs.npz"), "--recipe",
                                    str(tmp_path / "r.toml"), "--samples", "2", "--monte-carlo", "20",
                                    "-o", str(tmp_path / "out"), "--depfile", str(tmp_path / "net.d")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "Net.report.html").read_text()
    assert not re.search(r"(?:src|href)=[\"']https?:", page), "the page asks for nothing outside"
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data == json.loads((tmp_path / "out" / "Net.report.json").read_text())
    assert list(data["commands"]) == ["netlist", "comparison with transistors", "this page"], "of trained values there are none"
    assert data["commands"]["comparison with transistors"] == ["kcompile", "verify", str(tmp_path / "net.kc")]
    outputs, inputs = (tmp_path / "net.d").read_text().split("\n\n")[0].split(": \\\n")
    assert [Path(name).name for name in outputs.split(" \\\n")] == ["Net.report.html", "Net.report.json"]
    assert [Path(name.strip()).name for name in inputs.split(" \\\n")] == ["net.kc", "r.toml", "blobs.npz"]
    assert data["mismatch"]["specimens"] == 20 and data["mismatch"]["samples"] == 24
    assert {one["name"] for one in data["mismatch"]["cells"]} == {"bias lines", *(
        f"run.{bank}[{k}]" for bank in ("plus", "minus", "leak") for k in range(2))}
    assert page.count("<svg") == 3
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    shot = tmp_path / "page.png"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1100,2400", f"--screenshot={shot}",
               (tmp_path / "out" / "Net.report.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    from matplotlib.image import imread

    pixels = imread(shot)
    assert pixels.shape[:2] == (2400, 1100)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100, "more than a blank page"
