from __future__ import annotations

from pathlib import Path

from case_support import caught

from kcompile.diagnostics import Diagnostic
from kcompile.train.recipe import read_recipe


def case(tmp_path: Path) -> list[Diagnostic]:
    (tmp_path / "recipe.toml").write_text("epoch = 3\n")
    return caught(read_recipe, tmp_path / "recipe.toml")
