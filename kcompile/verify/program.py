"""Outside programs: where each is, and what is said when it is not there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kcompile.diagnostics import Diagnostic, ToolMissing, printable
from kcompile.verify.process import environment


@dataclass(frozen=True)
class Program:
    """A program by its command.

    variable: environment variable that names another place; code: diagnostic when it is missing; install: how to get it;
    wheel: package whose folder `data/bin` may hold it, which is looked at and not imported.
    """

    command: str
    variable: str
    code: str
    install: str
    wheel: str = ""

    def find(self) -> str:
        """Path of the program; raises `ToolMissing`."""
        wanted = os.environ.get(self.variable) or self._in_wheel() or self.command
        found = shutil.which(wanted)
        if found is None:
            raise self.missing(f"is not found (looked for `{printable(wanted, 200)}` on PATH)")
        return found

    def missing(self, why: str) -> ToolMissing:
        return ToolMissing(Diagnostic(self.code, f"{self.command} {why}", hint=self.install))

    def _in_wheel(self) -> str | None:
        spec = importlib.util.find_spec(self.wheel) if self.wheel else None
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / "data" / "bin" / self.command
        return str(path) if path.is_file() else None

    def ask(self, *arguments: str, folder: str | None = None) -> str:
        """What the program prints, within 20 s; raises `ToolMissing` when it does not answer."""
        with tempfile.TemporaryDirectory() as fresh:
            place = folder or fresh
            try:
                done = subprocess.run([self.find(), *arguments], cwd=place, stdin=subprocess.DEVNULL, capture_output=True,
                                      text=True, errors="replace", timeout=20, env=environment(place))
            except (OSError, subprocess.TimeoutExpired) as error:
                raise self.missing(f"does not answer: {error}") from error
        return done.stdout + done.stderr
