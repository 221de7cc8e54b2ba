"""Data sets of scikit-learn by their names; none of them needs the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kcompile.diagnostics import Diagnostic, ToolMissing
from kcompile.train.sources.base import Samples, class_targets

_SAMPLES = 2000
"""Points of a set that is generated."""

_GENERATED: dict[str, Callable[[Any], tuple[np.ndarray, np.ndarray]]] = {
    "moons": lambda sets: sets.make_moons(_SAMPLES, noise=0.1, random_state=0),
    "circles": lambda sets: sets.make_circles(_SAMPLES, noise=0.05, factor=0.5, random_state=0),
    "friedman1": lambda sets: sets.make_friedman1(_SAMPLES, random_state=0),
}
_LOADED = ("breast_cancer", "diabetes", "digits", "iris", "wine")


@dataclass(frozen=True)
class ScikitLearn:
    name: ClassVar[str] = "scikit-learn"
    accepts: ClassVar[str] = ", ".join(sorted((*_GENERATED, *_LOADED)))
    tables: ClassVar[bool] = False

    def takes(self, text: str) -> bool:
        return text in _GENERATED or text in _LOADED

    def read(self, text: str, target: str | None) -> Samples:
        try:
            import sklearn.datasets as sets
        except ImportError:
            raise ToolMissing(Diagnostic("KC0711", f"the data set `{text}` needs scikit-learn, which is not installed",
                                         hint="pip install 'kcompile[data]'")) from None
        if text in _GENERATED:
            inputs, targets = _GENERATED[text](sets)
            return Samples(inputs, class_targets(targets))
        bunch: Any = getattr(sets, f"load_{text}")()
        if text == "digits":
            return Samples((bunch.images[:, None] / 16.0).astype(np.float32), class_targets(bunch.target))
        names = tuple(str(name) for name in getattr(bunch, "target_names", ()))
        return Samples(bunch.data, class_targets(bunch.target), classes=names)


SOURCE = ScikitLearn()
