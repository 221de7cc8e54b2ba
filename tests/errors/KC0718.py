from __future__ import annotations

from pathlib import Path

import pytest

import kcompile as kc
from kcompile.diagnostics import Diagnostic
from kcompile.kernels.build import load_library


def case(tmp_path: Path) -> list[Diagnostic]:
    """A compiler that reports an error and makes nothing."""
    compiler = tmp_path / "cxx"
    compiler.write_text("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho 'kernel.cpp:1:1: error: unknown type' >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", str(compiler))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with pytest.raises(kc.ToolMissing) as caught:
            load_library("// a kernel")
    return list(caught.value.diagnostics)
