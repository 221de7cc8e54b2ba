"""`kcompile train`: a circuit, data and a recipe to trained values, in a folder that a training can go on from."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import kcompile
from kcompile.diagnostics import ToolMissing
from kcompile.request import INCLUDE, PLUGIN, TOP, Request

if TYPE_CHECKING:
    from kcompile.train.fit import Fit
    from kcompile.train.report import TrainingReport


@click.command()
@click.argument("model", metavar="MODEL.kc")
@click.option("--data", required=True, metavar="SET|FILE",
              help="moons, digits, ...; FILE.npz, FILE.csv; files of MNIST or CIFAR-10.")
@click.option("-o", "--out", "folder", required=True, metavar="RUN",
              help="Folder of the run: weights, checkpoints, curves, report.")
@click.option("--recipe", metavar="FILE.toml", help="How to train; see docs/training.md.")
@click.option("--epochs", type=int, metavar="N", help="Times that all samples are seen.  [default: 50]")
@click.option("--batch", type=int, metavar="N", help="Samples of a step.  [default: 64]")
@click.option("--rate", type=float, metavar="R", help="Largest learning rate.  [default: 0.01]")
@click.option("--seed", type=int, metavar="N", help="Of starting values, order and augmentation.  [default: 0]")
@click.option("--with", "changes", metavar="KEY=VALUE", multiple=True, help="Any key of a recipe: --with solver=heun.")
@click.option("--resume", is_flag=True, help="Go on with the training in RUN, to the same bits as without the interruption.")
@click.option("--tensorboard", is_flag=True, help="Write curves for TensorBoard into RUN/tensorboard as well.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Set a parameter: n=8, R1.r=2kOhm.")
@click.option("--weights", metavar="FILE.safetensors", help="Values to start from, by full name.")
@TOP
@INCLUDE
@click.option("--passes", metavar="P1,P2{OPTION=V},..", default="", help="Passes over the circuit before it is trained.")
@PLUGIN
@click.option("--depfile", metavar="FILE.d", help="Also write for make or ninja which files the run was made from.")
def train(model: str, data: str, folder: str, recipe: str | None, epochs: int | None, batch: int | None, rate: float | None,
          seed: int | None, changes: tuple[str, ...], resume: bool, tensorboard: bool, settings: tuple[str, ...],
          weights: str | None, top: str | None, include: tuple[str, ...], passes: str, plugins: tuple[str, ...],
          depfile: str | None) -> None:
    """Train the parameters of a model that are `trainable`.

    Writes best.safetensors and last.safetensors, which --weights reads, log.jsonl, curves.csv and curves.svg, report.json, and
    checkpoints. Ctrl-C finishes the batch and writes a checkpoint; --resume goes on from there, or after a kill.
    """
    from kcompile.depfile import files_of, format_depfile
    from kcompile.files import write_files
    from kcompile.progress import Listener, listening, need_board, watched
    from kcompile.train.need_torch import need_torch
    from kcompile.train.recipe import RUN_RECIPE, Recipe, read_overrides, read_recipe, with_values
    from kcompile.train.team import find_team

    need_torch()
    if tensorboard:
        need_board()
    start = Path(recipe) if recipe else Path(folder) / RUN_RECIPE if resume else None
    named = {"epochs": epochs, "batch": batch, "rate": rate, "seed": seed}
    given = read_overrides(changes) | {name: value for name, value in named.items() if value is not None}
    chosen = with_values(Recipe() if start is None else read_recipe(start), given)
    team = find_team(chosen.device)
    outcome, origin = Request(model, None, None, settings, weights, top, None, include, passes, plugins).outcome()
    if team.rank:  # of the processes that torchrun started, one shows and writes
        with listening(Listener()) as watch:
            fit = kcompile.train(outcome.circuit, data, chosen, out=folder, resume=resume, watch=watch)
        sys.exit(130 if fit.status == "unfinished" else 0)
    for one in outcome.runs:
        click.echo(str(one), err=True)
    names = (*_files(), f"{outcome.circuit.name}.manifest.json")
    rules = {} if depfile is None else {Path(depfile).name: format_depfile(
        [Path(folder) / name for name in names], [*origin.files, *files_of(recipe), *files_of(data)])}
    figure = "accuracy" if chosen.labels else "rms_error"
    with watched(figure, chosen.epochs, Path(folder) / "tensorboard" if tensorboard else None) as watch:
        fit = kcompile.train(outcome.circuit, data, chosen, out=folder, resume=resume, watch=watch)
    if fit.report is None:
        click.echo(f"stopped; go on with: {shlex.join(_again())}", err=True)
        sys.exit(130)
    _write_curves(Path(folder), fit, fit.report)
    options = {"data": data, "set": list(settings), "weights": weights, "top": outcome.circuit.name,
               "passes": [run.record() for run in outcome.runs]}
    if depfile is not None:
        write_files(Path(depfile).parent, rules)
    _write_manifest(Path(folder), fit, origin.contents, options)
    _show(fit, fit.report, model, Path(folder))


def _again() -> list[str]:
    from kcompile.train.team import launcher

    words = sys.argv[1:]
    return [*launcher(), *words, *([] if "--resume" in words else ["--resume"])]


def _show(fit: Fit, report: TrainingReport, model: str, folder: Path) -> None:
    from kcompile.train.report import show_report
    from kcompile.train.run_folder import BEST

    best = "" if fit.best is None else f"; best is epoch {fit.best.epoch}"
    click.echo(f"{fit.circuit.name}: {fit.status} after {len(fit.history)} epochs{best}")
    click.echo(show_report(report))
    words = ["kcompile", "simulate", model, "--weights", str(folder / BEST), "--input", "V,..", "--out", "waves.csv"]
    click.echo(f"go on with: {shlex.join(words)}", err=True)


def _write_curves(folder: Path, fit: Fit, report: TrainingReport) -> None:
    from kcompile.files import write_files
    from kcompile.plot import plot_curves

    try:
        write_files(folder, {"curves.svg": plot_curves(fit.history, report.figure)})
    except ToolMissing as missing:
        click.echo(f"no curves.svg: {missing.diagnostics[0].message}", err=True)


def _files() -> tuple[str, ...]:
    """Names of the files of a run that a manifest keeps the hashes of."""
    from kcompile.train.recipe import RUN_RECIPE
    from kcompile.train.run_folder import BEST, CURVES, LAST, LOG, REPORT

    return RUN_RECIPE, BEST, LAST, LOG, CURVES, REPORT


def _write_manifest(folder: Path, fit: Fit, sources: Mapping[str, str | bytes], options: dict[str, Any]) -> None:
    from importlib import metadata

    from kcompile.files import manifest, write_files

    files: dict[str, str | bytes] = {name: (folder / name).read_bytes() for name in _files()}
    name = f"{fit.circuit.name}.manifest.json"
    text = manifest(kcompile.__version__, ["kcompile", *sys.argv[1:]], sources, {**options, "torch": metadata.version("torch")},
                    files, fit.recipe.seed)
    write_files(folder, {name: text})
    for written in (*files, name):
        click.echo(str(folder / written), err=True)
