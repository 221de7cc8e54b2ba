"""`kcompile report`: what a circuit of cells does on transistors, as one page and as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from kcompile.request import CLOCKED, Request, takes_request


@click.command()
@takes_request
@click.option("--data", metavar="SET|FILE", help="Samples to run; without them, from the circuit's own starting voltages.")
@click.option("--recipe", metavar="FILE.toml", help="The recipe of the training: how samples become voltages.")
@click.option("--samples", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
              help="Test samples that run on transistors.")
@click.option("--corners", is_flag=True, help="Run a few samples in every corner and at every temperature, too.")
@CLOCKED
@click.option("--monte-carlo", "specimens", type=click.IntRange(min=2), metavar="N",
              help="Draw N specimens with mismatch, on laws, and say their yield and which cells limit it; needs --data.")
@click.option("--yield-at", "limit", type=float, metavar="F", help="The figure of a good specimen: an accuracy, 0.95, or an "
              "error. Default: 5 % worse than that of equal cells.")
@click.option("-o", "--out", "folder", default=".", show_default=True, metavar="DIR", help="Folder of TOP.html and TOP.json.")
@click.option("--depfile", metavar="FILE.d", help="Also write for make or ninja which files the outputs were made from.")
def report(request: Request, data: str | None, recipe: str | None, samples: int, corners: bool,
           clocked: bool, specimens: int | None, limit: float | None, folder: str, depfile: str | None) -> None:
    """Run a circuit of cells on the models of its process, and write what it does, takes and costs.

    Writes DIR/TOP.report.html, one page that needs no network, and DIR/TOP.report.json.
    """
    from kcompile.depfile import files_of, format_depfile
    from kcompile.driver import read_data
    from kcompile.files import to_json, write_files
    from kcompile.plot import need_matplotlib, plot_clocks, plot_confirmation, plot_specimens
    from kcompile.progress import counted
    from kcompile.report.gather import gather
    from kcompile.report.page import format_page, record
    from kcompile.train.need_torch import need_torch
    from kcompile.train.recipe import Recipe, read_recipe
    from kcompile.verify.corners import all_conditions

    if specimens and data is None:
        raise click.UsageError("--monte-carlo draws specimens that answer samples, of --data")
    if limit is not None and not specimens:
        raise click.UsageError("--yield-at is the limit of specimens, of --monte-carlo N")
    need_matplotlib()
    outcome, origin = request.outcome()
    for run in outcome.runs:
        click.echo(str(run), err=True)
    circuit = outcome.circuit
    chosen = Recipe() if recipe is None else read_recipe(Path(recipe))
    if data is not None:
        need_torch()
    outputs = [Path(folder) / f"{circuit.name}.report.{kind}" for kind in ("html", "json")]
    rules = {} if depfile is None else {
        Path(depfile).name: format_depfile(outputs, [*origin.files, *files_of(recipe), *files_of(data)])}
    others = all_conditions(circuit)[1:] if corners else ()
    with counted() as watch:
        found = gather(circuit, None if data is None else read_data(data, chosen), chosen, samples, others, watch,
                       specimens or 0, limit, clocked)
    commands = commands_of(request, data, recipe, corners, clocked)
    pictures = plot_confirmation(found.confirmation, [circuit.nodes.name(int(node)) for node in circuit.outputs])
    if found.lot is not None:
        pictures["specimens"] = plot_specimens(found.lot)
    if found.confirmation.clocks:
        pictures["clocks"] = plot_clocks(found.confirmation)
    texts = format_page(found, commands, pictures), to_json(record(found, commands))
    if depfile is not None:
        write_files(Path(depfile).parent, rules)
    write_files(Path(folder), {path.name: text for path, text in zip(outputs, texts, strict=True)})
    for path in outputs:
        click.echo(str(path), err=True)


def commands_of(request: Request, data: str | None, recipe: str | None, corners: bool, clocked: bool) -> dict[str, list[str]]:
    """Words of every command that leads to the page, by what it does."""
    found = {}
    if request.weights is not None and data is not None:
        found["training"] = _training(request.weights) or [
            "kcompile", "train", request.model, "--data", data, *(["--recipe", recipe] if recipe else []), "-o", "run"]
    words = [*request.words(), *["--clocked"] * clocked]
    found["netlist"] = ["kcompile", *words, "--target", "spice", "-o", "chip"]
    found["comparison with transistors"] = ["kcompile", "verify", *words, *["--corners"] * corners]
    return {**found, "this page": ["kcompile", *sys.argv[1:]]}


def _training(weights: str) -> list[str] | None:
    """The command that the manifest beside trained values keeps, where there is one."""
    for path in sorted(Path(weights).parent.glob("*.manifest.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        command = content.get("command") if isinstance(content, dict) else None
        if isinstance(command, list) and command[1:2] == ["train"] and Path(weights).name in content.get("files", {}):
            return [str(word) for word in command]
    return None
