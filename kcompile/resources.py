"""Where the data files are: the only code that knows the folders `grammar`, `templates`, `pdk_models`, `std`, `errors`.

In an installed wheel the three top-level folders lie in `kcompile/_data`; in a checkout (and an editable install) they
are siblings of the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Folder of one kind of data: `grammar`, `templates` or `pdk_models`."""
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name


def std_folder() -> Path:
    """Folder of the library written in the language itself."""
    return _PACKAGE / "std"


def errors_folder() -> Path:
    """Folder with one page for each diagnostic code."""
    return _PACKAGE / "errors"
