"""The order in which a kernel visits devices."""

from __future__ import annotations

import numpy as np
import pytest

from kcompile.kernels.runs import Runs, sort_into_runs, sort_one_by_one


def ends_of(runs: Runs) -> np.ndarray:
    """int[devices, 2], the held end and the other one of each place."""
    held = np.repeat(np.repeat(runs.home, np.diff(runs.runs)), np.diff(runs.start))
    return np.stack([held, np.repeat(runs.others[:, 0], np.diff(runs.start))], axis=1)


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(("nodes", "devices"), [(300, 30_000), (300, 600), (40, 3_000)])
def test_every_device_is_in_the_run_of_its_ends(nodes: int, devices: int, single: bool) -> None:
    rng = np.random.default_rng(0)
    ends = rng.integers(1, nodes + 1, (devices, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    runs = sort_one_by_one(ends, 1) if single else sort_into_runs(ends, 1, pairs=True)
    assert sorted(runs.order) == list(range(len(ends)))
    found = ends_of(runs)
    if single:
        assert np.array_equal(found, ends[runs.order][:, ::-1])
    else:
        assert np.array_equal(np.sort(found, axis=1), np.sort(ends[runs.order], axis=1))
        back = ends[runs.order][:, 1] != found[:, 0]
        middle = np.repeat(runs.middle, np.diff(runs.start))
        assert np.array_equal(back, np.arange(len(ends)) >= middle)


def test_many_devices_of_a_node_are_visited_in_blocks_of_their_other_ends() -> None:
    ends = np.argwhere(~np.eye(300, dtype=bool)) + 1
    blocks = ends_of(sort_one_by_one(ends, 1))[:, 1] // 96
    assert np.all(np.diff(blocks) >= 0)
    assert blocks[0] < blocks[-1]


def test_few_devices_of_a_node_are_visited_together() -> None:
    ends = np.array([[other, held] for held in range(1, 300) for other in (held % 290 + 1, (held + 140) % 300 + 1)])
    held = ends_of(sort_one_by_one(ends, 1))[:, 0]
    assert np.all(np.diff(held) >= 0)
