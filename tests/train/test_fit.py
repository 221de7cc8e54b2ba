"""Trainings: what is learned, what is written, what is refused, and that a checkpoint holds everything."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import kcompile as kc  # noqa: E402
from benchmarks.small_nets import NET, blobs  # noqa: E402
from kcompile.diagnostics import KcompileError, render_text  # noqa: E402
from kcompile.inputs import read_weights  # noqa: E402
from kcompile.train import checkpoint as checkpoints  # noqa: E402
from kcompile.train.circuit_module import CircuitModule  # noqa: E402
from kcompile.train.data import make_data  # noqa: E402
from kcompile.train.encoding import make_encoding  # noqa: E402
from kcompile.train.fit import fit  # noqa: E402
from kcompile.train.history import Record  # noqa: E402
from kcompile.train.judge import judge, make_module  # noqa: E402
from kcompile.train.objective import Objective  # noqa: E402
from kcompile.train.recipe import Recipe, read_recipe  # noqa: E402
from kcompile.train.report import show_report  # noqa: E402
from kcompile.train.sources.base import Samples  # noqa: E402

QUICK = {"steps": 3, "batch": 16, "rate": 0.05, "scale": 2.0}


class Stop:
    """A watch that stops after so many steps, and keeps the records and the notes."""

    def __init__(self, after: int = -1) -> None:
        self.after, self.records, self.notes = after, [], []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        return done == self.after

    def over(self) -> None:
        self.ended = True

    def epoch(self, record: Record) -> None:
        self.records.append(record)


def message(function, *arguments, **named) -> str:
    with pytest.raises(KcompileError) as caught:
        function(*arguments, **named)
    return render_text(caught.value.diagnostics)


def same(one: dict, other: dict) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


# ---- learning ---------------------------------------------------------------------------------------------------------


def test_it_learns_and_the_circuit_it_returns_simulates_to_the_same(tmp_path: Path) -> None:
    x, y = blobs()
    fit = kc.train(NET, (x, y), epochs=8, out=tmp_path, **QUICK)
    assert fit.status == "finished" and len(fit.history) == 8
    assert fit.report is not None and fit.report.trained.parts["test"][1] >= 0.95
    assert fit.history[-1].train_loss < 0.5 * fit.history[0].train_loss
    # An independent simulator in float64, from the weights file alone, gives the same classes.
    circuit = kc.compile(NET, weights=tmp_path / "best.safetensors")
    read = np.array([kc.simulate(circuit.with_initial(row), points=2).read_out for row in x[:10]])
    assert np.mean(read.argmax(axis=1) == y[:10]) >= 0.9
    module = make_module(circuit, replace(fit.recipe, steps=60, rail="clamp"))
    np.testing.assert_allclose(module(torch.tensor(x[:10], dtype=torch.float32)).detach(), read, atol=2e-4)


def test_numbers_are_learned_in_their_own_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(loc=50.0, scale=20.0, size=(160, 2))
    y = (300.0 + 4.0 * (x[:, :1] - x[:, 1:]) / 20.0)
    net = kc.Source("net.kc", NET.text.replace("y[2]", "y[1]"))
    fit = kc.train(net, (x, y), epochs=25, loss="mse", standardize=True, standardize_targets=True, **(QUICK | {"scale": 1.0}))
    assert fit.report is not None and fit.report.figure == "rms_error"
    assert fit.report.trained.parts["test"][1] < 0.3 * y.std()


def test_inputs_beyond_the_limit_stay_at_it() -> None:
    """Three of 1 and one of 9 have mean 3 and deviation 2 sqrt(3); the other column does not vary."""
    x = np.array([[1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [9.0, 5.0]])
    data = make_data("arrays", Samples(x, np.zeros(4, dtype=int)), labels=True, validation=0.0, test=0.0, seed=0)
    encoding = make_encoding(data, Recipe(standardize=True, input_scale=2.0, input_offset=0.5, input_limit=3.0))
    volts = encoding.volts(torch.tensor([[1.0, 5.0], [9.0, 5.0], [-99.0, 9.0]], dtype=torch.float64))
    np.testing.assert_allclose(volts, [[0.5 - 2 / 3**0.5, 0.5], [3.0, 0.5], [-3.0, 3.0]], rtol=1e-6)


@pytest.mark.parametrize("changes", [
    {"loss": "one-hot"}, {"optimizer": "SGD", "rate": 0.5, "optimizer_options": {"momentum": 0.9}},
    {"optimizer_options": {"foreach": True}},
    {"rail": "clamp", "steps": 40}, {"dtype": "float64"}, {"solver": "heun"}, {"solver": "sdirk2", "rail": "clamp", "steps": 4}])
def test_other_recipes_learn_too(changes: dict) -> None:
    fit = kc.train(NET, blobs(), epochs=6, **(QUICK | changes))
    assert fit.report is not None and fit.report.trained.parts["train"][1] >= 0.9


def test_pairs_of_outputs_are_read_as_differences() -> None:
    net = kc.Source("net.kc", NET.text.replace("y[2]", "y[4]"))
    fit = kc.train(net, blobs(), epochs=6, readout="differential", **QUICK)
    assert fit.report is not None and fit.report.trained.parts["train"][1] >= 0.9
    objective = Objective(fit.recipe, fit.encoding)
    np.testing.assert_allclose(objective.values(torch.tensor([[1.0, 0.25, 3.0, 5.0]])), [[1.5, -4.0]])


def test_units_make_a_small_circuit_train_like_a_large_one() -> None:
    """Farads, amperes and seconds a million times smaller: with `units` every step of the optimizer is the same step."""
    small = kc.Source("net.kc", NET.text.replace("c = 1 F", "c = 1 uF").replace("ShiftTanh w(a, b)", "Small w(a, b)")
                      .replace("use std.kirchhoff: ShiftTanh;", """device Small(s, d) {
        param i0: current = 0 A in [-8 uA, 8 uA] trainable;
        param th: voltage = 0 V in [-4 V, 4 V] trainable;
        I(s, d) <+ i0 * tanh((V(s, d) - th) / 1 V);
    }"""))
    one = kc.train(NET, blobs(), epochs=2, dtype="float64", **QUICK)
    other = kc.train(small, blobs(), epochs=2, dtype="float64", units={"i0": 1e-6}, **QUICK)
    np.testing.assert_allclose(other.weights["mix.w.i0"] * 1e6, one.weights["mix.w.i0"], rtol=1e-6)
    np.testing.assert_allclose(other.weights["mix.w.th"], one.weights["mix.w.th"], rtol=1e-6)


def test_limits_hold_after_every_step() -> None:
    net = kc.Source("net.kc", NET.text.replace("ShiftTanh w(a, b)", "Weak w(a, b)").replace("use std.kirchhoff: ShiftTanh;", """
    device Weak(s, d) {
        param g: conductance = 0.1 S in (0 S, 0.2 S] trainable;
        I(s, d) <+ g * V(s, d);
    }"""))
    fit = kc.train(net, blobs(40), epochs=3, **(QUICK | {"rate": 0.5}))
    assert 0.0 < fit.weights["mix.w.g"].min() < 1e-6 and 0.199 < fit.weights["mix.w.g"].max() <= 0.2
    assert same(fit.circuit.parameters(), kc.compile(net, weights=fit.weights).parameters())


def test_starting_values() -> None:
    from kcompile.train.initial_values import starting_values

    circuit = kc.compile(NET)
    drawn = starting_values(circuit, Recipe())
    count = 20
    assert {name: value.shape for name, value in drawn.items()} == {"mix.w.i0": (count,), "mix.w.th": (count,)}
    assert 0.5 < np.std(np.concatenate(list(drawn.values()))) / np.sqrt(2 / count) < 1.6
    assert same(drawn, starting_values(circuit, Recipe())) and not same(drawn, starting_values(circuit, Recipe(seed=1)))
    assert all(np.all(value == 0) for value in starting_values(circuit, Recipe(init=0.0)).values())
    given = circuit.with_params({"mix.w.th": np.linspace(-1, 1, count)})
    np.testing.assert_array_equal(starting_values(given, Recipe())["mix.w.th"], np.linspace(-1, 1, count))
    wide = starting_values(circuit, Recipe(init=1000.0))
    assert np.abs(wide["mix.w.i0"]).max() == 8.0 and np.abs(wide["mix.w.th"]).max() == 4.0


def test_images_move_and_turn() -> None:
    from kcompile.train.augment import draw_motions, move

    dot = torch.zeros(1, 1, 7, 5)
    dot[0, 0, 3, 4] = 1.0
    rng = np.random.default_rng(0)
    flat = dot.reshape(1, -1).repeat(200, 1)
    assert torch.allclose(move(flat, (1, 7, 5), draw_motions(200, (1, 7, 5), Recipe(), rng)), flat, atol=1e-5)
    moved = move(flat, (1, 7, 5), draw_motions(200, (1, 7, 5), Recipe(shift=1.0), rng)).reshape(200, 7, 5)
    assert moved[:, :2].abs().max() < 1e-5 and moved[:, 2:5].abs().amax(dim=(0, 2)).min() > 0.1  # up and down by at most a pixel
    turned = move(flat, (1, 7, 5), draw_motions(200, (1, 7, 5), Recipe(rotation=90.0), rng)).reshape(200, 7, 5)
    rows, columns = (turned > 0.2).nonzero(as_tuple=True)[1:]
    # the dot stays two pixels from the middle
    away = ((rows - 3.0) ** 2 + (columns - 2.0) ** 2).sqrt().round().int()
    assert set(away.tolist()) <= {1, 2, 3} and len(set(rows.tolist())) > 3
    # the dot, two pixels beside the middle, comes to rest at a third less or beyond the edge, and near its row
    grown = move(flat, (1, 7, 5), draw_motions(200, (1, 7, 5), Recipe(zoom=0.5), rng)).reshape(200, 7, 5).sum(dim=0)
    assert grown[[0, 1, 5, 6]].max() < 1e-5 and grown[3, 3] > 10 and grown[3, 4] > 10
    # each image bends in its own way, by about a pixel, and the middle of many stays where it was
    bars = torch.zeros(200, 1, 28, 28)
    bars[:, :, :, 13:15] = 1.0
    bent = move(bars.reshape(200, -1), (1, 28, 28), draw_motions(200, (1, 28, 28), Recipe(elastic=2.0), rng)).reshape(200, 28, 28)
    places = ((bent * torch.arange(28.0)).sum(dim=2) / bent.sum(dim=2))[:, 3:-3]  # the first and last rows may bend out
    assert 0.5 < (places - 13.5).abs().mean() < 2.0 and (places - 13.5).mean().abs() < 0.2
    assert places.diff(dim=1).abs().max() < 1.0 and places.std(dim=1).min() > 0.05
    x = np.random.default_rng(0).uniform(size=(40, 1, 2))
    assert kc.train(NET, (x, np.arange(40) % 2), epochs=1, shift=0.5, **QUICK).status == "finished"


def test_early_stop_and_best_weights(tmp_path: Path) -> None:
    x, y = blobs(60)
    y = np.random.default_rng(1).permutation(y)  # nothing to learn: the validation loss soon rises
    fit = kc.train(NET, (x, y), epochs=60, patience=3, out=tmp_path, schedule="constant", **(QUICK | {"rate": 0.3}))
    best = min(fit.history, key=lambda one: one.judged)
    assert fit.status == "stopped early" and fit.best == best and len(fit.history) == best.epoch + 3
    data = make_data("arrays", Samples(x, y), labels=True, validation=0.1, test=0.2, seed=0)
    objective = Objective(fit.recipe, make_encoding(data, fit.recipe))
    loss, _ = judge(make_module(fit.circuit, fit.recipe), fit.circuit, objective, data.validation)
    assert loss == pytest.approx(best.validation_loss, rel=1e-5)
    assert same(dict(read_weights(tmp_path / "best.safetensors")), dict(fit.weights))
    assert not same(dict(read_weights(tmp_path / "last.safetensors")), dict(fit.weights))


def test_without_validation_and_test_parts() -> None:
    fit = kc.train(NET, blobs(40), epochs=2, validation=0.0, test=0.0, **QUICK)
    assert fit.history[0].validation_loss is None and fit.report is not None and list(fit.report.trained.parts) == ["train"]


def test_steps_that_do_not_follow_the_clamps_are_told() -> None:
    """100/s for one second: the method of order 4 is stable up to steps of 2.785 in that unit."""
    for steps, told in ((51, True), (52, False)):
        watch = Stop(1)
        kc.train(NET, blobs(20), epochs=1, watch=watch, **(QUICK | {"steps": steps, "rail": "clamp"}))
        assert bool(watch.notes) == told
        assert not told or "100/s, which rk4 follows with 52 steps" in watch.notes[0]
    watch = Stop(1)
    kc.train(NET, blobs(20), epochs=1, watch=watch, **QUICK)
    assert not watch.notes


# ---- files ------------------------------------------------------------------------------------------------------------


def test_files_of_a_run(tmp_path: Path) -> None:
    watch = Stop()
    fit = kc.train(NET, blobs(), epochs=3, out=tmp_path, watch=watch, **QUICK)
    assert read_recipe(tmp_path / "recipe.toml") == fit.recipe
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [Record(**entry) for entry in log] == list(fit.history) == watch.records
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    assert [float(row["train_loss"]) for row in rows] == [record.train_loss for record in fit.history]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["status"] == "finished" and report["samples"] == {"train": 86, "validation": 10, "test": 24}
    assert [(part["steps"], part["rail"]) for part in report["parts"]] == [(3, "ideal"), (20, "ideal"), (52, "clamp")]
    assert report["peaks"]["steps"] == 52
    for rails in ("with_clamps", "without"):
        assert set(report["peaks"][rails]) == {"x[0]", "x[1]", "h[0]", "h[1]", "y[0]", "y[1]"}


def test_peaks_are_those_of_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clamps hold back what would go further, at four times the steps; samples come in several pieces."""
    monkeypatch.setattr(importlib.import_module("kcompile.train.judge"), "_TERMS", 80)
    x, y = blobs(20)
    rng = np.random.default_rng(0)
    circuit = kc.compile(NET, weights={"mix.w.i0": rng.uniform(-8, 8, 20), "mix.w.th": rng.uniform(-1, 1, 20)})
    fit = kc.train(circuit, (x, y), epochs=1, test=0.5, init=0.0, **(QUICK | {"steps": 30, "rate": 1e-9, "batch": 3}))
    report = fit.report
    assert report is not None and report.clamped_peaks is not None
    held = make_data("arrays", Samples(x, y), labels=True, validation=0.1, test=0.5, seed=0).test.inputs
    runs = [kc.simulate(fit.circuit.with_initial(row), points=121) for row in held]
    peaks = np.max([np.abs(one.values[:, : one.nodes]).max(axis=0) for one in runs], axis=0)
    np.testing.assert_allclose(report.clamped_peaks, peaks, rtol=1e-3)
    assert report.peaks.max() > 5.0 > report.clamped_peaks.max() > 4.0


def test_the_report_says_whether_the_steps_of_the_training_are_stable() -> None:
    """The clamps bind, at 100/s: a step of 1/8 s is far too long for an explicit method, and not for an implicit one."""
    rng, found = np.random.default_rng(0), {}
    start = kc.compile(NET, weights={"mix.w.i0": rng.uniform(-8, 8, 20), "mix.w.th": rng.uniform(-1, 1, 20)})
    for solver, rail, steps in (("rk4", "clamp", 8), ("rk4", "clamp", 100), ("rk4", "ideal", 20), ("sdirk2", "clamp", 8)):
        fit = kc.train(start, blobs(20), epochs=1, init=0.0,
                       **(QUICK | {"solver": solver, "rail": rail, "steps": steps, "rate": 1e-9}))
        assert fit.report is not None
        found[solver, rail, steps] = fit.report.stability, show_report(fit.report).splitlines()[-1]
    clamped, ideal = found["rk4", "clamp", 8][0], found["rk4", "ideal", 20][0]
    assert clamped.rates[0] == pytest.approx(ideal.rates[0] + 100.0, rel=0.2)
    assert clamped.share == pytest.approx(clamped.rates[0] / 8 / 2.785, rel=1e-9)
    assert [line.split(":")[0] for _, line in found.values()] == ["not proved stable", "stable", "stable", "stable"]


def test_coarse_epochs_run_half_of_the_steps_and_are_judged_at_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    forward = CircuitModule.forward

    def spy(module: CircuitModule, *arguments: torch.Tensor) -> torch.Tensor:
        steps.append((torch.is_grad_enabled(), len(module.times) - 1))
        return forward(module, *arguments)

    monkeypatch.setattr(CircuitModule, "forward", spy)
    data = make_data("blobs", Samples(*blobs()), labels=True, validation=0.2, test=0.2, seed=0)
    circuit, recipe = kc.compile(NET), Recipe(epochs=4, coarse=0.5, **QUICK)
    found = fit(circuit, data, recipe)
    trained = [count for gradient, count in steps if gradient]
    half = len(trained) // 2
    assert set(trained[:half]) == {2} and set(trained[half:]) == {3}
    assert found.history[0].train_loss > found.history[-1].train_loss
    # The first epoch is that of a recipe of two steps, but for its validation.
    other = fit(circuit, data, replace(recipe, steps=2, coarse=0.0))
    assert other.history[0].train_loss == found.history[0].train_loss
    assert other.history[0].validation_loss != found.history[0].validation_loss


def test_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        kc.train(NET, blobs(), epochs=2, out=tmp_path / name, **QUICK)
    for file in ("best.safetensors", "last.safetensors", "recipe.toml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


# ---- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 5, 6, 7, 11, 12])
def test_an_interrupted_training_ends_the_same(tmp_path: Path, after: int) -> None:
    """86 samples are 6 batches; a stop in the first batch, at the end of an epoch, and anywhere between."""
    changes = QUICK | {"epochs": 3, "optimizer": "NAdam", "schedule": "step", "decay_epochs": 1}
    whole = kc.train(NET, blobs(), out=tmp_path / "whole", **changes)
    first = kc.train(NET, blobs(), out=tmp_path / "run", watch=Stop(after), **changes)
    assert first.status == "unfinished" and first.report is None
    again = kc.train(NET, blobs(), out=tmp_path / "run", resume=True)
    assert again.status == "finished" and same(dict(again.weights), dict(whole.weights))
    losses = [[(one.train_loss, one.train_score, one.validation_loss) for one in fit.history] for fit in (again, whole)]
    assert losses[0] == losses[1]
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == (tmp_path / "whole" / "last.safetensors").read_bytes()


def test_augmented_images_are_the_same_after_an_interruption(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(size=(40, 1, 2))
    changes = QUICK | {"epochs": 2, "shift": 0.7, "rotation": 20.0, "batch": 8}
    whole = kc.train(NET, (x, np.arange(40) % 2), **changes)
    kc.train(NET, (x, np.arange(40) % 2), out=tmp_path, watch=Stop(3), **changes)
    again = kc.train(NET, (x, np.arange(40) % 2), out=tmp_path, resume=True)
    assert same(dict(again.weights), dict(whole.weights))


def test_a_finished_training_is_left_as_it_is(tmp_path: Path) -> None:
    first = kc.train(NET, blobs(), epochs=2, out=tmp_path, **QUICK)
    again = kc.train(NET, blobs(), out=tmp_path, resume=True)
    assert again.history == first.history and same(dict(again.weights), dict(first.weights))


def test_checkpoints_within_an_epoch(tmp_path: Path) -> None:
    class Seen(Stop):
        def step(self, done: int, total: int, loss: float, rate: float) -> bool:
            steps.append(checkpoints.read_checkpoint(tmp_path)[0].step)
            return False

    steps: list[int] = []
    kc.train(NET, blobs(), epochs=1, out=tmp_path, watch=Seen(), checkpoint_every=0.0, **QUICK)
    assert steps == [0, 1, 2, 3, 4, 5]


def test_a_damaged_checkpoint_leaves_the_one_before(tmp_path: Path) -> None:
    kc.train(NET, blobs(), epochs=2, out=tmp_path, **QUICK)
    newest = max(tmp_path.glob("checkpoint.*"), key=lambda path: checkpoints._read(path).generation)
    content = newest.read_bytes()
    for damage in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b"", b"{}" * 9):
        newest.write_bytes(damage)
        found, notes = checkpoints.read_checkpoint(tmp_path)
        assert len(found.history) == 1 and notes[0].startswith(newest.name)
    watch = Stop()
    assert len(kc.train(NET, blobs(), out=tmp_path, resume=True, watch=watch).history) == 2 and len(watch.notes) == 1
    for path in tmp_path.glob("checkpoint.*"):
        path.write_bytes(b"nothing")
    assert message(kc.train, NET, blobs(), out=tmp_path, resume=True).count("checkpoint.") == 2


def test_a_folder_belongs_to_one_training(tmp_path: Path) -> None:
    kc.train(NET, blobs(), epochs=1, out=tmp_path, **QUICK)
    assert "KC0568" in message(kc.train, NET, blobs(), epochs=1, out=tmp_path, **QUICK)
    other = kc.Source("net.kc", NET.text.replace("for 1 s", "for 2 s"))
    for model, data, changes, said in ((other, blobs(), {}, "another circuit"), (NET, blobs(seed=1), {}, "another data"),
                                       (NET, blobs(), {"rate": 0.01}, "another recipe")):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        found = message(kc.train, model, data, out=tmp_path, resume=True, **changes)
        assert "KC0568" in found and said in found
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    assert "KC0569" in message(kc.train, NET, blobs(), Recipe(), out=tmp_path / "none", resume=True)
    assert "KC0569" in message(kc.train, NET, blobs(), Recipe(), resume=True)
    assert not (tmp_path / "none").exists()


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    class Second(Stop):
        def step(self, done: int, total: int, loss: float, rate: float) -> bool:
            said.append(message(kc.train, NET, blobs(), out=tmp_path, resume=True))
            return True

    said: list[str] = []
    kc.train(NET, blobs(), epochs=1, out=tmp_path, watch=Second(), **QUICK)
    assert "KC0568" in said[0] and "another process trains" in said[0]
    (tmp_path / ".last.safetensors.abc.tmp").write_text("left by a kill")
    assert kc.train(NET, blobs(), out=tmp_path, resume=True).status == "finished"
    assert not list(tmp_path.glob(".*"))


# ---- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("validation", "where"), [(0.0, r"batch \d+"), (0.5, "at its validation")])
def test_divergence_names_the_node_and_keeps_what_was_good(tmp_path: Path, validation: float, where: str) -> None:
    """A law that grows without bound once its gain is large enough."""
    net = kc.Source("net.kc", """use std.passive: Capacitor;
    device Grow(a, b) { param k: conductance = 0 S trainable; I(gnd, b) <+ k * V(a) * exp(V(a) / 1 V); }
    circuit Net {
        node x[2], y[2];
        Capacitor(n, gnd) { c = 1 F } for n in x + y;
        phase run for 1 s { Grow w(a, b) for a in x + y, b in y; }
        input x;
        output y;
    }""")
    found = message(kc.train, net, blobs(), epochs=50, out=tmp_path, warmup=1.0, clip=0.0, init=0.01, validation=validation,
                    **(QUICK | {"rate": 0.5}))
    assert re.search(rf"diverged in epoch \d+, {where}: the loss is (nan|inf); node `y\[[01]\]` is the first", found)
    checkpoint, _ = checkpoints.read_checkpoint(tmp_path)
    assert all(torch.isfinite(value.double()).all() for value in checkpoint.tensors.values())
    assert len(checkpoint.history) >= 1 and "best.safetensors" in found
    kc.compile(net, weights=tmp_path / "best.safetensors")


def test_divergence_of_a_gradient_names_the_parameter() -> None:
    net = kc.Source("net.kc", """use std.passive: Capacitor;
    device Root(a, b) { param k: real = 1 in [0, 2] trainable; param j: real = 1 trainable; I(gnd, b) <+ 1 S * (j + k) * V(a); }
    circuit Net {
        node x[2], y[2];
        Capacitor(n, gnd) { c = 1 F } for n in x + y;
        phase run for 1 s { Root w(a, b) for a in x, b in y; }
        input x;
        output y;
    }""")
    x = np.array([[3e38, -3e38], [1.0, 1.0]] * 8)
    found = message(kc.train, net, (x, np.arange(16) % 2), epochs=1, loss="one-hot", init=0.0, test=0.0, validation=0.0)
    assert "KC0610" in found


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "KC0513" in message(kc.train, NET, blobs(), epochs=1, out=tmp_path / "file", **QUICK)


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = QUICK | {"epochs": 3}
    whole = kc.train(NET, blobs(), **changes)

    class Full(Stop):
        def step(self, done: int, total: int, loss: float, rate: float) -> bool:
            if done == 8:
                monkeypatch.setattr(os, "fsync", full)
            return False

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    assert "No space left on device" in message(kc.train, NET, blobs(), out=tmp_path, watch=Full(), **changes)
    monkeypatch.undo()
    assert not list(tmp_path.glob(".*")) and len(checkpoints.read_checkpoint(tmp_path)[0].history) == 1
    again = kc.train(NET, blobs(), out=tmp_path, resume=True)
    assert same(dict(again.weights), dict(whole.weights))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    assert "torch finds 0 GPUs" in message(kc.train, NET, blobs(), out=tmp_path / "run", device="cuda", **QUICK)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("changes", "code"), [
    ({"shift": 1.0}, "KC0567"), ({"units": {"q": 1.0}}, "KC0567"), ({"epoch": 3}, "KC0566"), ({"loss": "mse"}, "KC0563"),
    ({"readout": "differential"}, "KC0563"), ({"optimizer": "Adm"}, "KC0567"), ({"target": "y"}, "KC0567"),
    ({"backend": "tork"}, "KC0509")])
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path, changes: dict, code: str) -> None:
    assert code in message(kc.train, NET, blobs(), out=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


# ---- hardware ---------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_on_the_grid_and_was_trained_on_it() -> None:
    step = {"i0": 0.5}
    fitted = kc.train(NET, blobs(), epochs=10, grid=step, **QUICK)
    values = fitted.weights["mix.w.i0"]
    np.testing.assert_array_equal(values * 2, np.round(values * 2))
    assert fitted.report is not None and fitted.report.trained.parts["test"][1] >= 0.9
    # Rounding changes what the last epochs are trained on, not only what is kept.
    late = kc.train(NET, blobs(), epochs=10, grid=step, rounded=0.0, **QUICK)
    assert [one.train_loss for one in late.history[:5]] == [one.train_loss for one in fitted.history[:5]]
    assert late.history[5].train_loss != fitted.history[5].train_loss
    said = message(kc.train, NET, blobs(), epochs=1, grid={"q": 1.0}, **QUICK)
    assert "`grid` names `q`, which is no trainable parameter" in said


def test_voltages_beyond_the_span_cost_until_they_stay_inside() -> None:
    free, held = (kc.train(NET, blobs(), epochs=12, input_scale=0.2, **(QUICK | given)) for given in (
        {}, {"span": 0.5, "span_cost": 100.0}))
    assert free.report is not None and held.report is not None
    assert free.report.peaks.max() > 2.0 and held.report.peaks.max() < 1.0
    # The span is no loss of what is judged, and the first step moves weights that it bends.
    assert held.history[0].train_loss != free.history[0].train_loss


def test_half_of_one_step_is_refused() -> None:
    assert "`coarse` takes half of the steps" in message(kc.train, NET, blobs(), epochs=1, coarse=0.5, **(QUICK | {"steps": 1}))
