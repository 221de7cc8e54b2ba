"""What is needed to repeat an internal error, in one text file."""

from __future__ import annotations

import platform
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import kcompile

MAX_SOURCE = 1 << 20


def write_reproducer(error: BaseException, command: Sequence[str]) -> Path:
    """Path of a new file with the command, the versions, the traceback and the texts of the models."""
    parts = [f"kcompile {kcompile.__version__}, Python {platform.python_version()}, {platform.platform()}",
             f"command: kcompile {' '.join(command)}", "".join(traceback.format_exception(error))]
    for word in command:
        path = Path(word)
        if path.suffix in (".kc", ".kcir") and path.is_file():
            text = path.read_bytes()[:MAX_SOURCE].decode("utf-8", "replace")
            parts.append(f"---- {word}\n{text}")
    with tempfile.NamedTemporaryFile("w", prefix="kcompile-crash-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write("\n\n".join(parts))
    return Path(file.name)
