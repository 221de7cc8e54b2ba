"""A verification report as text: the runs, then the error of each waveform."""

from __future__ import annotations

import io

import numpy as np

from kcompile.units import format_engineering
from kcompile.verify.compare import Report

MAX_SHOWN = 24
"""Waveforms shown, the worst ones of a large circuit; the JSON form has all."""


def show_report(report: Report) -> str:
    """Text of a report, without a line end."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    runs = len(report.attempts)
    shown = list(range(len(report.names)))
    if len(shown) > MAX_SHOWN:
        shown = sorted(np.argsort(-report.attempts[-1].error, kind="stable")[:MAX_SHOWN].tolist())
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("waveform", no_wrap=True)
    for attempt in report.attempts:
        table.add_column(f"step <= {format_engineering(attempt.max_step, 's')}", justify="right", no_wrap=True)
    for k in shown:
        table.add_row(Text(report.names[k]), *(f"{attempt.error[k]:.2e}" for attempt in report.attempts))
    table.add_row("worst", *(f"{attempt.worst:.2e}" for attempt in report.attempts))
    out = io.StringIO()
    Console(file=out, width=max(100, 24 * (runs + 2)), color_system=None).print(table)
    lines = [f"{report.circuit}: native against {report.tool}; errors relative to full scale, "
             f"{format_engineering(report.full_scale, 'V')}"]
    lines += [f"  native, {line}" for line in report.method]
    lines += ["", *(line.rstrip() for line in out.getvalue().splitlines())]
    if len(shown) < len(report.names):
        lines.append(f"... and {len(report.names) - len(shown):,} waveforms with smaller errors")
    warnings = report.attempts[-1].warnings
    lines += ["", *(f"{report.tool} says: {line}" for line in warnings[:5])] if warnings else [""]
    # Where smaller steps bring nothing, the rest is not an error of steps, and a slope would say nothing.
    order = f", observed order {report.order:.1f}" if report.order is not None and report.order >= 0.5 else ""
    worst = report.attempts[-1].worst
    verdict = "passed" if report.passed else "FAILED"
    lines.append(f"{verdict}: {worst:.2e} {'<=' if report.passed else '>'} {report.tolerance:g}{order}")
    return "\n".join(lines)
