from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import pytest

import kcompile.cli
from kcompile.diagnostics import Diagnostic


def case(tmp_path: Path) -> list[Diagnostic]:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(kcompile.cli, "cli", fail)
        patch.setattr(sys, "argv", ["kcompile"])
        patch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(SystemExit):
            kcompile.cli.main()
    head, _, message = said.getvalue().splitlines()[0].partition("]: ")
    return [Diagnostic(head.removeprefix("error["), message)]
