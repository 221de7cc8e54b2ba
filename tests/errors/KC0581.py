from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from case_support import LOW_PASS, caught

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.sweep.engines import base, dask_cluster


class Deaf:
    """A cluster that does not answer."""

    @contextlib.contextmanager
    def connected(self, address: str) -> Iterator[None]:
        raise base.unreachable(address, TimeoutError("timed out"))
        yield


def case(tmp_path: Path) -> list[Diagnostic]:
    pytest.importorskip("joblib", reason="joblib is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask_cluster.Dask, "connected", Deaf.connected)
        return caught(kc.sweep, LOW_PASS, {"R1.r": "1kOhm"}, until=1e-9, cluster="tcp://localhost:9")
