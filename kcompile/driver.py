"""The verbs as functions: check, compile, simulate, train, sweep, lower, verify, imports. Each composes folders, without logic.

The folders are imported inside the functions, because `kcompile --help` and `import kcompile` must not wait for numpy,
lark and sympy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcompile.diagnostics import (
    CompileError,
    Diagnostic,
    Reporter,
    Source,
    UsageError,
    accepted,
    in_source_order,
    nearest,
    printable,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

    from kcompile.imports.base import Imported
    from kcompile.ir.circuit import Circuit
    from kcompile.lower.base import Artifact
    from kcompile.passes.base import Pass
    from kcompile.passes.pipeline import Outcome, Pipeline, Watch
    from kcompile.sim.result import Waveforms
    from kcompile.sweep.table import Table
    from kcompile.syntax.load import Module
    from kcompile.train.data import Arrays, Data
    from kcompile.train.fit import Fit
    from kcompile.train.recipe import Recipe
    from kcompile.train.run import Watch as TrainingWatch
    from kcompile.verify.compare import Agreement, Report
    from kcompile.verify.corners import Corners
    from kcompile.verify.layout import LayoutReport
    from kcompile.verify.transistors import Confirmation

    Passes = str | Pipeline | Sequence[Pass]

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

                try:
                    check_limits(flat, pdk or flat.pdk or "", report)
                except UsageError as error:
                    if pdk:
                        raise
                    for diagnostic in error.diagnostics:  # of a process that the program names
                        report.add(replace(diagnostic, span=flat.span))
    except CompileError as error:
        for diagnostic in error.diagnostics:
            report.add(diagnostic)
    return tuple(in_source_order(report.diagnostics))


def compile(model: Model, *, top: str | None = None, settings: Mapping[str, float | str] | None = None,
            weights: Mapping[str, np.ndarray] | str | Path | None = None, inputs: Sequence[float] | np.ndarray | None = None,
            include: Sequence[str | Path] = (), passes: Passes = "", plugins: Sequence[str | Path] = ()) -> Circuit:
    """Flat circuit of a model (`.kc`) or of canonical text (`.kcir`), after `passes`.

    settings: values by name, parameters of the top circuit (`n`) or of instances (`R1.r`); texts may carry a unit.
    weights: arrays by full name, or a safetensors file. inputs: volts in the order of the `input` declaration.
    Raises `CompileError` with every mistake found, `UsageError` for values that do not fit.
    """
    circuit, _ = compile_with_sources(model, top=top, settings=settings, weights=weights, inputs=inputs, include=include)
    return transform(circuit, passes, plugins=plugins).circuit


def transform(circuit: Circuit, passes: Passes, *, plugins: Sequence[str | Path] = (), watch: Watch | None = None) -> Outcome:
    """The circuit after passes, and what each of them found.

    passes: a text such as "fold-constants,prune{threshold=1e-4}", or pass objects; plugins: Python files that define more.
    Raises `UsageError` KC0801 to KC0805 for what is not a pipeline, `CompileError` KC0806, KC0807 for a pass that fails.
    """
    from kcompile.passes.find import known_passes
    from kcompile.passes.parse_pipeline import parse_pipeline
    from kcompile.passes.pipeline import Outcome, Pipeline

    if not passes and not plugins:
        return Outcome(circuit, ())
    if isinstance(passes, str):
        pipeline = parse_pipeline(passes, known_passes(plugins))
    else:
        pipeline = passes if isinstance(passes, Pipeline) else Pipeline(tuple(passes))
    return pipeline.run(circuit, watch)


def compile_with_sources(model: Model, *, top: str | None = None, settings: Mapping[str, float | str] | None = None,
                         weights: Mapping[str, np.ndarray] | str | Path | None = None,
                         inputs: Sequence[float] | np.ndarray | None = None,
                         include: Sequence[str | Path] = ()) -> tuple[Circuit, tuple[Source, ...]]:
    """The circuit of `compile`, and every text it was made from."""
    from kcompile.inputs import read_weights
    from kcompile.ir.assign import assign, assign_settings, split_settings
    from kcompile.ir.build import build, find_top
    from kcompile.ir.reader import is_canonical, read_circuit

    report = Reporter()
    source, folder = _open(model)
    if is_canonical(source):
        circuit: Circuit | None = read_circuit(source)
        later, sources = dict(settings or {}), (source,)
    else:
        module = _checked(source, folder, include, report)
        report.raise_errors()
        declared = find_top(module, top)
        first, later = split_settings(declared, settings or {})
        circuit = build(module, declared, report, first)
        report.raise_errors()
        sources = _sources(module)
    assert circuit is not None
    if weights is not None:
        circuit = assign(circuit, weights if isinstance(weights, Mapping) else read_weights(Path(weights)))
    circuit = assign_settings(circuit, later)
    return (circuit if inputs is None else circuit.with_initial(inputs)), sources


def _sources(module: Module) -> tuple[Source, ...]:
    """Text of a module and of all that it uses, directly or not."""
    found, waiting = {id(module): module}, [module]
    while waiting:
        used = {id(other): other for _, other in waiting.pop().names.values() if id(other) not in found}
        found.update(used)
        waiting += used.values()
    return tuple(one.program.source for one in found.values())


def simulate(model: Model | Circuit, *, until: float | None = None, points: int = 501, rtol: float | None = None) -> Waveforms:
    """Waveforms of a model from 0 to `until` seconds; see `kcompile.sim.integrate.simulate`."""
    from kcompile.sim.integrate import DEFAULT_RTOL
    from kcompile.sim.integrate import simulate as integrate

    return integrate(_circuit(model), until=until, points=points, rtol=DEFAULT_RTOL if rtol is None else rtol)


def train(model: Model | Circuit, data: str | Path | Arrays, recipe: Recipe | str | Path | None = None, *,
          out: str | Path | None = None, resume: bool = False, watch: TrainingWatch | None = None, **changes: Any) -> Fit:
    """Trained circuit and how it came to be.

    data: a data set of scikit-learn by name, a file, or arrays (inputs, targets). recipe: values or a TOML file; changes: keys
    of a recipe, `epochs=20`. out: folder of the run, resume: go on with the training there. See `kcompile.train.fit.fit`.
    """
    from kcompile.train.need_torch import need_torch
    from kcompile.train.recipe import RUN_RECIPE, with_values

    need_torch()
    from kcompile.train.fit import fit

    if recipe is None and resume and out is not None:
        recipe = Path(out) / RUN_RECIPE
    chosen = with_values(_recipe(recipe), changes)
    folder = None if out is None else Path(out)
    return fit(_circuit(model), read_data(data, chosen), chosen, folder=folder, resume=resume, watch=watch)


def sweep(model: Model, vary: Mapping[str, Sequence[float | str] | str] | None = None, *,
          spread: Mapping[str, str] | None = None, draws: int = 0, seed: int = 0, until: float | None = None,
          rtol: float | None = None, data: str | Path | Arrays | None = None, recipe: Recipe | str | Path | None = None,
          out: str | Path | None = None, resume: bool = False, jobs: int = 0, cluster: str | None = None,
          watch: Callable[[int, int], None] | None = None, **options: Any) -> Table:
    """Rows for all combinations of values: voltages of the outputs at the end, or with `data` the figures of trainings.

    vary: values by name, "1kOhm,2kOhm", "lin(1pF,5pF,9)" or a sequence; of parameters, and of keys of the recipe. draws, spread,
    seed: circuits with random deviations, see `kcompile.sweep.spread.draw`. options: those of `compile`. out: folder of the
    table, resume: go on with the sweep there. jobs: processes, 0 for one a core; cluster: tcp://.. of Dask, ray://.. of Ray.
    watch: called with the numbers of points that are done and of all.
    What goes wrong at a point is in its row. Raises what is wrong in all: `UsageError` KC0502, KC0503, KC0566, KC0567, KC0580,
    KC0581, KC0568 for a folder of another sweep, and what `compile` raises.
    """
    from kcompile.one_point import Simulations, Trainings
    from kcompile.sweep.points import axes_of, check_kind, make_work
    from kcompile.sweep.run import run

    check_kind(data is not None, draws, spread or {}, recipe)
    works = make_work(axes_of(vary or {}), draws)
    given, folder = {"settings": {}, **options}, None if out is None else Path(out)
    if data is None:
        return run(Simulations(model, given, spread or {}, seed, until, rtol), works, folder, resume, jobs, cluster, watch)
    return run(Trainings(model, given, data, _recipe(recipe), folder), works, folder, resume, jobs, cluster, watch)


def _recipe(recipe: Recipe | str | Path | None) -> Recipe:
    from kcompile.train.recipe import Recipe, read_recipe

    return recipe if isinstance(recipe, Recipe) else Recipe() if recipe is None else read_recipe(Path(recipe))


def read_data(data: str | Path | Arrays, recipe: Recipe) -> Data:
    """Samples of a data set, a file or arrays in three parts, as a recipe splits them."""
    from kcompile.train.data import make_data, read_samples

    samples = read_samples(data if isinstance(data, tuple) else str(data), recipe.target)
    return make_data("arrays" if isinstance(data, tuple) else str(data), samples, labels=recipe.labels,
                     validation=recipe.validation, test=recipe.test, seed=recipe.split_seed)


def lower(model: Model | Circuit, target: str = "spice", *, dialect: str = "", until: float | None = None,
          rtol: float | None = None, corner: str = "tt", temperature: float = 27.0,
          clocked: bool = False) -> tuple[Artifact, ...]:
    """Files of a lowering, as text; `until` in seconds is the time of the test bench.

    corner, temperature (degrees Celsius): of transistors, where the circuit is made of cells of a process; clocked: with clocks,
    loading and read-out, which circuits of several time slices always have.
    """
    from kcompile.inputs import check_positive
    from kcompile.lower.base import BenchOptions
    from kcompile.pdk.placement import has_cells
    from kcompile.registry import pick

    chosen = pick("kcompile.lower", "TARGET", target)
    if dialect and dialect not in chosen.dialects:
        raise UsageError(Diagnostic("KC0509", f"the target `{target}` has no dialect `{printable(dialect, 40)}`",
                                    hint=nearest(dialect, chosen.dialects) or accepted(chosen.dialects or ["none"])))
    if rtol is not None:
        check_positive(rtol, "rtol")
    circuit = _circuit(model)
    if until is not None:
        check_positive(until, "the time to simulate")
        if circuit.duration is not None and until > circuit.duration * (1 + 1e-12):
            raise UsageError(Diagnostic("KC0508", f"the phases end at {circuit.duration:.6g} s, {until:.6g} s are asked for"))
    if target != "spice":
        _no_transistors(circuit, corner, temperature, f"the target `{target}`")
    elif not has_cells(circuit):
        _no_transistors(circuit, corner, temperature, "a circuit without cells")
    if target not in ("spice", "layout") or not has_cells(circuit):
        _no_clocks(circuit, clocked, f"the target `{target}`" if has_cells(circuit) else "a circuit without cells")
    options = BenchOptions(dialect, until, corner=corner, temperature=temperature, clocked=clocked)
    return chosen.lower(circuit, options if rtol is None else replace(options, rtol=rtol))


def verify(model: Model | Circuit, *, against: str = "", until: float | None = None, tolerance: float | None = None,
           rtol: float | None = None, corner: str = "tt", temperature: float = 27.0, corners: bool = False,
           clocked: bool = False, watch: Callable[[int, int], None] | None = None
           ) -> Report | Agreement | Confirmation | Corners | LayoutReport:
    """Error of every waveform against an outside simulator, at two step sizes or more.

    against: a simulator, or several with commas between, `ngspice,osdi,vacask`: then an `Agreement` with a report for each
    and the distance of every two; or `transistors`, for circuits of cells of a process: then a `Confirmation` of the laws by
    transistors in ngspice, in a corner and at a temperature in degrees Celsius; or `klayout`, which compares the netlist of
    the layout with that of the transistors. It is `transistors` for circuits of cells and
    `ngspice` for others by default. corners: transistors in all corners and at all temperatures of the process, a `Corners`;
    watch: called with the numbers of these that are done and of all. tolerance: error that passes, 1e-4 of full scale, for
    transistors 0.05 of the swing. clocked: as of `lower`.
    Raises `ToolMissing` where a simulator is not installed, `SimulatorFailed` where it gives
    no trustworthy answer.
    """
    from kcompile.inputs import check_positive
    from kcompile.pdk.placement import has_cells
    from kcompile.registry import pick
    from kcompile.verify.compare import DEFAULT_TOLERANCE, REFERENCE_RTOL, compare, compare_all
    from kcompile.verify.corners import all_conditions, confirm_corners
    from kcompile.verify.layout import KLAYOUT, compare_layout
    from kcompile.verify.transistors import RTOL, TOLERANCE, TRANSISTORS, confirm

    if tolerance is not None:
        check_positive(tolerance, "the tolerance")
    if until is not None:
        check_positive(until, "the time to simulate")
    circuit = _circuit(model)
    if against == KLAYOUT:
        _no_transistors(circuit, corner, temperature, "a check of a layout", corners)
        return compare_layout(circuit, clocked)
    if against == TRANSISTORS or (not against and has_cells(circuit)):
        rtol, tolerance = RTOL if rtol is None else rtol, TOLERANCE if tolerance is None else tolerance
        if corners:
            if (corner, temperature) != ("tt", 27.0):
                raise UsageError(Diagnostic("KC0721", "a check in all corners has no corner and no temperature of its own",
                                            circuit.span, hint="all of them, or one corner and one temperature"))
            return confirm_corners(circuit, all_conditions(circuit), until=until, rtol=rtol, tolerance=tolerance, clocked=clocked,
                                   watch=watch)
        return confirm(circuit, corner=corner, temperature=temperature, until=until, rtol=rtol, tolerance=tolerance,
                       clocked=clocked)
    _no_transistors(circuit, corner, temperature, "a check of laws", corners)
    _no_clocks(circuit, clocked, "a check of laws")
    names, tolerance = (against or "ngspice").split(","), DEFAULT_TOLERANCE if tolerance is None else tolerance
    if len(set(names)) < len(names):
        raise UsageError(Diagnostic("KC0509", f"`{against}` names a simulator twice", hint="two runs of one are no agreement"))
    for name in (TRANSISTORS, KLAYOUT):
        if name in names:
            raise UsageError(Diagnostic("KC0509", f"`{name}` is compared alone, not with other simulators",
                                        hint=f"--against {name}"))
    simulators = [pick("kcompile.verify", "SIMULATOR", name, (TRANSISTORS, KLAYOUT)) for name in names]
    rtol = REFERENCE_RTOL if rtol is None else rtol
    if len(simulators) == 1:
        return compare(circuit, simulators[0], until=until, tolerance=tolerance, rtol=rtol)
    return compare_all(circuit, simulators, until=until, tolerance=tolerance, rtol=rtol)


def _no_transistors(circuit: Circuit, corner: str, temperature: float, what: str, corners: bool = False) -> None:
    """Raise `UsageError` KC0721 for a corner or a temperature, or all of them, of what has none of its own."""
    if corners or (corner, temperature) != ("tt", 27.0):
        raise UsageError(Diagnostic("KC0721", f"{what} has no corner and no temperature", circuit.span,
                                    hint="they are those of transistors: of circuits of cells, with the target spice"))


def _no_clocks(circuit: Circuit, clocked: bool, what: str) -> None:
    """Raise `UsageError` KC0509 for clocks of what is no chip."""
    if clocked:
        raise UsageError(Diagnostic("KC0509", f"{what} has no clocks", circuit.span,
                                    hint="they are those of chips: of circuits of cells, with the targets spice and layout"))


def import_kirchhoffnet(config: str | Path, checkpoint: str | Path) -> Imported:
    """Program and trained values of a network of the public KirchhoffNet code: its YAML file and its `.pth` file.

    `compile(Source("net.kc", imported.text), weights=imported.weights)` is the circuit.
    """
    from kcompile.imports.kirchhoffnet import import_kirchhoffnet as read

    return read(config, checkpoint)


def import_torch(module: torch.nn.Module, *, ode: float | None = None, tau: float | None = None, name: str = "Net") -> Imported:
    """Program and values of a module of linear layers and activations, see `kcompile.imports.torch_module.import_torch`.

    ode: seconds for which dx/dt = module(x) runs; without it the program computes module(x), exactly.
    """
    from kcompile.imports.torch_module import import_torch as convert

    return convert(module, ode=ode, tau=tau, name=name)


def _circuit(model: Model | Circuit) -> Circuit:
    return compile(model) if isinstance(model, str | Path | Source) else model
