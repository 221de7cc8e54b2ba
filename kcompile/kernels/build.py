"""C++ text to a loaded library, kept in the user's cache folder under a hash of text, flags, compiler and processor."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, printable
from kcompile.resources import cache_folder

# Comparisons keep their meaning for what is finite; a voltage that is not is found after the run.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffinite-math-only", "-fno-signed-zeros", "-fno-math-errno",
         "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
SECONDS = 300


def find_compiler() -> str | None:
    """Path of a C++ compiler: that of the environment variable CXX, or g++, or clang++, or None."""
    named = os.environ.get("CXX")
    return shutil.which(named) if named else shutil.which("g++") or shutil.which("clang++")


def probe_compiler() -> tuple[str, str]:
    """(version, path) of the C++ compiler; raises `ToolMissing` KC0717."""
    compiler = need_compiler()
    version = re.search(r"[0-9]+(\.[0-9]+)+", compiler_version(compiler))
    return version[0] if version else "unknown", compiler


def need_compiler() -> str:
    """Path of the C++ compiler; raises `ToolMissing` KC0717."""
    compiler = find_compiler()
    if compiler is None:
        named = os.environ.get("CXX")
        said = f"the environment variable CXX names `{printable(named, 80)}`, which is not found" if named else \
            "there is no C++ compiler for the kernels, neither g++ nor clang++ is found"
        raise ToolMissing(Diagnostic("KC0717", said, hint="unset CXX, or name an installed compiler" if named else
                                     "apt-get install g++, or set CXX"))
    return compiler


@functools.cache
def processor() -> str:
    """Name of this machine's processor with the instructions it knows, which `-march=native` builds for."""
    info = Path("/proc/cpuinfo")
    found = re.findall(r"^(?:model name|flags|Features)\s*:\s*(.+)$", info.read_text(), re.MULTILINE)[:2] if info.exists() else []
    return " ".join([platform.machine(), *found]) or platform.machine()


@functools.cache
def compiler_version(compiler: str) -> str:
    """First line of what a compiler says of itself."""
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.partition("\n")[0]


def load_library(text: str) -> ctypes.CDLL:
    """Library of a C++ text, built when it is not in the cache.

    Raises `ToolMissing` KC0717 without a compiler, KC0718 when the text does not compile.
    """
    compiler = need_compiler()
    stamp = "\0".join([text, *FLAGS, compiler, compiler_version(compiler), processor()])
    name = hashlib.sha256(stamp.encode()).hexdigest()[:24]
    cache = cache_folder()
    with tempfile.TemporaryDirectory(prefix="kcompile-") as scratch:
        folder = cache / "kernels" if cache is not None else Path(scratch)
        folder.mkdir(mode=0o700, exist_ok=True)
        library = folder / f"{name}.so"
        if not library.exists():
            _build(compiler, text, library, Path(scratch))
        return ctypes.CDLL(str(library))


def _build(compiler: str, text: str, library: Path, scratch: Path) -> None:
    source, built = scratch / "kernel.cpp", scratch / "kernel.so"
    source.write_text(text, encoding="ascii")
    done = subprocess.run([compiler, *FLAGS, "-o", str(built), str(source)], capture_output=True, text=True, timeout=SECONDS,
                          check=False)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise ToolMissing(Diagnostic("KC0718", f"{compiler} does not compile a kernel: {first}",
                                     hint="the environment variable CXX names another compiler"))
    # The text lies beside the library for whoever wants to read it; both appear whole or not at all.
    for made, kept in ((source, library.with_suffix(".cpp")), (built, library)):
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(made, partial)
        partial.replace(kept)
