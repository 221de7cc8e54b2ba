from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.verify.layout import compare_netlists


def case(tmp_path: Path) -> list[Diagnostic]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(kc.ToolMissing) as caught:
            compare_netlists("net", "", "", frozenset())
    return list(caught.value.diagnostics)
