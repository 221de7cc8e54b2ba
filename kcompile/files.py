"""Writing files so that an interruption leaves the old or the new ones, never half, and the manifest beside them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from kcompile.diagnostics import Diagnostic, UsageError, printable

_RECORDED = ("numpy", "scipy", "sympy", "lark", "jinja2")


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by plain name; all are complete on disk before the first one replaces its old version.

    An interruption leaves all of the old files or all of the new ones. Only a kill or a power cut between two renames can
    leave some of each, every one whole; the hashes of a manifest, which is written last, tell.
    Raises `UsageError` KC0513 when the folder cannot be written.
    """
    waiting: list[tuple[str, Path]] = []
    try:
        if folder.is_file():
            raise UsageError(Diagnostic("KC0513", f"{printable(str(folder))} is a file, a folder is needed"))
        folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            if (folder / name).is_dir():
                raise UsageError(Diagnostic("KC0513", f"{printable(str(folder / name))} is a folder, a file is to be written"))
        for name, content in files.items():
            data = content.encode("utf-8") if isinstance(content, str) else content
            handle, temporary = tempfile.mkstemp(prefix=f".{name[:64]}.", suffix=".tmp", dir=folder)
            waiting.append((temporary, folder / name))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
        with _uninterrupted():
            while waiting:
                os.replace(*waiting[0])
                waiting.pop(0)
    except OSError as error:
        raise UsageError(Diagnostic("KC0513", f"{printable(str(folder))} cannot be written: {error.strerror}")) from None
    finally:
        for temporary, _ in waiting:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def need_writable(folder: Path) -> None:
    """Make a folder, and raise `UsageError` KC0513 where no files can be written into it."""
    write_files(folder, {})
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(Diagnostic("KC0513", f"{printable(str(folder))} cannot be written: {error.strerror}")) from None


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that end a program wait until the block is done, so that files change together."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(content: str | bytes) -> str:
    """Hex digest of a text or of bytes."""
    return hashlib.sha256(content.encode("utf-8") if isinstance(content, str) else content).hexdigest()


def manifest(version: str, command: Sequence[str], sources: Mapping[str, str | bytes], options: Mapping[str, Any],
             files: Mapping[str, str | bytes], seed: int | None = None) -> str:
    """JSON that says how outputs came to be: hashes of sources and outputs, versions, command, tolerances; no dates.

    seed: of the random numbers that went in, None where there were none.
    """
    content = {
        "format": 1,
        "kcompile": version,
        "command": list(command),
        "sources": {name: sha256(text) for name, text in sorted(sources.items())},
        "options": dict(options),
        "seed": seed,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _RECORDED}},
        "files": {name: sha256(content) for name, content in sorted(files.items())},
    }
    return to_json(content) + "\n"


def to_json(value: Any) -> str:
    """JSON text of a value; a number that JSON does not have is the text "inf", "-inf" or "nan"."""
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return str(float(value)) if isinstance(value, float) and not math.isfinite(value) else value
