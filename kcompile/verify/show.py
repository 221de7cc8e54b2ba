"""A verification as text: the runs, then the error of each waveform; the agreement of several tools as one table."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from kcompile.units import format_count, format_engineering
from kcompile.verify.compare import Agreement, Report
from kcompile.verify.corners import Corners
from kcompile.verify.layout import LayoutReport
from kcompile.verify.transistors import Confirmation

MAX_SHOWN = 24
"""Waveforms shown, the worst ones of a large circuit; the JSON form has all."""


def show_report(report: Report | Agreement | Confirmation | Corners | LayoutReport) -> str:
    """Text of an outcome, without a line end."""
    if isinstance(report, LayoutReport):
        return _layout(report)
    if isinstance(report, Confirmation):
        return _confirmation(report)
    if isinstance(report, Corners):
        return _corners(report)
    return _agreement(report) if isinstance(report, Agreement) else _report(report)


def _layout(report: LayoutReport) -> str:
    one, other = report.devices
    lines = [f"{report.circuit}: netlist of the layout against that of the transistors, in klayout; {other:,} and {one:,} "
             "elements"]
    lines += [f"  {line}" for line in report.differences]
    if report.match and report.ambiguous:
        lines.append(f"  {report.ambiguous} nets match in more than one way")
    return "\n".join([*lines, "passed: all nets, pins and sizes match" if report.passed else "FAILED"])


def _confirmation(report: Confirmation) -> str:
    error, count, watts = report.error, len(report.laws), float(report.power.mean())
    lines = [f"{report.circuit}: laws of its cells against transistors of {report.pdk}, {report.corner} at "
             f"{report.temperature:g} C, in {report.tool}; errors relative to the swing, {format_engineering(report.swing, 'V')}"]
    columns = [np.median(error, axis=(0, 1)), np.quantile(error, 0.95, axis=(0, 1)), error.max(axis=(0, 1), initial=0.0)]
    lines += ["", *_table(report.names, ["median", "95 %", "worst"], columns), ""]
    lines += [f"{format_count(count, 'starting point')}; half of the steps change {report.step_error / report.swing:.1e}; "
              f"{format_engineering(watts, 'W', 3)} from the supply, {format_engineering(watts * report.latency, 'J', 3)} in "
              f"{format_engineering(report.latency, 's')}"]
    if report.read_error is not None:
        spans = [f"{name} {format_engineering(start, 's', 4)} to {format_engineering(stop, 's', 4)}"
                 for name, (start, stop) in report.clocks.items()]
        lines += [f"clocks: {', '.join(spans)}, read at {format_engineering(report.latency, 's', 4)}",
                  f"what is read is {format_engineering(report.read_error, 'V', 2)} from its node at most"]
    lines += [f"starting point {sample + 1}, {text}" for sample, tries in report.retries.items() for text in tries]
    if not np.ptp(report.laws):
        lines += ["no node moves, so that nothing was compared: --weights gives cells their units, --input starting voltages"]
    return "\n".join([*lines, _verdict(report.passed, float(error.max(initial=0.0)), report.tolerance)])


def _corners(report: Corners) -> str:
    worst, found = report.worst, report.confirmations
    watts = [float(one.power.mean()) for one in found]
    lines = [f"{worst.circuit}: laws of its cells against transistors of {worst.pdk}, {len(found)} corners and temperatures, in "
             f"{worst.tool}; errors relative to the swing of each"]
    columns = [np.array([float(part(one.error)) for one in found]) for part in (
        np.median, lambda error: np.quantile(error, 0.95), np.max)]
    lines += ["", *_table([_condition(one) for one in found], ["median", "95 %", "worst"], columns, "corner"), ""]
    lines += [f"{_condition(one)}, starting point {sample + 1}, {text}" for one in found for sample, tries in one.retries.items()
              for text in tries]
    node = worst.names[int(np.argmax(worst.error.max(axis=(0, 1))))]
    least, most = (format_engineering(one, "W", 3) for one in (min(watts), max(watts)))
    lines += [f"{least} to {most} from the supply; the largest error is that of {node}, {_condition(worst)}"]
    return "\n".join([*lines, _verdict(report.passed, float(worst.error.max(initial=0.0)), worst.tolerance)])


def _condition(one: Confirmation) -> str:
    return f"{one.corner} {one.temperature:g} C"


def _report(report: Report) -> str:
    heads = [f"step <= {format_engineering(attempt.max_step, 's')}" for attempt in report.attempts]
    lines = [f"{report.circuit}: native against {report.tool}; errors relative to full scale, "
             f"{format_engineering(report.full_scale, 'V')}"]
    lines += [f"  native, {line}" for line in report.method]
    lines += ["", *_table(report.names, heads, [attempt.error for attempt in report.attempts]), ""]
    lines += _warnings(report)
    # Where smaller steps bring nothing, the rest is not an error of steps, and a slope would say nothing.
    order = f", observed order {report.order:.1f}" if report.order is not None and report.order >= 0.5 else ""
    return "\n".join([*lines, _verdict(report.passed, report.attempts[-1].worst, report.tolerance) + order])


def _agreement(agreement: Agreement) -> str:
    reports = agreement.reports
    first = reports[0]
    tools = [report.tool for report in reports]
    errors = [report.attempts[-1].error for report in reports]
    apart = np.max([distance for _, _, distance in agreement.pairs], axis=0)
    lines = [f"{first.circuit}: native against {', '.join(tools)}; errors relative to full scale, "
             f"{format_engineering(first.full_scale, 'V')}"]
    lines += [f"  native, {line}" for line in first.method]
    lines += [f"  {report.tool}, steps <= {format_engineering(report.attempts[-1].max_step, 's')}" for report in reports]
    lines += ["", *_table(first.names, [*tools, "worst pair"], [*errors, apart]), ""]
    for report in reports:
        lines += _warnings(report)
    lines += [f"{one} and {other} differ by {distance.max(initial=0.0):.2e}" for one, other, distance in agreement.pairs]
    worst = max(report.attempts[-1].worst for report in reports)
    return "\n".join([*lines, _verdict(agreement.passed, worst, first.tolerance) + f" against each of {len(reports)} tools"])


def _table(names: Sequence[str], heads: Sequence[str], columns: Sequence[np.ndarray], what: str = "waveform") -> list[str]:
    """Lines of a table of the waveforms whose values in the last column are largest, and the worst of each column."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = list(range(len(names)))
    if len(shown) > MAX_SHOWN:
        shown = sorted(np.argsort(-columns[-1], kind="stable")[:MAX_SHOWN].tolist())
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column(what, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for k in shown:
        table.add_row(Text(names[k]), *(f"{column[k]:.2e}" for column in columns))
    table.add_row("worst", *(f"{column.max(initial=0.0):.2e}" for column in columns))
    out = io.StringIO()
    Console(file=out, width=max(100, 24 * (len(heads) + 2)), color_system=None).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    if len(shown) < len(names):
        lines.append(f"... and {len(names) - len(shown):,} waveforms with smaller errors")
    return lines


def _warnings(report: Report) -> list[str]:
    return [f"{report.tool} says: {line}" for line in report.attempts[-1].warnings[:5]]


def _verdict(passed: bool, worst: float, tolerance: float) -> str:
    return f"{'passed' if passed else 'FAILED'}: {worst:.2e} {'<=' if passed else '>'} {tolerance:g}"
