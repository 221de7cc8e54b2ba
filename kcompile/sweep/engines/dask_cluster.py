"""A Dask cluster, by the address of its scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kcompile.sweep.engines.base import missing, unreachable


class Dask:
    name = "dask"
    streams = True
    prefixes = ("tcp://", "tls://")

    @contextmanager
    def connected(self, address: str) -> Iterator[None]:
        """joblib's own back end for Dask, with a client of that scheduler."""
        import joblib

        try:
            from distributed import Client  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing("Dask", "dask") from None
        try:
            client = Client(address)
        except OSError as error:
            raise unreachable(address, error) from None
        with client, joblib.parallel_config(backend="dask"):
            yield


ENGINE = Dask()
