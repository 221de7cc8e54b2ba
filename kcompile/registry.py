"""Finds the objects of one kind by walking a folder, so that adding one touches no list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from kcompile.diagnostics import Diagnostic, UsageError, accepted, nearest


def find(package: str, attribute: str) -> dict[str, Any]:
    """Objects called `attribute` in the modules of a package, by their `name`, sorted."""
    folder = importlib.import_module(package)
    found = {}
    for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, attribute):
            one = getattr(module, attribute)
            found[one.name] = one
    return found


def pick(package: str, attribute: str, name: str, others: Iterable[str] = ()) -> Any:
    """One object by its name; raises `UsageError` KC0509 naming what there is, and others that its user takes as well."""
    known = find(package, attribute)
    if name not in known:
        names = [*known, *others]
        raise UsageError(Diagnostic("KC0509", f"there is no {attribute.lower()} `{name}`",
                                    hint=nearest(name, names) or accepted(names)))
    return known[name]
