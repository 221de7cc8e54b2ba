"""Where the data files are: the only code that knows the folders `grammar`, `templates`, `pdk_models`, `std`, `errors`.

In an installed wheel the three top-level folders lie in `kcompile/_data`; in a checkout (and an editable install) they
are siblings of the package.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Folder of one kind of data: `grammar`, `templates` or `pdk_models`."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def cache_folder() -> Path | None:
    """Folder of the user's own for what can be made again, `~/.cache/kcompile`; None where there can be none."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        base.mkdir(mode=0o700, exist_ok=True)
        folder = base / "kcompile"
        folder.mkdir(mode=0o700, exist_ok=True)
    except (OSError, RuntimeError, ValueError):  # no home, or none that can be written
        return None
    return folder


def std_folder() -> Path:
    """Folder of the library written in the language itself."""
    return _PACKAGE / "std"


def errors_folder() -> Path:
    """Folder with one page for each diagnostic code."""
    return _PACKAGE / "errors"
