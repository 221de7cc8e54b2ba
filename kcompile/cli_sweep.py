"""`kcompile sweep`: simulations or trainings of one model over values and random draws, as a table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import kcompile
from kcompile.request import Request, takes_request


@click.command()
@takes_request
@click.option("--vary", metavar="NAME=V1,V2,..", multiple=True,
              help="Values of a parameter: R1.r=1kOhm,2kOhm, lin(1kOhm,5kOhm,9) or log(1kOhm,1MOhm,7). Several give all "
              "combinations.")
@click.option("--monte-carlo", "draws", type=click.IntRange(min=1), metavar="N", help="Random draws at each combination.")
@click.option("--spread", metavar="NAME=DEVIATION", multiple=True,
              help="Standard deviation of each value of a parameter in a draw: R1.r=5% or w.th=10mV.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the draws.")
@click.option("--data", metavar="SET|FILE", help="Train instead of simulating; --vary then takes keys of the recipe as well.")
@click.option("--recipe", metavar="FILE.toml", help="How to train; see docs/training.md.")
@click.option("--with", "changes", metavar="KEY=VALUE", multiple=True, help="Any key of a recipe: --with epochs=20.")
@click.option("-o", "--out", "folder", required=True, metavar="DIR", help="Folder of sweep.csv, and of the trainings.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in DIR; points that are done are not run again.")
@click.option("--jobs", type=click.IntRange(min=0), default=0, metavar="N", help="Processes.  [default: one a core]")
@click.option("--cluster", metavar="ADDRESS", help="Workers of a cluster: tcp://HOST:PORT of Dask, ray://HOST:PORT of Ray.")
def sweep(request: Request, vary: tuple[str, ...], draws: int | None, spread: tuple[str, ...], seed: int, data: str | None,
          recipe: str | None, changes: tuple[str, ...], folder: str, resume: bool, jobs: int, cluster: str | None) -> None:
    """Simulate or train a model many times, with other values each time.

    Writes DIR/sweep.csv, a row for each point: its values, and the outputs at the end or the figures of the training. What goes
    wrong at a point is the last cell of its row, and the exit code is then 1.
    """
    from kcompile.inputs import read_settings, read_voltages
    from kcompile.progress import counted
    from kcompile.sweep.points import check_kind, read_axes
    from kcompile.sweep.spread import read_spreads
    from kcompile.sweep.table import TABLE
    from kcompile.train.recipe import Recipe, read_overrides, read_recipe, with_values

    check_kind(data is not None, draws or 0, spread, (*([recipe] if recipe else []), *changes))
    inputs = None if request.inputs is None else read_voltages(request.inputs)
    options = {"top": request.top, "settings": read_settings(request.settings), "weights": request.weights, "inputs": inputs,
               "include": request.include, "passes": request.passes, "plugins": request.plugins}
    base = Recipe() if recipe is None else read_recipe(Path(recipe))
    chosen = None if data is None else with_values(base, read_overrides(changes))
    with counted() as watch:
        table = kcompile.sweep(request.model, read_axes(vary), spread=read_spreads(spread), draws=draws or 0, seed=seed,
                               until=request.seconds(), rtol=request.rtol, data=data, recipe=chosen, out=folder, resume=resume,
                               jobs=jobs, cluster=cluster, watch=watch, **options)
    click.echo(str(Path(folder) / TABLE), err=True)
    failed = table.failures
    click.echo(f"{len(table.rows)} points, {len(failed)} failed")
    if failed:
        click.echo(f"point {failed[0]['point']}: {failed[0]['failure']}", err=True)
        sys.exit(1)
