"""The verbs as functions: check, compile, simulate, lower, verify. Each composes the folders and holds no logic of its own.

The folders are imported inside the functions, because `kcompile --help` and `import kcompile` must not wait for numpy,
lark and sympy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcompile.diagnostics import CompileError, Diagnostic, Reporter, Source, UsageError, in_source_order, nearest, printable

if TYPE_CHECKING:
    import numpy as np

    from kcompile.ir.circuit import Circuit
    from kcompile.lower.base import Artifact
    from kcompile.sim.result import Waveforms
    from kcompile.syntax.load import Module
    from kcompile.verify.compare import Report

Model = str | Path | Source
"""A path, or a text with a name."""


def _open(model: Model) -> tuple[Source, Path]:
    """Source of a model and the folder its `use` lines start from."""
    from kcompile.syntax.parse import read_source

    if isinstance(model, Source):
        return model, Path()
    try:
        return read_source(Path(model), str(model)), Path(model).parent
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        beside = [str(p) for p in Path(model).parent.glob("*.kc")] if "\0" not in str(model) else []
        raise UsageError(Diagnostic("KC0501", f"{printable(str(model))} cannot be read: {reason}",
                                    hint=nearest(str(model), beside))) from None


def _checked(source: Source, folder: Path, include: Sequence[str | Path], report: Reporter) -> Module:
    from kcompile.syntax.check import check as check_module
    from kcompile.syntax.load import load

    module = load(source, folder, report, tuple(Path(p) for p in include))
    if not report.failed:
        check_module(module, report)
    return module


def check(model: Model, *, top: str | None = None, pdk: str | None = None,
          include: Sequence[str | Path] = ()) -> tuple[Diagnostic, ...]:
    """Every diagnostic of a model, in source order; nothing is written or simulated.

    All circuits that nobody instantiates are built, so subscripts, values and structure are checked as well; `pdk`
    checks values against the limits of a process too.
    """
    from kcompile.ir.build import build, find_top, tops

    report = Reporter()
    try:
        module = _checked(*_open(model), include, report)
        found = [] if report.failed else [find_top(module, top)] if top else tops(module)
        # A file with several tops is a library: its ports may get their capacitors where it is used.
        for circuit in found:
            flat = build(module, circuit, report, open_ports=len(found) > 1)
            if flat is not None and (pdk or flat.pdk):
                from kcompile.pdk.check import check_limits

                check_limits(flat, pdk or flat.pdk or "", report)
    except CompileError as error:
        for diagnostic in error.diagnostics:
            report.add(diagnostic)
    return tuple(in_source_order(report.diagnostics))


def compile(model: Model, *, top: str | None = None, settings: Mapping[str, float | str] | None = None,
            weights: Mapping[str, np.ndarray] | str | Path | None = None, inputs: Sequence[float] | np.ndarray | None = None,
            include: Sequence[str | Path] = ()) -> Circuit:
    """Flat circuit of a model (`.kc`) or of canonical text (`.kcir`).

    settings: values by name, parameters of the top circuit (`n`) or of instances (`R1.r`); texts may carry a unit.
    weights: arrays by full name, or a safetensors file. inputs: volts in the order of the `input` declaration.
    Raises `CompileError` with every mistake found, `UsageError` for values that do not fit.
    """
    import numpy as np

    from kcompile.inputs import read_weights
    from kcompile.ir.assign import assign, assign_settings, split_settings
    from kcompile.ir.build import build, find_top
    from kcompile.ir.reader import is_canonical, read_circuit

    report = Reporter()
    source, folder = _open(model)
    if is_canonical(source):
        circuit: Circuit | None = read_circuit(source)
        later = dict(settings or {})
    else:
        module = _checked(source, folder, include, report)
        report.raise_errors()
        declared = find_top(module, top)
        first, later = split_settings(declared, settings or {})
        circuit = build(module, declared, report, first)
        report.raise_errors()
    assert circuit is not None
    if weights is not None:
        circuit = assign(circuit, weights if isinstance(weights, Mapping) else read_weights(Path(weights)))
    circuit = assign_settings(circuit, later)
    return circuit if inputs is None else circuit.with_initial(np.asarray(inputs))


def simulate(model: Model | Circuit, *, until: float | None = None, points: int = 501, rtol: float | None = None) -> Waveforms:
    """Waveforms of a model from 0 to `until` seconds; see `kcompile.sim.integrate.simulate`."""
    from kcompile.sim.integrate import DEFAULT_RTOL
    from kcompile.sim.integrate import simulate as integrate

    return integrate(_circuit(model), until=until, points=points, rtol=rtol or DEFAULT_RTOL)


def lower(model: Model | Circuit, target: str = "spice", *, dialect: str = "", until: float | None = None,
          rtol: float | None = None) -> tuple[Artifact, ...]:
    """Files of a lowering, as text; `until` in seconds is the time of the test bench."""
    from kcompile.lower.base import BenchOptions
    from kcompile.registry import pick

    options = BenchOptions(dialect, until) if rtol is None else BenchOptions(dialect, until, rtol=rtol)
    return pick("kcompile.lower", "TARGET", target).lower(_circuit(model), options)


def verify(model: Model | Circuit, *, against: str = "ngspice", until: float | None = None, tolerance: float = 1e-4,
           rtol: float | None = None) -> Report:
    """Error of every waveform against an outside simulator, at two step sizes or more.

    Raises `ToolMissing` where the simulator is not installed, `SimulatorFailed` where it gives no trustworthy answer.
    """
    from kcompile.registry import pick
    from kcompile.verify.compare import REFERENCE_RTOL, compare

    simulator = pick("kcompile.verify", "SIMULATOR", against)
    return compare(_circuit(model), simulator, until=until, tolerance=tolerance, rtol=rtol or REFERENCE_RTOL)


def _circuit(model: Model | Circuit) -> Circuit:
    return compile(model) if isinstance(model, str | Path | Source) else model
