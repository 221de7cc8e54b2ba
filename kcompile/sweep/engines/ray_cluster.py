"""A Ray cluster, by the address of its client server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kcompile.sweep.engines.base import missing, unreachable


class Ray:
    name = "ray"
    streams = False
    prefixes = ("ray://",)

    @contextmanager
    def connected(self, address: str) -> Iterator[None]:
        """Ray's own back end for joblib."""
        import joblib

        try:
            import ray  # pyright: ignore[reportMissingImports]
            from ray.util.joblib import register_ray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise missing("Ray", "ray") from None
        try:
            ray.init(address)
        except OSError as error:
            raise unreachable(address, error) from None
        register_ray()
        try:
            with joblib.parallel_config(backend="ray"):
                yield
        finally:
            ray.shutdown()


ENGINE = Ray()
