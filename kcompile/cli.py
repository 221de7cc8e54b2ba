"""The command line: the verbs of `driver.py` with options, formats and exit codes.

Exit codes: 0 ok, 1 findings or a check that failed, 2 usage, 3 a tool or package is missing, 4 a simulator failed,
70 internal error with a reproducer.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

import kcompile
from kcompile.cli_import import import_group
from kcompile.cli_pdk import pdk_group
from kcompile.cli_report import report
from kcompile.cli_sweep import sweep
from kcompile.cli_train import train
from kcompile.diagnostics import (
    CompileError,
    Diagnostic,
    KcompileError,
    Reporter,
    UsageError,
    accepted,
    nearest,
    printable,
    render_json,
    render_sarif,
    render_text,
)
from kcompile.request import CLOCKED, INCLUDE, PLUGIN, TOP, Request, takes_request
from kcompile.train.team import one_report

if TYPE_CHECKING:
    from kcompile.ir.circuit import Circuit
    from kcompile.sim.result import Waveforms
    from kcompile.verify.compare import Agreement, Report
    from kcompile.verify.corners import Corners
    from kcompile.verify.layout import LayoutReport
    from kcompile.verify.transistors import Confirmation

    Outcome = Report | Agreement | Confirmation | Corners | LayoutReport


class _Verbs(click.Group):
    """A group whose first word may be a model: then it is compiled."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h", "--version"):
            known = nearest(args[0], self.commands)
            if known and "." not in args[0] and "/" not in args[0] and not Path(args[0]).exists():
                raise click.UsageError(f"there is no command `{printable(args[0], 40)}`; {known}", ctx)
            args = ["compile", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(kcompile.__version__, prog_name="kcompile")
def cli() -> None:
    """Compile circuits of Kirchhoff's laws: `kcompile MODEL.kc --target spice`."""


cli.add_command(import_group)
cli.add_command(pdk_group)
cli.add_command(report)
cli.add_command(sweep)
cli.add_command(train)

_tolerance = click.option("--tolerance", type=click.FloatRange(min=0, min_open=True), metavar="E",
                          help="Largest error that passes, relative to full scale.  [default: 1e-4; of transistors 0.05]")
_corner = click.option("--corner", default="tt", show_default=True, metavar="NAME", help="Of transistors: tt, ss, ff, sf, fs.")
_temperature = click.option("--temperature", type=click.FloatRange(min=-273.15), default=27.0, show_default=True, metavar="C",
                            help="Of transistors, in degrees Celsius.")


@cli.command()
@takes_request
@click.option("--target", default="spice", show_default=True, metavar="spice|veriloga|layout|ir|json|python|cpp|svg|dot",
              help="What to write.")
@click.option("--dialect", default="", metavar="NAME", help="Spelling of the netlist: ngspice, xyce; "
              "of veriloga: ngspice, vacask, spectre; of cpp: float64, float32.")
@click.option("-o", "--out", "folder", metavar="DIR", help="Folder of the files.  [default: .; one file alone is printed]")
@click.option("--depfile", metavar="FILE.d", help="Also write for make or ninja which files the outputs were made from.")
@click.option("--check", "check_after", is_flag=True, help="Verify the netlist as well: spice in ngspice, veriloga in "
              "ngspice with OSDI and VACASK.")
@_tolerance
@click.option("--pdk", metavar="NAME", help="Make the circuit of cells of a process, by `map-cells`: sky130.")
@_corner
@_temperature
@CLOCKED
@click.option("--print-after", metavar="PASS", multiple=True, help="Print the canonical text after a pass; `all` for each.")
@click.option("--diff", is_flag=True, help="Print what each pass changed in the canonical text.")
@click.option("--stop-after", metavar="PASS", help="Leave out the passes after this one.")
@click.option("--time-passes", is_flag=True, help="Say how long each pass took.")
def compile(request: Request, target: str, dialect: str, folder: str | None, depfile: str | None, check_after: bool,
            tolerance: float | None, pdk: str | None, corner: str, temperature: float, clocked: bool,
            print_after: tuple[str, ...], diff: bool, stop_after: str | None, time_passes: bool) -> None:
    """Compile a model; this is the command when none is named.

    Writes TOP.spice (a subcircuit), TOP_tb.cir (a test bench that runs it), TOP.map.json (netlist names to source) and
    TOP.manifest.json. `--target veriloga` writes TOP.va (a module for each law) as well; `--target ir` prints the canonical
    text. `kcompile passes` lists the passes.
    """
    from kcompile.depfile import format_depfile
    from kcompile.files import manifest, write_files
    from kcompile.registry import pick
    from kcompile.trace import Trace

    chosen = pick("kcompile.lower", "TARGET", target)
    if pdk is not None:
        request = request.with_pass(f"map-cells{{pdk={pdk}}}")
    trace = Trace(print_after, diff, stop_after, time_passes)
    outcome, origin = request.outcome(trace.checked(request))
    circuit = outcome.circuit
    timed = chosen.needs_end or (check_after and chosen.checked_by != "klayout")
    end = request.seconds(circuit if timed else None)
    if target in ("spice", "layout"):
        _warn_of_loads(circuit)
    artifacts = kcompile.lower(circuit, target, dialect=dialect, until=end, rtol=request.rtol, corner=corner,
                               temperature=temperature, clocked=clocked)
    against = "" if target == "spice" else chosen.checked_by
    report = kcompile.verify(circuit, against=against, until=end, tolerance=tolerance, corner=corner,
                             temperature=temperature, clocked=clocked) if check_after else None
    files: dict[str, str | bytes] = {artifact.name: artifact.text for artifact in artifacts}
    if folder is None and depfile is None and len(artifacts) == 1:
        click.echo(artifacts[0].text, nl=False)
    else:
        options = {"target": target, "dialect": dialect or next(iter(chosen.dialects), None), "until": end or circuit.duration,
                   "rtol": request.rtol, "set": list(request.settings), "weights": request.weights, "input": request.inputs,
                   "top": circuit.name, "include": list(request.include), "pdk": pdk, "corner": corner,
                   "temperature": temperature, "clocked": clocked, "passes": [run.record() for run in outcome.runs],
                   "verified": _summary(report) if report else None}
        files[f"{circuit.name}.manifest.json"] = manifest(kcompile.__version__, ["kcompile", *sys.argv[1:]],
                                                          origin.contents, options, files, outcome.seed)
        outputs = [Path(folder or ".") / name for name in files]
        if depfile is not None:  # first: outputs without it would look younger than all they depend on
            write_files(Path(depfile).parent, {Path(depfile).name: format_depfile(outputs, origin.files)})
        write_files(Path(folder or "."), files)
        for path in outputs:
            click.echo(str(path), err=True)
    if report is not None:
        _show_report(report)
        sys.exit(0 if report.passed else 1)


@cli.command()
@click.argument("models", metavar="MODEL.kc...", nargs=-1, required=True)
@click.option("--format", "style", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@click.option("--pdk", metavar="NAME", help="Check values against the limits of a process too: generic.")
@TOP
@INCLUDE
def check(models: tuple[str, ...], style: str, pdk: str | None, top: str | None, include: tuple[str, ...]) -> None:
    """Say what is wrong with models, all of it, and write nothing."""
    code = 0
    found: list[Diagnostic] = []
    for model in models:
        try:
            own = kcompile.check(model, top=top, pdk=pdk, include=include)
            code = max(code, int(any(d.severity == "error" for d in own)))
        except KcompileError as error:
            own = error.diagnostics
            code = max(code, error.exit_code)
        found += own
        if style == "text":
            click.echo(render_text(own) if own else f"{printable(model)}: ok")
    if style != "text":
        click.echo(render_json(found) if style == "json" else render_sarif(found, kcompile.__version__))
    sys.exit(code)


@cli.command()
@takes_request
@click.option("--points", type=click.IntRange(min=2, max=10_000_000), default=501, show_default=True, metavar="N",
              help="Rows of the result, equally spaced from 0 to T inclusive.")
@click.option("--out", required=True, metavar="FILE", help="FILE.csv, FILE.npz or FILE.svg")
def simulate(request: Request, points: int, out: str) -> None:
    """Simulate a model in float64 and write its waveforms."""
    from kcompile.files import write_files

    writer = _writer(out)
    circuit = request.circuit()
    waveforms = kcompile.simulate(circuit, until=request.seconds(circuit), points=points, rtol=request.rtol)
    write_files(Path(out).parent, {Path(out).name: writer(waveforms)})
    for line in waveforms.method:
        click.echo(line, err=True)


def _writer(out: str) -> Callable[[Waveforms], str | bytes]:
    """What makes a file of this ending; refuses before the simulation, not after it."""
    from kcompile.plot import need_matplotlib, plot_waveforms
    from kcompile.sim.export import to_csv, to_npz

    suffix = Path(out).suffix.lower()
    known: dict[str, Callable[[Waveforms], str | bytes]] = {".csv": to_csv, ".npz": to_npz, ".svg": plot_waveforms}
    _check_ending(out, known)
    if suffix == ".svg":
        need_matplotlib()
    return known[suffix]


def _check_ending(out: str, known: Iterable[str]) -> None:
    if Path(out).suffix.lower() not in known:
        raise UsageError(Diagnostic("KC0509", f"the ending of `{printable(out)}` does not say what to write",
                                    hint=accepted(known)))


@cli.command()
@takes_request
@click.option("--against", default="", metavar="ngspice|osdi|vacask|pyspice|transistors|klayout",
              help="The outside simulator, or several: ngspice,osdi,vacask; of circuits of cells their transistors, or klayout, "
              "which compares the netlist of their layout.  "
              "[default: transistors for circuits of cells, ngspice for others]")
@_tolerance
@_corner
@_temperature
@CLOCKED
@click.option("--corners", is_flag=True, help="Transistors in every corner and at every temperature of their process.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(request: Request, against: str, tolerance: float | None, corner: str, temperature: float, clocked: bool, corners: bool,
           style: str) -> None:
    """Run a model natively and in an outside simulator, and print the error of every node at two step sizes."""
    from kcompile.files import to_json
    from kcompile.progress import counted

    circuit = request.circuit()
    if against in ("", "transistors", "klayout"):
        _warn_of_loads(circuit)
    with counted() as watch:
        report = kcompile.verify(circuit, against=against, until=request.seconds(circuit), tolerance=tolerance, rtol=request.rtol,
                                 corner=corner, temperature=temperature, corners=corners, clocked=clocked,
                                 watch=watch)
    if style == "json":
        click.echo(to_json(_summary(report, errors=True)))
    else:
        _show_report(report)
    sys.exit(0 if report.passed else 1)


def _warn_of_loads(circuit: Circuit) -> None:
    """Say on standard error which nodes of a circuit of cells are loaded too much."""
    from kcompile.pdk.check import check_loads

    report = Reporter()
    check_loads(circuit, report)
    if report.diagnostics:
        click.echo(render_text(report.diagnostics), err=True)


def _summary(report: Outcome, errors: bool = False) -> dict[str, Any]:
    """JSON-ready form of an outcome, with the errors of every waveform where they are asked for."""
    from kcompile.verify.compare import Agreement
    from kcompile.verify.corners import Corners
    from kcompile.verify.layout import LayoutReport
    from kcompile.verify.transistors import Confirmation

    if isinstance(report, Confirmation | Corners | LayoutReport):
        return report.record()
    if isinstance(report, Agreement):
        names = report.reports[0].names
        pairs = [{"between": [one, other], "worst": float(apart.max(initial=0.0)),
                  **({"errors": dict(zip(names, apart.tolist(), strict=True))} if errors else {})}
                 for one, other, apart in report.pairs]
        return {"circuit": report.reports[0].circuit, "passed": report.passed,
                "reports": [_summary(one, errors) for one in report.reports], "pairs": pairs}
    summary: dict[str, Any] = {
        "circuit": report.circuit, "against": report.tool, "full_scale": report.full_scale, "tolerance": report.tolerance,
        "passed": report.passed, "order": report.order,
        "runs": [{"max_step": a.max_step, "points": a.points, "worst": a.worst} for a in report.attempts]}
    if errors:
        summary["errors"] = {name: [float(a.error[k]) for a in report.attempts] for k, name in enumerate(report.names)}
    return summary


def _show_report(report: Outcome) -> None:
    from kcompile.verify.show import show_report

    click.echo(show_report(report))


@cli.command()
@click.argument("code")
def explain(code: str) -> None:
    """Explain a diagnostic: kcompile explain KC0301."""
    from kcompile.resources import errors_folder

    pages = {path.stem: path for path in errors_folder().glob("KC*.md")}
    name = code.upper() if code.upper().startswith("KC") else f"KC{code.zfill(4)}"
    if name not in pages:
        raise UsageError(Diagnostic("KC0509", f"there is no diagnostic `{printable(code, 20)}`",
                                    hint=nearest(name, pages) or "codes look like KC0301"))
    click.echo(pages[name].read_text(encoding="utf-8"), nl=False)


@cli.command()
@click.argument("models", metavar="MODEL.kc...", nargs=-1, required=True)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit with 1 when a file would change.")
def fmt(models: tuple[str, ...], only_check: bool) -> None:
    """Bring models into the standard layout; comments stay."""
    from kcompile.files import write_files
    from kcompile.inputs import read_text
    from kcompile.syntax.format_source import format_source

    changed = 0
    for model in models:
        text = read_text(Path(model))
        formatted = format_source(kcompile.Source(model, text))
        if formatted != text:
            changed += 1
            click.echo(f"{printable(model)}: {'would change' if only_check else 'formatted'}")
            if not only_check:
                write_files(Path(model).parent, {Path(model).name: formatted})
    sys.exit(1 if only_check and changed else 0)


@cli.command()
@click.argument("name", required=False)
@PLUGIN
def passes(name: str | None, plugins: tuple[str, ...]) -> None:
    """List the passes, or explain one: kcompile passes prune."""
    from kcompile.passes.find import known_passes
    from kcompile.passes.show import describe, show_passes

    known = known_passes(plugins)
    if name is None:
        click.echo(show_passes(known))
        return
    if name not in known:
        raise UsageError(Diagnostic("KC0801", f"there is no pass `{printable(name, 40)}`",
                                    hint=nearest(name, known) or accepted(known, 20)))
    click.echo(describe(known[name]))


@cli.command()
def doctor() -> None:
    """Say which outside tools and optional packages are found, their features, and how to install the others."""
    from kcompile.doctor import examine

    click.echo(examine(kcompile.__version__))


@cli.command()
@takes_request
@click.option("--out", metavar="FILE.svg", help="The picture.  [default: TOP.svg]")
def view(request: Request, out: str | None) -> None:
    """Draw the graph of a circuit and its waveforms as one SVG."""
    from kcompile.files import write_files
    from kcompile.plot import need_matplotlib, plot_view

    if out is not None:
        _check_ending(out, [".svg"])
    need_matplotlib()
    circuit = request.circuit()
    waveforms = kcompile.simulate(circuit, until=request.seconds(circuit), rtol=request.rtol)
    path = Path(out or f"{circuit.name}.svg")
    write_files(path.parent, {path.name: plot_view(circuit, waveforms)})
    click.echo(str(path), err=True)


def main() -> NoReturn:
    """Run the command line; every failure becomes a message and an exit code."""
    # numbers, names and messages are UTF-8 whatever the locale says
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        with one_report():
            code = cli(standalone_mode=False)
        sys.exit(code or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KcompileError as error:
        click.echo(render_text(error.diagnostics), err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        error = CompileError(Diagnostic("KC0109", "there is not enough memory for this circuit"))
        click.echo(render_text(error.diagnostics), err=True)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last door: a defect of ours becomes a report, not a traceback
        from kcompile.crash import write_reproducer

        path = write_reproducer(error, sys.argv[1:])
        click.echo(f"error[KC0999]: internal error: {type(error).__name__}; this is a defect of kcompile\n"
                   f"  = note: what is needed to repeat it is in {path}", err=True)
        sys.exit(70)
