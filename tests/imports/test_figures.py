"""What figures of imported networks are measured with: an integration of the columns that shares no code with the simulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published import Published

import kcompile as kc
from benchmarks import imported

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

FULL = [("_fully_connect", {"num_node": 3, "repeat": (3, 2)})] * 2
MIX = [("_mix_connect", {"num_channel": 1, "width": 4, "height": 3, "neighbor_size": 2, "fully_connect_node": 3,
                         "repeat": (1, 1)})] * 2


def circuit(published: Published, folder: Path) -> kc.Circuit:
    network = kc.import_kirchhoffnet(*published.write(folder))
    return kc.compile(kc.Source("net.kc", network.text), weights=network.weights)


@pytest.mark.parametrize(("law", "layers"), [("ShiftTanh2", FULL), ("ShiftRelu1", MIX)])
def test_the_columns_integrate_to_what_is_simulated(law: str, layers: list, tmp_path: Path) -> None:
    net = circuit(Published(law, layers, [0.0, 0.5, 1.0], network={"projector": "last2"}), tmp_path)
    inputs = np.random.default_rng(0).uniform(size=(3, len(net.inputs)))
    native = [kc.simulate(net.with_initial(row), points=2).read_out for row in inputs]
    np.testing.assert_allclose(imported.read_out(net, inputs, 400), native, atol=1e-6)


def test_the_divergence_is_that_of_finite_differences(tmp_path: Path) -> None:
    net = circuit(Published("ShiftTanh2", FULL, [0.0, 0.5, 1.0], bench="twomoon"), tmp_path)
    v = np.array([[0.0, 0.0], [0.3, -1.0], [0.7, 0.2]])
    for part in imported.slices(net):
        h = 1e-6
        steps = [np.eye(3)[k][:, None] * h for k in (1, 2)]
        expected = sum((part.rates(v + step) - part.rates(v - step))[k] / (2 * h) for k, step in zip((1, 2), steps, strict=True))
        np.testing.assert_allclose(part.divergence(v), expected, rtol=1e-8)


def test_the_likelihood_of_a_flow_is_a_density(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The density of the points, from the likelihood of each, integrates to one."""
    monkeypatch.setattr(imported, "STEPS", 40)
    net = circuit(Published("ShiftTanh2", FULL, [0.0, 0.5, 1.0], bench="twomoon", seed=2), tmp_path)
    side = np.linspace(-7.0, 7.0, 61)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = np.exp(imported.log_density(net, grid))
    assert density.sum() * (side[1] - side[0]) ** 2 == pytest.approx(1.0, abs=0.01)


def test_missing_data_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported, "DATA", tmp_path)
    assert {(row.found, row.met) for row in imported.rows()} == {("not measured: no data", None)}
