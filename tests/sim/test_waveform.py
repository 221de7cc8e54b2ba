"""Waveforms of sources against points written by hand and against numeric derivatives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from kcompile.diagnostics import UsageError
from kcompile.ir.circuit import Wave
from kcompile.sim.waveform import MAX_CORNERS, Sources

INF = math.inf


def sources(kind: str, *rows: list[float]) -> Sources:
    return Sources(Wave(kind, np.array(rows, dtype=np.float64)))


PULSE = [-1.0, 3.0, 2.0, 1.0, 0.5, 2.0, 8.0]  # v1 v2 delay rise fall width period
POINTS = {
    "dc": ([4.0], [(0.0, 4.0), (1e9, 4.0)]),
    "pulse": (PULSE, [(0.0, -1.0), (2.0, -1.0), (2.25, 0.0), (2.5, 1.0), (3.0, 3.0), (4.9, 3.0), (5.0, 3.0), (5.25, 1.0),
                      (5.5, -1.0), (9.9, -1.0), (10.0, -1.0), (10.5, 1.0), (11.0, 3.0), (13.0, 3.0), (13.25, 1.0), (82.5, 1.0)]),
    "pulse once": ([0.0, 1.0, 0.0, 1.0, 1.0, 2.0, INF],
                   [(0.0, 0.0), (0.5, 0.5), (2.0, 1.0), (3.5, 0.5), (4.0, 0.0), (1e12, 0.0)]),
    "pulse for ever": ([0.0, 1.0, 1.0, 1.0, 1.0, INF, INF], [(0.5, 0.0), (1.5, 0.5), (2.0, 1.0), (1e12, 1.0)]),
    "sin": ([1.0, 2.0, 0.25, 1.0, 0.0, 0.0], [(0.0, 1.0), (1.0, 1.0), (2.0, 3.0), (3.0, 1.0), (4.0, -1.0)]),
    "sin of a phase": ([0.0, 1.0, 1.0, 1.0, 0.0, 90.0], [(0.0, 1.0), (1.0, 1.0), (1.5, -1.0), (1.25, 0.0)]),
    "sin damped": ([0.0, 1.0, 0.25, 0.0, math.log(2), 0.0], [(1.0, 0.5), (3.0, -0.125), (5.0, 1 / 32)]),
    "exp": ([1.0, 3.0, 1.0, 2.0, 5.0, 1.0],
            [(0.0, 1.0), (1.0, 1.0), (3.0, 3 - 2 / math.e), (5.0, 3 - 2 * math.exp(-2)),
             (6.0, 3 - 2 * math.exp(-2.5) - 2 * (1 - 1 / math.e))]),
    "exp for ever": ([0.0, 1.0, 0.0, 1.0, INF, 1.0], [(1.0, 1 - 1 / math.e), (1e6, 1.0)]),
    "pwl": ([1.0, 5.0, 2.0, 7.0, 4.0, -1.0],
            [(0.0, 5.0), (1.0, 5.0), (1.5, 6.0), (2.0, 7.0), (3.0, 3.0), (4.0, -1.0), (9.0, -1.0)]),
    "pwl of one point": ([2.0, 5.0], [(0.0, 5.0), (2.0, 5.0), (3.0, 5.0)]),
}


@pytest.mark.parametrize("name", POINTS)
def test_values_at_points_written_by_hand(name: str) -> None:
    row, points = POINTS[name]
    one = sources(name.split()[0], row)
    for time, wanted in points:
        np.testing.assert_allclose(one.value(time), [wanted], atol=1e-12, err_msg=f"{name} at {time}")


SMOOTH = [(kind.split()[0], row) for kind, (row, _) in POINTS.items()]


@pytest.mark.parametrize(("kind", "row"), SMOOTH)
def test_rate_is_the_derivative_inside_each_piece(kind: str, row: list[float]) -> None:
    """Between any two corners the rate equals a central difference of the value."""
    one = sources(kind, row)
    edges = [0.0, *one.corners(20.0), 20.0]
    for a, b in itertools.pairwise(edges):
        for part in (0.1, 0.37, 0.9):
            t, h = a + part * (b - a), 1e-5 * (b - a)
            difference = (one.value(t + h) - one.value(t - h)) / (2 * h)
            np.testing.assert_allclose(one.rate(t, 0.5 * (a + b)), difference, atol=1e-6, err_msg=f"{kind} at {t}")


@pytest.mark.parametrize(("kind", "row"), SMOOTH)
def test_rate_at_a_corner_is_that_of_the_piece_ahead(kind: str, row: list[float]) -> None:
    """At both ends of a piece the rate is the limit from inside it, whichever side of the corner rounding picks."""
    one = sources(kind, row)
    for a, b in itertools.pairwise([0.0, *one.corners(20.0), 20.0]):
        middle, h = 0.5 * (a + b), 1e-6 * (b - a)
        for t, toward in ((a, h), (b, -h)):
            # One-sided difference of second order; `t` itself is left out, rounding may put it into the other piece.
            near, next_, far = (one.value(t + k * toward) for k in (1, 2, 3))
            limit = (4 * next_ - 3 * near - far) / (2 * toward) - (far - 2 * next_ + near) / toward
            np.testing.assert_allclose(one.rate(t, middle), limit, atol=1e-5, err_msg=f"{kind} at {t} towards {middle}")
            nudged = np.nextafter(t, t - toward)
            np.testing.assert_allclose(one.rate(float(nudged), middle), limit, atol=1e-5)


@pytest.mark.parametrize(("kind", "row", "wanted"), [
    ("dc", [4.0], []),
    ("pulse", PULSE, [2, 3, 5, 5.5, 10, 11, 13, 13.5, 18, 19]),
    ("pulse", [0.0, 1.0, 0.0, 1.0, 1.0, INF, INF], [1]),
    ("pulse", [0.0, 1.0, 0.0, 1.0, 1.0, 2.0, INF], [1, 3, 4]),
    ("pulse", [0.0, 1.0, 25.0, 1.0, 1.0, 2.0, 8.0], []),
    ("pulse", [0.0, 1.0, 0.0, 2.0, 2.0, 4.0, 8.0], [2, 6, 8, 10, 14, 16, 18]),
    ("sin", [1.0, 2.0, 0.25, 1.0, 0.0, 0.0], [1]),
    ("sin", [1.0, 2.0, 0.25, 0.0, 0.0, 0.0], []),
    ("exp", [1.0, 3.0, 1.0, 2.0, 5.0, 1.0], [1, 5]),
    ("exp", [1.0, 3.0, 0.0, 2.0, INF, 1.0], []),
    ("pwl", [0.0, 5.0, 2.0, 7.0, 4.0, -1.0, 30.0, 2.0], [2, 4]),
])
def test_corners_written_by_hand(kind: str, row: list[float], wanted: list[float]) -> None:
    np.testing.assert_allclose(sources(kind, row).corners(20.0), wanted, rtol=1e-14)


def test_corners_of_many_sources_are_joined_sorted_and_not_repeated() -> None:
    rows = [[0.0, v, 0.0, 1.0, 1.0, 1.0, 5.0] for v in (1.0, 2.0)] + [[0.0, 1.0, 0.5, 1.0, 1.0, 1.0, INF]]
    np.testing.assert_allclose(sources("pulse", *rows).corners(5.0), [0.5, 1, 1.5, 2, 2.5, 3, 3.5], rtol=1e-14)


def test_a_fast_source_over_a_long_time_does_not_fill_the_memory() -> None:
    one = sources("pulse", [0.0, 1.0, 0.0, 1e-9, 1e-9, 1e-9, 4e-9])
    with pytest.raises(UsageError, match=r"KC0503.*repeats 250,000,000,000 times"):
        one.corners(1e3)
    assert MAX_CORNERS - 4 <= len(one.corners(MAX_CORNERS / 4 * 4e-9)) <= MAX_CORNERS


@pytest.mark.parametrize("kind", ["dc", "pulse", "sin", "exp", "pwl"])
def test_sources_together_are_the_sources_one_by_one(kind: str) -> None:
    rng = np.random.default_rng(5)
    made = {"dc": lambda: [rng.normal()],
            "pulse": lambda: [*rng.normal(size=2), rng.uniform(0, 3), *rng.uniform(0.1, 1, 3), rng.uniform(3, 5)],
            "sin": lambda: [*rng.normal(size=2), *rng.uniform(0, 2, 3), rng.uniform(-180, 180)],
            "exp": lambda: [*rng.normal(size=2), rng.uniform(0, 1), rng.uniform(0.1, 1), rng.uniform(1, 4), rng.uniform(0.1, 1)],
            "pwl": lambda: np.stack([np.sort(rng.uniform(0, 10, 4)), rng.normal(size=4)], axis=1).reshape(-1).tolist()}
    rows = [made[kind]() for _ in range(20)]
    every = sources(kind, *rows)
    times = np.array([0.0, 0.3, 2.7, 7.1, 11.0])
    np.testing.assert_allclose(every.values(times), np.stack([every.value(time) for time in times], axis=1), rtol=1e-15)
    np.testing.assert_allclose(every.rates(times, 2.9), np.stack([every.rate(time, 2.9) for time in times], axis=1), rtol=1e-15)
    for time in times:
        np.testing.assert_array_equal(every.value(time), [sources(kind, row).value(time)[0] for row in rows])
        np.testing.assert_array_equal(every.rate(time, time + 1e-6),
                                      [sources(kind, row).rate(time, time + 1e-6)[0] for row in rows])


def test_a_pulse_ramp_is_exact_at_its_ends_after_many_periods() -> None:
    """Values stay within the pulse however many periods have passed; rounding of the time costs no more than its share."""
    one = sources("pulse", [0.0, 1.0, 1e-9, 1e-9, 1e-9, 3e-9, 10e-9])
    for k in (1, 1000, 10**6):
        start = 1e-9 + k * 10e-9
        for part, wanted in ((0.5e-9, 0.5), (2e-9, 1.0), (4.5e-9, 0.5), (7e-9, 0.0)):
            found = float(one.value(start + part)[0])
            assert 0 <= found <= 1
            assert found == pytest.approx(wanted, abs=k * 10e-9 * 1e-15 / 1e-9 + 1e-12)
