"""Every program in examples/ compiles, simulates to what it promises, and is confirmed by ngspice."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.signal

import kcompile as kc

EXAMPLES = Path(__file__).parent.parent / "examples"
needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")
needs_moons = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None or importlib.util.find_spec("matplotlib") is None,
                                 reason="scikit-learn (extra data) or matplotlib (extra plot) is not installed")
needs_pictures = pytest.mark.skipif(importlib.util.find_spec("skimage") is None or importlib.util.find_spec("matplotlib") is None,
                                    reason="scikit-image (extra image) or matplotlib (extra plot) is not installed")

# Time to simulate in seconds where there are no phases; largest error against ngspice, relative to full scale.
RUNS = {"low_pass": (1e-6, 1e-6), "van_der_pol": (60e-9, 1e-6), "lorenz": (5.0, 1e-4), "lc_line": (60e-9, 1e-6),
        "max_cut": (None, 1e-4), "kirchhoff_net": (None, 1e-6), "edges": (None, 1e-4), "two_moons": (None, 1e-6),
        "iris": (None, 1e-6), "friedman1": (None, 1e-6), "california_housing": (None, 1e-5), "digits": (None, 1e-6),
        "mnist": (None, 1e-6), "two_moons_sky130": (None, 1e-5), "slices_sky130": (None, 1e-5),
        "digits_sky130": (None, 1e-5), "hills_sky130": (None, 1e-5)}
# The houses come to 8e-7, where ngspice's own tolerance hides the order of its steps.
SLOW = {"digits", "digits_sky130", "mnist"}
"""4,254 devices take ngspice half a minute, 460,136 are too many; `python -m benchmarks.training` runs the former. Transistors of
digits_sky130 take minutes; `python -m benchmarks.silicon_networks` runs them."""


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(size: int) -> np.ndarray:
    """A grey field with a bright square, a dark bar and a ramp, 0 to 1."""
    values = np.full((size, size), 0.5)
    values[2:6, 2:6] = 1.0
    values[8:10, 1:9] = 0.0
    values[:, -3:] += np.linspace(0, 0.4, size)[:, None]
    return values


def example(name: str) -> kc.Circuit:
    path = EXAMPLES / f"{name}.kc"
    if name == "kirchhoff_net":
        weights = script(name).random_weights(kc.compile(path), seed=1)
        return kc.compile(path, weights=weights, inputs=[0.5, -0.3])
    if (weights := path.with_suffix(".safetensors")).exists():
        trained = kc.compile(path, weights=weights)
        reach = 0.25 if name.endswith("sky130") else 1.0
        return trained.with_initial(np.random.default_rng(0).uniform(-reach, reach, len(trained.inputs)))
    if name == "edges":
        return kc.compile(path, settings={"n": 12}, inputs=picture(12).ravel())
    return kc.compile(path)


def test_every_program_is_here() -> None:
    assert sorted(RUNS) == sorted(path.stem for path in EXAMPLES.glob("*.kc"))
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == ["kirchhoff_net", "photograph", "two_moons"]


def test_trained_values_need_no_torch(tmp_path: Path) -> None:
    """`kcompile MODEL.kc --weights FILE` runs where torch cannot be imported."""
    words = [str(EXAMPLES / "two_moons.kc"), "--weights", str(EXAMPLES / "two_moons.safetensors"), "-o", str(tmp_path)]
    code = f"import sys; sys.modules['torch'] = None; sys.argv[1:] = {words}; import kcompile.cli; kcompile.cli.main()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)
    assert (tmp_path / "TwoMoons.spice").exists()


@pytest.mark.parametrize("name", RUNS)
def test_it_has_no_diagnostics_and_is_formatted(name: str) -> None:
    from kcompile.syntax.format_source import format_source

    path = EXAMPLES / f"{name}.kc"
    assert kc.check(path, pdk="generic") == ()
    text = path.read_text("utf-8")
    assert format_source(kc.Source(path.name, text)) == text


@needs_ngspice
@pytest.mark.parametrize("name", [name for name in RUNS if name not in SLOW])
def test_ngspice_confirms_it(name: str) -> None:
    until, bound = RUNS[name]
    report = kc.verify(example(name), against="ngspice", until=until, tolerance=bound)
    assert report.passed
    assert len(report.attempts) >= 2
    assert report.full_scale > 0.1, "something moves"
    # Two step sizes show the method of ngspice, of order 2, unless rounding or its own tolerance is reached first.
    assert report.order is None or report.order > 1.0 or report.attempts[-1].worst < bound / 10


@needs_ngspice
@needs_moons
def test_two_moons_are_told_apart_by_transistors() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.silicon import decide

    found = decide(4)
    assert found.report.passed and np.median(found.report.error) <= 3e-3 and np.quantile(found.report.error, 0.95) <= 0.02
    np.testing.assert_array_equal(found.laws, found.transistors)


@needs_ngspice
@needs_moons
def test_heights_on_transistors_are_those_of_the_laws() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.silicon_networks import hills

    errors, waveforms = hills(2)
    assert errors.met, errors
    assert 0 < float(errors.found.split(" ")[0]) < 0.25, "heights are between -1 and 1"
    assert waveforms.found


@needs_moons
def test_digits_on_laws_of_cells_name_the_digit() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.silicon_networks import DIGITS

    figure, accuracy = DIGITS.figure()
    assert figure == "accuracy" and accuracy > 0.97


# ---- what each promises -----------------------------------------------------------------------------------------------


def test_low_pass() -> None:
    waves = kc.simulate(example("low_pass"), until=500e-9, points=501)
    since = waves.time - 11e-9
    # after a ramp of 1 ns the output is a step response that started about half a nanosecond earlier
    ramp, tau = 1e-9, 10e-9
    late = since > 0
    expected = 1 - np.exp(-since[late] / tau) * tau / ramp * (1 - np.exp(-ramp / tau))
    np.testing.assert_allclose(waves["vout"][late], expected, atol=1e-7)


def test_van_der_pol_reaches_its_cycle() -> None:
    v = kc.simulate(example("van_der_pol"), until=60e-9, points=6001)["v"]
    assert np.abs(v[:300]).max() < 1.0 < np.abs(v).max(), "it grows from 0.1 V"
    assert np.abs(v[-2000:]).max() == pytest.approx(2.02, abs=0.02)  # the amplitude of mu = 2, in units of v0


def test_lorenz_is_the_lorenz_system() -> None:
    from scipy.integrate import solve_ivp

    waves = kc.simulate(example("lorenz"), until=5.0, points=51, rtol=1e-11)
    exact = solve_ivp(lambda _, s: [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]], (0, 5), [1, 1, 1],
                      "DOP853", waves.time, rtol=1e-12, atol=1e-12).y.T
    np.testing.assert_allclose(waves.values, exact, atol=1e-6)


def test_lc_line_delays_its_pulse() -> None:
    waves = kc.simulate(example("lc_line"), until=60e-9, points=6001)
    middle = [float(waves.time[waves[name] >= 0.25][0]) for name in ("a[0]", "a[9]")]
    assert middle[1] - middle[0] == pytest.approx(9e-9, rel=0.1)  # nine sections of sqrt(L C) = 1 ns
    assert waves["a[9]"].max() == pytest.approx(0.5, abs=0.1)


def test_max_cut_finds_the_best_cut() -> None:
    edges = [(k, (k + 1) % 8, 1.0) for k in range(8)] + [(k, k + 4, 0.5) for k in range(4)]

    def cut(sides: tuple[int, ...]) -> float:
        return sum(weight for a, b, weight in edges if sides[a] != sides[b])

    phases = kc.simulate(example("max_cut")).read_out
    turns = phases / np.pi
    np.testing.assert_allclose(turns, np.round(turns), atol=0.01)
    found = tuple(int(turn) % 2 for turn in np.round(turns))
    assert cut(found) == max(cut(sides) for sides in itertools.product((0, 1), repeat=8)) == 8


def test_edges_are_a_convolution() -> None:
    waves = kc.simulate(example("edges"), points=2)
    kernel = np.array([[-0.5, -0.5, -0.5], [-0.5, 4.0, -0.5], [-0.5, -0.5, -0.5]])
    settled = scipy.signal.correlate2d(picture(12), kernel, "same") / 4 * (1 - np.exp(-12))
    np.testing.assert_allclose(waves.read_out.reshape(12, 12), settled, atol=1e-6)


# ---- the scripts ------------------------------------------------------------------------------------------------------


def test_random_weights_are_as_published() -> None:
    weights = script("kirchhoff_net").random_weights(kc.compile(EXAMPLES / "kirchhoff_net.kc"), seed=3)
    assert sorted({name.rpartition(".")[0] for name in weights}) == ["first.w", "second.w"]
    assert {values.shape for values in weights.values()} == {(300,)}
    together = np.concatenate(list(weights.values()))
    assert together.std() == pytest.approx(np.sqrt(2 / 300), rel=0.1)


@needs_ngspice
def test_kirchhoff_net_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["kirchhoff_net.py", "--out", str(tmp_path / "w.safetensors")])
    assert script("kirchhoff_net").main() == 0
    assert "of full scale" in capsys.readouterr().out
    kc.compile(EXAMPLES / "kirchhoff_net.kc", weights=tmp_path / "w.safetensors")


@needs_ngspice
@needs_moons
def test_two_moons_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["two_moons.py", "--grid", "8", "--shown", "1", "--out", str(tmp_path)])
    assert script("two_moons").main() == 0
    said = capsys.readouterr().out
    assert float(said.split(" % of 400 points")[0]) >= 98 and "2 of them differ" in said and "passed" in said
    assert (tmp_path / "two_moons.png").stat().st_size > 30_000


@needs_moons
def test_two_moons_picture_is_of_the_circuit() -> None:
    """A grid goes up along its rows and right along its columns, and points of each moon lie along it."""
    moons = script("two_moons")
    circuit = kc.compile(EXAMPLES / "two_moons.kc", weights=EXAMPLES / "two_moons.safetensors")
    grid = moons.plane(circuit, np.array([0.0, 1.0]), np.array([-0.5, 0.0, 1.0]))
    first, second = kc.simulate(circuit.with_initial([1.0, -0.5])).read_out
    assert grid.shape == (3, 2) and grid[0, 1] == pytest.approx(second - first, abs=1e-3)
    assert grid[2, 0] < 0 < grid[0, 1], "above the middle is the first moon, below it the second"
    points = moons.unseen_points()
    rows = moons.spread(points, 3)
    assert points.targets[rows].tolist() == [0, 0, 0, 1, 1, 1]
    assert np.all(np.diff(points.inputs[rows, 0].reshape(2, 3)) > 0.3)


@needs_ngspice
@needs_pictures
def test_photograph_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import skimage.io

    monkeypatch.setattr(sys, "argv", ["photograph.py", "--size", "32", "--out", str(tmp_path / "out")])
    assert script("photograph").main() == 0
    said = capsys.readouterr().out
    assert "2,048 nodes" in said and "passed" in said
    made = skimage.io.imread(tmp_path / "out" / "edges.png")
    assert made.shape[0] > 300 and made.shape[1] > 900
    panels = np.array_split(made[60:-40, :, 0].astype(float), 3, axis=1)
    assert min(panel.std() for panel in panels) > 30, "none is blank"
    # Both simulators found the same edges; the panels lie a fraction of a pixel apart.
    width = min(panel.shape[1] for panel in panels)
    assert np.corrcoef(panels[1][:, :width].ravel(), panels[2][:, :width].ravel())[0, 1] > 0.9
    assert (tmp_path / "out" / "Edges.spice").exists() and (tmp_path / "out" / "Edges_tb.cir").exists()
