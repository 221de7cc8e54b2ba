"""Gradients of generated C++ in both precisions on random networks; `python -m benchmarks.gradients` takes 500."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from benchmarks.gradients import VARIANTS, errors  # noqa: E402


@pytest.mark.parametrize("number", [*range(10), *range(250, 260)])  # two choices of laws, which have kernels of their own
def test_gradients_of_a_random_network(number: int) -> None:
    found = errors(number)
    for name in ("float32", "float64"):
        assert found.relative[name] <= VARIANTS[name].wanted
