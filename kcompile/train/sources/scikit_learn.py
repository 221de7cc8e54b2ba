"""Data sets of scikit-learn by their names. The network is never used: what scikit-learn would fetch must be in its cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kcompile.diagnostics import Diagnostic, ToolMissing, UsageError
from kcompile.train.sources.base import Samples, class_targets

_SAMPLES = 2000
"""Points of a set that is generated."""

_GENERATED: dict[str, Callable[[Any], tuple[np.ndarray, np.ndarray]]] = {
    "moons": lambda sets: sets.make_moons(_SAMPLES, noise=0.1, random_state=0),
    "circles": lambda sets: sets.make_circles(_SAMPLES, noise=0.05, factor=0.5, random_state=0),
    "friedman1": lambda sets: sets.make_friedman1(_SAMPLES, random_state=0),
}
_LOADED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
_FETCHED = ("california_housing",)


@dataclass(frozen=True)
class ScikitLearn:
    name: ClassVar[str] = "scikit-learn"
    accepts: ClassVar[str] = ", ".join(sorted((*_GENERATED, *_LOADED, *_FETCHED)))
    tables: ClassVar[bool] = False

    def takes(self, text: str) -> bool:
        return text in _GENERATED or text in _LOADED or text in _FETCHED

    def read(self, text: str, target: str | None) -> Samples:
        try:
            import sklearn.datasets as sets
        except ImportError:
            raise ToolMissing(Diagnostic("KC0711", f"the data set `{text}` needs scikit-learn, which is not installed",
                                         hint="pip install 'kcompile[data]'")) from None
        if text in _GENERATED:
            inputs, targets = _GENERATED[text](sets)
            return Samples(inputs, class_targets(targets))
        bunch: Any = _cached(sets, text) if text in _FETCHED else getattr(sets, f"load_{text}")()
        if text == "digits":
            return Samples((bunch.images[:, None] / 16.0).astype(np.float32), class_targets(bunch.target))
        targets = class_targets(bunch.target)
        # Where targets are numbers, target_names are those of columns.
        names = tuple(str(name) for name in bunch.target_names) if targets.dtype.kind == "i" else ()
        return Samples(bunch.data, targets, classes=names)


def _cached(sets: Any, name: str) -> Any:
    """A set that scikit-learn fetched before; raises `UsageError` KC0560."""
    try:
        return getattr(sets, f"fetch_{name}")(download_if_missing=False)
    except OSError:
        fetch = f"python -c 'from sklearn.datasets import fetch_{name} as f; f()'"
        raise UsageError(Diagnostic("KC0560", f"the data set `{name}` is not in the cache of scikit-learn; nothing is fetched",
                                    hint=f"{fetch} fetches it once; or give a FILE.npz with x and y")) from None


SOURCE = ScikitLearn()
