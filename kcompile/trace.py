"""What a user sees of a pipeline as it runs: facts, times, canonical texts and differences, and where it stops."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kcompile.diagnostics import Diagnostic, UsageError, nearest, printable

if TYPE_CHECKING:
    from kcompile.ir.circuit import Circuit
    from kcompile.passes.pipeline import PassRun, Watch
    from kcompile.request import Request

MAX_DIFF = 400
"""Lines of a difference that are shown; the canonical text of a large circuit has millions."""


@dataclass(frozen=True)
class Trace:
    """`--print-after`, `--diff`, `--stop-after` and `--time-passes`; everything goes to standard error."""

    print_after: tuple[str, ...]
    diff: bool
    stop_after: str | None
    time_passes: bool

    def checked(self, request: Request) -> Watch | None:
        """What watches the pipeline; None without one. Raises `UsageError` KC0801 for a pass that is not part of it."""
        from kcompile.passes.find import known_passes
        from kcompile.passes.parse_pipeline import parse_pipeline

        if not request.passes and not self.print_after and not self.stop_after:
            return None
        names = [one.name for one in parse_pipeline(request.passes, known_passes(request.plugins)).passes]
        for option, name in (*(("--print-after", name) for name in self.print_after if name != "all"),
                             *([("--stop-after", self.stop_after)] if self.stop_after else [])):
            if name not in names:
                listed = f"it holds {', '.join(names)}" if names else "there is none; give --passes"
                raise UsageError(Diagnostic("KC0801", f"{option}: the pipeline has no pass `{printable(name, 40)}`",
                                            hint=nearest(name, names) or listed))
        return self

    def __call__(self, run: PassRun, before: Circuit, after: Circuit) -> bool:
        took = f" ({run.seconds:.3g} s)" if self.time_passes else ""
        click.echo(f"{run}{took}", err=True)
        if self.diff:
            _echo_difference(run.one.name, before, after)
        if run.one.name in self.print_after or "all" in self.print_after:
            from kcompile.ir.printer import print_circuit

            click.echo(f"// after {run.one.name}\n{print_circuit(after)}", err=True, nl=False)
        return run.one.name == self.stop_after


def _echo_difference(name: str, before: Circuit, after: Circuit) -> None:
    from kcompile.ir.printer import print_circuit

    old, new = (print_circuit(circuit).splitlines() for circuit in (before, after))
    lines = list(difflib.unified_diff(old, new, "before " + name, "after " + name, n=1, lineterm=""))
    click.echo("\n".join(lines[:MAX_DIFF]), err=True)
    if len(lines) > MAX_DIFF:
        click.echo(f"... and {len(lines) - MAX_DIFF:,} more lines", err=True)
