"""Networks on transistors besides two moons: a regression over a plane, and digits: `python -m benchmarks.silicon_networks`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch

import kcompile as kc
from benchmarks.imported import ROOT
from benchmarks.row import Row, table
from benchmarks.trained import read_example
from kcompile.report.inventory import take_inventory
from kcompile.train.encoding import make_encoding
from kcompile.train.recipe import read_recipe
from kcompile.verify.transistors import Confirmation, confirm

HILLS, DIGITS, IDEAL = (read_example(ROOT / "examples" / f"{name}.toml") for name in ("hills_sky130", "digits_sky130", "digits"))
POINTS = 100
"""Fresh points of the plane."""
IMAGES = 10
"""Test images on transistors, the first ones."""
FRESH = 12345
"""Seed of points that no training has seen."""


def rows() -> Iterator[Row]:
    """One row for each figure."""
    yield from hills(POINTS)
    yield from digits()


def hills(points: int) -> Iterator[Row]:
    """Heights of fresh points by laws and by transistors, against the function that was learned."""
    recipe, circuit = read_recipe(HILLS.recipe), kc.compile(HILLS.program, weights=HILLS.weights)
    encoding = make_encoding(HILLS.samples(recipe), recipe)
    inputs = np.random.default_rng(FRESH).uniform(-1, 1, (points, 2))
    exact = np.sin(np.pi * inputs[:, 0]) * np.cos(np.pi / 2 * inputs[:, 1])
    found = confirm(circuit, list(encoding.volts(torch.from_numpy(inputs)).numpy()), watch=_said)
    column = found.names.index(circuit.nodes.name(int(circuit.outputs[0])))
    laws, transistors = (one[:, -1, column] * recipe.scale * encoding.target_gain[0] + encoding.target_offset[0]
                         for one in (found.laws, found.transistors))
    native, silicon = (float(np.sqrt(np.mean((one - exact) ** 2))) for one in (laws, transistors))
    name = f"hills on transistors, {points} fresh points"
    yield Row(f"{name}: rms error of heights between -1 and 1 by laws / by transistors; apart", "within 5 %",
              f"{native:.4f} / {silicon:.4f}; {100 * abs(silicon / native - 1):.2g} %", abs(silicon - native) <= 0.05 * native)
    yield _waveforms(name, found)


def digits() -> Iterator[Row]:
    """Digits on laws of cells against the network of ideal laws, and the first test images on transistors."""
    cells, ideal = (100 * one.figure()[1] for one in (DIGITS, IDEAL))
    yield Row("digits 8 x 8: accuracy over the test part, laws of cells with whole numbers / ideal laws (digits.kc)",
              "within 1.5 points", f"{cells:.2f} / {ideal:.2f} %", ideal - cells <= 1.5)
    recipe = read_recipe(DIGITS.recipe)
    circuit = kc.compile(DIGITS.program, weights=DIGITS.weights)
    data = DIGITS.samples(recipe)
    inputs = torch.from_numpy(data.test.inputs[:IMAGES].copy()).double()
    found = confirm(circuit, list(make_encoding(data, recipe).volts(inputs).numpy()), watch=_said)
    outputs = [found.names.index(circuit.nodes.name(int(node))) for node in circuit.outputs]
    laws, transistors = (one[:, -1, outputs].argmax(axis=1) for one in (found.laws, found.transistors))
    same, right = int(np.sum(laws == transistors)), int(np.sum(transistors == data.test.targets[:IMAGES]))
    chip, power = take_inventory(circuit), float(found.power.mean())
    name = f"digits 8 x 8, {IMAGES} test images on {chip.transistors:,} transistors"
    yield Row(f"{name}: decided as by the laws; rightly", "all; -", f"{same} of {IMAGES}; {right} of {IMAGES}", same == IMAGES)
    yield _waveforms(name, found)
    yield Row(f"{name}: power, energy of one run, minutes of ngspice for an image", "", f"{1e3 * power:.3g} mW, "
              f"{1e9 * power * found.latency:.3g} nJ, {found.seconds / IMAGES / 60:.2g} min")


def _waveforms(name: str, found: Confirmation) -> Row:
    median, most, worst = float(np.median(found.error)), float(np.quantile(found.error, 0.95)), float(found.error.max())
    return Row(f"{name}: distance of all waveforms from the laws, median / 95 % / worst of the swing", "",
               f"{100 * median:.2g} / {100 * most:.2g} / {100 * worst:.2g} %")


def _said(done: int, total: int) -> None:
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(table(rows()))
