"""A circuit against the limits of a process."""

from __future__ import annotations

import numpy as np

from kcompile.diagnostics import Reporter, Span
from kcompile.ir.circuit import Circuit, InstanceTable, Stimulus
from kcompile.ir.structure import capacitances, grounded
from kcompile.pdk.load import load_pdk
from kcompile.pdk.placement import SHARE, has_cells, place
from kcompile.pdk.schema import Pdk
from kcompile.syntax.functions import WAVEFORMS
from kcompile.units import CAPACITANCE, VOLTAGE, Dimension, format_count, format_engineering, format_unit


def check_limits(circuit: Circuit, name: str, report: Reporter) -> None:
    """Report every value outside the limits of the process, once per declaration."""
    _Limits(load_pdk(name), report).check(circuit)


def check_loads(circuit: Circuit, report: Reporter) -> None:
    """Report nodes that cells load with more than `SHARE` of their capacitance, as one warning KC0728 about the worst.

    Says nothing of a circuit without cells. Raises what `place` raises.
    """
    if not has_cells(circuit):
        return
    found = place(circuit)
    heavy = np.flatnonzero(found.share > SHARE)
    if not len(heavy):
        return
    node = int(np.argmax(found.share))
    others = f", and so is more than {100 * SHARE:g} % of {format_count(len(heavy) - 1, 'other')}" * (len(heavy) > 1)
    report.warn("KC0728", f"{100 * found.share[node]:.1f} % of the capacitance of node `{circuit.nodes.name(node)}`, "
                f"{format_engineering(float(found.target[node]), 'F', 3)}, is the load of its cells{others}",
                circuit.nodes.bank(node).span, hint="loads bend with the voltages; --passes balance-capacitance makes all "
                f"capacitances and times {found.stretch(SHARE):.3g} times as large")


class _Limits:
    def __init__(self, pdk: Pdk, report: Reporter) -> None:
        self._pdk = pdk
        self._report = report

    def check(self, circuit: Circuit) -> None:
        self._voltages(circuit)
        for stimulus in circuit.stimuli:
            self._stimulus(stimulus)
        for table in circuit.tables:
            self._table(table)
        self._capacitances(circuit)

    def _refuse(self, what: str, values: np.ndarray, dimension: Dimension, span: Span | None) -> None:
        limit = self._pdk.limits.get(dimension)
        if limit is None or values.size == 0:
            return
        wrong = values[~((values >= limit.lower) & (values <= limit.upper))]
        if wrong.size:
            unit = "" if format_unit(dimension) == "1" else format_unit(dimension)
            low, high = (format_engineering(v, unit) for v in (limit.lower, limit.upper))
            self._report.error("KC0510", f"{what} is {format_engineering(float(wrong.flat[0]), unit)}, outside the limits of "
                               f"{self._pdk.name}", span, hint=f"{dimension} goes from {low} to {high} there")

    def _voltages(self, circuit: Circuit) -> None:
        for bank in circuit.nodes.banks:
            self._refuse("a starting voltage", circuit.nodes.initial[bank.first : bank.first + bank.count], VOLTAGE, bank.span)

    def _stimulus(self, stimulus: Stimulus) -> None:
        self._wave("a voltage of this source", stimulus.wave.kind, stimulus.wave.arguments, VOLTAGE, stimulus.span)

    def _wave(self, what: str, kind: str, arguments: np.ndarray, dimension: Dimension, span: Span | None) -> None:
        if WAVEFORMS[kind].repeats:
            levels = arguments[:, 1::2]
        else:
            columns = [k for k, argument in enumerate(WAVEFORMS[kind].arguments) if argument.dimension is None]
            levels = arguments[:, columns]
            if kind == "sin":
                levels = np.stack([levels[:, 0] - np.abs(levels[:, 1]), levels[:, 0] + np.abs(levels[:, 1])], axis=1)
        self._refuse(what, levels, dimension, span)

    def _table(self, table: InstanceTable) -> None:
        for param in table.model.params:
            what = f"`{param.name}` of {table.bank}"
            if param.name in table.waves:
                self._wave(what, table.waves[param.name].kind, table.waves[param.name].arguments, param.dimension, table.span)
            else:
                self._refuse(what, table.params[param.name], param.dimension, table.span)

    def _capacitances(self, circuit: Circuit) -> None:
        total = grounded(circuit, capacitances(circuit))
        total[circuit.driven] = 0.0
        for bank in circuit.nodes.banks:
            values = total[bank.first : bank.first + bank.count]
            self._refuse("the capacitance of a node", values[values > 0], CAPACITANCE, bank.span)
